"""Runtime distributions as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from statewright.search.space import Floats

TARGETS = np.logspace(2, -8, 51)
"""Distances to the minimum, as in COCO."""


def reached(traces: Sequence[Floats], budgets: Sequence[int]) -> Floats:
    """Return the share of run-target pairs reached at each number of evaluations.

    Parameters
    ----------
    traces : sequence of float arrays, each (instances, evaluations)
    """
    return np.array(
        [np.mean([trace[:, budget - 1, None] <= TARGETS for trace in traces]) for budget in budgets]
    )


def draw_ecdf(traces: Mapping[str, Sequence[Floats]], dimension: int, path: Path) -> None:
    """Write the share of targets reached over evaluations, a line a sampler."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    length = next(iter(traces.values()))[0].shape[1]
    budgets = np.unique(np.logspace(0, np.log10(length), 60).astype(int)).tolist()
    with mpl.rc_context({"svg.hashsalt": "search", "font.size": 9}):
        figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
        for name, runs in traces.items():
            axes.step(budgets, reached(runs, budgets), where="post", label=name)
        axes.set(
            xscale="log", xlim=(1, length), ylim=(0, 1), xlabel="evaluations",
            ylabel="share of function, instance and target", title=f"{dimension} dimensions",
        )  # fmt: skip
        axes.legend(loc="upper left", frameon=False)
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(path, format="svg", metadata=metadata)
        plt.close(figure)

"""Figures of the search over several aims: the front, and the strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.report.drawing import BLUE, GREY, INK, VERMILION, label_once, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def front(figure: Figure, table: pd.DataFrame) -> None:
    """Draw the front: error against the share of weights, steps as colour."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm

    axes = figure.subplots()
    # Few colours: a continuous bar would be a bitmap, which the page cannot hold.
    colours = colormaps["viridis_r"].resampled(6)
    limits = np.linspace(table["step"].min(), table["step"].max() + 1e-9, 7)
    style: dict[str, Any] = {
        "cmap": colours,
        "norm": BoundaryNorm(limits, 6),
        "edgecolors": "white",
        "lw": 0.4,
    }
    points = axes.scatter(100 * table["share"], table["error"], c=table["step"], s=26, **style)
    bar = figure.colorbar(points, ax=axes, pad=0.02, format="%.2f")
    bar.set_label("step of the forecasts / observed step")
    bar.outline.set_visible(False)
    knee = table[table["knee"]].iloc[0]
    axes.scatter(100 * knee["share"], knee["error"], s=150, facecolors="none", edgecolors=VERMILION, lw=1.8)
    axes.annotate(
        "knee", (100 * knee["share"], knee["error"]), (8, 8), textcoords="offset points", color=VERMILION
    )
    axes.axhline(1, color=GREY, lw=1, ls="--")
    axes.text(100, 1, "artist's mean", ha="right", va="bottom", color=GREY, fontsize=8)
    axes.set(xlabel="weights in use (%)", ylabel="squared error / that of the artist's mean", xlim=(0, 102))


def strategies(
    figure: Figure, volumes: Mapping[str, Sequence[float]], trials: pd.DataFrame, random: Sequence[float]
) -> None:
    """Draw the volume of each strategy by seed, and the smallest error by trial."""
    left, right = panels(figure, 2, width_ratios=[1, 1.2])
    for row, values in enumerate(volumes.values()):
        left.scatter(values, [row] * len(values), color=BLUE, alpha=0.55, s=22, lw=0)
        left.plot([np.mean(values)] * 2, [row - 0.25, row + 0.25], color=INK, lw=2)
    left.set_yticks(range(len(volumes)), list(volumes))
    left.set(xlabel="hypervolume (larger is better)", title="Three aims", ylim=(len(volumes) - 0.5, -0.5))
    best = trials.pivot(index="trial", columns="param_seed", values="best")
    right.fill_between(best.index, best.min(axis=1), best.max(axis=1), color=BLUE, alpha=0.18, lw=0)
    right.plot(best.index, best.median(axis=1), color=BLUE, label="expected improvement")
    right.axhline(float(np.median(random)), color=GREY, ls="--", lw=1.2, label="random search in the end")
    right.set(xlabel="trial", ylabel="smallest error so far", title="Error alone")
    right.set_ylim(float(best.min(axis=None)) - 0.004, 1)  # 1: the artist's mean
    label_once(right, loc="upper right", bbox_to_anchor=(1, 1), ncols=1)

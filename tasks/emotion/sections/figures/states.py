"""Figure of the states of one artist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.emotion.sections.figures.style import COLOURS
from tasks.report.drawing import GREY, label_once

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def states(figure: Figure, states: pd.DataFrame, rows: pd.DataFrame, dimensions: Sequence[str]) -> None:
    """Draw the state with its 95 % band, and raw means, larger for more songs."""
    from matplotlib.ticker import MaxNLocator

    axes = figure.subplots()
    for dimension in dimensions:
        colour = COLOURS.get(dimension, GREY)
        mean, reach = states[f"{dimension}_state"], 1.96 * states[f"{dimension}_state_sd"]
        axes.fill_between(states["year"], mean - reach, mean + reach, color=colour, alpha=0.18, linewidth=0)
        axes.plot(states["year"], mean, color=colour, label=dimension)
        for reissue, part in rows.groupby("reissue"):
            axes.scatter(
                part["year"], part[f"{dimension}_mean"], s=6 * np.sqrt(part["n_songs"].to_numpy(float)),
                facecolor="none" if reissue else colour, edgecolor=colour, alpha=0.55,
                linewidth=0.8 if reissue else 0,
            )  # fmt: skip
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    label_once(axes)

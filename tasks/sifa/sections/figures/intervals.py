"""Figures of differences with intervals, and of curves by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from tasks.report.drawing import BLUE, GREY, INK, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (BLUE, VERMILION, GREY, INK)


def differences(figure: Figure, panels: Mapping[str, pd.DataFrame]) -> None:
    """Draw a panel for each unit, so that no unit stretches the axis of another.

    A panel has one row per set: a difference with its interval, and the line of 0.

    Parameters
    ----------
    panels : mapping of str to DataFrame
        Label of the axis -> table. Index: names, the first on top. Columns `mean`, `low`, `high`.
    """
    heights = [0.8 + len(table) for table in panels.values()]
    rows = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axes, (label, table) in zip(rows[:, 0], panels.items(), strict=True):
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, (_, row) in enumerate(table.iterrows()):
            axes.plot([row["low"], row["high"]], [place, place], color=BLUE, linewidth=2)
            axes.plot(row["mean"], place, "o", color=BLUE, markersize=5)
        axes.set_yticks(range(len(table)), [str(name) for name in table.index])
        axes.set(xlabel=label, ylim=(len(table) - 0.4, -0.6))


def curves(figure: Figure, lines: Mapping[str, Mapping[float, float]], axis: tuple[str, str]) -> None:
    """Draw a line for each name: value by position.

    Parameters
    ----------
    lines : mapping
        Name -> position -> value, at most four names.
    axis : tuple of str
        Labels of the horizontal and the vertical axis.
    """
    axes = figure.subplots()
    for (name, line), colour in zip(lines.items(), COLOURS, strict=False):
        places = sorted(line)
        axes.plot(places, [line[place] for place in places], "o-", color=colour, label=name, markersize=4)
    axes.set(xlabel=axis[0], ylabel=axis[1])
    axes.locator_params(axis="x", nbins=5)
    figure.legend(loc="outside upper left", ncols=2)

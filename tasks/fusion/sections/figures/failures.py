"""Figures of wrong decisions, by class or by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tasks.report.drawing import BLUE, GREY, INK, narrow

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def classes_wrong(figure: Figure, table: pd.DataFrame) -> None:
    """Draw for each class the share of its rows that are decided wrong.

    Parameters
    ----------
    table : DataFrame
        Index: classes, the first on top. Columns `wrong` (a share) and `note`, the text beside the bar.
    """
    axes = figure.subplots()
    axes.barh(range(len(table)), 100 * table["wrong"], color=BLUE, height=0.6)
    for place, row in enumerate(table.itertuples()):
        axes.annotate(
            row.note, (100 * row.wrong, place), (4, 0), textcoords="offset points", va="center", color=INK
        )
    axes.set_yticks(range(len(table)), [str(name) for name in table.index])
    room = 2.2 if narrow(figure) else 1.35  # for the text beside the longest bar
    most = max(room * 100 * table["wrong"].max(), 1)
    axes.set(
        xlabel="rows of the class that are decided wrong, %", xlim=(0, most), ylim=(len(table) - 0.4, -0.6)
    )
    axes.grid(visible=False, axis="y")


def truths(figure: Figure, target: pd.Series, decision: pd.Series) -> None:
    """Draw predicted against true values, and the line where both are equal."""
    axes = figure.subplots()
    ends = [min(target.min(), decision.min()), max(target.max(), decision.max())]
    axes.plot(ends, ends, color=GREY, linewidth=0.8)
    axes.plot(target, decision, "o", color=BLUE, markersize=3, alpha=0.6, markeredgewidth=0)
    axes.set(xlabel="true value", ylabel="predicted value")
    axes.annotate(
        "right", (ends[1], ends[1]), (-4, -12), textcoords="offset points", ha="right", color=INK, fontsize=8
    )

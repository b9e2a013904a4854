"""Figure of verdicts: one mark for each part and set."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import pandas as pd

from tasks.report.drawing import BLUE, GREY, VERMILION, narrow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKS = {"pays": ("^", BLUE), "costs": ("v", VERMILION), "not shown": ("o", "none")}
"""Verdict -> marker and fill, so that colour is not the only difference."""


def matrix(figure: Figure, table: pd.DataFrame) -> None:
    """Draw a mark for each verdict.

    Parameters
    ----------
    table : DataFrame
        Index: sets, the first on top. Columns: parts. Values: a key of `MARKS`, or NaN.
    """
    axes = figure.subplots()
    for word, (marker, colour) in MARKS.items():
        rows, columns = (table == word).to_numpy().nonzero()
        axes.plot(
            columns, rows, marker, color=colour, markersize=9 if colour != "none" else 6, label=word,
            markeredgecolor=GREY if colour == "none" else colour, linestyle="none",
        )  # fmt: skip
    phone = narrow(figure)
    axes.set_xticks(
        range(len(table.columns)),
        [name if phone else fill(name, 18) for name in table.columns],
        rotation=35 if phone else 0,
        ha="right" if phone else "center",
        rotation_mode="anchor" if phone else "default",
    )
    axes.set_yticks(range(len(table)), list(table.index))
    axes.set(xlim=(-0.5, len(table.columns) - 0.5), ylim=(len(table) - 0.5, -0.5))
    figure.legend(loc="outside upper right", ncols=3)

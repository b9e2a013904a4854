"""Figures of trust: attacks by budget, and parts of a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.report.drawing import BLUE, GREY, INK, VERMILION, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = {"plain": "-", "hardened": "--"}


def attacks(figure: Figure, table: pd.DataFrame) -> None:
    """Draw the movement of the forecast and its error, by budget and network."""
    left, right = panels(figure, 2)
    for network, rows in table.groupby("network", sort=False):
        style, budget = STYLES[str(network)], rows["budget"]
        left.plot(budget, rows["moved"], style, color=VERMILION, marker="o", markersize=4)
        right.plot(
            np.r_[0, budget], np.r_[rows["rmse"].iloc[0], rows["rmse_attacked"]], style,
            color=VERMILION, marker="o", markersize=4,
        )  # fmt: skip
        if network == "plain":
            left.plot(budget, rows["moved_random"], style, color=GREY, marker="s", markersize=4)
            last = rows.iloc[-1]
            left.annotate("worst", (last["budget"], last["moved"]), (-8, 2), textcoords="offset points",
                          ha="right", color=INK, fontsize=8.5)  # fmt: skip
            left.annotate("random", (last["budget"], last["moved_random"]), (-8, 5),
                          textcoords="offset points", ha="right", color=INK, fontsize=8.5)  # fmt: skip
    left.set(title="movement of the forecast", xlabel="budget, standard deviations", ylim=(0, None))
    right.set(title="RMSE on test years", xlabel="budget, standard deviations", ylim=(0, None))


def parts(figure: Figure, table: pd.DataFrame) -> None:
    """Draw the parts of a prediction as bars, largest first."""
    axes = figure.subplots()
    rows = table.loc[table["part"].abs().sort_values(ascending=False).index].reset_index(drop=True)
    colours = np.where(rows["part"] < 0, VERMILION, BLUE)
    axes.barh(rows.index, rows["part"], color=colours, height=0.65)
    ends = np.clip(np.abs([rows["part"] - rows["low"], rows["high"] - rows["part"]]), 0, None)
    axes.errorbar(rows["part"], rows.index, xerr=ends, fmt="none", ecolor=INK, elinewidth=1)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(rows.index, rows["input"], fontsize=7.5)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=7.5)

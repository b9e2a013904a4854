"""Figures of ties over time: the models, and permuted networks."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.report.drawing import BLUE, GREY, ORANGE, PALE, VERMILION, label_once, narrow, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAMILIES = {"single feature": GREY, "table": VERMILION, "network": BLUE}
FAMILY_NAMES = {
    "single feature": "single figure",
    "table": "regression or trees",
    "network": "graph network or attention",
}


def models(figure: Figure, table: pd.DataFrame, chance: float) -> None:
    """Draw the mean reciprocal rank of each model, one panel per setting."""
    settings = list(dict.fromkeys(table["setting"]))
    places = panels(figure, len(settings), sharey=True)
    if narrow(figure):
        figure.set_figheight(1.7 * figure.get_figheight())  # names of models take two lines
    order = table[table["setting"] == settings[-1]].sort_values("mrr", kind="stable")["model"].tolist()
    for axes, setting in zip(places, settings, strict=True):
        part = table[table["setting"] == setting].set_index("model").reindex(order)
        for family, colour in FAMILIES.items():
            own = (part["family"] == family).to_numpy()
            axes.errorbar(
                part["mrr"][own], np.flatnonzero(own), xerr=part["mrr_sd"][own], fmt="o", ms=5, lw=1,
                color=colour, label=FAMILY_NAMES[family],
            )  # fmt: skip
        axes.axvline(chance, color=GREY, lw=1, ls="--")
        axes.set_yticks(range(len(order)), order)
        axes.set(xlabel="mean reciprocal rank", title=f"  {setting}", xlim=(0, None))
    ncols = 1 if narrow(figure) else 3
    figure.legend(*places[0].get_legend_handles_labels(), loc="outside upper right", ncols=ncols)


def nulls(figure: Figure, table: pd.DataFrame) -> None:
    """Draw the gain on the network beside that on permuted ones."""
    axes: Axes = figure.subplots()
    kinds = [kind for kind in dict.fromkeys(table["kind"]) if kind != "real"]
    low, high = 100 * table["gain"].min(), 100 * table["gain"].max()
    bins = np.linspace(low, max(high, low + 0.1), 60)
    for kind, colour in zip(kinds, (PALE, ORANGE), strict=False):
        gains = 100 * table.loc[table["kind"] == kind, "gain"]
        axes.hist(
            gains,
            bins=bins.tolist(),
            color=colour,
            alpha=0.85,
            label=f"permuted, {kind}" if not narrow(figure) else fill(f"permuted, {kind}", 34),
        )
    real = 100 * float(table.loc[table["kind"] == "real", "gain"].iloc[0])
    axes.axvline(real, color=VERMILION, lw=2, label="the network as it is")
    axes.axvline(0, color=GREY, lw=1, ls="--")
    axes.set(xlabel="squared error saved by the ties (%)", ylabel="networks")
    label_once(axes, ncols=1 if narrow(figure) else 3)

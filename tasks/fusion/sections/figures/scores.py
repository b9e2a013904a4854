"""Figures of scores: operators, baselines, lost modalities, calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.report.drawing import BLUE, GREY, INK, VERMILION, label_once, narrow

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def intervals(figure: Figure, table: pd.DataFrame, label: str) -> None:
    """Draw one row per name: a difference with its interval, and the line of 0.

    Parameters
    ----------
    table : DataFrame
        Index: names, the first on top. Columns `mean`, `low`, `high`.
    """
    axes = figure.subplots()
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, (_, row) in enumerate(table.iterrows()):
        axes.plot([row["low"], row["high"]], [place, place], color=BLUE, linewidth=2)
        axes.plot(row["mean"], place, "o", color=BLUE, markersize=5)
        axes.annotate(
            f"{row['mean']:+.1f}",
            (row["mean"], place),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(table)), [str(name) for name in table.index])
    axes.set(xlabel=label, ylim=(len(table) - 0.4, -0.7))


def losses(figure: Figure, table: pd.DataFrame, label: str) -> None:
    """Draw for each modality the drop of the score, exchanged and absent.

    Parameters
    ----------
    table : DataFrame
        Index: modalities, the first on top. Columns `permuted`, `permuted_low`, `permuted_high`, `absent`,
        and `alpha`, of which any may be NaN.
    """
    weighted = bool(table["alpha"].notna().any())
    if weighted and narrow(figure):
        figure.set_figheight(1.6 * figure.get_figheight())
    panels = 2 if weighted else 1
    shape = (panels, 1) if narrow(figure) else (1, panels)
    left, *rest = figure.subplots(*shape, sharey=True, squeeze=False).flat
    places = np.arange(len(table))
    ends = [table["permuted"] - table["permuted_low"], table["permuted_high"] - table["permuted"]]
    left.errorbar(
        table["permuted"], places - 0.12, xerr=np.maximum(ends, 0), fmt="o", color=BLUE, markersize=5,
        label="its rows exchanged",
    )  # fmt: skip
    left.plot(table["absent"], places + 0.15, "s", color=VERMILION, markersize=5, label="absent at test")
    left.axvline(0, color=INK, linewidth=0.8)
    left.set_yticks(places, [str(name) for name in table.index])
    left.set(xlabel=label, ylim=(len(table) - 0.4, -0.6))
    label_once(left, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    for right in rest:
        right.barh(places, table["alpha"], color=GREY, height=0.5)
        right.set(xlabel="weight in the fusion", xlim=(0, 1))

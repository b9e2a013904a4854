"""Figure of the goodness of fit of a network of influence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.report.drawing import BLUE, PALE, VERMILION, label_once, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEATURES = {
    "out-degree": "followers of an artist",
    "in-degree": "influences of an artist",
    "shared partners": "artists between both ends of a tie",
}
LARGEST = 25
"""Largest value of a feature that is drawn."""


def fit(figure: Figure, rows: pd.DataFrame) -> None:
    """Draw observed counts on the band of simulated ones, one panel per feature."""
    places = panels(figure, len(FEATURES))
    for axes, (feature, title) in zip(places, FEATURES.items(), strict=True):
        part = rows[(rows["feature"] == feature) & np.isfinite(rows["value"]) & (rows["value"] <= LARGEST)]
        axes.fill_between(part["value"], part["low"], part["high"], color=PALE, label="95% of simulated")
        out = ~part["observed"].between(part["low"], part["high"])
        axes.plot(part["value"][~out], part["observed"][~out], "o", ms=3.5, color=BLUE, label="observed")
        axes.plot(part["value"][out], part["observed"][out], "o", ms=3.5, color=VERMILION, label="outside")
        axes.set(xlabel=title, ylabel="ties" if feature == "shared partners" else "artists")
    label_once(places[0], ncols=1, loc="upper right")

"""Colours of the dimensions, and standard errors of yearly means."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.report.drawing import BLUE, GREEN, ORANGE, PURPLE, VERMILION

COLOURS = {
    "valence": BLUE,
    "energy": VERMILION,
    "danceability": PURPLE,
    "acousticness": GREEN,
    "loudness": ORANGE,
}


def standard_error(rows: pd.DataFrame, dimension: str, typical: float) -> np.ndarray:
    """Return the standard error of each yearly mean.

    For a year of few songs it uses the `typical` spread.
    """
    count = rows["n_songs"].to_numpy(float)
    own = rows[f"{dimension}_sd"].to_numpy(float)
    spread = np.where((count >= 5) & np.isfinite(own), own, typical)
    return spread / np.sqrt(np.maximum(count, 1))


def typical_spread(rows: pd.DataFrame, dimension: str) -> float:
    """Return the spread of songs within a year, pooled over rows of several songs."""
    some = rows[(rows["n_songs"] > 1) & rows[f"{dimension}_sd"].notna()]
    degrees = some["n_songs"].to_numpy(float) - 1
    return float(np.sqrt(np.average(some[f"{dimension}_sd"] ** 2, weights=degrees)))

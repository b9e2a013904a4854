"""Changes of a career in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.report.blocks import share, signed


def most_probable_changes(part: pd.DataFrame) -> list[str]:
    """Return the changes of the most probable segmentation, one phrase each.

    A phrase holds the year, the probability of exactly that year, and the dimension that moved most.
    """
    part = part.sort_values("year")
    steps = part.filter(regex="_regime$").diff()
    words = []
    for index in np.flatnonzero(part["is_map"]):
        year, probability = int(part["year"].iloc[index]), float(part["probability"].iloc[index])
        step = steps.iloc[index].dropna()
        moved = ""
        if len(step):
            name = str(step.abs().idxmax())
            moved = f", {name.removesuffix('_regime')} {signed(float(step[name]), 2)}"
        words.append(f"{year} ({share(probability)}{moved})")
    return words

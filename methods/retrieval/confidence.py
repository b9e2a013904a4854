"""Measure the confidence of a ranking in its first document."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Level = Literal["high", "medium", "low"]
HIGH, MEDIUM = 0.3, 0.1


def confidence(scores: ArrayLike) -> float:
    """Return ``(score_1 - score_2) / score_1``, in [0, 1].

    Parameters
    ----------
    scores : array of shape (hits,)
        Scores of one query, in any order. A score that is not finite means not found, and is left out.

    Returns
    -------
    float
        0 without a hit, and 1 for a single hit. If the first score is at most 0 or the second is below 0,
        the formula is applied to the min-max normalised scores of all hits, the first of which is 1. Two
        equal hits then give 0, and two different ones give 1.

    References
    ----------
    Specification 2, section 5.6, as corrected.
    """
    hits = np.asarray(scores, dtype=np.float64).ravel()
    hits = np.sort(hits[np.isfinite(hits)])[::-1]
    if len(hits) < 2:
        return float(len(hits))
    first, second = hits[:2]
    if first > 0 and second >= 0:
        return float((first - second) / first)
    low = hits[-1]
    return 0.0 if first == second else float(1.0 - (second - low) / (first - low))


def level(value: float) -> Level:
    """Return 'high' above 0.3, 'low' below 0.1, else 'medium'."""
    if value > HIGH:
        return "high"
    return "low" if value < MEDIUM else "medium"

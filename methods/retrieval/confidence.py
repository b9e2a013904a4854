"""How sure a ranking is of its first document."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Level = Literal["high", "medium", "low"]
HIGH, MEDIUM = 0.3, 0.1


def confidence(scores: ArrayLike) -> float:
    """``(score_1 - score_2) / score_1``, in [0, 1].

    Parameters
    ----------
    scores : array of shape (hits,)
        Of one query, in any order; what is not finite was not found and is left out.

    Returns
    -------
    float
        0 without a hit, for nothing was found; 1 for a single hit, for nothing competes. Where the
        formula does not hold (a first score of 0 or less, or a second below 0) it is applied to the
        min-max normalised scores of all hits, whose first is 1: two equal hits still give 0, and of
        two unequal ones the second is worth nothing beside the first.

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
    """'high' above 0.3, 'low' below 0.1, else 'medium'."""
    if value > HIGH:
        return "high"
    return "low" if value < MEDIUM else "medium"

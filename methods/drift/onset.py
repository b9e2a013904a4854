"""Date the last change of a series of batches.

A batch that alarms says that the data are new, not since when. The change points of a summary of all
batches, such as the mean of a column, date the change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.changepoint import NormalInverseWishart, exact_posterior

Floats = NDArray[np.float64]

FEWEST = 6
"""Number of batches below which no noise can be estimated."""
WEIGHT = 0.05
"""Number of batches that the prior mean of a regime counts as."""


@dataclass(frozen=True)
class Onset:
    """The last change of a series.

    Attributes
    ----------
    probability : float
        Posterior probability of at least one change.
    batch : int or None
        First batch after the last change of the most probable segmentation; None if that has no change.
    """

    probability: float
    batch: int | None


def last_change(batches: Floats, *, rate: float = 0.5, seed: int = 0) -> Onset:
    """Return the last change of a summary of batches.

    Batches are independent and Normal within a regime. The scale of the noise in the prior comes from
    the differences of neighbours, which a few changes of the level leave as they are.

    Parameters
    ----------
    batches : (T,) or (T, d) float
        One row a batch, in order; finite.
    rate : float
        Expected number of changes.
    seed : int
        Seed of the draws of segmentations.

    Raises
    ------
    ValueError
        If there are fewer than `FEWEST` batches, or a value is not finite.
    """
    y = np.asarray(batches, dtype=np.float64)
    y = y[:, None] if y.ndim == 1 else y
    if len(y) < FEWEST or not np.isfinite(y).all():
        raise ValueError(f"expected at least {FEWEST} batches of finite values; found the shape {y.shape}")
    noise = np.diff(y, axis=0).var(axis=0) / 2
    floor = 1e-12 * (1 + np.abs(y).max(axis=0)) ** 2  # a constant series
    d = y.shape[1]
    prior = NormalInverseWishart(y.mean(axis=0), WEIGHT, d + 2.0, np.diag(np.maximum(noise, floor)))
    posterior = exact_posterior(y, prior, rate, k_max=min(5, len(y) // 2), seed=seed)
    last = posterior.map_locations
    return Onset(1 - float(posterior.count_probability[0]), int(last[-1]) if len(last) else None)

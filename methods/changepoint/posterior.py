"""Posterior over the change points of a series, the result of every method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.changepoint.mixing import Mixing
from methods.changepoint.waic import Waic

Array = np.ndarray


@dataclass(frozen=True)
class ChangePointPosterior:
    """Posterior over the change points of a series of T observations in d dimensions.

    A change point is the 0-based index of the first observation of a new regime.

    Attributes
    ----------
    location_probability : array (T,)
        Probability that a new regime begins at each index; 0 at index 0.
    count_probability : array (k_max + 1,)
        Probability of each number of change points.
    map_locations : array of int (k,)
        The most probable segmentation: number and locations together.
    draws : tuple of array of int
        Draws of the change points: independent if the posterior is exact, chain after chain if it
        is sampled.
    regime_means : array (T, d)
        Posterior mean of the regime mean at each index, over all segmentations.
    regime_covariances : array (T, d, d)
        Posterior mean of the regime covariance at each index, over all segmentations; infinite if
        it does not exist because a regime has too few observations.
    waic : Waic or None
        WAIC on the deviance scale, of the observations given segmentation and regimes; None
        without draws.
    log_evidence : float
        Log probability density of the series; NaN if the method does not compute it.
    pruning_error : float
        Upper bound of the error from neglected terms, in total variation of the segmentations.
    mixing : Mixing or None
        Convergence of the chains; None for methods without chains.
    """

    location_probability: Array
    count_probability: Array
    map_locations: Array
    draws: tuple[Array, ...]
    regime_means: Array
    regime_covariances: Array
    waic: Waic | None
    log_evidence: float = float("nan")
    pruning_error: float = 0.0
    mixing: Mixing | None = None

"""Exact change points under heavy-tailed noise, by weights that outliers lose."""

from __future__ import annotations

import numpy as np

from methods.changepoint.exact import distinct_segments, exact_posterior
from methods.changepoint.posterior import ChangePointPosterior
from methods.changepoint.trend import TrendRegimes, TrendSegments

Array = np.ndarray


def robust_posterior(
    y: Array,
    prior: TrendRegimes,
    rate: float,
    min_length: int = 1,
    k_max: int = 20,
    *,
    tail: float = 4.0,
    rounds: int = 5,
    draws: int = 1000,
    seed: int = 0,
) -> ChangePointPosterior:
    r"""Posterior of change points with Student innovations, by mean-field variational inference.

    A Student innovation is Normal with its own precision: ``e_t | w_t ~ N(0, sigma^2 / w_t)``,
    ``w_t ~ Gamma(tail / 2, tail / 2)``. Given the weights, segmentations and regimes have their exact
    posterior; given that, ``E[w_t] = (tail + 1) / (tail + E[e_t^2 / sigma^2])``. The two are updated in turn.

    Parameters
    ----------
    y : array (T, d) or (T,)
        Observations in order; NaN is a missing one.
    prior : TrendRegimes
        Prior of each regime.
    rate, min_length, k_max
        As in `exact_posterior`.
    tail : float > 0
        Degrees of freedom of the innovations.
    rounds : int >= 0
        Updates of the weights; 0 is Normal noise.
    draws : int
        Independent draws at the end, given the weights.
    seed : int
        Seed of the draws.

    Returns
    -------
    ChangePointPosterior
        Given the last weights: exact but for those, whose uncertainty it leaves out. Its log evidence is
        that of the weighted model.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    Lange, Little, Taylor, Robust statistical modeling using the t distribution, JASA 84 (1989).
    """
    if not (tail > 0 and rounds >= 0):
        raise ValueError(f"expected tail > 0 and rounds >= 0; found {tail}, {rounds}")
    y = np.asarray(y, dtype=float)
    y = y[:, None] if y.ndim == 1 else y
    weights, seen = np.ones_like(y), np.flatnonzero(np.isfinite(y).all(axis=1))
    for _ in range(rounds):
        found = exact_posterior(y, prior, rate, min_length, k_max, weights=weights, draws=200, seed=seed)
        segments = TrendSegments.of(y[seen], seen, weights[seen], prior)
        cuts = tuple(np.searchsorted(seen, drawn) for drawn in found.draws)
        squares = segments.squared_errors(*distinct_segments(cuts, len(seen)))
        weights[seen] = (tail + 1) / (tail + squares)
    return exact_posterior(y, prior, rate, min_length, k_max, weights=weights, draws=draws, seed=seed)

"""Change points under heavy-tailed noise, with weights that outliers lose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import digamma, gammaln

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
    r"""Compute the posterior of change points with Student innovations.

    By mean-field variational inference. A Student innovation is Normal with its own precision: ``e_t | w_t
    ~ N(0, sigma^2 / w_t)``, ``w_t ~ Gamma(tail / 2, tail / 2)``. Given the weights, segmentations and
    regimes have their exact posterior; given that, ``E[w_t] = (tail + 1) / (tail + E[e_t^2 / sigma^2])``.
    The two are updated in turn, once from weights of one and once from the weights of a series without
    changes. The result is the one with the higher lower bound of the evidence.

    Parameters
    ----------
    y : array (T, d) or (T,)
        Observations in order; NaN marks a missing one.
    prior : TrendRegimes
        Prior of each regime.
    rate, min_length, k_max
        As in `exact_posterior`.
    tail : float > 0
        Degrees of freedom of the innovations.
    rounds : int >= 1
        Updates of the weights, from each of two starts.
    draws : int
        Number of independent draws given the final weights.
    seed : int
        Seed of the draws.

    Returns
    -------
    ChangePointPosterior
        Exact given the final weights; it leaves out their uncertainty. `log_evidence` is a lower
        bound.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    Lange, Little, Taylor, Robust statistical modeling using the t distribution, JASA 84 (1989).
    """
    if not (tail > 0 and rounds >= 1):
        raise ValueError(f"expected tail > 0 and rounds >= 1; found {tail}, {rounds}")
    y = np.asarray(y, dtype=float)
    y = y[:, None] if y.ndim == 1 else y
    model = (prior, rate, min_length, tail, seed)
    unchanged, _ = _update_weights(y, np.ones_like(y), 0, rounds, *model)
    candidates = []
    for start in (np.ones_like(y), unchanged):
        weights, penalty = _update_weights(y, start, k_max, rounds, *model)
        given = exact_posterior(y, prior, rate, min_length, k_max, weights=weights, draws=draws, seed=seed)
        candidates.append(replace(given, log_evidence=given.log_evidence - penalty))
    return max(candidates, key=lambda posterior: posterior.log_evidence)


def _update_weights(
    y: Array,
    weights: Array,
    k_max: int,
    rounds: int,
    prior: TrendRegimes,
    rate: float,
    min_length: int,
    tail: float,
    seed: int,
) -> tuple[Array, float]:
    """Update the weights `rounds` times; return them with their penalty on the bound."""
    observed = np.flatnonzero(np.isfinite(y).all(axis=1))
    whole = np.array([0]), np.array([len(observed)]), np.ones(1)
    for _ in range(rounds):
        segments = TrendSegments.of(y[observed], observed, weights[observed], prior)
        parts = whole
        if k_max > 0:
            posterior = exact_posterior(
                y, prior, rate, min_length, k_max, weights=weights, draws=200, seed=seed
            )
            cuts = tuple(np.searchsorted(observed, drawn) for drawn in posterior.draws)
            parts = distinct_segments(cuts, len(observed))
        squares = segments.squared_errors(*parts)
        weights = np.ones_like(y)
        weights[observed] = (tail + 1) / (tail + squares)
    return weights, _penalty((tail + squares) / 2, tail)


def _penalty(rates: Array, tail: float) -> float:
    """Compute the penalty of the weights' Gamma distributions on the bound.

    It is their divergence from the prior plus half of log E[w] less E[log w].
    """
    a, shape = tail / 2, (tail + 1) / 2
    divergence = (
        (shape - a) * digamma(shape)
        - gammaln(shape)
        + gammaln(a)
        + a * np.log(rates / a)
        + shape * (a - rates) / rates
    )
    return float((divergence + (np.log(shape) - digamma(shape)) / 2).sum())

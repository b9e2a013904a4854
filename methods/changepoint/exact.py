r"""The exact posterior over segmentations, by recursion (Fearnhead 2006).

With the regimes integrated out (see ``regimes``), a segmentation ``0 = t_0 < t_1 < ... <
t_{k+1} = T`` has the joint probability ``pi_k * prod L(t_i, t_{i+1})``, where ``pi_k =
P(K = k) / (number of admissible placements of k changes)``. Two tables hold every sum:

- ``forward[j, t]``: over the ways to cut ``y[:t]`` into j segments;
- ``backward[j, t]``: over the ways to go on from there to T, with ``pi_k`` of the total.

``forward * backward / evidence`` is then the probability that segment j ends at t. All in
logarithms; time ``O(k_max T^2)``, memory ``16 T^2`` bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.special import gammaln

from methods.changepoint.regimes import Array, NormalInverseWishart, segment_log_likelihood


@dataclass(frozen=True)
class ChangePointPosterior:
    """Posterior over the change points of a series of T observations in d dimensions.

    Attributes
    ----------
    location_probability : array (T,)
        Probability that a new regime begins at each index; 0 at index 0.
    count_probability : array (k_max + 1,)
        Probability of each number of change points.
    map_locations : array of int (k,)
        The most probable segmentation, number and places together.
    draws : tuple of array of int
        Independent draws of the change points.
    log_evidence : float
        Log probability density of the series.
    regime_means : array (T, d)
        Posterior mean of the regime mean at each index, over all segmentations.
    """

    location_probability: Array
    count_probability: Array
    map_locations: Array
    draws: tuple[Array, ...]
    log_evidence: float
    regime_means: Array


def exact_posterior(
    y: Array,
    prior: NormalInverseWishart,
    rate: float,
    min_length: int = 1,
    k_max: int = 20,
    *,
    weights: Array | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> ChangePointPosterior:
    """Posterior of number and places of change points, with no sampling error.

    ``K ~ Poisson(rate)`` cut to ``0..k_max``; given K every placement that leaves segments of
    at least `min_length` is equally likely; a change point is the 0-based index of the first
    observation of the new regime.

    Parameters
    ----------
    y : array (T, d) or (T,)
        Observations in order; finite (leave missing ones out).
    prior : NormalInverseWishart
        Prior of mean and covariance of each regime, in d dimensions.
    rate : float > 0
        Expected number of changes before the cut.
    min_length : int >= 1
        Shortest regime, in observations.
    k_max : int >= 0
        Most change points.
    weights : array (T,), optional
        Precision of each observation: its covariance is ``Sigma / weights[t]``; > 0, default 1.
    draws : int
        How many independent draws to take.
    seed : int
        Seed of the draws.

    Returns
    -------
    ChangePointPosterior

    Raises
    ------
    ValueError
        If an argument is out of its range or the series is shorter than `min_length`.

    References
    ----------
    Fearnhead, Exact and efficient Bayesian inference for multiple changepoint problems,
    Statistics and Computing 16 (2006); spec 3 section 4 with its correction.
    """
    y, weights = _checked(y, prior, rate, min_length, k_max, weights)
    length = len(y)
    log_prior = _log_placement_prior(length, rate, min_length, k_max)
    scores = segment_log_likelihood(y, prior, weights)
    scores[np.subtract.outer(np.arange(length + 1), np.arange(length)) < min_length] = -np.inf
    forward, best, came_from = _forward(scores, len(log_prior), min_length)
    backward = _backward(np.ascontiguousarray(scores.T), log_prior, min_length)
    evidence = backward[0, 0]
    counts = np.zeros(k_max + 1)
    counts[: len(log_prior)] = np.exp(log_prior + forward[1:, length] - evidence)
    ends = np.exp(forward[1:, :length] + backward[1:, :length] - evidence).sum(axis=0)
    ends[0] = 0.0
    uniforms = np.random.default_rng(seed).random((draws, len(log_prior)))
    sampled = [
        _sample(scores, forward, np.cumsum(counts), row, np.empty(k_max + 1, dtype=np.int64))
        for row in uniforms
    ]
    return ChangePointPosterior(
        location_probability=np.clip(ends, 0.0, 1.0),
        count_probability=counts,
        map_locations=_trace(came_from, int(np.argmax(log_prior + best[1:, length]))),
        draws=tuple(sampled),
        log_evidence=float(evidence),
        regime_means=_regime_means(y, weights, prior, scores, forward, backward),
    )


def _checked(
    y: Array, prior: NormalInverseWishart, rate: float, min_length: int, k_max: int, weights: Array | None
) -> tuple[Array, Array]:
    y = np.ascontiguousarray(y, dtype=float)
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2 or y.shape[1] != prior.m0.size:
        raise ValueError(f"y has shape {y.shape}; expected (T, {prior.m0.size}) as the prior has it")
    weights = np.ones(len(y)) if weights is None else np.ascontiguousarray(weights, dtype=float)
    if weights.shape != (len(y),) or not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError(f"weights must be {len(y)} finite numbers > 0")
    if not np.isfinite(y).all():
        raise ValueError(
            f"y is not finite in rows {np.flatnonzero(~np.isfinite(y).all(axis=1))[:8].tolist()}"
        )
    if not (rate > 0 and min_length >= 1 and k_max >= 0):
        raise ValueError(
            f"expected rate > 0, min_length >= 1, k_max >= 0; found {rate}, {min_length}, {k_max}"
        )
    if len(y) < min_length:
        raise ValueError(f"y has {len(y)} observations, fewer than min_length = {min_length}")
    return y, weights


def _log_placement_prior(length: int, rate: float, min_length: int, k_max: int) -> Array:
    """Log prior probability of one placement of k changes, for each k that has room."""
    k = np.arange(min(k_max, length // min_length - 1) + 1)
    log_poisson = k * math.log(rate) - gammaln(k + 1)
    free = length - (k + 1) * (min_length - 1) - 1
    log_placements = gammaln(free + 1) - gammaln(k + 1) - gammaln(free - k + 1)
    return log_poisson - np.logaddexp.reduce(log_poisson) - log_placements


# Terms this far below the largest of a sum are less than its rounding error.
_NEGLIGIBLE = -46.0


@njit(cache=True)
def _forward(scores, segments, min_length):  # type: ignore[no-untyped-def]  # pragma: no cover
    length = scores.shape[1]
    forward = np.full((segments + 1, length + 1), -np.inf)
    best = forward.copy()
    came_from = np.zeros((segments + 1, length + 1), dtype=np.int64)
    forward[0, 0] = best[0, 0] = 0.0
    terms = np.empty(length)
    for j in range(1, segments + 1):
        for t in range(j * min_length, length + 1):
            first, last = (j - 1) * min_length, t - min_length + 1
            top = -np.inf
            for s in range(first, last):
                terms[s] = forward[j - 1, s] + scores[t, s]
                top = max(top, terms[s])
                path = best[j - 1, s] + scores[t, s]
                if path > best[j, t]:
                    best[j, t], came_from[j, t] = path, s
            if top == -np.inf:
                continue
            total = 0.0
            for s in range(first, last):
                if terms[s] - top > _NEGLIGIBLE:
                    total += math.exp(terms[s] - top)
            forward[j, t] = top + math.log(total)
    return forward, best, came_from


@njit(cache=True)
def _backward(scores, log_prior, min_length):  # type: ignore[no-untyped-def]  # pragma: no cover
    length, segments = scores.shape[0], log_prior.size
    backward = np.full((segments + 1, length + 1), -np.inf)
    backward[1:, length] = log_prior
    terms = np.empty(length + 1)
    for j in range(segments - 1, -1, -1):
        for s in range(length - min_length, -1, -1):
            top = -np.inf
            for t in range(s + min_length, length + 1):
                terms[t] = scores[s, t] + backward[j + 1, t]
                top = max(top, terms[t])
            if top == -np.inf:
                continue
            total = 0.0
            for t in range(s + min_length, length + 1):
                if terms[t] - top > _NEGLIGIBLE:
                    total += math.exp(terms[t] - top)
            backward[j, s] = top + math.log(total)
    return backward


def _regime_means(
    y: Array, weights: Array, prior: NormalInverseWishart, scores: Array, forward: Array, backward: Array
) -> Array:
    sums = np.vstack([np.zeros(y.shape[1]), np.cumsum(weights[:, None] * y, axis=0)])
    masses = np.concatenate([[0.0], np.cumsum(weights)])
    return _mean_over_segments(scores, forward, backward, sums, masses, prior.m0, float(prior.kappa0))


@njit(cache=True)
def _mean_over_segments(  # type: ignore[no-untyped-def]  # pragma: no cover
    scores, forward, backward, sums, masses, m0, kappa0
):
    length = scores.shape[1]
    evidence = backward[0, 0]
    steps = np.zeros((length + 1, m0.size))
    for t in range(1, length + 1):
        for s in range(t):
            probability = 0.0
            for j in range(forward.shape[0] - 1):
                term = forward[j, s] + scores[t, s] + backward[j + 1, t] - evidence
                if term > _NEGLIGIBLE:
                    probability += math.exp(term)
            if probability > 0:
                kappa = kappa0 + masses[t] - masses[s]
                part = probability * (kappa0 * m0 + sums[t] - sums[s]) / kappa
                steps[s] += part
                steps[t] -= part
    for t in range(1, length):
        steps[t] += steps[t - 1]
    return steps[:length]


@njit(cache=True)
def _sample(scores, forward, cumulated, uniforms, found):  # type: ignore[no-untyped-def]  # pragma: no cover
    """One segmentation: its number of changes first, then from the end the start of each segment."""
    k = np.searchsorted(cumulated, uniforms[0] * cumulated[-1], side="right")
    t = scores.shape[1]
    for j in range(k, 0, -1):
        left = uniforms[j]
        s = j - 1
        for candidate in range(t):
            share = math.exp(forward[j, candidate] + scores[t, candidate] - forward[j + 1, t])
            if share > 0:
                s = candidate
                left -= share
                if left < 0:
                    break
        found[j - 1] = t = s
    return found[:k].copy()


def _trace(came_from: Array, k: int) -> Array:
    locations = np.zeros(k, dtype=np.int64)
    t = came_from.shape[1] - 1
    for j in range(k, 0, -1):
        t = locations[j - 1] = came_from[j + 1, t]
    return locations

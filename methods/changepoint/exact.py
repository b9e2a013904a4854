r"""The exact posterior over segmentations, by recursion (Fearnhead 2006).

With the regimes integrated out (see ``regimes``), a segmentation ``0 = t_0 < t_1 < ... <
t_{k+1} = T`` has the joint probability ``pi_k * prod L(t_i, t_{i+1})``, where ``pi_k =
P(K = k) / (number of admissible placements of k changes)``. Two tables hold every sum:

- ``forward[j, t]``: over the ways to cut ``y[:t]`` into j segments;
- ``backward[j, t]``: over the ways to cut the rest, from t to T, with ``pi_k`` of the total.

``forward * backward / evidence`` is then the probability that segment j ends at t. All tables are in
logarithms. Time is ``O(k_max T^2)`` at worst and close to ``O(T^2)`` in practice (see ``recursion``);
memory is ``O(k_max T)``.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.special import gammaln

from methods.changepoint.counts import CountRegimes, CountSegments
from methods.changepoint.posterior import ChangePointPosterior
from methods.changepoint.recursion import (
    NEGLIGIBLE,
    Segments,
    backward_pass,
    forward_pass,
    segment_probabilities,
)
from methods.changepoint.regimes import Array, GaussianSegments, NormalInverseWishart
from methods.changepoint.semi_conjugate import NormalIndependentInverseWishart
from methods.changepoint.semi_conjugate_segments import IndependentSegments
from methods.changepoint.trend import TrendRegimes, TrendSegments
from methods.changepoint.waic import Waic, waic_of_points

RegimePrior = NormalInverseWishart | NormalIndependentInverseWishart | TrendRegimes | CountRegimes


def exact_posterior(
    y: Array,
    prior: RegimePrior,
    rate: float,
    min_length: int = 1,
    k_max: int = 20,
    *,
    weights: Array | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> ChangePointPosterior:
    """Compute the exact posterior of the number and locations of change points.

    ``K ~ Poisson(rate)`` truncated to ``0..k_max``; given K every placement that leaves segments of
    at least `min_length` is equally likely; a change point is the 0-based index of the first
    observation of the new regime.

    Parameters
    ----------
    y : array (T, d) or (T,)
        Observations in order. Under Normal-inverse-Wishart regimes they must be finite (drop missing
        ones). Under regimes with a trend, a row with NaN is a missing observation: its time passes, and
        no regime begins there.
    prior : NormalInverseWishart, NormalIndependentInverseWishart, TrendRegimes or CountRegimes
        Prior of each regime, in d dimensions. With an independent mean each segment needs a quadrature
        (some microseconds), so the scores of all segments are stored (8 T^2 bytes); WAIC is then an
        integral over 256 quasi-random means of each regime.
    rate : float > 0
        Expected number of changes before truncation.
    min_length : int >= 1
        Shortest regime, in observations.
    k_max : int >= 0
        Largest number of change points.
    weights : array (T,), optional
        Precision of each observation: its covariance is ``Sigma / weights[t]``; > 0, default 1. Under
        regimes with a trend (T, d), of the innovations. Counts have none.
    draws : int
        Number of independent draws; WAIC uses their segmentations.
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
    y, weights, observed = validate_series(y, prior, rate, min_length, k_max, weights)
    segments = _segments_of(y, weights, observed, prior)
    posterior = segments_posterior(segments, rate, min_length, k_max, draws=draws, seed=seed)
    return posterior if observed.all() else _with_missing(posterior, observed)


def count_evidence(
    y: Array,
    prior: RegimePrior,
    rate: float,
    min_length: int = 1,
    k_max: int = 20,
    *,
    weights: Array | None = None,
) -> Array:
    """Compute ``log p(y, K = k)`` of each number of changes k.

    Only the forward pass is computed, for each k that fits in the series.

    The arguments and errors are those of `exact_posterior`, whose evidence is the sum and whose
    `count_probability` is the share of each term.

    Returns
    -------
    array (counts,)
    """
    y, weights, observed = validate_series(y, prior, rate, min_length, k_max, weights)
    segments = _segments_of(y, weights, observed, prior)
    log_prior = log_placement_prior(segments.length, rate, min_length, k_max)
    forward, _ = forward_pass(segments, len(log_prior), min_length)
    return np.asarray(log_prior + forward[1:, segments.length])


def _segments_of(
    y: Array,
    weights: Array,
    observed: Array,
    prior: RegimePrior,
) -> Segments:
    if isinstance(prior, TrendRegimes):
        return TrendSegments.of(y[observed], np.flatnonzero(observed), weights[observed], prior)
    if isinstance(prior, CountRegimes):
        return CountSegments.of(y, prior)
    if isinstance(prior, NormalIndependentInverseWishart):
        return IndependentSegments.of(y, weights, prior)
    return GaussianSegments.of(y, weights, prior)


def segments_posterior(
    segments: Segments, rate: float, min_length: int, k_max: int, *, draws: int, seed: int
) -> ChangePointPosterior:
    """Compute `exact_posterior` for a series with any model of its regimes."""
    length = segments.length
    log_prior = log_placement_prior(length, rate, min_length, k_max)
    forward, best = forward_pass(segments, len(log_prior), min_length)
    log_evidence = float(np.logaddexp.reduce(log_prior + forward[1:, length]))
    steps = segments.no_regimes()
    for first, scores, backward in backward_pass(segments, log_prior, min_length):
        segment_probabilities(scores, first, forward, backward, log_evidence, min_length)
        segments.add_regimes(first, scores, steps)
    counts = np.zeros(k_max + 1)
    counts[: len(log_prior)] = np.exp(log_prior + forward[1:, length] - log_evidence)
    location = np.exp(forward[1:, :length] + backward[1:, :length] - log_evidence).sum(axis=0)
    location[0] = 0.0
    drawn = _draws(segments, forward, counts, min_length, draws, np.random.default_rng(seed))
    means, covariances = segments.regimes(steps)
    return ChangePointPosterior(
        location_probability=np.clip(location, 0.0, 1.0),
        count_probability=counts,
        map_locations=_most_probable(segments, best, log_prior, min_length),
        draws=drawn,
        regime_means=means,
        regime_covariances=covariances,
        waic=_waic(segments, drawn),
        log_evidence=log_evidence,
        # Each of at most k_max + 1 nested sums, forward and backward, loses at most T negligible terms.
        pruning_error=2 * len(log_prior) * length * math.exp(NEGLIGIBLE),
    )


def validate_series(
    y: Array,
    prior: RegimePrior,
    rate: float,
    min_length: int,
    k_max: int,
    weights: Array | None,
) -> tuple[Array, Array, Array]:
    """Check the arguments; return observations, weights and a mask of observed rows."""
    y = np.ascontiguousarray(y, dtype=float)
    y = y[:, None] if y.ndim == 1 else y
    may_miss = isinstance(prior, TrendRegimes)
    d = _dimension(prior)
    if y.ndim != 2 or y.shape[1] != d:
        raise ValueError(f"y has shape {y.shape}; expected (T, {d}), the dimension of the prior")
    if weights is not None and isinstance(prior, CountRegimes):
        raise ValueError("weights were given for counts; expected none, since counts have no precision")
    shape = y.shape if may_miss else (len(y),)
    weights = np.ones(shape) if weights is None else np.ascontiguousarray(weights, dtype=float)
    if weights.shape != shape or not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError(f"weights has shape {weights.shape}; expected {shape} finite numbers > 0")
    observed = np.isfinite(y).all(axis=1)
    if np.isinf(y).any() or not (may_miss or observed.all()):
        raise ValueError(f"y is not finite in rows {np.flatnonzero(~observed)[:8].tolist()}; drop these rows")
    if not (rate > 0 and min_length >= 1 and k_max >= 0):
        raise ValueError(
            f"expected rate > 0, min_length >= 1, k_max >= 0; found {rate}, {min_length}, {k_max}"
        )
    if observed.sum() < min_length:
        raise ValueError(f"y has {observed.sum()} observations, fewer than min_length = {min_length}")
    return y, weights, observed


def _dimension(prior: RegimePrior) -> int:
    if isinstance(prior, CountRegimes):
        return int(prior.shape.size)
    return int((prior.centre if isinstance(prior, TrendRegimes) else prior.m0).size)


def _with_missing(posterior: ChangePointPosterior, observed: Array) -> ChangePointPosterior:
    """Expand a posterior of the observed rows to all rows.

    A missing row takes the regime of the last observed row before it.
    """
    at = np.flatnonzero(observed)
    before = np.maximum(np.cumsum(observed) - 1, 0)
    location = np.zeros(len(observed))
    location[at] = posterior.location_probability
    return replace(
        posterior,
        location_probability=location,
        map_locations=at[posterior.map_locations],
        draws=tuple(at[cuts] for cuts in posterior.draws),
        regime_means=posterior.regime_means[before],
        regime_covariances=posterior.regime_covariances[before],
    )


def log_count_prior(most: int, rate: float) -> Array:
    """Compute the log prior of ``0..most`` changes, a truncated Poisson."""
    k = np.arange(most + 1)
    log_poisson = k * math.log(rate) - gammaln(k + 1)
    return np.asarray(log_poisson - np.logaddexp.reduce(log_poisson))


def log_placements(length: int, min_length: int, k_max: int) -> Array:
    """Compute the log number of placements of k changes, for each possible k."""
    k = np.arange(min(k_max, length // min_length - 1) + 1)
    free = length - (k + 1) * (min_length - 1) - 1
    return np.asarray(gammaln(free + 1) - gammaln(k + 1) - gammaln(free - k + 1))


def log_placement_prior(length: int, rate: float, min_length: int, k_max: int) -> Array:
    """Compute the log prior of one placement of k changes, for each possible k."""
    placements = log_placements(length, min_length, k_max)
    return log_count_prior(len(placements) - 1, rate) - placements


def _draws(
    segments: Segments,
    forward: Array,
    counts: Array,
    min_length: int,
    draws: int,
    rng: np.random.Generator,
) -> tuple[Array, ...]:
    """Draw segmentations: the number of changes, then starts from the last back."""
    length = segments.length
    k = rng.choice(len(counts), size=draws, p=counts / counts.sum())
    cuts = np.full((draws, k.max(initial=0) + 2), length)
    for j in range(k.max(initial=0), 0, -1):
        for t in np.unique(cuts[k >= j, j + 1]):
            here = np.flatnonzero((k >= j) & (cuts[:, j + 1] == t))
            logs = _starts(segments, forward[j], t, min_length)
            cumulated = np.cumsum(np.exp(logs - logs.max()))
            uniforms = rng.random(len(here)) * cumulated[-1]
            cuts[here, j] = np.searchsorted(cumulated, uniforms, side="right")
    return tuple(row[1 : size + 1].copy() for row, size in zip(cuts, k, strict=True))


def _most_probable(segments: Segments, best: Array, log_prior: Array, min_length: int) -> Array:
    t = segments.length
    k = int(np.argmax(log_prior + best[1:, t]))
    locations = np.zeros(k, dtype=np.int64)
    for j in range(k, 0, -1):
        t = locations[j - 1] = int(np.argmax(_starts(segments, best[j], t, min_length)))
    return locations


def _starts(segments: Segments, before: Array, t: int, min_length: int) -> Array:
    """Compute the log weight of each start of a segment that ends at t."""
    stop = t - min_length + 1
    return before[:stop] + segments.ending(t, t + 1)[0, :stop]


def _waic(segments: Segments, draws: tuple[Array, ...]) -> Waic | None:
    """Compute WAIC over the drawn segmentations, with regimes integrated out."""
    if not draws:
        return None
    return waic_of_points(*segments.pointwise(*distinct_segments(draws, segments.length)))


def distinct_segments(draws: tuple[Array, ...], length: int) -> tuple[Array, Array, Array]:
    """Return the starts and ends of all segments in the draws, with their shares."""
    counts = Counter(pair for cuts in draws for pair in pairwise([0, *cuts.tolist(), length]))
    starts, ends = np.array(sorted(counts)).T
    return starts, ends, np.array([counts[pair] for pair in sorted(counts)]) / len(draws)

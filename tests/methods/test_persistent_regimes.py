"""Compare persistent regimes with joint densities, and calibrate the test."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, multivariate_normal

from methods.changepoint import (
    ChangePrior,
    NoisySeries,
    PersistentRegimes,
    evidence_by_count,
    fit_persistent,
    fit_rate,
    log_odds_of_change,
    no_change_p_value,
    persistent_posterior,
    simulate_without_change,
)
from methods.changepoint.exact import log_placement_prior
from methods.changepoint.persistent import PersistentSegments

PRIOR = PersistentRegimes(
    level=[1.5, 0.4], deviation=[0.6, 0.2], correlation=[0.8, 0.4], residual=[0.1, 0.05],
    scales=[0.5, 2.0], shares=[0.7, 0.3],
)  # fmt: skip
TIMES = np.array([0.0, 1.0, 2.0, 5.0, 6.0, 7.0, 8.0, 11.0])


def noisy(seed: int, step: float = 0.0) -> NoisySeries:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(len(TIMES), 2)) + step * (np.arange(len(TIMES)) >= 4)[:, None]
    return NoisySeries(y, TIMES, rng.uniform(0.05, 0.6, size=y.shape))


def signal_covariance(times: np.ndarray, hyper: np.ndarray) -> np.ndarray:
    level, deviation, correlation, _ = hyper
    return level + deviation * correlation ** np.abs(times[:, None] - times)


def joint_score(series: NoisySeries, hyper: np.ndarray, start: int, end: int) -> float:
    """Score a segment by the joint normal density, without a filter."""
    total = 0.0
    for a in range(series.y.shape[1]):
        covariance = signal_covariance(series.times[start:end], hyper[a])
        covariance = covariance + np.diag(hyper[a, 3] + series.noise[start:end, a])
        total += multivariate_normal.logpdf(series.y[start:end, a], np.zeros(end - start), covariance)
    return total


def all_segmentations(length: int, min_length: int, k_max: int):
    for k in range(k_max + 1):
        for cuts in itertools.combinations(range(1, length), k):
            if min(np.diff([0, *cuts, length])) >= min_length:
                yield cuts


def test_segments_equal_the_joint_density_in_both_directions():
    series = noisy(0)
    n = len(TIMES)
    for hyper in PRIOR.hypers:
        segments = PersistentSegments(series, hyper)
        starting, ending = segments.starting(0, n + 1), segments.ending(0, n + 1)
        for start, end in itertools.combinations(range(n + 1), 2):
            expected = joint_score(series, hyper, start, end)
            assert starting[start, end] == pytest.approx(expected, abs=1e-10)
            assert ending[end, start] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("min_length, k_max", [(1, 3), (2, 3), (3, 1)])
def test_the_posterior_equals_enumeration(min_length, k_max):
    series, rate, n = noisy(1, step=1.5), 0.7, len(TIMES)
    log_prior = log_placement_prior(n, rate, min_length, k_max)
    weights, courses, keys = [], [], []
    for share, hyper in zip(PRIOR.shares, PRIOR.hypers, strict=True):
        for cuts in all_segmentations(n, min_length, min(k_max, len(log_prior) - 1)):
            course, total = np.empty((n, 2)), math.log(share) + log_prior[len(cuts)]
            for start, end in itertools.pairwise([0, *cuts, n]):
                total += joint_score(series, hyper, start, end)
                for a in range(2):
                    signal = signal_covariance(TIMES[start:end], hyper[a])
                    noise = np.diag(hyper[a, 3] + series.noise[start:end, a])
                    course[start:end, a] = signal @ np.linalg.solve(signal + noise, series.y[start:end, a])
            weights.append(total)
            courses.append(course)
            keys.append((hyper[0, 1], cuts))
    evidence = np.logaddexp.reduce(weights)
    probability = np.exp(np.array(weights) - evidence)
    found = persistent_posterior(series, PRIOR, ChangePrior(rate, min_length, k_max))
    assert found.log_evidence == pytest.approx(evidence, abs=1e-10)
    location, count = np.zeros(n), np.zeros(k_max + 1)
    for p, (_, cuts) in zip(probability, keys, strict=True):
        location[list(cuts)] += p
        count[len(cuts)] += p
    np.testing.assert_allclose(found.location_probability, location, atol=1e-10)
    np.testing.assert_allclose(found.count_probability, count, atol=1e-10)
    np.testing.assert_allclose(
        found.regime_means, np.tensordot(probability, np.array(courses), axes=1), atol=1e-9
    )
    kinds = {
        kind: sum(p for p, key in zip(probability, keys, strict=True) if key[0] == kind) for kind, _ in keys
    }
    best = max(kinds, key=kinds.get)
    of_best = [(p, key[1]) for p, key in zip(probability, keys, strict=True) if key[0] == best]
    assert tuple(found.map_locations) == max(of_best)[1]


@pytest.mark.parametrize("min_length", [1, 2, 3])
def test_the_evidence_of_many_series_equals_the_posterior(min_length):
    series = noisy(2)
    y = np.stack([series.y, 3 * series.y, series.y[::-1]])
    found = log_odds_of_change(evidence_by_count(y, series, PRIOR, min_length, 3), 0.7)
    for odds, values in zip(found, y, strict=True):
        one = persistent_posterior(
            NoisySeries(values, TIMES, series.noise), PRIOR, ChangePrior(0.7, min_length, 3)
        )
        none = one.count_probability[0]
        assert odds == pytest.approx(math.log((1 - none) / none), abs=1e-9)


def draw(shape: NoisySeries, prior: PersistentRegimes, rng) -> tuple[np.ndarray, np.ndarray]:
    """Draw a series without a change from the joint normal density, and its level."""
    level = np.sqrt(prior.level) * rng.normal(size=prior.level.size)
    columns = []
    for a, hyper in enumerate(prior.hypers[0]):
        covariance = signal_covariance(shape.times, hyper) - hyper[0]
        covariance = covariance + np.diag(hyper[3] + shape.noise[:, a])
        columns.append(level[a] + np.linalg.cholesky(covariance) @ rng.normal(size=len(shape.times)))
    return np.stack(columns, axis=1), level


def test_a_series_too_short_for_a_change_has_none():
    short = NoisySeries(np.zeros((3, 2)), np.arange(3.0), np.ones((3, 2)))
    evidence = evidence_by_count(short.y[None], short, PRIOR, 2, 5)
    np.testing.assert_array_equal(evidence, [[0.0]])
    assert log_odds_of_change(evidence, 1.0).tolist() == [-np.inf]
    assert no_change_p_value(short, PRIOR, ChangePrior(1.0, 2, 5), exceedances=3) == 1.0


def test_simulated_series_have_the_covariance_of_the_model():
    single = PersistentRegimes([1.5, 0.4], [0.6, 0.2], [0.8, 0.4], [0.1, 0.05], [1.0], [1.0])
    series = noisy(3)
    draws = simulate_without_change(series, single, 20_000, np.random.default_rng(4))
    for a in range(2):
        noise = np.diag(single.residual[a] + series.noise[:, a])
        signal = signal_covariance(TIMES, single.hypers[0, a])
        # The level is drawn from its posterior, here by the formula of conditional normal distributions.
        gain = np.full(len(TIMES), single.level[a]) @ np.linalg.inv(signal + noise)
        mean, variance = gain @ series.y[:, a], single.level[a] - gain.sum() * single.level[a]
        expected = signal - single.level[a] + variance + noise
        # Standard error of a covariance of 20,000 draws: at most sqrt(2) times the variance / 141.
        np.testing.assert_allclose(np.cov(draws[:, :, a].T), expected, atol=4 * 0.01 * expected.max())
        np.testing.assert_allclose(
            draws[:, :, a].mean(axis=0), mean, atol=4 * math.sqrt(expected.max() / 2e4)
        )


def test_the_factor_of_simulated_series_follows_that_of_the_series():
    wild, calm = (NoisySeries(np.outer((-1.0) ** np.arange(30) * s, [1, 1]), np.arange(30.0),
                              np.full((30, 2), 0.01)) for s in (1.5, 0.1))  # fmt: skip
    spread = [
        simulate_without_change(one, PRIOR, 500, np.random.default_rng(5)).std(axis=1).mean()
        for one in (wild, calm)
    ]
    assert spread[0] > 1.5 * spread[1]


def test_the_test_rejects_at_most_nominally_without_a_change_and_finds_changes():
    rng = np.random.default_rng(6)
    changes, p_null, p_average, p_changed = ChangePrior(0.2, 2, 5), [], [], []
    for number in range(150):
        n = int(rng.integers(8, 16))
        times = np.cumsum(rng.integers(1, 4, size=n)).astype(float)
        shape = NoisySeries(np.zeros((n, 2)), times, rng.uniform(0.1, 0.8, size=(n, 2)))
        scale = PersistentRegimes(
            PRIOR.level, PRIOR.deviation, PRIOR.correlation, PRIOR.residual,
            [PRIOR.scales[int(rng.random() < PRIOR.shares[1])]], [1.0],
        )  # fmt: skip
        y, level = draw(shape, scale, rng)
        changed = y + 4.0 * (np.arange(n) >= n // 2)[:, None]
        seed = (7, number)
        for values, into in ((y, p_null), (y - level, p_average), (changed, p_changed)):
            series = NoisySeries(values, times, shape.noise)
            into.append(no_change_p_value(series, PRIOR, changes, exceedances=10, most=400, seed=seed))
    for level, p_values in itertools.product((0.05, 0.2), (p_null, p_average)):
        # Rejections of 150 true hypotheses, for levels of the population and for the average level: above
        # the 99.9 % quantile only where the test is too liberal.
        assert np.sum(np.array(p_values) <= level) <= binom.ppf(0.999, 150, level)
    assert np.mean(np.array(p_changed) <= 0.05) > 0.8


def test_sequential_p_values_are_counts_of_draws():
    series = noisy(8)
    changes = ChangePrior(0.5, 2, 3)
    full = no_change_p_value(series, PRIOR, changes, exceedances=10_000, most=999, seed=9)
    # Without stopping, p is (g + 1) / (most + 1) with the draws of the same seed in batches of 100.
    rng, g = np.random.default_rng(9), 0
    observed = log_odds_of_change(evidence_by_count(series.y[None], series, PRIOR, 2, 3), 0.5)[0]
    for batch in [100] * 9 + [99]:
        y = simulate_without_change(series, PRIOR, batch, rng)
        g += int((log_odds_of_change(evidence_by_count(y, series, PRIOR, 2, 3), 0.5) >= observed).sum())
    assert full == (g + 1) / 1000
    stopped = no_change_p_value(series, PRIOR, changes, exceedances=20, most=999, seed=9)
    assert stopped == pytest.approx(full, abs=4 * full / math.sqrt(20))


@pytest.fixture(scope="module")
def population() -> tuple[list[NoisySeries], PersistentRegimes]:
    true = PersistentRegimes([1.0], [0.8], [0.9], [0.2], [0.4, 1.6], [0.5, 0.5])
    rng, series = np.random.default_rng(10), []
    for _ in range(400):
        times = np.cumsum(rng.integers(1, 4, size=12)).astype(float)
        kind = PersistentRegimes(
            true.level, true.deviation, true.correlation, true.residual, [rng.choice(true.scales)], [1.0]
        )
        shape = NoisySeries(np.zeros((12, 1)), times, rng.uniform(0.1, 0.5, size=(12, 1)))
        series.append(NoisySeries(draw(shape, kind, rng)[0], times, shape.noise))
    return series, true


def test_the_fit_recovers_the_population(population):
    series, true = population
    fitted = fit_persistent(series, scales=(0.4, 1.6), rounds=3)
    # Errors over 400 careers of 12 years: level and deviation about 12 %, correlation 0.02, shares 0.06.
    assert fitted.prior.level[0] == pytest.approx(1.0, rel=0.4)
    assert fitted.prior.deviation[0] == pytest.approx(0.8, rel=0.4)
    assert fitted.prior.correlation[0] == pytest.approx(0.9, abs=0.07)
    assert fitted.prior.residual[0] == pytest.approx(0.2, abs=0.1)
    assert fitted.prior.shares[0] == pytest.approx(0.5, abs=0.25)
    # It is a maximum: the truth is not more likely, nor is the fit with one factor.
    by_density = sum(
        np.logaddexp.reduce(
            [math.log(share) + joint_score(one, hyper, 0, 12)
             for share, hyper in zip(true.shares, true.hypers, strict=True)]
        )
        for one in series
    )  # fmt: skip
    assert fitted.log_likelihood > by_density
    assert fitted.log_likelihood > fit_persistent(series, scales=(1.0,), rounds=0).log_likelihood


def test_the_rate_is_fitted_and_is_small_without_changes(population):
    series, true = population
    rng = np.random.default_rng(11)
    none = [evidence_by_count(one.y[None], one, true, 2, 5)[0] for one in series]
    assert fit_rate(none).rate < 0.1
    assert fit_rate(none).gain < 2
    changed = []
    for one in series:
        kind = replace(true, scales=np.array([rng.choice(true.scales)]), shares=np.ones(1))
        # A new regime is an independent series.
        later = (np.arange(12) >= rng.integers(3, 10)) & (rng.random() < 0.5)
        y = np.where(later[:, None], draw(one, kind, rng)[0], one.y)
        changed.append(evidence_by_count(y[None], NoisySeries(y, one.times, one.noise), true, 2, 5)[0])
    fitted = fit_rate(changed)
    # Half of the series have one change: 0.5 on average, with a standard error below 0.1.
    assert fitted.rate == pytest.approx(0.5, abs=0.25)
    assert fitted.gain > 20


def test_invalid_arguments_are_errors():
    with pytest.raises(ValueError, match="strictly increasing"):
        NoisySeries(np.zeros((3, 1)), np.array([0.0, 0.0, 1.0]), np.ones((3, 1)))
    with pytest.raises(ValueError, match="noise"):
        NoisySeries(np.zeros((3, 1)), np.arange(3.0), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="expected"):
        NoisySeries(np.zeros((3, 1)), np.arange(3.0), np.ones((3, 2)))
    with pytest.raises(ValueError, match="sum 1"):
        PersistentRegimes([1.0], [1.0], [0.5], [0.1], [1.0, 2.0], [0.5, 0.4])
    with pytest.raises(ValueError, match="correlation in"):
        PersistentRegimes([1.0], [1.0], [1.0], [0.1], [1.0], [1.0])
    with pytest.raises(ValueError, match="rate > 0"):
        ChangePrior(0.0)
    with pytest.raises(ValueError, match="min_length is 9"):
        persistent_posterior(noisy(0), PRIOR, ChangePrior(1.0, 9))
    with pytest.raises(ValueError, match="two series"):
        fit_persistent([noisy(0)])
    with pytest.raises(ValueError, match="at least one"):
        fit_rate([])
    with pytest.raises(ValueError, match="exceedances"):
        no_change_p_value(noisy(0), PRIOR, ChangePrior(1.0), exceedances=0)

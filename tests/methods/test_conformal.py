"""Compare conformal intervals with definitions, the Beta law and MAPIE."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from methods.trust.conformal import (
    adaptive_levels,
    conformal_radius,
    quantile_bounds,
    quantile_score,
    split_radius,
    weighted_quantile,
)

ALPHAS = [0.05, 0.1, 0.2, 0.5]


@settings(deadline=None)
@given(st.integers(0, 60), st.sampled_from(ALPHAS), st.integers(0, 1000))
def test_the_radius_is_the_smallest_score_with_the_required_rank(n, alpha, seed):
    scores = np.random.default_rng(seed).normal(size=n)
    rank = (n + 1) * (1 - alpha)
    at_most = [value for value in scores if np.sum(scores <= value) >= rank - 1e-9]
    assert split_radius(scores, alpha) == (min(at_most) if at_most else math.inf)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=6), st.sampled_from([0.5, 0.3, 0.2]))
def test_coverage_over_all_orders_of_exchangeable_scores_is_at_least_the_level(values, alpha):
    orders = list(itertools.permutations(values))
    hits = [order[-1] <= split_radius(np.array(order[:-1], float), alpha) for order in orders]
    assert np.mean(hits) >= 1 - alpha - 1e-12


@settings(deadline=None)
@given(st.integers(4, 7), st.sampled_from([0.5, 0.25]))
def test_without_ties_coverage_is_below_the_level_plus_one_rank(n, alpha):
    orders = itertools.permutations(range(n))
    hits = [order[-1] <= split_radius(np.array(order[:-1], float), alpha) for order in orders]
    assert 1 - alpha - 1e-12 <= np.mean(hits) < 1 - alpha + 1 / n + 1e-12


@pytest.mark.parametrize(("n", "alpha"), [(19, 0.1), (50, 0.1), (200, 0.05)])
def test_coverage_given_the_calibration_rows_follows_the_beta_law(n, alpha):
    # |y| of a standard normal: the coverage of a radius is known exactly.
    generator = np.random.default_rng(n)
    radius = np.array([split_radius(np.abs(generator.normal(size=n)), alpha) for _ in range(500)])
    coverage = 2 * stats.norm.cdf(radius) - 1
    rank = math.ceil((n + 1) * (1 - alpha) - 1e-9)
    assert stats.kstest(coverage, stats.beta(rank, n + 1 - rank).cdf).pvalue > 0.01
    # The law of one rank less is rejected, so the test can fail.
    assert stats.kstest(coverage, stats.beta(rank - 1, n + 2 - rank).cdf).pvalue < 0.01


def test_split_intervals_equal_those_of_mapie():
    from mapie.regression import SplitConformalRegressor
    from sklearn.linear_model import LinearRegression

    generator = np.random.default_rng(4)
    x = generator.normal(size=(150, 3))
    y = x @ [1.0, -2.0, 0.5] + generator.standard_t(4, size=150)
    model = LinearRegression().fit(x[:60], y[:60])
    peer = SplitConformalRegressor(model, confidence_level=[0.8, 0.9, 0.95], prefit=True)
    bounds = peer.conformalize(x[60:120], y[60:120]).predict_interval(x[120:])[1]
    scores, forecast = np.abs(y[60:120] - model.predict(x[60:120])), model.predict(x[120:])
    for j, alpha in enumerate([0.2, 0.1, 0.05]):
        np.testing.assert_allclose(bounds[:, 1, j], forecast + split_radius(scores, alpha), atol=1e-10)


def test_too_few_scores_give_an_infinite_radius():
    assert split_radius(np.arange(8.0), 0.1) == math.inf
    assert split_radius(np.arange(9.0), 0.1) == 8
    assert split_radius(np.array([]), 0.5) == math.inf
    assert weighted_quantile(np.array([]), np.array([]), 0.5) == math.inf
    wide = quantile_bounds(np.zeros(3), np.zeros(2), np.ones(2), 0.1)
    assert (wide.lower == -math.inf).all() and (wide.upper == math.inf).all()


def test_intervals_are_wider_where_the_scale_is_larger():
    error, scale = np.array([1.0, -4.0, 2.0, 3.0]), np.array([1.0, 2.0, 1.0, 3.0])
    # scores 1, 2, 2, 1; rank ceil(5 * 0.6) = 3
    np.testing.assert_allclose(conformal_radius(error, scale, np.array([1.0, 10.0]), 0.6), [2.0, 20.0])


@settings(deadline=None)
@given(st.integers(0, 40), st.sampled_from(ALPHAS), st.integers(0, 1000))
def test_quantile_intervals_hold_exactly_the_rows_whose_score_is_within_the_radius(n, alpha, seed):
    generator = np.random.default_rng(seed)
    y, lower = generator.normal(size=(2, n + 20))
    upper = lower + generator.exponential(size=n + 20)
    scores = quantile_score(y, lower, upper)
    bounds = quantile_bounds(scores[:n], lower[n:], upper[n:], alpha)
    inside = (bounds.lower <= y[n:] + 1e-12) & (y[n:] - 1e-12 <= bounds.upper)
    np.testing.assert_array_equal(inside, scores[n:] <= split_radius(scores[:n], alpha) + 1e-12)


def test_quantile_intervals_of_exchangeable_rows_cover_and_adapt_to_the_spread():
    # True quantiles of another level (50 %) are widened to 90 % on the average.
    generator, covered, width = np.random.default_rng(7), [], []
    for _ in range(200):
        spread = generator.uniform(0.5, 3, size=120)
        y = spread * generator.normal(size=120)
        ends = 0.674 * spread
        bounds = quantile_bounds(quantile_score(y, -ends, ends)[:99], -ends[99:], ends[99:], 0.1)
        covered.append(((bounds.lower <= y[99:]) & (y[99:] <= bounds.upper)).mean())
        width.append(np.corrcoef(bounds.upper - bounds.lower, spread[99:])[0, 1])
    # 99 calibration rows: expected coverage exactly 0.9
    assert abs(np.mean(covered) - 0.9) < 3 * np.std(covered) / np.sqrt(200)
    assert min(width) > 0.99


@settings(deadline=None)
@given(st.integers(1, 40), st.sampled_from(ALPHAS), st.integers(0, 1000))
def test_the_weighted_quantile_is_that_of_repeated_scores(n, alpha, seed):
    # Integer weights: repeat each score; the new point counts as one more value at infinity.
    generator = np.random.default_rng(seed)
    scores, weights = generator.normal(size=n), generator.integers(0, 4, size=n)
    repeated = np.sort(np.r_[np.repeat(scores, weights), math.inf])
    rank = math.ceil(round((1 - alpha) * len(repeated), 9))
    assert weighted_quantile(scores, weights, alpha) == repeated[rank - 1]
    assert weighted_quantile(scores, np.ones(n), alpha) == split_radius(scores, alpha)


def test_the_weighted_quantile_is_infinite_where_the_mass_falls_short():
    scores = np.array([3.0, 1.0, 2.0])
    # mass of the scores 1.5 of 2.5: 60 %
    assert weighted_quantile(scores, np.full(3, 0.5), 0.41) == 3.0
    assert weighted_quantile(scores, np.full(3, 0.5), 0.39) == math.inf
    assert weighted_quantile(scores, np.zeros(3), 0.9) == math.inf


def test_levels_follow_the_recursion():
    errors, level, expected = np.array([1.0, 0, 0, 1, 1]), 0.1, []
    for error in errors:
        level += 0.05 * (0.1 - error)
        expected.append(level)
    np.testing.assert_allclose(adaptive_levels(errors, 0.1, 0.05), expected, atol=1e-15)
    assert adaptive_levels(np.array([]), 0.1, 0.05).shape == (0,)


def test_invalid_input_raises_an_error():
    with pytest.raises(ValueError, match="alpha"):
        split_radius(np.ones(3), 0.0)
    with pytest.raises(ValueError, match="no NaN"):
        split_radius(np.array([np.nan]), 0.1)
    with pytest.raises(ValueError, match="one weight per score"):
        weighted_quantile(np.ones(3), np.ones(2), 0.1)
    with pytest.raises(ValueError, match="weights >= 0"):
        weighted_quantile(np.ones(2), np.array([1.0, -1.0]), 0.1)
    with pytest.raises(ValueError, match="gamma"):
        adaptive_levels(np.ones(2), 0.1, -1.0)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("calibrated", [True, False])
def test_a_scale_that_is_not_positive_is_an_error(value, calibrated):
    scale, new = np.ones(40), np.ones(3)
    (scale if calibrated else new)[1] = value
    with pytest.raises(ValueError, match=r"scale is .* in row 1 and invalid in 1 of"):
        conformal_radius(np.arange(1.0, 41.0), scale, new, 0.9)


def test_scales_are_checked_where_the_radius_is_infinite():
    assert np.isinf(conformal_radius(np.ones(3), np.ones(3), np.ones(2), 0.9)).all()
    with pytest.raises(ValueError, match=r"scale is 0\.0 in row 0"):
        conformal_radius(np.ones(3), np.ones(3), np.array([0.0, 1.0]), 0.9)
    with pytest.raises(ValueError, match="one shape"):
        conformal_radius(np.ones(3), np.ones(4), np.ones(2), 0.9)

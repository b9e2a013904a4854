"""Compare conformal quantiles with their definition and with all permutations."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.evaluation.conformal import conformal_quantile, conformal_radius


@settings(deadline=None)
@given(st.integers(1, 60), st.sampled_from([0.5, 0.8, 0.9, 0.95]), st.integers(0, 1000))
def test_the_quantile_is_the_smallest_value_with_the_required_rank(n, level, seed):
    scores = np.random.default_rng(seed).normal(size=n)
    quantile = conformal_quantile(scores, level)
    rank = (n + 1) * level
    at_most = [value for value in scores if np.sum(scores <= value) >= rank - 1e-9]
    assert quantile == (min(at_most) if at_most else math.inf)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=6), st.sampled_from([0.5, 0.7, 0.8]))
def test_coverage_over_all_orders_of_exchangeable_scores_is_at_least_the_level(values, level):
    orders = list(itertools.permutations(values))
    hits = [order[-1] <= conformal_quantile(np.array(order[:-1], float), level) for order in orders]
    assert np.mean(hits) >= level - 1e-12


@settings(deadline=None)
@given(st.integers(4, 7), st.sampled_from([0.5, 0.75]))
def test_without_ties_coverage_is_below_the_level_plus_one_rank(n, level):
    orders = itertools.permutations(range(n))
    hits = [order[-1] <= conformal_quantile(np.array(order[:-1], float), level) for order in orders]
    assert level - 1e-12 <= np.mean(hits) < level + 1 / n + 1e-12


def test_intervals_are_wider_where_the_scale_is_larger():
    error, scale = np.array([1.0, -4.0, 2.0, 3.0]), np.array([1.0, 2.0, 1.0, 3.0])
    # scores 1, 2, 2, 1; rank ceil(5 * 0.6) = 3
    np.testing.assert_allclose(conformal_radius(error, scale, np.array([1.0, 10.0]), 0.6), [2.0, 20.0])


def test_invalid_input_raises_an_error():
    with pytest.raises(ValueError, match="level"):
        conformal_quantile(np.ones(3), 1.0)
    with pytest.raises(ValueError, match="0 scores"):
        conformal_quantile(np.array([]), 0.9)
    with pytest.raises(ValueError, match="no NaN"):
        conformal_quantile(np.array([np.nan]), 0.9)


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

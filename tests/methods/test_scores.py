"""Compare the cluster bootstrap with SciPy and with stacked clusters."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from methods.evaluation.scores import bootstrap_mse, cluster_weights, percentile_interval, skill


def test_clusters_of_one_give_the_ordinary_bootstrap():
    errors = np.random.default_rng(0).normal(size=(200, 1)) ** 2
    mse, samples = bootstrap_mse(errors, np.arange(200), 9000, 1)
    interval = percentile_interval(mse, samples, 0.9)
    reference = bootstrap(
        (errors[:, 0] ** 2,), np.mean, n_resamples=9000, confidence_level=0.9, method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    # Both are Monte Carlo estimates: quantiles of 9,000 draws agree within 3 % of the width
    width = reference.high - reference.low
    assert interval.low[0] == pytest.approx(reference.low, abs=0.04 * width)
    assert interval.high[0] == pytest.approx(reference.high, abs=0.04 * width)


def test_weighted_sums_equal_stacking_the_drawn_clusters():
    r = np.random.default_rng(3)
    errors, cluster = r.normal(size=(50, 2)), r.integers(0, 6, 50) * 10
    mse, samples = bootstrap_mse(errors, cluster, 20, 4)
    np.testing.assert_allclose(mse, np.mean(errors**2, axis=0))
    names = np.unique(cluster)
    for row, weights in enumerate(cluster_weights(len(names), 20, 4)):
        drawn = np.repeat(names, weights.astype(int))
        rows = [np.flatnonzero(cluster == name) for name in drawn]
        np.testing.assert_allclose(samples[row], np.mean(errors[np.concatenate(rows)] ** 2, axis=0))


def test_clusters_widen_the_interval():
    level = np.repeat(np.random.default_rng(5).normal(size=40), 10)[:, None]
    _, alone = bootstrap_mse(level, np.arange(400), 2000, 0)
    _, together = bootstrap_mse(level, np.repeat(np.arange(40), 10), 2000, 0)
    # With ten equal errors per cluster, the spread is sqrt(10) times as large.
    assert together.std() / alone.std() == pytest.approx(np.sqrt(10), rel=0.1)


def test_skill_is_zero_for_the_reference_and_one_for_the_truth():
    np.testing.assert_allclose(skill(np.array([2.0, 0.0, 4.0]), np.array([2.0, 2.0, 2.0])), [0, 1, -1])


def test_errors_that_are_not_numbers_are_named():
    errors = np.ones((5, 2))
    errors[3, 1] = np.nan
    with pytest.raises(ValueError, match="row 3, model 1 is nan"):
        bootstrap_mse(errors, np.arange(5), 10, 0)
    with pytest.raises(ValueError, match="n >= 1"):
        bootstrap_mse(np.ones((0, 2)), np.arange(0), 10, 0)
    with pytest.raises(ValueError, match="1 bootstrap samples are NaN"):
        percentile_interval(np.ones(1), np.array([[1.0], [np.nan]]), 0.9)
    with pytest.raises(ValueError, match="level"):
        percentile_interval(np.ones(1), np.ones((2, 1)), 95.0)

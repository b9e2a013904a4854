"""Compare the variance of bagged predictors with closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from methods.trust.bagging import (
    bootstrap_rows,
    bootstrap_variance,
    gaussian_log_likelihood,
    mixture_log_likelihood,
    variance_components,
)


def bagged_means(sets, members, groups, size, seed):
    """Return means of bootstrap samples of groups, for new data each time."""
    generator = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), size)
    predictions = np.empty((sets, members, 1))
    for i in range(sets):
        y = np.repeat(generator.normal(size=groups), size)
        rows = bootstrap_rows(group, members, int(generator.integers(2**31)))
        predictions[i, :, 0] = [y[chosen].mean() for chosen in rows]
    return predictions


def test_the_mean_of_groups_has_a_correlation_of_one_half():
    # A mean over m independent groups: variance 1/m from the data, (m - 1)/m^2 from the resampling.
    m = 40
    found = variance_components(bagged_means(2000, 5, m, 3, 0))
    data, resampling = 1 / m, (m - 1) / m**2
    assert found.member[0] == pytest.approx(data + resampling, rel=0.08)
    assert found.correlation[0] == pytest.approx(data / (data + resampling), rel=0.08)


def test_the_formula_predicts_the_variance_of_larger_ensembles():
    found = variance_components(bagged_means(2000, 3, 30, 1, 1))
    for members in (1, 10):
        other = bagged_means(2000, members, 30, 1, 2 + members).mean(axis=1).var(ddof=1)
        # Standard error of a variance of 2,000 draws: 3 %.
        assert found.of_mean(members)[0] == pytest.approx(other, rel=0.12)
    # Var / B is far too small.
    assert found.member[0] / 10 < 0.3 * other


def test_the_bootstrap_variance_estimates_the_variance_over_new_data():
    generator = np.random.default_rng(3)
    group, estimates = np.arange(60), []
    for seed in range(200):
        y = generator.normal(size=60)
        rows = bootstrap_rows(group, 50, seed)
        estimates.append(bootstrap_variance(np.array([[y[chosen].mean()] for chosen in rows])))
    assert np.mean(estimates) == pytest.approx(1 / 60, rel=0.08)


def test_a_sample_holds_whole_groups():
    group = np.array([2, 0, 2, 1, 1, 1])
    for rows in bootstrap_rows(group, 20, 0):
        drawn = np.bincount(rows, minlength=6)
        for name in range(3):
            assert len(set(drawn[group == name])) == 1
        assert sum(drawn[[1, 0, 3]]) == 3
    first, second = bootstrap_rows(group, 2, 0)
    assert len(first) != len(second) or (np.sort(first) != np.sort(second)).any()


def test_log_likelihoods_equal_those_of_scipy():
    generator = np.random.default_rng(4)
    truth, means = generator.normal(size=7), generator.normal(size=(3, 7))
    variances = generator.exponential(size=(3, 7))
    density = norm(means, np.sqrt(variances)).pdf(truth)
    np.testing.assert_allclose(mixture_log_likelihood(truth, means, variances), np.log(density.mean(axis=0)))
    np.testing.assert_allclose(gaussian_log_likelihood(truth, means[0], variances[0]), np.log(density[0]))
    far = mixture_log_likelihood(np.array([1e4]), np.zeros((2, 1)), np.ones((2, 1)))
    assert far[0] == pytest.approx(norm.logpdf(1e4))


def test_too_few_members_raise_an_error():
    with pytest.raises(ValueError, match="at least 2"):
        bootstrap_variance(np.ones((1, 3)))
    with pytest.raises(ValueError, match="at least 2"):
        variance_components(np.ones((1, 4, 2)))

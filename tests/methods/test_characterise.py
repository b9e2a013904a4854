"""Moments, Mardia's tests, groupings, shifts against independent figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_iris
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from methods.characterise import (
    aggregate,
    covariance,
    holm,
    intraclass,
    kolmogorov_smirnov,
    mardia,
    nested_shares,
    psi,
    two_samples,
)
from methods.characterise.shift import auc_interval
from methods.moments import corrected_kurtosis, corrected_skewness, moments

# Output of mardia(iris) of the R package dprep, which divides the covariance by n - 1.
DPREP = {
    0: (24.15508, 0.2356838, 0.7587116, 0.4480251),
    1: (23.70393, 0.2555643, -1.034219, 0.3010336),
    2: (24.72568, 0.2121282, -0.3384283, 0.7350404),
}


@pytest.mark.parametrize("species", DPREP)
def test_mardia_is_the_published_one_on_the_iris(species: int) -> None:
    """Compare after the change of denominator: factors 0.98^3 and 0.98^2."""
    iris = load_iris()
    values = iris.data[iris.target == species]
    skewness, skewness_p, kurtosis_z, kurtosis_p = DPREP[species]
    result = mardia(values)
    np.testing.assert_allclose(result.skewness_statistic * 0.98**3, skewness, rtol=1e-6)
    np.testing.assert_allclose(stats.chi2.sf(result.skewness_statistic * 0.98**3, 20), skewness_p, rtol=1e-5)
    z = (result.kurtosis * 0.98**2 - 24) / np.sqrt(8 * 24 / 50)
    np.testing.assert_allclose([z, 2 * stats.norm.sf(abs(z))], [kurtosis_z, kurtosis_p], rtol=1e-5)
    assert result.skewness_p == pytest.approx(stats.chi2.sf(result.skewness_statistic, 20))
    assert result.kurtosis_statistic == pytest.approx((result.kurtosis - 24) / np.sqrt(8 * 24 / 50))


@pytest.mark.parametrize(("rows", "columns"), [(530, 3), (530, 25), (15, 6)])
def test_mardia_equals_the_double_sum_and_ignores_affine_maps(rows: int, columns: int) -> None:
    random = np.random.default_rng(0)
    values = random.gamma(2.0, size=(rows, columns))
    inverse = np.linalg.inv(np.cov(values, rowvar=False, bias=True))
    deviation = values - values.mean(axis=0)
    total = sum(float(((row @ inverse @ deviation.T) ** 3).sum()) for row in deviation)
    result = mardia(values)
    assert result.skewness == pytest.approx(total / rows**2, rel=1e-9)
    moved = mardia(values @ random.normal(size=(columns, columns)) + 7)
    assert moved.skewness == pytest.approx(result.skewness, rel=1e-6)
    assert moved.kurtosis == pytest.approx(result.kurtosis, rel=1e-6)


def test_mardia_rejects_as_often_as_it_should_and_finds_a_gamma() -> None:
    random = np.random.default_rng(1)
    tests = [mardia(random.normal(size=(300, 3))) for _ in range(400)]
    for p in ([test.skewness_p for test in tests], [test.kurtosis_p for test in tests]):
        # A binomial count of 400 at 5 % is at most 35 with probability 0.999.
        assert 5 <= int((np.array(p) < 0.05).sum()) <= 35
    assert mardia(random.gamma(3.0, size=(300, 3))).skewness_p < 1e-6


def test_a_singular_table_is_refused() -> None:
    values = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(ValueError, match="linearly independent"):
        mardia(np.column_stack([values, values.sum(axis=1)]))


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 60), st.integers(0, 1000))
def test_corrected_moments_are_those_of_scipy(rows: int, seed: int) -> None:
    values = np.random.default_rng(seed).gamma(1.5, size=(rows, 1))
    found = moments(values)
    expected = [stats.skew(values[:, 0], bias=False), stats.kurtosis(values[:, 0], bias=False)]
    corrected = [
        corrected_skewness(found.skewness[0], rows),
        corrected_kurtosis(found.kurtosis[0], rows),
    ]
    np.testing.assert_allclose(corrected, expected, rtol=1e-8, atol=1e-10)


def test_shrinkage_is_used_only_where_rows_are_few_and_beats_the_sample_covariance() -> None:
    random = np.random.default_rng(0)
    few = random.normal(size=(30, 60))
    shrunk = covariance(few)
    assert 0 < shrunk.shrinkage <= 1
    assert np.linalg.eigvalsh(shrunk.matrix)[0] > 1e-3
    error = np.linalg.norm(shrunk.matrix - np.eye(60))
    assert error < np.linalg.norm(np.cov(few, rowvar=False) - np.eye(60)) / 3
    # A change of units changes the matrix and nothing else.
    units = 10.0 ** random.integers(-3, 4, size=60)
    np.testing.assert_allclose(
        covariance(few * units).matrix, shrunk.matrix * np.outer(units, units), rtol=1e-8
    )
    many = covariance(random.normal(size=(100, 5)))
    assert many.shrinkage == 0
    assert 4 < many.effective_rank <= 5


def test_the_shares_of_nested_levels_are_the_sums_of_squares_of_a_plain_loop() -> None:
    random = np.random.default_rng(0)
    artist = np.repeat(np.arange(6), 20)
    album = np.repeat(np.arange(24), 5)
    values = (2 * random.normal(size=(6, 1))[artist] + random.normal(size=(24, 1))[album]) + random.normal(
        size=(120, 1)
    )
    shares = nested_shares(values, [album, artist])[:, 0]
    mean = values.mean()
    within = sum((values[album == a] - values[album == a].mean()) ** 2 for a in range(24)).sum()
    between = sum(20 * (values[artist == a].mean() - mean) ** 2 for a in range(6))
    total = ((values - mean) ** 2).sum()
    np.testing.assert_allclose(shares, [within / total, 1 - (within + between) / total, between / total])
    np.testing.assert_allclose(aggregate(values, album)[3], values[album == 3].mean())
    with pytest.raises(ValueError, match="nested"):
        nested_shares(values, [artist, album])


def test_the_intraclass_correlation_is_that_of_the_simulation_and_of_the_f_test() -> None:
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(2000), 4)
    values = np.sqrt(0.3) * random.normal(size=(2000, 1))[groups]
    values = values + np.sqrt(0.7) * random.normal(size=(8000, 1))
    assert intraclass(values, groups)[0] == pytest.approx(0.3, abs=0.03)
    # With equal sizes m the F statistic is (1 + (m - 1) r) / (1 - r).
    f = stats.f_oneway(*(values[groups == group, 0] for group in range(50))).statistic
    r = intraclass(values[groups < 50], groups[groups < 50])[0]
    assert (1 + 3 * r) / (1 - r) == pytest.approx(f, rel=1e-9)


def test_drift_is_zero_between_equal_samples_and_the_formula_otherwise() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=5000)
    assert psi(first, first) == 0
    # N(0, 1) against N(1/2, 1): the sum over deciles by the normal law.
    edges = np.r_[-np.inf, stats.norm.ppf(np.arange(1, 10) / 10), np.inf]
    q = np.diff(stats.norm.cdf(edges - 0.5))
    expected = ((q - 0.1) * np.log(q / 0.1)).sum()
    assert psi(first, random.normal(0.5, 1, size=5000)) == pytest.approx(expected, abs=0.03)
    assert psi(np.r_[np.zeros(99), 1.0], np.zeros(100)) < 0.1  # quantiles that coincide


def test_holm_and_kolmogorov_smirnov_are_those_of_the_libraries() -> None:
    random = np.random.default_rng(0)
    p = random.uniform(size=20) ** 3
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    first, second = random.normal(size=(80, 3)), random.normal(size=(70, 3))
    second[:, 1] += 2
    first[::3, 2] = np.nan
    first[:, 2] = np.where(np.isnan(first[:, 2]), np.nan, first[:, 2])
    found = kolmogorov_smirnov(first, second)
    assert found[1] < 1e-10
    known = first[~np.isnan(first[:, 2]), 2]
    assert found[2] == pytest.approx(stats.ks_2samp(known, second[:, 2], method="asymp").pvalue)


def test_a_classifier_finds_a_change_of_spread_and_none_between_equal_laws() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=(400, 4))
    same = two_samples(first, random.normal(size=(300, 4)), seed=0)
    assert same.low < 0.5 < same.high
    wider = two_samples(first, 1.6 * random.normal(size=(300, 4)), seed=0)
    assert wider.low > 0.6


def test_the_auc_is_that_of_scikit_learn_and_its_interval_that_of_the_bootstrap() -> None:
    random = np.random.default_rng(0)
    negative, positive = random.normal(size=150).round(1), random.normal(1, 1, size=100).round(1)
    result = auc_interval(negative, positive)
    label, score = np.r_[np.zeros(150), np.ones(100)], np.r_[negative, positive]
    assert result.auc == pytest.approx(roc_auc_score(label, score), rel=1e-12)
    draws = [
        auc_interval(random.choice(negative, 150), random.choice(positive, 100)).auc for _ in range(1000)
    ]
    assert (result.high - result.low) / 3.92 == pytest.approx(np.std(draws), rel=0.12)

"""Probabilistic PCA against scikit-learn and Gaussian densities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.decomposition import PCA

from methods import pca


def low_rank(rows: int = 300, columns: int = 7, noise: float = 0.3) -> np.ndarray:
    generator = np.random.default_rng(0)
    loadings = generator.normal(size=(2, columns))
    values = generator.normal(size=(rows, 2)) @ loadings + generator.normal(size=columns)
    return values + noise * generator.normal(size=(rows, columns))


def with_missing(values: np.ndarray, share: float, seed: int = 1) -> np.ndarray:
    incomplete = values.copy()
    incomplete[np.random.default_rng(seed).random(values.shape) < share] = np.nan
    return incomplete


def test_whole_table_gives_the_principal_subspace_of_scikit_learn():
    values = low_rank()
    found = pca.fit(values, 2, iterations=2000, tolerance=1e-14)
    oracle = PCA(2).fit(values)
    assert np.allclose(found.mean, oracle.mean_, atol=1e-6)
    axes, _ = np.linalg.qr(found.loadings)
    assert np.allclose(axes @ axes.T, oracle.components_.T @ oracle.components_, atol=1e-4)
    assert found.noise == pytest.approx(oracle.noise_variance_ * 299 / 300, rel=1e-4)
    assert np.allclose(
        pca.reconstruct(found, values, shrink=False),
        oracle.inverse_transform(oracle.transform(values)),
        atol=1e-3,
    )


def test_likelihood_is_the_gaussian_density_and_never_falls():
    values = with_missing(low_rank(rows=60), 0.3)
    found = pca.fit(values, 2, iterations=60, tolerance=0.0)
    assert (np.diff(found.log_likelihood) > -1e-9).all()
    one_less = pca.fit(values, 2, iterations=59, tolerance=0.0)
    covariance = one_less.loadings @ one_less.loadings.T + one_less.noise * np.eye(values.shape[1])
    total = 0.0
    for row in values:
        seen = np.flatnonzero(np.isfinite(row))
        if len(seen):
            density = stats.multivariate_normal(one_less.mean[seen], covariance[np.ix_(seen, seen)])
            total += density.logpdf(row[seen])
    assert found.log_likelihood[-1] == pytest.approx(total, rel=1e-9)


def test_what_is_missing_is_filled_by_the_conditional_mean():
    values = with_missing(low_rank(rows=80), 0.3)
    found = pca.fit(values, 2)
    filled = pca.reconstruct(found, values)
    covariance = found.loadings @ found.loadings.T + found.noise * np.eye(values.shape[1])
    for row, guess in zip(values, filled, strict=True):
        seen, missing = np.flatnonzero(np.isfinite(row)), np.flatnonzero(np.isnan(row))
        weights = np.linalg.solve(covariance[np.ix_(seen, seen)], row[seen] - found.mean[seen])
        assert np.allclose(guess[missing], (found.mean + covariance[:, seen] @ weights)[missing], atol=1e-8)


def test_filling_beats_the_columns_means_on_low_rank_data():
    whole = low_rank(noise=0.1)
    incomplete = with_missing(whole, 0.3)
    missing = np.isnan(incomplete)
    error = pca.reconstruct(pca.fit(incomplete, 2), incomplete)[missing] - whole[missing]
    of_means = np.broadcast_to(np.nanmean(incomplete, axis=0), whole.shape)[missing] - whole[missing]
    assert np.sqrt(np.mean(error**2)) < 0.25 * np.sqrt(np.mean(of_means**2))


def test_invalid_requests_are_refused():
    with pytest.raises(ValueError, match="expected 1 to 2 for 3 columns"):
        pca.fit(np.zeros((5, 3)), 3)
    empty = low_rank(rows=10, columns=3)
    empty[:, 1] = np.nan
    with pytest.raises(ValueError, match="column 1 has fewer than 2 values"):
        pca.fit(empty, 1)

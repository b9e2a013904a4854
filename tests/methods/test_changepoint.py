"""Exact change points against enumeration and data with known changes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import invwishart, multivariate_t, norm

from methods.changepoint import (
    NormalInverseWishart,
    exact_posterior,
    recursion,
    segment_log_likelihood,
    waic,
)

pytestmark = pytest.mark.filterwarnings("ignore:the variance of the log likelihood")


def prior_of(d: int) -> NormalInverseWishart:
    rng = np.random.default_rng(d)
    root = rng.normal(size=(d, d))
    return NormalInverseWishart(rng.normal(size=d), 0.7, d + 1.5, root @ root.T + np.eye(d))


def predictive_log_likelihood(y: np.ndarray, prior: NormalInverseWishart) -> float:
    """Compute the likelihood by Student predictive densities, unlike the method."""
    d, total = y.shape[1], 0.0
    mean, kappa, nu, psi = prior.m0, prior.kappa0, prior.nu0, prior.psi0
    for row in y:
        freedom = nu - d + 1
        total += multivariate_t.logpdf(row, mean, psi * (kappa + 1) / (kappa * freedom), df=freedom)
        off = row - mean
        psi = psi + kappa / (kappa + 1) * np.outer(off, off)
        mean = mean + off / (kappa + 1)
        kappa, nu = kappa + 1, nu + 1
    return total


def regime_posterior(y: np.ndarray, prior: NormalInverseWishart):
    """Compute mean, degrees of freedom and scale matrix by textbook formulas."""
    n, mean = len(y), y.mean(axis=0)
    off, kappa = mean - prior.m0, prior.kappa0 + n
    psi = prior.psi0 + (y - mean).T @ (y - mean) + prior.kappa0 * n / kappa * np.outer(off, off)
    return (prior.kappa0 * prior.m0 + n * mean) / kappa, prior.nu0 + n, psi


def enumerate_posterior(y, prior, rate, min_length, k_max):
    """Sum over every admissible segmentation, one by one."""
    length = len(y)
    poisson = [rate**k / math.factorial(k) for k in range(k_max + 1)]
    admissible = {
        k: [
            cuts
            for cuts in itertools.combinations(range(1, length), k)
            if min(np.diff([0, *cuts, length])) >= min_length
        ]
        for k in range(k_max + 1)
    }
    room = sum(p for p, k in zip(poisson, admissible, strict=True) if admissible[k])
    weights, means, covariances = {}, {}, {}
    for k, placements in admissible.items():
        for cuts in placements:
            bounds = [0, *cuts, length]
            pieces = [y[a:b] for a, b in itertools.pairwise(bounds)]
            weights[cuts] = math.log(poisson[k] / room / len(placements)) + sum(
                predictive_log_likelihood(piece, prior) for piece in pieces
            )
            of = [(regime_posterior(piece, prior), len(piece)) for piece in pieces]
            means[cuts] = np.vstack([np.tile(mean, (n, 1)) for (mean, _, _), n in of])
            covariances[cuts] = np.vstack(
                [np.tile(psi / (nu - y.shape[1] - 1), (n, 1, 1)) for (_, nu, psi), n in of]
            )
    evidence = np.logaddexp.reduce(list(weights.values()))
    location, count, mean = np.zeros(length), np.zeros(k_max + 1), np.zeros_like(y)
    covariance = np.zeros((length, y.shape[1], y.shape[1]))
    for cuts, weight in weights.items():
        share = math.exp(weight - evidence)
        location[list(cuts)] += share
        count[len(cuts)] += share
        mean += share * means[cuts]
        covariance += share * covariances[cuts]
    return evidence, location, count, max(weights, key=weights.get), mean, covariance


@pytest.mark.parametrize(
    ("length", "d", "min_length", "k_max"),
    [(9, 1, 1, 20), (8, 3, 1, 3), (10, 2, 3, 20), (7, 2, 2, 0), (1, 2, 1, 4)],
)
def test_equals_enumeration_of_all_segmentations(length, d, min_length, k_max):
    rng = np.random.default_rng(length)
    y = rng.normal(size=(length, d)) + 2.5 * (np.arange(length) > length // 2)[:, None]
    evidence, location, count, most_probable, mean, covariance = enumerate_posterior(
        y, prior_of(d), 1.3, min_length, k_max
    )
    found = exact_posterior(y, prior_of(d), 1.3, min_length, k_max)
    assert found.log_evidence == pytest.approx(evidence, abs=1e-10)
    np.testing.assert_allclose(found.location_probability, location, atol=1e-10)
    np.testing.assert_allclose(found.count_probability, count, atol=1e-10)
    np.testing.assert_allclose(found.regime_means, mean, atol=1e-10)
    np.testing.assert_allclose(found.regime_covariances, covariance, rtol=1e-9, atol=1e-10)
    assert tuple(found.map_locations) == most_probable


def test_draws_follow_the_exact_posterior():
    y = np.random.default_rng(4).normal(size=(12, 2)) + 1.5 * (np.arange(12) >= 5)[:, None]
    found = exact_posterior(y, prior_of(2), 2.0, 2, draws=20_000, seed=1)
    drawn = np.zeros(12)
    for cuts in found.draws:
        assert min(np.diff([0, *cuts, 12])) >= 2
        drawn[cuts] += 1 / 20_000
    counts = np.bincount([len(cuts) for cuts in found.draws], minlength=21) / 20_000
    # Four standard errors of a share of 20,000 draws.
    np.testing.assert_allclose(drawn, found.location_probability, atol=4 * 0.5 / math.sqrt(20_000))
    np.testing.assert_allclose(counts, found.count_probability, atol=4 * 0.5 / math.sqrt(20_000))


@pytest.mark.parametrize("weighted", [False, True])
def test_waic_equals_that_of_drawn_regimes(weighted):
    # Regimes drawn from their posterior, one for each drawn segmentation, scored by scipy.
    rng = np.random.default_rng(5)
    y = rng.normal(size=(14, 2)) + 2.0 * (np.arange(14) >= 6)[:, None]
    weights = rng.uniform(0.5, 2.0, 14) if weighted else np.ones(14)
    prior = NormalInverseWishart(np.zeros(2), 0.7, 6.0, 3 * np.eye(2))
    found = exact_posterior(y, prior, 1.0, 3, weights=weights, draws=20_000, seed=3)
    logs = np.empty((1500, 14))
    for row, cuts in zip(logs, found.draws[:1500], strict=True):
        for a, b in itertools.pairwise([0, *cuts, 14]):
            piece, w = y[a:b], weights[a:b, None]
            kappa = prior.kappa0 + w.sum()
            mean = (prior.kappa0 * prior.m0 + (w * piece).sum(axis=0)) / kappa
            scatter = sum(v * np.outer(r, r) for r, v in zip(piece - mean, w[:, 0], strict=True))
            psi = prior.psi0 + scatter + prior.kappa0 * np.outer(mean - prior.m0, mean - prior.m0)
            sigma = invwishart.rvs(prior.nu0 + b - a, psi, random_state=rng)
            mu = rng.multivariate_normal(mean, sigma / kappa)
            off = (piece - mu) * np.sqrt(w)
            quadratic = (off @ np.linalg.inv(sigma) * off).sum(axis=1)
            log_det = np.linalg.slogdet(2 * np.pi * sigma)[1] - 2 * np.log(w[:, 0])
            row[a:b] = -0.5 * (log_det + quadratic)
    expected = waic(logs)
    # 1,500 draws know a point's variance to 4-8 %, the sum of 14 to about 3 %.
    assert found.waic.lppd == pytest.approx(expected.lppd, abs=0.15)
    assert found.waic.p_waic == pytest.approx(expected.p_waic, rel=0.1)
    assert found.waic.value == pytest.approx(expected.value, abs=0.6)


@pytest.mark.parametrize(("min_length", "k_max"), [(1, 12), (7, 3)])
def test_skipping_negligible_terms_does_not_change_the_result(min_length, k_max):
    # All terms of all sums, over more chunks than one, with changes so strong that most are skipped; and
    # with more of them than k_max allows.
    y = np.random.default_rng(7).normal(size=(230, 2)) + 9.0 * (np.arange(230) // 40 % 2)[:, None]
    prior, length = prior_of(2), 230
    table = segment_log_likelihood(y, prior)
    table[np.subtract.outer(np.arange(length + 1), np.arange(length)) < min_length] = -np.inf
    forward = np.full((k_max + 2, length + 1), -np.inf)
    forward[0, 0] = 0.0
    backward = np.full((k_max + 2, length + 1), -np.inf)
    backward[0, length] = 0.0
    for j in range(1, k_max + 2):
        forward[j] = logsumexp(table + forward[j - 1, :length], axis=1)
        backward[j, :length] = logsumexp(table + backward[j - 1][:, None], axis=0)
    room = [math.comb(length - (k + 1) * (min_length - 1) - 1, k) for k in range(k_max + 1)]
    poisson = np.array([2.0**k / math.factorial(k) for k in range(k_max + 1)])
    prior_k = np.log(poisson / poisson.sum()) - np.log(np.array(room, dtype=float))
    joint = prior_k + forward[1:, length]
    evidence = logsumexp(joint)
    expected = np.zeros(length)
    for k in range(1, k_max + 1):
        for j in range(1, k + 1):
            expected += np.exp(prior_k[k] + forward[j, :length] + backward[k + 1 - j, :length] - evidence)
    found = exact_posterior(y, prior, 2.0, min_length, k_max)
    assert found.log_evidence == pytest.approx(evidence, abs=1e-8)
    np.testing.assert_allclose(found.count_probability, np.exp(joint - evidence), atol=1e-9)
    np.testing.assert_allclose(found.location_probability[1:], expected[1:], atol=1e-9)


def test_long_series_are_split_into_blocks(monkeypatch):
    y = np.random.default_rng(6).normal(size=(150, 2)).cumsum(axis=0)
    whole = exact_posterior(y, prior_of(2), 3.0, 2)
    monkeypatch.setattr(recursion, "_BLOCK_VALUES", 151 * 7)
    found = exact_posterior(y, prior_of(2), 3.0, 2)
    np.testing.assert_allclose(found.location_probability, whole.location_probability, atol=1e-12)
    np.testing.assert_allclose(found.regime_means, whole.regime_means, atol=1e-12)
    assert found.pruning_error < 1e-14


def test_weighted_marginal_is_the_integral_over_mean_and_variance():
    # Quadrature over (mu, Sigma) for d = 1; relative tolerance 1e-6 on the grid used.
    prior, y, weights = (
        NormalInverseWishart([0.3], 0.5, 3.0, [[1.2]]),
        np.array([0.1, 1.4]),
        np.array([4.0, 0.5]),
    )
    log_variance, z = np.linspace(-12, 16, 2001)[:, None], np.linspace(-10, 10, 1001)[None, :]
    variance = np.exp(log_variance)
    mu = 0.3 + np.sqrt(variance / 0.5) * z
    density = invwishart.pdf(variance[:, 0], 3.0, 1.2)[:, None] * variance * norm.pdf(z)
    for value, weight in zip(y, weights, strict=True):
        density = density * norm.pdf(value, mu, np.sqrt(variance / weight))
    expected = np.trapezoid(np.trapezoid(density, z[0], axis=1), log_variance[:, 0])
    found = segment_log_likelihood(y[:, None], prior, weights)[2, 0]
    assert found == pytest.approx(math.log(expected), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000), length=st.integers(4, 40), min_length=st.integers(1, 4), d=st.integers(1, 3)
)
def test_probabilities_are_coherent(seed, length, min_length, d):
    y = np.random.default_rng(seed).normal(size=(length, d)).cumsum(axis=0)
    found = exact_posterior(y, prior_of(d), 2.0, min_length, 6, draws=3, seed=seed)
    expected_count = found.count_probability @ np.arange(7)
    assert found.count_probability.sum() == pytest.approx(1, abs=1e-9)
    assert found.location_probability.sum() == pytest.approx(expected_count, abs=1e-9)
    assert found.location_probability[0] == 0


def test_finds_the_three_known_changes(external_data: Callable[..., Path]):
    folder = external_data("benchmarks", "changepoint")
    prior = NormalInverseWishart(np.zeros(3), 0.1, 5.0, np.eye(3))
    changed = exact_posterior(pd.read_csv(folder / "sim3d_a.csv").to_numpy(), prior, 2.0, min_length=5)
    still = exact_posterior(pd.read_csv(folder / "sim3d_nochange.csv").to_numpy(), prior, 2.0, min_length=5)
    assert len(changed.map_locations) == 3
    np.testing.assert_allclose(changed.map_locations, [70, 120, 170], atol=5)
    assert still.count_probability[0] > 0.9


def test_finds_the_fall_of_the_nile(external_data: Callable[..., Path]):
    folder = external_data("benchmarks", "changepoint")
    series = pd.read_parquet(folder / "tcpd_series.parquet").query("dataset == 'nile'").sort_values("t")
    y = ((series["value"] - series["value"].mean()) / series["value"].std()).to_numpy()
    found = exact_posterior(y, NormalInverseWishart([0.0], 1.0, 3.0, [[1.0]]), 1.0, min_length=5)
    assert list(found.map_locations) == [28]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([[0.0], [np.nan]])}, "rows \\[1\\]"),
        ({"rate": 0.0}, "rate > 0"),
        ({"min_length": 3}, "fewer than min_length"),
        ({"weights": np.array([1.0, 0.0])}, r"weights has shape \(2,\)"),
        ({"y": np.zeros((2, 2))}, "expected \\(T, 1\\)"),
    ],
)
def test_invalid_arguments_are_named(change, message):
    arguments = {"y": np.zeros((2, 1)), "prior": prior_of(1), "rate": 1.0, "min_length": 1} | change
    with pytest.raises(ValueError, match=message):
        exact_posterior(**arguments)


def test_prior_must_be_positive_definite():
    with pytest.raises(ValueError, match="positive definite"):
        NormalInverseWishart([0.0, 0.0], 1.0, 4.0, [[1.0, 2.0], [2.0, 1.0]])

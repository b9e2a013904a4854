"""Segments under the semi-conjugate prior, against independent integrals."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import digamma, gammaln, polygamma
from scipy.stats import invwishart, multivariate_normal, multivariate_t, norm, qmc

from methods.changepoint import NormalIndependentInverseWishart, exact_posterior, waic
from methods.changepoint.semi_conjugate_evidence import independent_segment_log_likelihood, spectrum
from methods.changepoint.semi_conjugate_points import _means, independent_pointwise
from methods.changepoint.standard_form import standard_form

pytestmark = pytest.mark.filterwarnings("ignore:the variance of the log likelihood")


def by_quadrature(y, weights, prior) -> float:
    """Compute the log evidence in one dimension.

    The covariance is integrated in closed form, the mean by adaptive quadrature.
    """
    m0, s0, psi0 = prior.m0[0], prior.s0[0, 0], prior.psi0[0, 0]
    n, a = len(y), (prior.nu0 + len(y)) / 2

    def log_density(mu):
        scale = psi0 + (weights * (y - mu) ** 2).sum()
        return norm.logpdf(mu, m0, math.sqrt(s0)) - a * math.log(scale)

    places = np.linspace(min(y.min(), m0) - 12 * math.sqrt(s0), max(y.max(), m0) + 12 * math.sqrt(s0), 401)
    top = np.array([log_density(mu) for mu in places]).max()
    points = sorted({m0, float(np.average(y, weights=weights)), *y.tolist()})
    mass, _ = quad(
        lambda mu: math.exp(log_density(mu) - top),
        places[0],
        places[-1],
        points=points,
        limit=2000,
        epsabs=0,
        epsrel=1e-12,
    )
    constant = (
        gammaln(a) - gammaln(prior.nu0 / 2) + prior.nu0 / 2 * math.log(psi0) - n / 2 * math.log(math.pi)
    )
    return constant + 0.5 * np.log(weights).sum() + top + math.log(mass)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 30),
    shift=st.sampled_from([0.0, 3.0, 30.0]),
    spread=st.sampled_from([0.1, 1.0, 5.0]),
    nu0=st.sampled_from([0.5, 3.0, 20.0]),
)
def test_evidence_of_a_segment_is_its_integral_in_one_dimension(seed, n, shift, spread, nu0):
    rng = np.random.default_rng(seed)
    y, weights = rng.normal(size=n) * spread + shift, rng.gamma(2.0, size=n) + 0.1
    prior = NormalIndependentInverseWishart([0.3], [[0.8]], nu0, [[1.3]])
    found = independent_segment_log_likelihood(y[:, None], prior, weights)[n, 0]
    assert found == pytest.approx(by_quadrature(y, weights, prior), abs=1e-9)


def test_evidence_of_a_segment_is_its_mean_over_the_prior_in_three_dimensions():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(3, 3))
    prior = NormalIndependentInverseWishart(
        rng.normal(size=3), root @ root.T + np.eye(3), 6.0, 2 * np.eye(3) + 0.5
    )
    y, weights = rng.normal(size=(2, 3)), np.array([2.0, 0.5])
    covariances = invwishart.rvs(6.0, prior.psi0, size=150_000, random_state=rng)
    means = rng.multivariate_normal(prior.m0, prior.s0, size=150_000)
    log_likelihood = np.zeros(150_000)
    for value, weight in zip(y, weights, strict=True):
        scaled = np.linalg.cholesky(covariances / weight)
        z = np.linalg.solve(scaled, (value - means)[:, :, None])[:, :, 0]
        log_likelihood += multivariate_normal.logpdf(z, np.zeros(3), np.eye(3)) - np.linalg.slogdet(scaled)[1]
    likelihood = np.exp(log_likelihood)
    found = math.exp(independent_segment_log_likelihood(y, prior, weights)[2, 0])
    # Four standard errors, which are 3 % of the value or less.
    error = likelihood.std() / math.sqrt(150_000)
    assert error < 0.03 * found
    assert abs(likelihood.mean() - found) < 4 * error


def test_densities_of_one_observation_integrate_to_one():
    prior = NormalIndependentInverseWishart([1.0], [[4.0]], 3.0, [[2.0]])

    def density(y):
        return math.exp(independent_segment_log_likelihood(np.array([[y]]), prior)[1, 0])

    # The Student tails beyond 1e4 hold less than 1e-9.
    mass, _ = quad(density, -1e4, 1e4, points=[-100, -10, 1, 10, 100], limit=500)
    assert mass == pytest.approx(1, abs=1e-7)


def test_exact_regimes_of_one_segment_are_their_integrals():
    prior = NormalIndependentInverseWishart([0.5], [[0.5]], 4.0, [[1.5]])
    y = np.array([1.0, 2.5, 2.0])
    mu, log_variance = np.linspace(-4, 7, 1501)[:, None], np.linspace(-6, 8, 1501)[None, :]
    variance = np.exp(log_variance)
    density = norm.pdf(mu, 0.5, math.sqrt(0.5)) * (invwishart.pdf(variance[0], 4.0, 1.5) * variance)
    for value in y:
        density = density * norm.pdf(value, mu, np.sqrt(variance))
    density /= density.sum()
    found = exact_posterior(y, prior, 1.0, 3)
    np.testing.assert_allclose(found.regime_means, (density * mu).sum(), atol=1e-6)
    np.testing.assert_allclose(found.regime_covariances[:, 0, 0], (density * variance).sum(), rtol=1e-5)


@pytest.mark.filterwarnings("ignore:For one or more samples")
def test_waic_of_one_regime_is_its_integral_and_that_of_arviz():
    # A grid over mean and log variance is the oracle: draws from it go to ArviZ, its sums to our integral.
    import arviz

    rng = np.random.default_rng(3)
    prior = NormalIndependentInverseWishart([0.5], [[0.5]], 4.0, [[1.5]])
    y, weights = np.append(rng.normal(size=7) + 1, 6.0), rng.uniform(0.5, 2, 8)
    mu, log_variance = np.linspace(-5, 8, 801)[:, None], np.linspace(-6, 10, 801)[None, :]
    variance = np.exp(log_variance)
    log_likelihood = np.array(
        [norm.logpdf(value, mu, np.sqrt(variance / w)) for value, w in zip(y, weights, strict=True)]
    )
    log_density = (
        norm.logpdf(mu, 0.5, math.sqrt(0.5)) + invwishart.logpdf(variance[0], 4.0, 1.5) + log_variance
    )
    density = np.exp(log_density + log_likelihood.sum(axis=0))
    density /= density.sum()
    lppd = np.log((density * np.exp(log_likelihood)).sum(axis=(1, 2)))
    mean = (density * log_likelihood).sum(axis=(1, 2))
    variances = (density * log_likelihood**2).sum(axis=(1, 2)) - mean**2

    form = standard_form(y[:, None], prior, weights)
    segments = np.array([0]), np.array([8]), np.ones(1)
    fine = independent_pointwise(form, *segments, points=2**15)
    np.testing.assert_allclose(fine[0], lppd, atol=2e-5)
    np.testing.assert_allclose(fine[1], variances, rtol=2e-4)

    found = exact_posterior(y, prior, 1.0, 8, weights=weights).waic
    assert found.value == pytest.approx(-2 * (lppd - variances).sum(), abs=0.02)
    # 20,000 draws know the sum of eight variances to about 2 %.
    drawn = log_likelihood.reshape(8, -1)[:, rng.choice(density.size, 20_000, p=density.ravel())].T
    data = arviz.from_dict(posterior={"x": np.zeros((1, 20_000))}, log_likelihood={"y": drawn[None]})
    expected = arviz.waic(data, scale="deviance")
    assert found.value == pytest.approx(expected.elpd_waic, abs=0.3)
    assert found.p_waic == pytest.approx(expected.p_waic, rel=0.06)


def test_points_of_waic_are_the_same_sums_as_over_drawn_means():
    # In three dimensions: the quadrature points of the method, scored by textbook densities.
    rng = np.random.default_rng(4)
    root = rng.normal(size=(3, 3))
    prior = NormalIndependentInverseWishart(
        rng.normal(size=3), root @ root.T + np.eye(3), 6.0, np.eye(3) + 0.3
    )
    y, weights = rng.normal(size=(9, 3)) + 1, rng.uniform(0.5, 2, 9)
    form = standard_form(y, prior, weights)
    cube = qmc.Sobol(4, rng=np.random.default_rng(0)).random(64)
    along = _means(form, 0, 9, cube[:, 0].copy(), norm.ppf(cube[:, 1:]))
    means = prior.m0 + along @ spectrum(form, 0, 9)[3].T @ form.factor.T
    log_densities, expected, within = np.empty((64, 9)), np.empty((64, 9)), np.empty((64, 9))
    freedom = prior.nu0 + 9
    for row, mean in enumerate(means):
        off = y - mean
        scale = prior.psi0 + (weights[:, None] * off).T @ off
        student = freedom - 2
        log_densities[row] = [
            multivariate_t.logpdf(value, mean, scale / student / weight, df=student)
            for value, weight in zip(y, weights, strict=True)
        ]
        distance = weights * np.einsum("ij,jk,ik->i", off, np.linalg.inv(scale), off)
        halves = (freedom - np.arange(3)) / 2
        log_det = np.linalg.slogdet(scale)[1] - 3 * math.log(2) - digamma(halves).sum()
        expected[row] = -(3 * np.log(2 * np.pi / weights) + log_det + freedom * distance) / 2
        within[row] = (polygamma(1, halves).sum() + 2 * freedom * distance**2 - 4 * distance) / 4
    lppd, variances = independent_pointwise(form, np.array([0]), np.array([9]), np.ones(1), points=64)
    np.testing.assert_allclose(lppd, np.logaddexp.reduce(log_densities, axis=0) - math.log(64), atol=1e-8)
    np.testing.assert_allclose(variances, within.mean(axis=0) + expected.var(axis=0), rtol=1e-8)


@pytest.mark.slow
def test_waic_equals_that_of_gibbs_draws_in_two_dimensions():
    # The specification's updates, one chain for each segmentation drawn, by scipy: no formula in common.
    rng = np.random.default_rng(5)
    y = rng.normal(size=(12, 2)) + 2.0 * (np.arange(12) >= 6)[:, None]
    prior = NormalIndependentInverseWishart([0.0, 0.0], 2 * np.eye(2), 6.0, 3 * np.eye(2))
    found = exact_posterior(y, prior, 1.0, 3, draws=20_000, seed=3)
    logs = np.empty((1000, 12))
    for row, cuts in zip(logs, found.draws[:1000], strict=True):
        for a, b in itertools.pairwise([0, *cuts, 12]):
            mu, sigma = gibbs(y[a:b], prior, rng)
            row[a:b] = multivariate_normal.logpdf(y[a:b], mu, sigma)
    expected = waic(logs)
    # 1,000 draws know a point's variance to 5-10 %, the sum of 12 to about 4 %.
    assert found.waic.lppd == pytest.approx(expected.lppd, abs=0.2)
    assert found.waic.p_waic == pytest.approx(expected.p_waic, rel=0.12)


def gibbs(y, prior, rng, sweeps=8):
    mu = y.mean(axis=0)
    for _ in range(sweeps):
        scatter = (y - mu).T @ (y - mu)
        sigma = invwishart.rvs(prior.nu0 + len(y), prior.psi0 + scatter, random_state=rng)
        precision = np.linalg.inv(prior.s0) + len(y) * np.linalg.inv(sigma)
        linear = np.linalg.solve(prior.s0, prior.m0) + len(y) * np.linalg.solve(sigma, y.mean(axis=0))
        covariance = np.linalg.inv(precision)
        mu = rng.multivariate_normal(covariance @ linear, covariance)
    return mu, sigma


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0, 0.0], np.eye(3), 4.0, np.eye(2)), "s0 has shape \\(3, 3\\)"),
        (([0.0], [[-1.0]], 4.0, [[1.0]]), "s0 is .* expected a symmetric positive definite"),
        (([0.0, 0.0], np.eye(2), 1.0, np.eye(2)), "nu0 is 1.0; expected > d - 1 = 1"),
        (([0.0, 0.0], np.eye(2), 4.0, [[1.0, 2.0], [2.0, 1.0]]), "psi0 is .* expected a symmetric"),
        (([np.nan], [[1.0]], 4.0, [[1.0]]), "m0 is"),
    ],
)
def test_prior_out_of_range_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        NormalIndependentInverseWishart(*arguments)

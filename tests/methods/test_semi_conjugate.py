"""Segments under independent mean and covariance, against integrals that share no formula with the method."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gammaln
from scipy.stats import invwishart, multivariate_normal, norm

from methods.changepoint import NormalIndependentInverseWishart, exact_posterior
from methods.changepoint.semi_conjugate_evidence import independent_segment_log_likelihood


def by_quadrature(y, weights, prior) -> float:
    """Log evidence in one dimension: the covariance in closed form, the mean by adaptive quadrature."""
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0, 0.0], np.eye(3), 4.0, np.eye(2)), "s0 has shape \\(3, 3\\)"),
        (([0.0], [[-1.0]], 4.0, [[1.0]]), "s0 must be symmetric and positive definite"),
        (([0.0, 0.0], np.eye(2), 1.0, np.eye(2)), "nu0 = 1.0 must be > d - 1 = 1"),
        (([0.0, 0.0], np.eye(2), 4.0, [[1.0, 2.0], [2.0, 1.0]]), "psi0 must be symmetric"),
        (([np.nan], [[1.0]], 4.0, [[1.0]]), "m0 must be"),
    ],
)
def test_prior_out_of_range_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        NormalIndependentInverseWishart(*arguments)

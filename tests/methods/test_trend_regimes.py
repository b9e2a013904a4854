"""Trend regimes against the joint density of all their observations."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov
from scipy.special import logsumexp
from scipy.stats import multivariate_t

from methods.changepoint import TrendRegimes, exact_posterior, waic
from methods.changepoint.trend import TrendSegments
from methods.changepoint.trend_sums import whitening

pytestmark = pytest.mark.filterwarnings("ignore:the variance of the log likelihood")

PRIOR = TrendRegimes([0.4, -1.0], [2.0, 3.0], [0.5, 0.8], freedom=3.0, phi=(0.0, 0.5, 0.9))


def noise_covariance(times, roots):
    """Compute the covariance of a stationary autoregression at given times.

    By Lyapunov's equation and powers of the companion matrix.
    """
    step = np.array([[sum(roots), -math.prod(roots)], [1.0, 0.0]])
    state = solve_discrete_lyapunov(step, np.diag([1.0, 0.0]))
    lags = np.abs(np.subtract.outer(times, times)).astype(int)
    return np.array([(np.linalg.matrix_power(step, lag) @ state)[0, 0] for lag in range(lags.max() + 1)])[
        lags
    ]


def covariance_and_mean(times, prior, a, roots, slope):
    """Compute the covariance of a regime's observations in dimension a.

    In units of sigma^2, with coefficients integrated out.
    """
    rise = max(times[-1] - times[0], 1)
    offset = times - (times[0] + times[-1]) / 2
    ratio = (prior.spread[a] / prior.noise[a]) ** 2
    covariance = noise_covariance(times, roots) + ratio
    if slope:
        covariance = covariance + ratio / rise**2 * np.outer(offset, offset)
    return covariance, np.full(len(times), prior.centre[a])


def pairs(prior):
    if prior.order == 1:
        return [(phi, 0.0) for phi in prior.phi]
    return list(itertools.combinations_with_replacement(prior.phi, 2))


def log_marginal(y, times, prior):
    """Compute the joint Student density, summed over kinds of regime."""
    total = 0.0
    for a in range(y.shape[1]):
        kinds = []
        for roots, slope in itertools.product(pairs(prior), (False, True)):
            covariance, mean = covariance_and_mean(times, prior, a, roots, slope)
            shape = prior.noise[a] ** 2 * covariance
            kinds.append(multivariate_t.logpdf(y[:, a], mean, shape, df=prior.freedom))
        total += logsumexp(kinds) - math.log(len(kinds))
    return total


@pytest.mark.parametrize(
    ("times", "order"), [(np.arange(9), 2), (np.arange(9), 1), (np.array([0, 1, 2, 5, 6, 9, 10, 11, 20]), 1)]
)
def test_every_segment_has_the_density_of_its_observations(times, order):
    rng = np.random.default_rng(0)
    y, weights = rng.normal(size=(9, 2)).cumsum(axis=0), np.ones((9, 2))
    prior = replace(PRIOR, order=order)
    segments = TrendSegments.of(y, times, weights, prior)
    ending, starting = segments.ending(0, 10), segments.starting(0, 10)
    for s, t in itertools.combinations(range(10), 2):
        expected = log_marginal(y[s:t], times[s:t].astype(float), prior)
        assert ending[t, s] == pytest.approx(expected, abs=1e-9)
        assert starting[s, t] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("roots", [(0.0, 0.0), (0.9, 0.0), (0.9, 0.9), (0.99, 0.5)])
def test_each_observation_is_predicted_from_the_two_before(roots):
    times = np.array([0, 1, 2, 3, 5, 6, 7, 11, 12, 13])
    covariance = noise_covariance(times, roots)
    white = whitening(times, np.ones((10, 1)), np.array([roots]))[:, 0, 0].reshape(10, 3, 4)
    for i in range(2, 10):
        before = [i - 1, i - 2]
        for place, known in ((0, []), (1, before[:1]), (2, before)):
            inner, cross = covariance[np.ix_(known, known)], covariance[i, known]
            best = np.linalg.solve(inner, cross)
            variance = covariance[i, i] - cross @ best
            np.testing.assert_allclose(white[i, place, :place], best, atol=1e-9)
            assert white[i, place, 2] == pytest.approx(variance**-0.5, rel=1e-7)
            assert white[i, place, 3] == pytest.approx(-0.5 * math.log(variance), abs=1e-7)


@pytest.mark.parametrize("phi", [(0.7,), (0.0, 0.6)])
def test_weights_divide_the_variance_of_innovations(phi):
    rng = np.random.default_rng(8)
    y, weights = rng.normal(size=(6, 1)), rng.uniform(0.2, 3.0, (6, 1))
    prior = TrendRegimes([0.4], [2.0], [0.5], phi=phi, slopes=False)
    kinds = []
    for roots in pairs(prior):
        # u = A e with A lower triangular and e the innovations, whose variances the weights divide.
        factor = np.linalg.cholesky(noise_covariance(np.arange(6), roots))
        shape = 0.25 * (factor / weights[:, 0] @ factor.T + (2.0 / 0.5) ** 2)
        kinds.append(multivariate_t.logpdf(y[:, 0], np.full(6, 0.4), shape, df=prior.freedom))
    expected = logsumexp(kinds) - math.log(len(kinds))
    found = exact_posterior(y, prior, 1.0, k_max=0, weights=weights)
    assert found.log_evidence == pytest.approx(expected, abs=1e-9)


def test_equals_enumeration_of_all_segmentations():
    y = np.random.default_rng(1).normal(size=(9, 2)) + np.where(np.arange(9) < 4, 0, 6)[:, None]
    weights = {}
    for k in range(3):
        placements = [
            cuts for cuts in itertools.combinations(range(1, 9), k) if min(np.diff([0, *cuts, 9])) >= 2
        ]
        for cuts in placements:
            prior = 1.5**k / math.factorial(k) / sum(1.5**j / math.factorial(j) for j in range(3))
            weights[cuts] = math.log(prior / len(placements)) + sum(
                log_marginal(y[a:b], np.arange(a, b, dtype=float), PRIOR)
                for a, b in itertools.pairwise([0, *cuts, 9])
            )
    found = exact_posterior(y, PRIOR, 1.5, 2, 2)
    evidence = logsumexp(list(weights.values()))
    expected = np.zeros(9)
    for cuts, weight in weights.items():
        expected[list(cuts)] += math.exp(weight - evidence)
    assert found.log_evidence == pytest.approx(evidence, abs=1e-9)
    np.testing.assert_allclose(found.location_probability, expected, atol=1e-9)
    assert tuple(found.map_locations) == max(weights, key=weights.get)


@pytest.mark.parametrize("order", [1, 2])
def test_trend_variance_and_waic_equal_those_of_drawn_regimes(order):
    # One regime: coefficients, variance and kind drawn from their posterior by weighting the prior's kinds.
    rng = np.random.default_rng(2)
    # With order 2 a gap is not exact, see above.
    times = np.delete(np.arange(13.0), 3) if order == 1 else np.arange(12.0)
    y = np.full(13, np.nan)
    y[times.astype(int)] = 3 + 0.4 * times + rng.normal(0, 0.6, 12)
    prior = TrendRegimes([0.0], [4.0], [0.7], phi=(0.0, 0.6), order=order)
    found = exact_posterior(y, prior, 1.0, 1, k_max=0)
    seen = y[np.isfinite(y)]
    means, variances, logs, shares = [], [], [], []
    for roots, slope in itertools.product(pairs(prior), (False, True)):
        noise = noise_covariance(times, roots)
        x = np.stack([np.ones(12), times - times[-1] / 2], axis=1)[:, : 1 + slope]
        root = np.linalg.inv(np.linalg.cholesky(noise))
        xw, yw = root @ x, root @ seen
        precision = np.diag([(0.7 / 4) ** 2, (0.7 / 4 * times[-1]) ** 2][: 1 + slope])
        posterior = np.linalg.inv(xw.T @ xw + precision)
        b = posterior @ xw.T @ yw
        psi = 3 * 0.7**2 + yw @ yw - b @ xw.T @ yw
        covariance, mean = covariance_and_mean(times, prior, 0, roots, slope)
        shares.append(multivariate_t.logpdf(seen, mean, 0.49 * covariance, df=3))
        means.append(x @ b)
        variances.append(psi / 13 * noise[0, 0])
        sigma2 = psi / rng.chisquare(15, 20_000)
        draws = b + np.sqrt(sigma2)[:, None] * rng.multivariate_normal(0 * b, posterior, 20_000)
        residuals = yw - draws @ xw.T
        logs.append(
            -0.5 * (np.log(2 * np.pi * sigma2)[:, None] + residuals**2 / sigma2[:, None])
            + np.log(np.diag(root))
        )
    shares = np.exp(shares - logsumexp(shares))
    np.testing.assert_allclose(found.regime_means[np.isfinite(y), 0], shares @ np.array(means), rtol=1e-9)
    np.testing.assert_allclose(found.regime_covariances[0, 0, 0], shares @ variances, rtol=1e-9)
    sizes = np.round(shares * 20_000).astype(int)
    expected = waic(np.concatenate([part[:size] for part, size in zip(logs, sizes, strict=True)]))
    # 20,000 draws know the log predictive density to about 0.01 and the variances to about 2 %.
    assert found.waic.lppd == pytest.approx(expected.lppd, abs=0.05)
    assert found.waic.p_waic == pytest.approx(expected.p_waic, rel=0.03)


def test_a_missing_observation_begins_no_regime():
    y = np.random.default_rng(3).normal(size=40) + 8.0 * (np.arange(40) >= 20)
    y[20] = np.nan
    found = exact_posterior(y, TrendRegimes.robust(y), 1.0, 3)
    assert found.map_locations.tolist() == [21]
    assert found.location_probability[20] == 0
    assert all(20 not in cuts for cuts in found.draws)
    assert found.regime_means.shape == (40, 1)


def test_scales_with_the_unit():
    y = np.random.default_rng(4).normal(size=60).cumsum()
    plain = exact_posterior(y, TrendRegimes.robust(y), 2.0, 3)
    scaled = exact_posterior(1e9 + 1e6 * y, TrendRegimes.robust(1e9 + 1e6 * y), 2.0, 3)
    np.testing.assert_allclose(scaled.location_probability, plain.location_probability, atol=1e-6)
    assert scaled.log_evidence == pytest.approx(plain.log_evidence - 60 * math.log(1e6), abs=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phi": (1.0,)}, "phi"),
        ({"order": 3}, "order"),
        ({"spread": [0.0]}, "spread"),
        ({"noise": [1.0, 2.0]}, "one shape"),
    ],
)
def test_invalid_priors_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        TrendRegimes(**({"centre": [0.0], "spread": [1.0], "noise": [1.0]} | change))


def test_a_prior_from_a_constant_series_is_refused():
    with pytest.raises(ValueError, match="constant"):
        TrendRegimes.robust(np.ones(20))

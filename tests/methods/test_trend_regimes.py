"""Regimes with trend and autocorrelation against the joint density of all their observations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_t

from methods.changepoint import TrendRegimes, exact_posterior, waic
from methods.changepoint.trend import TrendSegments

pytestmark = pytest.mark.filterwarnings("ignore:the variance of the log likelihood")

PRIOR = TrendRegimes([0.4, -1.0], [2.0, 3.0], [0.5, 0.8], freedom=3.0, phi=(0.0, 0.5, 0.9))


def covariance_and_mean(times, prior, a, phi, slope):
    """Of one regime's observations in dimension a, in units of sigma^2, coefficients integrated out."""
    rise = max(times[-1] - times[0], 1)
    offset = times - (times[0] + times[-1]) / 2
    ratio = (prior.spread[a] / prior.noise[a]) ** 2
    covariance = phi ** np.abs(np.subtract.outer(times, times)) / (1 - phi**2) + ratio
    if slope:
        covariance = covariance + ratio / rise**2 * np.outer(offset, offset)
    return covariance, np.full(len(times), prior.centre[a])


def log_marginal(y, times, prior):
    """Student density of all at once, summed over the kinds: shares no formula with the running sums."""
    total = 0.0
    for a in range(y.shape[1]):
        kinds = []
        for phi, slope in itertools.product(prior.phi, (False, True)):
            covariance, mean = covariance_and_mean(times, prior, a, phi, slope)
            shape = prior.noise[a] ** 2 * covariance
            kinds.append(multivariate_t.logpdf(y[:, a], mean, shape, df=prior.freedom))
        total += logsumexp(kinds) - math.log(len(kinds))
    return total


@pytest.mark.parametrize("times", [np.arange(9), np.array([0, 1, 2, 5, 6, 9, 10, 11, 20])])
def test_every_segment_has_the_density_of_its_observations(times):
    rng = np.random.default_rng(0)
    y, weights = rng.normal(size=(9, 2)).cumsum(axis=0), np.ones((9, 2))
    segments = TrendSegments.of(y, times, weights, PRIOR)
    ending, starting = segments.ending(0, 10), segments.starting(0, 10)
    for s, t in itertools.combinations(range(10), 2):
        expected = log_marginal(y[s:t], times[s:t].astype(float), PRIOR)
        assert ending[t, s] == pytest.approx(expected, abs=1e-9)
        assert starting[s, t] == pytest.approx(expected, abs=1e-9)


def test_weights_divide_the_variance_of_innovations():
    rng = np.random.default_rng(8)
    y, weights = rng.normal(size=(6, 1)), rng.uniform(0.2, 3.0, (6, 1))
    prior = TrendRegimes([0.4], [2.0], [0.5], phi=(0.7,), slopes=False)
    # y = level + A e with A the sums of an autoregression that begins stationary.
    powers = np.tril(0.7 ** np.abs(np.subtract.outer(np.arange(6), np.arange(6))))
    variances = 1 / weights[:, 0] / np.array([1 - 0.49, 1, 1, 1, 1, 1])
    shape = 0.25 * (powers * variances @ powers.T + (2.0 / 0.5) ** 2)
    expected = multivariate_t.logpdf(y[:, 0], np.full(6, 0.4), shape, df=prior.freedom)
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


def test_trend_variance_and_waic_equal_those_of_drawn_regimes():
    # One regime: coefficients, variance and kind drawn from their posterior by weighting the prior's kinds.
    rng = np.random.default_rng(2)
    times = np.array([0.0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    y = np.full(13, np.nan)
    y[times.astype(int)] = 3 + 0.4 * times + rng.normal(0, 0.6, 12)
    prior = TrendRegimes([0.0], [4.0], [0.7], phi=(0.0, 0.6))
    found = exact_posterior(y, prior, 1.0, 1, k_max=0)
    seen = y[np.isfinite(y)]
    means, variances, logs, shares = [], [], [], []
    for phi, slope in itertools.product(prior.phi, (False, True)):
        noise = phi ** np.abs(np.subtract.outer(times, times)) / (1 - phi**2)
        x = np.stack([np.ones(12), times - 6], axis=1)[:, : 1 + slope]
        root = np.linalg.inv(np.linalg.cholesky(noise))
        xw, yw = root @ x, root @ seen
        precision = np.diag([(0.7 / 4) ** 2, (0.7 / 4 * 12) ** 2][: 1 + slope])
        posterior = np.linalg.inv(xw.T @ xw + precision)
        b = posterior @ xw.T @ yw
        psi = 3 * 0.7**2 + yw @ yw - b @ xw.T @ yw
        covariance, mean = covariance_and_mean(times, prior, 0, phi, slope)
        shares.append(multivariate_t.logpdf(seen, mean, 0.49 * covariance, df=3))
        means.append(x @ b)
        variances.append(psi / 13 / (1 - phi**2))
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
    [({"phi": (1.0,)}, "phi"), ({"spread": [0.0]}, "spread"), ({"noise": [1.0, 2.0]}, "one shape")],
)
def test_bad_priors_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        TrendRegimes(**({"centre": [0.0], "spread": [1.0], "noise": [1.0]} | change))


def test_a_constant_series_has_no_prior():
    with pytest.raises(ValueError, match="constant"):
        TrendRegimes.robust(np.ones(20))

"""Compare regimes of counts with quadrature and enumeration; `detect` on ties."""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, gamma, nbinom, poisson

from methods.changepoint import CountRegimes, TrendRegimes, count_evidence, detect, exact_posterior
from methods.changepoint.counts import CountSegments
from methods.changepoint.exact import log_placement_prior

pytestmark = pytest.mark.filterwarnings("ignore:the variance of the log likelihood")
DISPERSIONS = pytest.mark.parametrize("dispersion", [math.inf, 1.5])
Y = np.array([[0, 3], [1, 2], [0, 4], [5, 0], [7, 1], [4, 0], [6, 2]], dtype=float)


def expectation(prior: CountRegimes, a: int, function) -> float:
    """Integrate a function of the law of counts over the prior of a dimension."""
    shape, rate, r = prior.shape[a], prior.rate[a], prior.dispersion
    if math.isinf(r):
        law = gamma(shape, scale=1 / rate)
        return quad(lambda m: law.pdf(m) * function(poisson(m), m, m), 0, law.isf(1e-15), limit=400)[0]
    law = beta(r * rate + 1, shape)
    return quad(
        lambda p: law.pdf(p) * function(nbinom(r, p), r * (1 - p) / p, r * (1 - p) / p**2), 0, 1, limit=400
    )[0]


def _likelihood(part, law, mean, variance) -> float:
    return law.pmf(part).prod()


def _mean(part, law, mean, variance) -> float:
    return mean * law.pmf(part).prod()


def _variance(part, law, mean, variance) -> float:
    return variance * law.pmf(part).prod()


@DISPERSIONS
def test_scores_and_moments_equal_quadrature(dispersion):
    prior = CountRegimes([0.8, 2.0], [0.5, 1.5], dispersion)
    segments = CountSegments.of(Y, prior)
    starting, ending = segments.starting(0, 8), segments.ending(0, 8)
    for start, end in ((0, 1), (0, 3), (2, 7), (6, 7)):
        total, means, variances = 0.0, [], []
        for a in range(2):
            part = Y[start:end, a]
            evidence = expectation(prior, a, partial(_likelihood, part))
            total += math.log(evidence)
            means.append(expectation(prior, a, partial(_mean, part)) / evidence)
            variances.append(expectation(prior, a, partial(_variance, part)) / evidence)
        assert starting[start, end] == pytest.approx(total, abs=1e-7)
        assert ending[end, start] == pytest.approx(total, abs=1e-7)
        probabilities = np.zeros((8, 8))
        probabilities[start, end] = 1.0
        steps = segments.no_regimes()
        segments.add_regimes(0, probabilities, steps)
        mean, covariance = segments.regimes(steps)
        np.testing.assert_allclose(mean[start], means, rtol=1e-6)
        np.testing.assert_allclose(np.diag(covariance[start]), variances, rtol=1e-6)
    assert np.isneginf(starting[3, :4]).all()


@DISPERSIONS
def test_the_posterior_equals_enumeration(dispersion):
    prior, n, rate, min_length, k_max = CountRegimes([0.8, 2.0], [0.5, 1.5], dispersion), 7, 0.6, 2, 2
    scores = CountSegments.of(Y, prior).starting(0, n + 1)
    log_prior = log_placement_prior(n, rate, min_length, k_max)
    weights = {}
    for k in range(k_max + 1):
        for cuts in itertools.combinations(range(1, n), k):
            if min(np.diff([0, *cuts, n])) >= min_length:
                pairs = itertools.pairwise([0, *cuts, n])
                weights[cuts] = log_prior[k] + sum(scores[start, end] for start, end in pairs)
    evidence = np.logaddexp.reduce(list(weights.values()))
    found = exact_posterior(Y, prior, rate, min_length, k_max, draws=0)
    assert found.log_evidence == pytest.approx(evidence, abs=1e-10)
    location = np.zeros(n)
    for cuts, weight in weights.items():
        location[list(cuts)] += math.exp(weight - evidence)
    np.testing.assert_allclose(found.location_probability, location, atol=1e-10)
    assert tuple(found.map_locations) == max(weights, key=weights.get)
    by_count = count_evidence(Y, prior, rate, min_length, k_max)
    np.testing.assert_allclose(np.exp(by_count - evidence), found.count_probability, atol=1e-10)


@DISPERSIONS
def test_waic_equals_draws_of_the_regime(dispersion):
    prior, rng = CountRegimes([0.8], [0.5], dispersion), np.random.default_rng(0)
    y = Y[:, :1]
    density, variance = CountSegments.of(y, prior).pointwise(np.array([0]), np.array([7]), np.ones(1))
    if math.isinf(dispersion):
        m = rng.gamma(0.8 + y.sum(), 1 / (0.5 + 7), size=200_000)
        logs = poisson.logpmf(y.T[0][:, None], m)
    else:
        p = rng.beta(dispersion * 7.5 + 1, 0.8 + y.sum(), size=200_000)
        logs = nbinom.logpmf(y.T[0][:, None], dispersion, p)
    # 200,000 draws: standard errors are below 0.002 for the density and 2 % for the variance.
    np.testing.assert_allclose(density, np.log(np.exp(logs).mean(axis=1)), atol=0.006)
    np.testing.assert_allclose(variance, logs.var(axis=1), rtol=0.06)


def test_a_large_dispersion_is_the_poisson_limit():
    limit, near = (CountRegimes([0.8, 2.0], [0.5, 1.5], r) for r in (math.inf, 1e7))
    np.testing.assert_allclose(
        CountSegments.of(Y, near).starting(0, 8), CountSegments.of(Y, limit).starting(0, 8), atol=1e-4
    )


def test_invalid_counts_are_errors():
    prior = CountRegimes([1.0], [1.0])
    for bad in (-1.0, 0.5, 1e12):
        with pytest.raises(ValueError, match=r"not a count in rows \[1\]"):
            exact_posterior(np.array([1.0, bad]), prior, 1.0)
    with pytest.raises(ValueError, match="weights"):
        exact_posterior(np.ones(4), prior, 1.0, weights=np.ones(4))
    with pytest.raises(ValueError, match="dispersion > 0"):
        CountRegimes([1.0], [1.0], 0.0)
    with pytest.raises(ValueError, match="all 0"):
        CountRegimes.unit(np.zeros((4, 1)))


SAMPLES = {
    "Poisson 0.2": lambda rng: rng.poisson(0.2, 120),
    "Poisson 0.6": lambda rng: rng.poisson(0.6, 120),
    "Poisson 4": lambda rng: rng.poisson(4, 120),
    "negative binomial": lambda rng: rng.negative_binomial(0.5, 0.3, 120),
    "rounded Normal": lambda rng: rng.normal(0, 0.3, 120).round(),
    "one decimal": lambda rng: rng.normal(5, 0.04, 120).round(1),
    "two values": lambda rng: np.where(rng.random(120) < 0.3, 2.5, 1.0),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_stationary_ties_are_not_changes(name):
    rng = np.random.default_rng(41)
    found = [detect(SAMPLES[name](rng), draws=100) for _ in range(3)]
    # Before, the scale of the noise collapsed: each series had 4 to 10 changes, and P(K = 0) < 1e-4. About
    # one in ten series of rare counts still has a change that is more probable than not.
    assert sum(len(one.locations) for one in found) <= 3
    assert min(one.posterior.count_probability[0] for one in found) > 0.02


def test_stationary_counts_rarely_change():
    # A change has the probability 0.63 a priori, so it takes a Bayes factor of 19 to make it 0.97. On
    # average over the prior, at most 1 in 19 series without a change reaches that (Markov's inequality).
    rng, certain = np.random.default_rng(45), 0
    for number in range(100):
        y = rng.poisson((0.2, 0.6, 3.0, 20.0)[number % 4], 100)[:, None].astype(float)
        logs = count_evidence(y, CountRegimes.unit(y), 1.0, 6, 20)
        certain += logs[0] - np.logaddexp.reduce(logs) < math.log(0.03)
    assert certain <= 6


STEP = np.arange(120) >= 80
CHANGED = {
    "counts": lambda rng: rng.poisson(np.where(STEP, 4.0, 0.5)),
    "quality control": lambda rng: (rng.normal(0, 0.05, 120) + STEP).round(1),
    "rounded Normal": lambda rng: (rng.normal(0, 0.4, 120) + 3 * STEP).round(),
    "no noise": lambda rng: 2.5 * STEP,
}


@pytest.mark.parametrize("name", CHANGED)
def test_one_change_of_tied_data_is_found(name):
    found = detect(CHANGED[name](np.random.default_rng(42)), draws=100)
    assert len(found.locations) == 1
    assert abs(found.locations[0] - 80) <= 5
    assert found.posterior.count_probability[0] < 0.05


def test_the_evidence_chooses_counts():
    rng = np.random.default_rng(43)
    assert math.isinf(detect(rng.poisson(0.6, 150), draws=50).dispersion)
    assert detect(rng.negative_binomial(0.5, 0.1, 150), draws=50).dispersion <= 2
    assert detect(rng.poisson(0.6, 150) + 0.5, draws=50).dispersion is None
    # Persistent integers are not independent counts.
    walk = 200 + rng.normal(size=150).cumsum().round()
    assert detect(walk, draws=50).dispersion is None


def test_the_resolution_is_the_step_of_rounded_values():
    rng = np.random.default_rng(44)
    y = rng.normal(0, 1, 200)
    for step in (0.1, 0.5, 1.0):
        prior = TrendRegimes.robust((y / step).round() * step)
        assert prior.resolution[0] == pytest.approx(step)
        assert prior.noise[0] >= step / math.sqrt(12)
    assert TrendRegimes.robust(y).resolution[0] < 1e-2
    with pytest.raises(ValueError, match="resolution"):
        TrendRegimes([0.0], [1.0], [1.0], resolution=-1.0)

"""Effective draws per second of the change-point sampler compared with PyMC.

PyMC has no trans-dimensional sampler. With at most one change (k_max = 1) it can express the model, with
the number and location of changes summed out: a regime before and one after, each ``mu ~ N(m0, s0)`` and
``Sigma ~ IW(nu0, psi0)`` in one dimension, and the likelihood summed over "no change" and every location.
NUTS samples the four parameters; number and location are then drawn given them. This is the posterior that
`sample_posterior` samples with the semi-conjugate prior and k_max = 1.
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from benchmarks.parts import Tables
from methods.changepoint import (
    ChangePointPosterior,
    NormalIndependentInverseWishart,
    NormalInverseWishart,
    exact_posterior,
    sample_posterior,
)
from methods.changepoint.mixing import Mixing, mixing
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

Array = np.ndarray
INDEPENDENT = NormalIndependentInverseWishart(np.zeros(1), np.array([[4.0]]), 3.0, np.array([[2.0]]))
CONJUGATE = NormalInverseWishart(np.zeros(1), 0.5, 3.0, np.array([[2.0]]))
RATE, MIN_LENGTH = 1.0, 5
# Sizes at which neither the number nor the location of the change is certain.
SIZE_WITH_PEER, SIZE = {50: 0.7, 100: 0.8}, 1.2
LENGTHS = (200, 800, 3200)


def series(length: int, size: float) -> Array:
    """Simulate a change of the mean in the middle, by `size` standard deviations."""
    rng = np.random.default_rng(length)
    return (rng.normal(size=length) + size * (np.arange(length) >= length // 2))[:, None]


def tables(repeat: int = 1) -> Tables:
    """Yield tables compared with PyMC, and of growth with the length of the series."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield _beside_pymc(repeat)
        yield _growth(repeat)


def _ours(
    y: Array, prior: NormalIndependentInverseWishart | NormalInverseWishart, k_max: int, seed: int
) -> tuple[ChangePointPosterior, float]:
    began = time.process_time()
    posterior = sample_posterior(
        y, prior, RATE, MIN_LENGTH, k_max, draws=1000, chains=4, seed=seed, warmup=2000, thin=10
    )
    return posterior, time.process_time() - began


def _beside_pymc(repeat: int) -> BenchmarkTable:
    table: list[list[TextOrNumber]] = []
    for length, size in SIZE_WITH_PEER.items():
        y = series(length, size)
        exact = exact_posterior(y, INDEPENDENT, RATE, MIN_LENGTH, 1).count_probability[1]
        _ours(y, INDEPENDENT, 1, 0)
        rows = []
        for seed in range(1, repeat + 1):
            posterior, seconds = _ours(y, INDEPENDENT, 1, seed)
            peer, share, peer_seconds = _pymc(y, seed)
            rows.append(
                [
                    *_rates(posterior.mixing, seconds),
                    abs(posterior.count_probability[1] - exact),
                    *_rates(peer, peer_seconds),
                    abs(share - exact),
                ]
            )
        k, location, error, peer_k, peer_location, peer_error = np.median(rows, axis=0).tolist()
        ratios = [k / peer_k, location / peer_location]
        table.append([length, k, location, error, peer_k, peer_location, peer_error, *ratios])
    columns = ["T", "K", "location", "error", "K, PyMC", "location, PyMC", "error, PyMC", "ratio, K",
               "ratio, location"]  # fmt: skip
    return BenchmarkTable(
        name="beside PyMC",
        title="Same posterior (one dimension, K <= 1, independent mean and variance), PyMC by NUTS with K "
        "and location summed out: effective draws per CPU second of K and of the worst uncertain location, "
        "without compilation; error of P(K = 1) against the exact posterior.",
        columns=columns,
        rows=table,
        decimals=dict.fromkeys(columns[1:], 0) | {"error": 4, "error, PyMC": 4},
    )


def _rates(diagnostics: Mixing | None, seconds: float) -> tuple[float, float]:
    assert diagnostics is not None
    return diagnostics.ess / seconds, diagnostics.location_ess / seconds


def _pymc(y: Array, seed: int) -> tuple[Mixing, float, float]:
    """Sample the posterior by PyMC.

    Returns diagnostics of K and location drawn given NUTS draws, P(K = 1), and CPU seconds of sampling.
    """
    import pymc as pm
    import pytensor.tensor as pt

    values, length = y[:, 0], len(y)
    # A cut c leaves c observations to the first regime; c = T means no change.
    cuts = np.array([*range(MIN_LENGTH, length - MIN_LENGTH + 1), length])
    log_prior = np.full(len(cuts), np.log(RATE / (1 + RATE)) - np.log(len(cuts) - 1))
    log_prior[-1] = -np.log(1 + RATE)
    prior, seconds = INDEPENDENT, 0.0
    with pm.Model():
        mu = pm.Normal("mu", prior.m0[0], np.sqrt(prior.s0[0, 0]), shape=2)
        variance = pm.InverseGamma("variance", prior.nu0 / 2, prior.psi0[0, 0] / 2, shape=2)
        first, second = (
            pt.concatenate([[0.0], pt.cumsum(pm.logp(pm.Normal.dist(mu[i], pt.sqrt(variance[i])), values))])
            for i in range(2)
        )
        terms = log_prior + first[cuts] + second[length] - second[cuts]
        pm.Potential("series", pt.logsumexp(terms))
        pm.Deterministic("terms", terms)
        # The time of a run of two draws with compiled code in the cache is overhead, not sampling.
        for draws in (2, 2, 1000):
            began, spent = time.process_time(), seconds
            drawn = pm.sample(draws=draws, tune=draws, chains=4, cores=1, random_seed=seed, progressbar=False)
            seconds = time.process_time() - began
        seconds -= spent
    logs = drawn.posterior["terms"].to_numpy()
    gumbel = np.random.default_rng(seed).gumbel(size=logs.shape)
    locations = cuts[(logs + gumbel).argmax(axis=2)]
    ks = (locations < length).astype(int)
    changed = locations[:, :, None] == np.arange(length)
    return mixing(ks, changed, np.ones((3, 2))), float(ks.mean()), seconds


def _growth(repeat: int) -> BenchmarkTable:
    rates = []
    _ours(series(50, SIZE), CONJUGATE, 5, 0)
    for length in LENGTHS:
        runs = []
        for seed in range(1, repeat + 1):
            posterior, seconds = _ours(series(length, SIZE), CONJUGATE, 5, seed)
            runs.append([*_rates(posterior.mixing, seconds), seconds])
        rates.append(np.median(runs, axis=0))
    exponents = [np.polyfit(np.log(LENGTHS), np.log(column), 1)[0] for column in np.array(rates).T]
    rows = [[length, *rate.tolist()] for length, rate in zip(LENGTHS, rates, strict=True)]
    return BenchmarkTable(
        name="growth",
        title="Conjugate prior, K <= 5, thin = 10: effective draws per CPU second.",
        columns=["T", "of K", "of the worst uncertain location", "seconds for 4 x 1,000 draws"],
        rows=[*rows, ["growth exponent", *(f"{value:.2f}" for value in exponents)]],
        decimals={"of K": 0, "of the worst uncertain location": 0, "seconds for 4 x 1,000 draws": 2},
    )

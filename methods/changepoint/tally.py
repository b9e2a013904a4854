"""Sums over the states of a chain, so that memory does not grow with the sweeps."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from methods.changepoint.moves import Chain, Model, draw_regimes, sweep
from methods.changepoint.standard_form import StandardForm, cholesky, posterior_scale
from methods.compiled import compiled

Array = np.ndarray


class Tally(NamedTuple):
    """Sums over the sweeps and stored draws of a chain.

    `visits` and `counts` are over all sweeps, the others over stored draws. `visits` (T,) counts changes at
    each index, `counts` (k_max + 1,) values of K. `bounds` (draws, segments + 1) are the segmentations.
    `means` (T, d) and `covariances` (T, d, d) are sums of conditional expectations. `densities`, `averages`
    and `squares` (T,) describe the log likelihood: log of the summed likelihoods, mean, and sum of squares
    about the mean.
    """

    visits: Array
    counts: Array
    ks: Array
    bounds: Array
    means: Array
    covariances: Array
    densities: Array
    averages: Array
    squares: Array


def new_tally(length: int, d: int, k_max: int, segments: int, draws: int) -> Tally:
    """Create an empty tally for the given number of draws."""
    return Tally(
        visits=np.zeros(length),
        counts=np.zeros(k_max + 1),
        ks=np.zeros(draws, dtype=np.int64),
        bounds=np.zeros((draws, segments + 1), dtype=np.int64),
        means=np.zeros((length, d)),
        covariances=np.zeros((length, d, d)),
        densities=np.full(length, -np.inf),
        averages=np.zeros(length),
        squares=np.zeros(length),
    )


@compiled
def warm_up(
    rng: np.random.Generator, form: StandardForm, model: Model, chain: Chain, sweeps: int, visits: Array
) -> None:
    """Run sweeps; count changes at each index over the second half."""
    for i in range(sweeps):
        sweep(rng, form, model, chain)
        if 2 * i >= sweeps:
            for j in range(1, chain.k[0] + 1):
                visits[chain.bounds[j]] += 1


@compiled
def run(
    rng: np.random.Generator, form: StandardForm, model: Model, chain: Chain, thin: int, tally: Tally
) -> None:
    """Run sweeps and fill the tally; store one draw per `thin` sweeps."""
    for draw in range(tally.ks.size):
        for _ in range(thin):
            sweep(rng, form, model, chain)
            tally.counts[chain.k[0]] += 1
            for j in range(1, chain.k[0] + 1):
                tally.visits[chain.bounds[j]] += 1
        draw_regimes(rng, form, chain)
        tally.ks[draw] = chain.k[0]
        tally.bounds[draw] = chain.bounds
        for j in range(chain.k[0] + 1):
            _add_regime(form, chain.bounds[j], chain.bounds[j + 1], chain.means[j], tally)
            _add_likelihood(form, chain, j, draw, tally)


@compiled
def _add_regime(form: StandardForm, s: int, t: int, mean: Array, tally: Tally) -> None:
    """Add the conditional expectations of mean and covariance.

    They vary less than draws.
    """
    d = form.psi.shape[0]
    scale = np.empty((d, d))
    mass, centre = posterior_scale(form, s, t, scale)
    freedom = form.nu0 + (t - s) - d - 1
    expected = centre * (mass / (mass + form.kappa0)) if form.kappa0 > 0 else mean
    for i in range(d):
        for j in range(d):
            if form.kappa0 == 0:
                scale[i, j] += mass * (mean[i] - centre[i]) * (mean[j] - centre[j])
            scale[i, j] = scale[i, j] / freedom if freedom > 0 else np.inf
    for index in range(s, t):
        for i in range(d):
            tally.means[index, i] += expected[i]
            for j in range(d):
                tally.covariances[index, i, j] += scale[i, j]


@compiled
def _add_likelihood(form: StandardForm, chain: Chain, j: int, draw: int, tally: Tally) -> None:
    d = form.psi.shape[0]
    factor, z = np.empty((d, d)), np.empty(d)
    constant = -0.5 * (d * math.log(2 * math.pi) + cholesky(chain.roots[j] @ chain.roots[j].T, factor))
    for i in range(d):
        constant -= math.log(form.factor[i, i])
    for index in range(chain.bounds[j], chain.bounds[j + 1]):
        square = 0.0
        for i in range(d):
            z[i] = form.x[index, i] - chain.means[j, i]
            for m in range(i):
                z[i] -= factor[i, m] * z[m]
            z[i] /= factor[i, i]
            square += z[i] ** 2
        weight = form.weights[index]
        value = constant + 0.5 * d * math.log(weight) - 0.5 * weight * square
        larger = max(tally.densities[index], value)
        smaller = min(tally.densities[index], value)
        tally.densities[index] = larger + math.log1p(math.exp(smaller - larger))
        change = value - tally.averages[index]
        tally.averages[index] += change / (draw + 1)
        tally.squares[index] += change * (value - tally.averages[index])

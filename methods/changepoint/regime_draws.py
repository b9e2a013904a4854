r"""Draws of regime means and covariances, and proposals of means.

All are in the coordinates of ``standard_form``. The specification's Gibbs updates are

- ``Sigma | mu ~ IW(nu0 + n, psi + sum w (x - mu)(x - mu)')``,
- ``mu | Sigma ~ N(w P^-1 Sigma^-1 m, P^-1)`` with ``P = I + w Sigma^-1``;

under the conjugate prior mean and covariance are drawn jointly.
"""

from __future__ import annotations

import math

import numpy as np

from methods.changepoint.semi_conjugate_evidence import density_constant, log_integrand, spectrum
from methods.changepoint.standard_form import StandardForm, cholesky, posterior_scale
from methods.compiled import compiled

Array = np.ndarray

# Share of the prior in the proposal of a mean; it bounds the weights.
_PRIOR_SHARE = 0.02
_NODES, _COARSE, _DEPTH = 48, 1.2, 8.0


@compiled
def draw_covariance(rng: np.random.Generator, freedom: float, scale: Array, root: Array) -> None:
    """Fill `root` with F such that ``F F' ~ IW(freedom, scale)`` (Bartlett)."""
    d = scale.shape[0]
    factor, bartlett = np.empty((d, d)), np.zeros((d, d))
    cholesky(scale, factor)
    for i in range(d):
        bartlett[i, i] = math.sqrt(2 * rng.standard_gamma(0.5 * (freedom - i)))
        for j in range(i):
            bartlett[i, j] = rng.standard_normal()
    # C^-T B B' C^-1 is Wishart, with C the factor of the scale; F = C B^-T is a root of its inverse.
    for i in range(d):
        for j in range(d):
            total = factor[i, j]
            for k in range(j):
                total -= root[i, k] * bartlett[j, k]
            root[i, j] = total / bartlett[j, j]


@compiled
def draw_conjugate(
    rng: np.random.Generator, form: StandardForm, s: int, t: int, mean: Array, root: Array
) -> None:
    """Draw `mean` and the `root` of the covariance jointly given ``x[s:t]``."""
    d = form.psi.shape[0]
    scale = np.empty((d, d))
    mass, centre = posterior_scale(form, s, t, scale)
    draw_covariance(rng, form.nu0 + t - s, scale, root)
    kappa = form.kappa0 + mass
    normal = rng.standard_normal((d,))
    for i in range(d):
        mean[i] = mass / kappa * centre[i]
        for j in range(d):
            mean[i] += root[i, j] * normal[j] / math.sqrt(kappa)


@compiled
def gibbs_update(
    rng: np.random.Generator, form: StandardForm, s: int, t: int, mean: Array, root: Array
) -> None:
    """Draw the covariance given `mean`, then `mean` given it (semi-conjugate prior)."""
    d = form.psi.shape[0]
    scale = np.empty((d, d))
    mass, centre = posterior_scale(form, s, t, scale)
    off = mean - centre
    for i in range(d):
        for j in range(d):
            scale[i, j] += mass * off[i] * off[j]
    draw_covariance(rng, form.nu0 + t - s, scale, root)
    # Where Sigma has the eigenvalue v, P^-1 has v / (v + w) on the same axis.
    values, vectors = np.linalg.eigh(root @ root.T)
    along = vectors.T @ centre
    for i in range(d):
        spread = max(values[i], 0.0) / (max(values[i], 0.0) + mass)
        along[i] = (1 - spread) * along[i] + math.sqrt(spread) * rng.standard_normal()
    mean[:] = vectors @ along


@compiled
def _mixture(a: float, mass: float, values: Array, z: Array, nodes: Array, shares: Array) -> int:
    """Fill nodes u and shares of a coarse mixture for the mean; return their number."""
    step = min(1.0, _COARSE / math.sqrt(a))
    top, count = -np.inf, 0
    v = math.log(a + math.sqrt(2 * _DEPTH * a) + _DEPTH)
    while count < _NODES and (v > math.log(a) or a * v - math.exp(v) > top - _DEPTH):
        nodes[count] = math.exp(v)
        shares[count] = log_integrand(v, a, mass, values, z)
        top = max(top, shares[count])
        count += 1
        v -= step
    total = 0.0
    for j in range(count):
        shares[j] = math.exp(shares[j] - top)
        total += shares[j]
    for j in range(count):
        shares[j] /= total
    return count


@compiled
def propose_mean(rng: np.random.Generator, form: StandardForm, s: int, t: int, mean: Array) -> float:
    """Propose `mean` from the segment alone; return its weight as `weigh_mean` does."""
    a, mass, values, vectors, z = spectrum(form, s, t)
    nodes, shares = np.empty(_NODES), np.empty(_NODES)
    count = _mixture(a, mass, values, z, nodes, shares)
    along = _draw_from_mixture(rng, mass, values, z, nodes, shares, count)
    mean[:] = vectors @ along
    weight = _log_weight(a, mass, values, z, nodes, shares, count, along)
    return weight + density_constant(form, s, t, a, values)


@compiled
def weigh_mean(form: StandardForm, s: int, t: int, mean: Array) -> float:
    """Compute the log weight of a proposed mean.

    It is the log density of ``y[s:t]`` and `mean`, with Sigma integrated out, less that of the proposal.
    """
    a, mass, values, vectors, z = spectrum(form, s, t)
    nodes, shares = np.empty(_NODES), np.empty(_NODES)
    count = _mixture(a, mass, values, z, nodes, shares)
    along = vectors.T @ mean
    weight = _log_weight(a, mass, values, z, nodes, shares, count, along)
    return weight + density_constant(form, s, t, a, values)


@compiled
def _log_weight(
    a: float, mass: float, values: Array, z: Array, nodes: Array, shares: Array, count: int, along: Array
) -> float:
    prior, distance = 0.0, 0.0
    for i in range(z.size):
        prior -= 0.5 * along[i] ** 2
        distance += (along[i] - z[i]) ** 2 / values[i]
    target = prior - a * math.log1p(mass * distance)
    logs = np.empty(count + 1)
    logs[count] = math.log(_PRIOR_SHARE) + prior
    top = logs[count]
    for j in range(count):
        logs[j] = math.log((1 - _PRIOR_SHARE) * shares[j])
        for i in range(z.size):
            r = 2 * nodes[j] * mass / values[i]
            logs[j] += 0.5 * (math.log1p(r) - (1 + r) * (along[i] - r / (1 + r) * z[i]) ** 2)
        top = max(top, logs[j])
    total = 0.0
    for j in range(count + 1):
        total += math.exp(logs[j] - top)
    return target - top - math.log(total)


@compiled
def _draw_from_mixture(
    rng: np.random.Generator, mass: float, values: Array, z: Array, nodes: Array, shares: Array, count: int
) -> Array:
    along = np.empty(z.size)
    if rng.random() < _PRIOR_SHARE:
        for i in range(z.size):
            along[i] = rng.standard_normal()
        return along
    left, j = rng.random(), 0
    while j < count - 1 and left >= shares[j]:
        left -= shares[j]
        j += 1
    for i in range(z.size):
        r = 2 * nodes[j] * mass / values[i]
        along[i] = r / (1 + r) * z[i] + rng.standard_normal() / math.sqrt(1 + r)
    return along

r"""Pointwise terms of WAIC under the semi-conjugate prior.

The covariance is integrated in closed form, the mean by quadrature over points. Given the mean, a
regime's covariance is ``IW(nu0 + n, A + w (mu - m)(mu - m)')`` in the notation of
``semi_conjugate_evidence``, and `pointwise.explain` gives the terms of an observation. The mean is a
mixture of normal distributions over u. It is integrated over a fixed set of quasi-random points with one
coordinate for the component and d for the normal distribution: the same series gives the same WAIC.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm, qmc

from methods.changepoint import pointwise
from methods.changepoint.pointwise import add_point, explain
from methods.changepoint.semi_conjugate_evidence import log_integrand, rule, spectrum
from methods.changepoint.standard_form import StandardForm
from methods.compiled import compiled

Array = np.ndarray

# WAIC with 256 points was within 0.12 of WAIC with 4,096 (T = 60 to 220, d = 1 and 3, one outlier each).
POINTS = 256


def independent_pointwise(
    form: StandardForm, starts: Array, ends: Array, shares: Array, points: int = POINTS
) -> tuple[Array, Array]:
    """Compute each observation's log density and log likelihood variance, (T,) each.

    Parameters
    ----------
    form : StandardForm
        T observations under a `NormalIndependentInverseWishart`.
    starts, ends, shares : array (segments,)
        Segments with their shares of the posterior; shares of the segments that contain an observation
        sum to 1.
    points : int
        Number of quasi-random means per segment, a power of two.

    References
    ----------
    Sobol sequences: Owen, Monte Carlo theory, methods and examples (2013), chapter 15; spec 3 section 4.3.
    """
    length, d = form.x.shape
    cube = qmc.Sobol(d + 1, rng=np.random.default_rng(0)).random(points)
    constants = pointwise.regime_constants(form.nu0 + np.arange(length + 1), d)
    sums = pointwise.new_sums(length)
    log_determinant = 2 * float(np.log(np.diag(form.factor)).sum())
    _add_points(
        form, starts, ends, shares, cube[:, 0].copy(), norm.ppf(cube[:, 1:]), log_determinant, constants, sums
    )
    return pointwise.lppd_and_variances(sums)


@compiled
def _add_points(
    form: StandardForm,
    starts: Array,
    ends: Array,
    shares: Array,
    uniforms: Array,
    normals: Array,
    log_determinant: float,
    constants: Array,
    sums: Array,
) -> None:
    for k in range(starts.size):
        s, t = starts[k], ends[k]
        _, mass, values, vectors, z = spectrum(form, s, t)
        means = _means(form, s, t, uniforms, normals)
        observed = form.x[s:t] @ vectors
        log_det = log_determinant + np.log(values).sum()
        share = shares[k] / uniforms.size
        for row in range(uniforms.size):
            # Sherman-Morrison formula: A + w e e' is a rank-one update of A.
            off = means[row] - z
            scaled = off / values
            stretch = 1 + mass * (off @ scaled)
            for i in range(s, t):
                square, along = 0.0, 0.0
                for c in range(z.size):
                    apart = observed[i - s, c] - means[row, c]
                    square += apart * apart / values[c]
                    along += apart * scaled[c]
                weight = form.weights[i]
                distance = weight * (square - mass * along * along / stretch)
                log_density, expected, within = explain(
                    0.0, distance, math.log(weight), form.nu0 + t - s, z.size,
                    log_det + math.log(stretch), constants[t - s],
                )  # fmt: skip
                add_point(sums[i], share, log_density, expected, within)


@compiled
def _means(form: StandardForm, s: int, t: int, uniforms: Array, normals: Array) -> Array:
    """Compute means of the regime of ``y[s:t]``, (points, d), in the eigenbasis of A."""
    a, mass, values, _, z = spectrum(form, s, t)
    nodes, cumulated = _mixture(a, mass, values, z)
    means = np.empty(normals.shape)
    for row in range(uniforms.size):
        j = min(np.searchsorted(cumulated, uniforms[row]), nodes.size - 1)
        r = 2 * nodes[j] * mass / values
        means[row] = r / (1 + r) * z + normals[row] / np.sqrt(1 + r)
    return means


@compiled
def _mixture(a: float, mass: float, values: Array, z: Array) -> tuple[Array, Array]:
    """Return the nodes u of the quadrature and their cumulative probabilities."""
    step, v, depth = rule(a)
    nodes, logs, top = [math.exp(v)], [log_integrand(v, a, mass, values, z)], -np.inf
    while v > math.log(a) or a * v - math.exp(v) > top - depth:
        v -= step
        nodes.append(math.exp(v))
        logs.append(log_integrand(v, a, mass, values, z))
        top = max(top, logs[-1])
    shares = np.exp(np.array(logs) - top)
    return np.array(nodes), np.cumsum(shares) / shares.sum()

r"""A series and the prior of its regimes in standardised coordinates.

``y = m0 + R x`` with R the Cholesky factor of the prior's scale. In x both priors read

- conjugate (R R' = psi0): ``mu | Sigma ~ N(0, Sigma / kappa0)``, ``Sigma ~ IW(nu0, I)``;
- semi-conjugate (R R' = s0): ``mu ~ N(0, I)``, ``Sigma ~ IW(nu0, psi)``, and kappa0 = 0 here.

Every formula depends on a segment through its moments alone. Differences of cumulative sums give them in
a time that does not depend on its length.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import multigammaln

from methods.changepoint.regimes import NormalInverseWishart
from methods.changepoint.semi_conjugate import NormalIndependentInverseWishart
from methods.compiled import compiled

Array = np.ndarray


class StandardForm(NamedTuple):
    """Sums over ``y[:t]`` for every t, and the prior, in the coordinates x.

    `masses`, `log_masses`, `firsts` and `seconds` are cumulative sums of w, (d/2) log w, w x and w x x',
    with x relative to `origin`, the mean of the series, to keep digits if that is far from m0.
    `constants[n]` holds the terms of the density of n observations without the moments; `factor` is R.
    """

    x: Array
    weights: Array
    masses: Array
    log_masses: Array
    firsts: Array
    seconds: Array
    origin: Array
    constants: Array
    kappa0: float
    nu0: float
    psi: Array
    m0: Array
    factor: Array


def standard_form(
    y: Array, prior: NormalInverseWishart | NormalIndependentInverseWishart, weights: Array
) -> StandardForm:
    """Change coordinates and compute cumulative sums of y (T, d), weights (T,)."""
    length, d = y.shape
    if isinstance(prior, NormalInverseWishart):
        scale, kappa0 = prior.psi0, float(prior.kappa0)
    else:
        scale, kappa0 = prior.s0, 0.0
    factor = np.linalg.cholesky(scale)
    x = solve_triangular(factor, (y - prior.m0).T, lower=True).T
    half = solve_triangular(factor, prior.psi0, lower=True)
    psi = solve_triangular(factor, half.T, lower=True)
    n = np.arange(length + 1)
    constants = (
        -n * (d / 2 * math.log(math.pi) + np.log(np.diag(factor)).sum())
        + multigammaln((prior.nu0 + n) / 2, d)
        - multigammaln(prior.nu0 / 2, d)
        + prior.nu0 / 2 * np.linalg.slogdet(psi)[1]
    )
    origin = x.mean(axis=0)
    wx = weights[:, None] * (x - origin)
    return StandardForm(
        x=np.ascontiguousarray(x),
        weights=weights,
        masses=_cumulative(weights),
        log_masses=_cumulative(d / 2 * np.log(weights)),
        firsts=_cumulative(wx),
        seconds=_cumulative(wx[:, :, None] * (x - origin)[:, None, :]),
        origin=origin,
        constants=constants,
        kappa0=kappa0,
        nu0=float(prior.nu0),
        psi=np.ascontiguousarray((psi + psi.T) / 2),
        m0=prior.m0,
        factor=factor,
    )


def _cumulative(values: Array) -> Array:
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])


@compiled
def posterior_scale(form: StandardForm, s: int, t: int, scale: Array) -> tuple[float, Array]:
    """Fill `scale` with the posterior scale of ``x[s:t]``; return w and the mean.

    It is psi plus the scatter, plus the pull of a conjugate prior.
    """
    d = form.psi.shape[0]
    mass = form.masses[t] - form.masses[s]
    first = form.firsts[t] - form.firsts[s]
    mean = form.origin + first / mass
    # The conjugate prior counts as kappa0 observations at 0.
    pull = form.kappa0 * mass / (form.kappa0 + mass)
    for i in range(d):
        for j in range(d):
            second = form.seconds[t, i, j] - form.seconds[s, i, j]
            scatter = second - first[i] * first[j] / mass
            scale[i, j] = form.psi[i, j] + scatter + pull * mean[i] * mean[j]
    return mass, mean


@compiled
def cholesky(matrix: Array, factor: Array) -> float:
    """Fill `factor` with the Cholesky factor; return the log determinant of `matrix`."""
    d = matrix.shape[0]
    log_det = 0.0
    for j in range(d):
        for i in range(j, d):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                factor[j, j] = math.sqrt(total)
                log_det += 2 * math.log(factor[j, j])
            else:
                factor[i, j] = total / factor[j, j]
                factor[j, i] = 0.0
    return log_det


@compiled
def conjugate_score(form: StandardForm, s: int, t: int) -> float:
    """Compute the log marginal likelihood of ``y[s:t]`` under the conjugate prior.

    The values are those of ``regimes``, in a time that does not depend on t - s.
    """
    d = form.psi.shape[0]
    scale, factor = np.empty((d, d)), np.empty((d, d))
    mass, _ = posterior_scale(form, s, t, scale)
    n = t - s
    return (
        form.constants[n]
        + form.log_masses[t]
        - form.log_masses[s]
        + 0.5 * d * math.log(form.kappa0 / (form.kappa0 + mass))
        - 0.5 * (form.nu0 + n) * cholesky(scale, factor)
    )

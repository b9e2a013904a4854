r"""Pointwise terms of WAIC for the posterior of a regime, in closed form.

With ``Sigma ~ IW(nu, Psi)`` and the mean of observation i Normal around its posterior mean with
covariance ``h Sigma / w``, the squared distance ``a = w (y - m)' Psi^-1 (y - m)`` is sufficient:
``p(y)`` is a Student density, and of ``log p(y | mu, Sigma) = -(log|2 pi Sigma / w| + q) / 2``, where
``q | Sigma ~ h chi2_d(a chi2_nu / h)`` (noncentral),

    E = -(d log 2 pi - d log w + E log|Sigma| + h d + a nu) / 2
    Var = (sum_i trigamma((nu + 1 - i) / 2) + 2 d h^2 + 4 h a nu + 2 nu a^2 - 4 a) / 4

The last term is the covariance of ``log|Sigma|`` with q, by Bartlett's decomposition.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln, polygamma, psi

from methods.compiled import compiled

Array = np.ndarray

# Columns of the sums over segments; one row per observation.
LOG_DENSITY, MASS, MEAN, SQUARES, WITHIN = range(5)


def new_sums(length: int) -> Array:
    """Create empty sums over segments, for `add_point`."""
    sums = np.zeros((length, 5))
    sums[:, LOG_DENSITY] = -np.inf
    return sums


def lppd_and_variances(sums: Array) -> tuple[Array, Array]:
    """Return each observation's log density and log likelihood variance."""
    return sums[:, LOG_DENSITY], (sums[:, SQUARES] + sums[:, WITHIN]) / sums[:, MASS]


def regime_constants(freedom: Array, d: int) -> Array:
    """Compute constants of the closed form for each nu, (len(freedom), 3).

    The columns are the log Student constant, E log|Sigma| less log|Psi|, and Var log|Sigma|.
    """
    halves = (freedom[:, None] - np.arange(d)) / 2
    student = gammaln((freedom + 1) / 2) - gammaln((freedom - d + 1) / 2) - d / 2 * math.log(math.pi)
    return np.stack(
        [student, -d * math.log(2) - psi(halves).sum(axis=1), polygamma(1, halves).sum(axis=1)], axis=1
    )


@compiled(inline="always")
def explain(
    h: float, a: float, log_weight: float, nu: float, d: int, log_det: float, constants: Array
) -> tuple[float, float, float]:
    """Compute the log density and the mean and variance of the log likelihood."""
    log_density = (
        constants[0]
        - 0.5 * (log_det + d * (math.log1p(h) - log_weight))
        - 0.5 * (nu + 1) * math.log1p(a / (1 + h))
    )
    mean = -0.5 * (d * (math.log(2 * math.pi) - log_weight + h) + log_det + constants[1] + a * nu)
    within = 0.25 * (constants[2] + 2 * d * h * h + 4 * h * a * nu + 2 * nu * a * a - 4 * a)
    return log_density, mean, within


@compiled(inline="always")
def add_point(sums: Array, share: float, log_density: float, mean: float, within: float) -> None:
    """Add a segment with its share of the posterior to the sums of an observation."""
    log_density += math.log(share)
    top = max(sums[LOG_DENSITY], log_density)
    sums[LOG_DENSITY] = top + math.log(math.exp(sums[LOG_DENSITY] - top) + math.exp(log_density - top))
    sums[MASS] += share
    off = mean - sums[MEAN]
    sums[MEAN] += share / sums[MASS] * off
    sums[SQUARES] += share * off * (mean - sums[MEAN])
    sums[WITHIN] += share * within

"""What a fitted model of careers foretells, and the smooth course that it sees in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from methods.compiled import compiled
from methods.temporal.career_likelihood import Array, cholesky, covariance
from methods.temporal.careers import Careers, Kernel
from methods.temporal.macro import MacroFit, thinned
from methods.temporal.panel import Floats


@dataclass(frozen=True)
class Forecast:
    """Of each row, given the earlier rows of its career, averaged over posterior draws.

    Attributes
    ----------
    mean, sd : (n,) float
        Of the value as it will be observed, sampling noise included.
    log_density : (n,) float
        Log predictive density of the value that came.
    """

    mean: Floats
    sd: Floats
    log_density: Floats


def forecast(fit: MacroFit, careers: Careers, number: int = 100) -> Forecast:
    """Forecast every row one step ahead.

    Parameters
    ----------
    fit : MacroFit
        Of the same careers, or of their earlier rows: then later rows are scored by a model that
        never saw them.
    careers : Careers
    number : int
        Posterior draws to average over.
    """
    means, variances = [], []
    for draw in thinned(fit, number):
        mean, variance = one_step_ahead(careers, fit.draws["beta"][draw], fit.kernel(draw))
        means.append(mean)
        variances.append(variance)
    mean, variance = np.array(means), np.array(variances)
    density = -0.5 * ((careers.value - mean) ** 2 / variance + np.log(2 * np.pi * variance))
    total = variance.mean(axis=0) + mean.var(axis=0)
    return Forecast(mean.mean(axis=0), np.sqrt(total), logsumexp(density, axis=0) - np.log(number))


def smooth(fit: MacroFit, careers: Careers, unit: int, number: int = 100) -> tuple[Floats, Floats]:
    """Mean and standard deviation of one career's true course, given all of its rows."""
    rows = slice(careers.start[unit], careers.start[unit + 1])
    time, own = careers.time[rows], careers.own[rows]
    means, variances = [], []
    for draw in thinned(fit, number):
        kernel = fit.kernel(draw)
        prior = own @ np.diag(kernel.own_variance) @ own.T
        gap = (time[:, None] - time) / kernel.length[unit]
        prior += kernel.amplitude[unit] ** 2 * np.exp(-0.5 * gap**2)
        fitted = careers.mean[rows] @ fit.draws["beta"][draw]
        whole = prior + np.diag(careers.noise[rows] + kernel.noise_variance)
        gain = np.linalg.solve(whole, prior).T
        means.append(fitted + gain @ (careers.value[rows] - fitted))
        variances.append(np.diag(prior - gain @ prior))
    mean = np.array(means)
    return mean.mean(axis=0), np.sqrt(np.mean(variances, axis=0) + mean.var(axis=0))


@compiled
def _innovations(
    start: Array,
    time: Array,
    rest: Array,
    noise: Array,
    own: Array,
    amplitude: Array,
    length: Array,
    own_variance: Array,
    extra: float,
    error: Array,
    variance: Array,
) -> bool:
    for i in range(len(start) - 1):
        first, last = start[i], start[i + 1]
        rows = slice(first, last)
        factor = covariance(time[rows], noise[rows], own[rows], amplitude[i], length[i], own_variance, extra)
        if not cholesky(factor):
            return False
        for j in range(last - first):
            total = rest[first + j]
            for k in range(j):
                total -= factor[j, k] * error[first + k] / np.sqrt(variance[first + k])
            error[first + j] = total
            variance[first + j] = factor[j, j] ** 2
    return True


def one_step_ahead(careers: Careers, coefficients: Floats, kernel: Kernel) -> tuple[Floats, Floats]:
    """Mean and variance of each value, given the earlier values of its career.

    The Cholesky factor holds them: row t of ``L z = y - X beta`` is the forecast error
    ``L_tt z_t``, with variance ``L_tt^2``.

    Returns
    -------
    mean, variance : (n,) float
        Of the observed value, sampling noise included.
    """
    fitted = careers.mean @ coefficients
    rest = careers.value - fitted
    error, variance = np.zeros_like(rest), np.zeros_like(rest)
    if not _innovations(
        careers.start, careers.time, rest, careers.noise, careers.own, *kernel, error, variance
    ):
        raise ValueError("careers: a covariance is not positive definite; give the values some noise")
    return careers.value - error, variance

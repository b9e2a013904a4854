"""Forecasts and smoothed courses of careers from a fitted model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from methods.compiled import compiled
from methods.temporal.career_likelihood import Array, cholesky, covariance
from methods.temporal.careers import Careers, Kernel
from methods.temporal.macro import MacroFit, thinned_draws
from methods.temporal.panel import Floats


@dataclass(frozen=True)
class Forecast:
    """One-step forecasts of each row, averaged over posterior draws.

    Attributes
    ----------
    mean, sd : (n,) float
        Mean and standard deviation of the observed value, including sampling noise.
    log_density : (n,) float
        Log predictive density of the observed value.
    """

    mean: Floats
    sd: Floats
    log_density: Floats


def forecast(fit: MacroFit, careers: Careers, number: int = 100) -> Forecast:
    """Forecast every row one step ahead.

    Parameters
    ----------
    fit : MacroFit
        Fit to the same careers, or to their earlier rows: then later rows are held out.
    careers : Careers
    number : int
        Number of posterior draws to average over.
    """
    means, variances = [], []
    for draw in thinned_draws(fit, number):
        mean, variance = one_step_ahead(careers, fit.draws["beta"][draw], fit.kernel(draw))
        means.append(mean)
        variances.append(variance)
    mean, variance = np.array(means), np.array(variances)
    density = -0.5 * ((careers.value - mean) ** 2 / variance + np.log(2 * np.pi * variance))
    total = variance.mean(axis=0) + mean.var(axis=0)
    return Forecast(mean.mean(axis=0), np.sqrt(total), logsumexp(density, axis=0) - np.log(number))


def smooth(fit: MacroFit, careers: Careers, unit: int, number: int = 100) -> tuple[Floats, Floats]:
    """Compute mean and standard deviation of a career's course from all its rows."""
    rows = slice(careers.start[unit], careers.start[unit + 1])
    time, own = careers.time[rows], careers.own[rows]
    means, variances = [], []
    for draw in thinned_draws(fit, number):
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
    """Compute mean and variance of each value given earlier values of its career.

    They follow from the Cholesky factor: row t of ``L z = y - X beta`` is the forecast error
    ``L_tt z_t``, with variance ``L_tt^2``.

    Returns
    -------
    mean, variance : (n,) float
        Of the observed value, including sampling noise.
    """
    fitted = careers.mean @ coefficients
    rest = careers.value - fitted
    error, variance = np.zeros_like(rest), np.zeros_like(rest)
    if not _innovations(
        careers.start, careers.time, rest, careers.noise, careers.own, *kernel, error, variance
    ):
        raise ValueError("careers: a covariance is not positive definite; set noise > 0 for the values")
    return careers.value - error, variance

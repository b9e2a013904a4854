"""What a fitted model of careers says: forecasts, smooth courses, and data of its own to compare with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from methods.compiled import compiled
from methods.temporal.career_likelihood import Careers, cholesky, covariance, one_step_ahead
from methods.temporal.macro import MacroFit
from methods.temporal.panel import Floats, Ints


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


def thinned(fit: MacroFit, number: int) -> Ints:
    """Numbers of `number` draws, evenly spaced over all chains."""
    return np.linspace(0, len(fit.draws["sigma_n"]) - 1, number).round().astype(np.int64)


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
def _colour(start, time, noise, own, amplitude, length, own_variance, extra, white):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Multiply standard normal values by each career's Cholesky factor."""
    out = np.zeros_like(white)
    for i in range(len(start) - 1):
        rows = slice(start[i], start[i + 1])
        factor = covariance(time[rows], noise[rows], own[rows], amplitude[i], length[i], own_variance, extra)
        cholesky(factor)
        for j in range(start[i + 1] - start[i]):
            for k in range(j + 1):
                out[start[i] + j] += factor[j, k] * white[start[i] + k]
    return out


def replicate(fit: MacroFit, careers: Careers, number: int, seed: int) -> Floats:
    """Draw whole data sets from the posterior, (number, n): what the model holds for usual."""
    rng = np.random.default_rng(seed)
    known = careers.start, careers.time, careers.noise, careers.own
    return np.array(
        [
            careers.mean @ fit.draws["beta"][draw]
            + _colour(*known, *fit.kernel(draw), rng.normal(size=len(careers.time)))
            for draw in thinned(fit, number)
        ]
    )


def traits(careers: Careers, value: Floats) -> dict[str, float]:
    """What a data set looks like: spread of and within careers, steps, their correlation, tails."""
    unit = careers.unit()
    count = np.bincount(unit)
    level = np.bincount(unit, weights=value) / count
    off = value - level[unit]
    inside = np.sqrt(np.bincount(unit, weights=off**2) / np.maximum(count - 1, 1))
    same = unit[1:] == unit[:-1]
    return {
        "spread of careers": float(level.std()),
        "spread within a career": float(inside.mean()),
        "unevenness of that spread": float(inside.std()),
        "step from year to year": float(np.abs(np.diff(value))[same].mean()),
        "correlation with the year before": float(np.corrcoef(off[1:][same], off[:-1][same])[0, 1]),
        "kurtosis within careers": float((off**4).mean() / (off**2).mean() ** 2),
    }


def predictive_check(
    fit: MacroFit, careers: Careers, number: int, seed: int
) -> dict[str, tuple[Floats, float]]:
    """Compare the data with `number` replicates by `traits`.

    Returns
    -------
    dict
        Trait -> (observed, low and high 2.5 % of replicates), and the two-sided posterior
        predictive p: near 0 where the model's data do not look like these.
    """
    drawn = [traits(careers, values) for values in replicate(fit, careers, number, seed)]
    checks = {}
    for name, observed in traits(careers, careers.value).items():
        others = np.array([one[name] for one in drawn])
        low, high = np.quantile(others, [0.025, 0.975])
        above = (np.sum(others >= observed) + 1) / (number + 1)
        below = (np.sum(others <= observed) + 1) / (number + 1)
        checks[name] = np.array([observed, low, high]), float(min(1.0, 2 * min(above, below)))
    return checks

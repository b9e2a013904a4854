"""Posterior predictive checks of the model of careers."""

from __future__ import annotations

import numpy as np

from methods.compiled import compiled
from methods.temporal.career_likelihood import Array, cholesky, covariance
from methods.temporal.careers import Careers
from methods.temporal.macro import MacroFit, thinned_draws
from methods.temporal.panel import Floats


@compiled
def _colour(
    start: Array,
    time: Array,
    noise: Array,
    own: Array,
    amplitude: Array,
    length: Array,
    own_variance: Array,
    extra: float,
    white: Array,
) -> Array:
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
    """Draw replicate data sets from the posterior, (number, n)."""
    rng = np.random.default_rng(seed)
    known = careers.start, careers.time, careers.noise, careers.own
    return np.array(
        [
            careers.mean @ fit.draws["beta"][draw]
            + _colour(*known, *fit.kernel(draw), rng.normal(size=len(careers.time)))
            for draw in thinned_draws(fit, number)
        ]
    )


def traits(careers: Careers, value: Floats) -> dict[str, float]:
    """Compute statistics of a data set: spreads, steps, correlation and tails."""
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
        predictive p-value: near 0 if replicates differ from the data.
    """
    drawn = [traits(careers, values) for values in replicate(fit, careers, number, seed)]
    checks = {}
    for name, observed in traits(careers, careers.value).items():
        replicates = np.array([traits_of_draw[name] for traits_of_draw in drawn])
        low, high = np.quantile(replicates, [0.025, 0.975])
        above = (np.sum(replicates >= observed) + 1) / (number + 1)
        below = (np.sum(replicates <= observed) + 1) / (number + 1)
        checks[name] = np.array([observed, low, high]), float(min(1.0, 2 * min(above, below)))
    return checks

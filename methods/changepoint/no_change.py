"""Test a series for a change against simulated series that persist without one.

A posterior probability of a change is only as good as its model. The test is right for any statistic: it
compares the statistic of the series with that of simulated series, which have its times, its noise and its
persistence but no change.
"""

from __future__ import annotations

import numpy as np

from methods.changepoint import persistent_sums
from methods.changepoint.persistent import (
    ChangePrior,
    NoisySeries,
    PersistentRegimes,
    evidence_by_count,
    log_odds_of_change,
)

Array = np.ndarray

_BATCH = 100


def simulate_without_change(
    series: NoisySeries, prior: PersistentRegimes, draws: int, rng: np.random.Generator
) -> Array:
    """Draw series without a change, with the times and noise of one.

    The factor of the variances and the level are drawn from their posterior given the series without a
    change: a series that varies much, or whose level is unusual, is compared with such series. Deviations
    and noise are drawn from their prior.

    Parameters
    ----------
    series : NoisySeries
    prior : PersistentRegimes
    draws : int
    rng : numpy Generator

    Returns
    -------
    array (draws, T, d)
    """
    (length, d), kinds = series.y.shape, len(prior.shares)
    logs, means, variances = np.empty(kinds), np.empty((kinds, d)), np.empty((kinds, d))
    persistent_sums.level_posteriors(
        series.y, series.times, series.noise, prior.hypers, logs, means, variances
    )
    weights = prior.shares * np.exp(logs - logs.max())
    kind = rng.choice(kinds, size=draws, p=weights / weights.sum())
    _, deviation, correlation, residual = np.moveaxis(prior.hypers[kind], 2, 0)
    normal = rng.normal(size=(3, length, draws, d))
    u = np.sqrt(deviation) * normal[0, 0]
    y = np.empty((draws, length, d))
    for i in range(length):
        if i > 0:
            decay = correlation ** (series.times[i] - series.times[i - 1])
            u = decay * u + np.sqrt(deviation * (1 - decay**2)) * normal[0, i]
        y[:, i] = u + np.sqrt(residual + series.noise[i]) * normal[1, i]
    # Rounding may leave the variance of a well known level just below 0.
    level = means[kind] + np.sqrt(np.maximum(variances[kind], 0.0)) * normal[2, 0]
    return np.asarray(y + level[:, None, :])


def no_change_p_value(
    series: NoisySeries,
    prior: PersistentRegimes,
    changes: ChangePrior,
    *,
    exceedances: int = 20,
    most: int = 20_000,
    seed: int | tuple[int, ...] = 0,
) -> float:
    r"""Return the p-value of the hypothesis that a persistent series has no change.

    The statistic is the posterior odds of a change. Simulated series are drawn until `exceedances` of them
    have odds as large as the observed ones, or `most` are drawn: ``p = h / l`` if the h-th such series was
    the l-th draw, else ``p = (g + 1) / (most + 1)`` with g such series.

    Parameters
    ----------
    series : NoisySeries
    prior : PersistentRegimes
    changes : ChangePrior
        Prior of the statistic. A wrong one costs power, not validity.
    exceedances : int >= 1
        A larger number makes large p-values more exact.
    most : int >= 1
        The smallest p-value is ``1 / (most + 1)``.
    seed : int or tuple of int
        See `numpy.random.default_rng`.

    Returns
    -------
    float
        In (0, 1]. Given the factor and the level, ``P(p <= a) <= a``. They are drawn from their posterior,
        so p varies less than a uniform variable and ``P(p <= a) <= 2 a`` for every a (Meng 1994); in
        simulations it is at most a.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    Besag and Clifford, Sequential Monte Carlo p-values, Biometrika 78 (1991); Meng, Posterior predictive
    p-values, Annals of Statistics 22 (1994).
    """
    if exceedances < 1 or most < 1:
        raise ValueError(f"expected exceedances and most >= 1; found {exceedances}, {most}")

    def statistic(y: Array) -> Array:
        evidence = evidence_by_count(y, series, prior, changes.min_length, changes.k_max)
        return log_odds_of_change(evidence, changes.rate)

    observed = statistic(series.y[None])[0]
    rng, drawn, larger = np.random.default_rng(seed), 0, 0
    while drawn < most:
        batch = min(_BATCH, most - drawn)
        y = simulate_without_change(series, prior, batch, rng)
        hits = np.flatnonzero(statistic(y) >= observed)
        if larger + len(hits) >= exceedances:
            return exceedances / (drawn + int(hits[exceedances - larger - 1]) + 1)
        drawn, larger = drawn + batch, larger + len(hits)
    return (larger + 1) / (most + 1)

"""Seasonal component of a series, so that it does not count as changes."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def seasonal_component(y: Array, longest: int = 60) -> tuple[Array, int, float]:
    r"""Estimate the periodic component of a series, its period and its cost.

    For each period p the series less its centred moving average over p (2 x p if p is even) is
    averaged by phase. The chosen period has the largest gain ``n log(before / after) - (p - 1) log n
    - 2 log(periods tried)`` in the sum of squares (the extended criterion of Schwarz), if any gain is
    positive.

    Parameters
    ----------
    y : array (T,)
        Observations; NaN marks a missing one.
    longest : int
        Longest period tried; the series must contain at least four cycles.

    Returns
    -------
    component : array (T,)
        Mean 0 over a period; all 0 without a season.
    period : int
        1 without a season.
    cost : float
        Cost of the parameters in log evidence, half of the penalty in the gain; 0 without a season.

    References
    ----------
    Classical decomposition: Kendall and Stuart, The Advanced Theory of Statistics 3 (1966). Chen and
    Chen, Extended Bayesian information criteria, Biometrika 95 (2008).
    """
    best, period, component, cost = 0.0, 1, np.zeros(len(y)), 0.0
    periods = range(2, min(longest, len(y) // 4) + 1)
    for p in periods:
        rest = y - _moving_average(y, p)
        known = np.isfinite(rest)
        phase = np.arange(len(y)) % p
        if len(np.unique(phase[known])) < p:
            continue
        means = np.array([rest[known & (phase == at)].mean() for at in range(p)])
        means -= means.mean()
        n, before = known.sum(), (rest[known] ** 2).sum()
        after = ((rest - means[phase])[known] ** 2).sum()
        if before == 0:
            continue
        penalty = (p - 1) * np.log(n) + 2 * np.log(len(periods))
        gain = n * np.log(before / max(after, 1e-12 * before)) - penalty
        if gain > best:
            best, period, component, cost = float(gain), p, means[phase], float(penalty) / 2
    return component, period, cost


def _moving_average(y: Array, p: int) -> Array:
    window = np.ones(p) / p if p % 2 else np.r_[0.5, np.ones(p - 1), 0.5] / p
    half = len(window) // 2
    average = np.full(len(y), np.nan)
    average[half : len(y) - half] = np.convolve(y, window, mode="valid")
    return average

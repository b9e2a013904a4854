"""A pattern that repeats with a fixed period is no change: find it and take it out."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def seasonal_component(y: Array, longest: int = 60) -> tuple[Array, int, float]:
    r"""Component of one series that repeats with a period, the period, and its price; 0, 1, 0 if none does.

    For each period p the series less its centred moving average over p (2 x p where p is even) is
    averaged by phase. The period taken is that of the largest gain ``n log(before / after) - (p - 1) log n
    - 2 log(periods tried)`` in the sum of squares (the extended criterion of Schwarz), if any is positive.

    Parameters
    ----------
    y : array (T,)
        Observations; NaN is a missing one.
    longest : int
        Longest period tried; four cycles at least must be there.

    Returns
    -------
    component : array (T,)
        With mean 0 over a period.
    period : int
    price : float
        Log evidence that its parameters cost: half of what is taken off the gain.

    References
    ----------
    Classical decomposition: Kendall and Stuart, The Advanced Theory of Statistics 3 (1966). Chen and
    Chen, Extended Bayesian information criteria, Biometrika 95 (2008).
    """
    best, period, component, price = 0.0, 1, np.zeros(len(y)), 0.0
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
        cost = (p - 1) * np.log(n) + 2 * np.log(len(periods))
        gain = n * np.log(before / max(after, 1e-12 * before)) - cost
        if gain > best:
            best, period, component, price = float(gain), p, means[phase], float(cost) / 2
    return component, period, price


def _moving_average(y: Array, p: int) -> Array:
    window = np.ones(p) / p if p % 2 else np.r_[0.5, np.ones(p - 1), 0.5] / p
    half = len(window) // 2
    average = np.full(len(y), np.nan)
    average[half : len(y) - half] = np.convolve(y, window, mode="valid")
    return average

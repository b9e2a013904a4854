"""Granger tests: does the past of one series help to forecast another beyond its own past?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import f as f_distribution

Array = np.ndarray


@dataclass(frozen=True)
class GrangerTest:
    """F statistic, its degrees of freedom and p-value; small p: the past of the cause helps."""

    f: float
    df_num: int
    df_den: int
    p_value: float


def granger(effect: Array, cause: Array, lags: int) -> GrangerTest:
    r"""Test whether the past of `cause` helps to forecast `effect` beyond its own past.

    ``F = ((RSS_r - RSS_u) / p) / (RSS_u / (T - 2p - 1))`` with p lags, a constant and T usable
    rows.

    Parameters
    ----------
    effect, cause : array (n,)
        Stationary series at equal steps.
    lags : int >= 1

    Returns
    -------
    GrangerTest

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite or too few rows are left.

    References
    ----------
    Granger (1969); spec 3 section 2.3 with its correction.
    """
    effect, cause = np.asarray(effect, dtype=float), np.asarray(cause, dtype=float)
    rows = len(effect) - lags
    if effect.shape != cause.shape or effect.ndim != 1 or lags < 1 or rows - 2 * lags - 1 < 1:
        raise ValueError(
            f"effect {effect.shape} and cause {cause.shape} with {lags} lags leave no degree of freedom; "
            "expected two series of one length, more than 3 lags + 1"
        )
    if not (np.isfinite(effect).all() and np.isfinite(cause).all()):
        raise ValueError("effect or cause is not finite; leave out or fill in those times first")
    own = np.column_stack([effect[lags - i : -i] for i in range(1, lags + 1)])
    other = np.column_stack([cause[lags - i : -i] for i in range(1, lags + 1)])
    restricted = np.column_stack([np.ones(rows), own])
    rss_r = _rss(restricted, effect[lags:])
    rss_u = _rss(np.column_stack([restricted, other]), effect[lags:])
    df_den = rows - 2 * lags - 1
    f = (rss_r - rss_u) / lags / (rss_u / df_den)
    return GrangerTest(float(f), lags, df_den, float(f_distribution.sf(f, lags, df_den)))


def _rss(design: Array, target: Array) -> float:
    coefficients, *_ = np.linalg.lstsq(design, target, rcond=None)
    return float(np.square(target - design @ coefficients).sum())

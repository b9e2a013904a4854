"""Granger tests of whether the past of one series helps to forecast another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import f as f_distribution

from methods.causal.stationarity import differences_needed

Array = np.ndarray


@dataclass(frozen=True)
class GrangerTest:
    """F statistic with its degrees of freedom and p-value.

    A small p-value means that the past of the cause helps to forecast the effect.
    """

    f: float
    df_num: int
    df_den: int
    p_value: float


def granger(effect: Array, cause: Array, lags: int) -> GrangerTest:
    r"""Test whether the past of `cause` helps to forecast `effect`.

    ``F = ((RSS_r - RSS_u) / (m p)) / (RSS_u / (T - (m + 1) p - 1))`` with p lags of the effect and of m
    causes, a constant and T usable rows. For one cause the second degree of freedom is that of the
    equation, ``T - 2p - 1`` (as in lmtest's grangertest); for several it is that of the vector
    autoregression of all m + 1 series, ``(m + 1) (T - (m + 1) p - 1)`` (as in statsmodels' VAR).

    Parameters
    ----------
    effect : array (n,)
    cause : array (n,) or (n, m)
        Stationary series at equal steps; see `stationarity`. Several are tested together.
    lags : int >= 1
        See `choose_lags`.

    Returns
    -------
    GrangerTest

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, too few rows are left, or the series are collinear.

    References
    ----------
    Granger (1969); Luetkepohl, New Introduction to Multiple Time Series Analysis (2005), section
    3.6; spec 3 section 2.3 with its correction.
    """
    effect, cause = np.asarray(effect, dtype=float), np.asarray(cause, dtype=float)
    causes = cause[:, None] if cause.ndim == 1 else cause
    m, rows = causes.shape[1], len(effect) - lags
    df_den = rows - (m + 1) * lags - 1
    if len(causes) != len(effect) or effect.ndim != 1 or lags < 1 or df_den < 1:
        raise ValueError(
            f"effect {effect.shape} and cause {cause.shape} with {lags} lags leave no degree of freedom; "
            f"expected series of equal length, longer than {m + 2} lags + 1"
        )
    if not (np.isfinite(effect).all() and np.isfinite(causes).all()):
        raise ValueError("effect or cause is not finite; drop or impute those times first")
    restricted = np.column_stack([np.ones(rows), _past(effect[:, None], lags)])
    rss_r = _rss(restricted, effect[lags:])
    rss_u = _rss(np.column_stack([restricted, _past(causes, lags)]), effect[lags:])
    f = (rss_r - rss_u) / (m * lags) / (rss_u / df_den)
    df_den = df_den if m == 1 else (m + 1) * df_den
    return GrangerTest(float(f), m * lags, df_den, float(f_distribution.sf(f, m * lags, df_den)))


def _past(series: Array, lags: int) -> Array:
    return np.column_stack([series[lags - i : -i] for i in range(1, lags + 1)])


def _rss(design: Array, target: Array) -> float:
    coefficients, _, rank, _ = np.linalg.lstsq(design, target, rcond=None)
    if rank < design.shape[1]:
        raise ValueError("the lags of the series are collinear; drop a constant or repeated series")
    return float(np.square(target - design @ coefficients).sum())


def choose_lags(series: Array, max_lags: int, criterion: str = "bic") -> int:
    """Choose the order of a vector autoregression by an information criterion.

    Parameters
    ----------
    series : array (n, k)
        k >= 2 stationary series.
    max_lags : int >= 1
    criterion : {"aic", "bic", "hqic", "fpe"}

    Returns
    -------
    int
        From 1 to `max_lags`; 1 if the criterion prefers no lag.

    Raises
    ------
    ValueError
        If the criterion is unknown or the series are too short.

    References
    ----------
    Luetkepohl (2005), section 4.3.
    """
    from statsmodels.tsa.api import VAR

    series = np.asarray(series, dtype=float)
    if criterion not in ("aic", "bic", "hqic", "fpe"):
        raise ValueError(f"criterion is {criterion!r}; expected aic, bic, hqic or fpe")
    if series.ndim != 2 or max_lags < 1 or len(series) - max_lags <= series.shape[1] * max_lags + 1:
        raise ValueError(
            f"series has shape {series.shape}, too short for {max_lags} lags of every column; lower max_lags"
        )
    return max(1, int(VAR(series).select_order(max_lags).selected_orders[criterion]))


@dataclass(frozen=True)
class GrangerPairs:
    """Granger tests of all ordered pairs of several series.

    Attributes
    ----------
    pairs : tuple of (str, str)
        (cause, effect).
    tests : tuple of GrangerTest
    p_adjusted : array (pairs,)
        p-values adjusted by the method of Benjamini and Hochberg.
    lags : int
        Order chosen for all series together.
    differences : int
        Number of times that the series were differenced first.
    """

    pairs: tuple[tuple[str, str], ...]
    tests: tuple[GrangerTest, ...]
    p_adjusted: Array
    lags: int
    differences: int


def granger_pairs(
    series: Array, names: Sequence[str], *, max_lags: int, criterion: str = "bic", most_differences: int = 2
) -> GrangerPairs:
    """Test every ordered pair of series, with a correction for their number.

    The series are differenced until they are stationary; the lags are chosen for all together.

    Parameters
    ----------
    series : array (n, k)
    names : sequence of k str
    max_lags : int >= 1
    criterion : str
        See `choose_lags`.
    most_differences : int >= 0
        See `differences_needed`.

    Returns
    -------
    GrangerPairs

    Raises
    ------
    ValueError
        If a series stays non-stationary, or as `granger` and `choose_lags`.

    References
    ----------
    Benjamini and Hochberg (1995).
    """
    from statsmodels.stats.multitest import multipletests

    series = np.asarray(series, dtype=float)
    differences = differences_needed(series, most_differences)
    steps = np.diff(series, differences, axis=0)
    lags = choose_lags(steps, max_lags, criterion)
    ends = [(i, j) for j in range(len(names)) for i in range(len(names)) if i != j]
    tests = tuple(granger(steps[:, j], steps[:, i], lags) for i, j in ends)
    adjusted = multipletests([test.p_value for test in tests], method="fdr_bh")[1]
    return GrangerPairs(tuple((names[i], names[j]) for i, j in ends), tests, adjusted, lags, differences)

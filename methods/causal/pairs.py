"""Granger tests of all pairs of several series, with their preparation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from methods.causal.columns import check_names, collinear, is_constant, standardise
from methods.causal.prediction import GrangerTest, granger
from methods.causal.stationarity import differences_needed

Array = np.ndarray


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
        If the criterion is unknown, or the series are too short, constant or collinear.

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
    relation = collinear(series, 1e-8)
    if relation:
        raise ValueError(f"columns {relation} are constant or collinear; leave one of them out")
    return max(1, int(VAR(standardise(series)).select_order(max_lags).selected_orders[criterion]))


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
    names : sequence of str
        One for each series, all different.
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
        If the names do not fit the series, fewer than two series are given, a series is constant or
        stays non-stationary; as `granger` and `choose_lags`.

    References
    ----------
    Benjamini and Hochberg (1995).
    """
    from statsmodels.stats.multitest import multipletests

    series = np.asarray(series, dtype=float)
    if series.ndim != 2 or series.shape[1] < 2:
        raise ValueError(f"series has shape {series.shape}; expected (n, k) with two or more series")
    names = check_names(names, series.shape[1])
    bad = [
        name
        for name, column in zip(names, series.T, strict=True)
        if not np.isfinite(column).all() or is_constant(column)
    ]
    if bad:
        raise ValueError(f"series {bad} are constant or not finite; leave them out or impute their values")
    differences = differences_needed(series, most_differences)
    steps = np.diff(series, differences, axis=0)
    lags = choose_lags(steps, max_lags, criterion)
    ends = [(i, j) for j in range(len(names)) for i in range(len(names)) if i != j]
    tests = tuple(granger(steps[:, j], steps[:, i], lags) for i, j in ends)
    adjusted = multipletests([test.p_value for test in tests], method="fdr_bh")[1]
    return GrangerPairs(tuple((names[i], names[j]) for i, j in ends), tests, adjusted, lags, differences)

"""Tests of stationarity, and the number of differences until a series passes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from methods.causal.columns import ROUNDING, is_constant, standardise

Array = np.ndarray


@dataclass(frozen=True)
class Stationarity:
    """Two tests with opposite null hypotheses.

    Attributes
    ----------
    adf_p : float
        Augmented Dickey-Fuller; the null hypothesis is a unit root.
    kpss_p : float
        KPSS; the null hypothesis is stationarity. The tables end at 0.01 and 0.1.
    verdict : str
        ``stationary`` or ``unit root`` if both tests agree; ``unclear`` if neither or both reject.
    """

    adf_p: float
    kpss_p: float
    verdict: str


def stationarity(series: Array, level: float = 0.05) -> Stationarity:
    """Test a series around a constant mean.

    Parameters
    ----------
    series : array (n,)
        At least 20 finite values at equal steps, not constant.
    level : float in (0, 1)

    Returns
    -------
    Stationarity

    Raises
    ------
    ValueError
        If the series is too short, constant, a straight line or not finite.

    References
    ----------
    Said and Dickey (1984), lags by AIC; Kwiatkowski, Phillips, Schmidt and Shin (1992), lags after
    Hobijn, Franses and Ooms (1998).
    """
    from statsmodels.tools.sm_exceptions import InterpolationWarning
    from statsmodels.tsa.stattools import adfuller, kpss

    series = np.asarray(series, dtype=float)
    if series.ndim != 1 or len(series) < 20 or not np.isfinite(series).all() or is_constant(series):
        raise ValueError(
            f"series has shape {series.shape}; expected 20 or more finite values (n,), not all equal"
        )
    if np.ptp(np.diff(series)) <= ROUNDING * np.abs(series).max():
        raise ValueError("series is a straight line, which has no noise to test; expected one with noise")
    series = standardise(series)
    with warnings.catch_warnings():
        # statsmodels warns of a new return type (item 1 stays the p-value) and of the end of a table.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", InterpolationWarning)
        adf_p, kpss_p = float(adfuller(series)[1]), float(kpss(series)[1])
    root, settled = adf_p >= level, kpss_p >= level
    verdict = "unclear" if root == settled else "unit root" if root else "stationary"
    return Stationarity(adf_p, kpss_p, verdict)


def differences_needed(series: Array, most: int = 2, level: float = 0.05) -> int:
    """Count the differences until no column has a unit root by the tests.

    Parameters
    ----------
    series : array (n,) or (n, k)
    most : int >= 0
    level : float in (0, 1)

    Returns
    -------
    int
        The least number, the same for all columns; ``unclear`` does not require another difference.

    Raises
    ------
    ValueError
        If some column still has a unit root after `most` differences.
    """
    columns = np.asarray(series, dtype=float)
    columns = columns[:, None] if columns.ndim == 1 else columns
    for times in range(most + 1):
        tests = [stationarity(column, level) for column in np.diff(columns, times, axis=0).T]
        unit_roots = [number for number, test in enumerate(tests) if test.verdict == "unit root"]
        if not unit_roots:
            return times
    raise ValueError(
        f"columns {unit_roots} have a unit root after {most} difference{'' if most == 1 else 's'} by ADF and "
        "KPSS; expected "
        "stationary "
        "series: take logarithms, remove a trend, or drop these columns"
    )

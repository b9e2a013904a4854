"""Granger tests of whether the past of some series helps to forecast others."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import chi2
from scipy.stats import f as f_distribution

from methods.causal.columns import collinear, is_constant, resolution, standardise
from methods.causal.inputs import named_columns

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray

# Residuals below this many standard deviations of the series are rounding errors.
PERFECT = 1e-8
# One row decides a test whose p-value is below the first with it and above the second without it.
CERTAIN, UNCERTAIN = 0.001, 0.05


@dataclass(frozen=True)
class GrangerTest:
    """F statistic with its degrees of freedom and p-value.

    A small p-value means that the past of the cause helps to forecast the effect.
    """

    f: float
    df_num: int
    df_den: int
    p_value: float


@dataclass(frozen=True)
class WaldTest:
    """Statistic with a chi-square distribution under the null hypothesis."""

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True)
class Causality:
    """Both tests of one group of series against all others.

    Attributes
    ----------
    granger : GrangerTest
        The past of the causes does not help to forecast the others.
    instantaneous : WaldTest
        The errors of the causes are not correlated with those of the others at the same time.
    """

    granger: GrangerTest
    instantaneous: WaldTest


def granger(effect: Array, cause: Array, lags: int) -> GrangerTest:
    r"""Test whether the past of `cause` helps to forecast `effect`.

    With p lags of k effects and m causes, a constant and T usable rows, let ``E_r`` and ``E_u`` be the
    cross products (k, k) of the residuals without and with the lags of the causes:
    ``F = trace(E_u^-1 (E_r - E_u)) d / (k m p)`` with ``d = T - (k + m) p - 1``. For one effect this is
    ``((RSS_r - RSS_u) / (m p)) / (RSS_u / d)``. For one effect and one cause the second degree of freedom
    is that of the equation, d (as in lmtest's grangertest); otherwise it is that of the vector
    autoregression of all series, ``(k + m) d`` (as in vars' causality and statsmodels' VAR).

    Parameters
    ----------
    effect : array (n,) or (n, k)
    cause : array (n,) or (n, m)
        Stationary series at equal steps; see `stationarity`. Several are tested together.
    lags : int >= 1
        See `choose_lags`.

    Returns
    -------
    GrangerTest

    Warns
    -----
    UserWarning
        If one time decides the test, such as that of a spike in both series.

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, too few rows are left, a series is constant or the
        series are collinear; if the past predicts the effect exactly, or one time alone determines a
        coefficient: F is then a ratio of rounding errors.

    References
    ----------
    Granger (1969); Luetkepohl, New Introduction to Multiple Time Series Analysis (2005), section
    3.6; spec 3 section 2.3 with its correction.
    """
    series, k = _series(effect, cause, lags)
    m = series.shape[1] - k
    fit = _fit(series, k, lags)
    free = fit.rows - fit.full.shape[1] - 1
    df_den = free if k == m == 1 else (k + m) * free
    f = _f(fit.without.T @ fit.without, fit.within.T @ fit.within) * free / (k * m * lags)
    test = GrangerTest(float(f), k * m * lags, df_den, float(f_distribution.sf(f, k * m * lags, df_den)))
    if test.p_value < CERTAIN:
        _warn_of_one_row(test, fit, lags)
    return test


def instantaneous(effect: Array, cause: Array, lags: int) -> WaldTest:
    r"""Test whether the errors of `cause` and `effect` are uncorrelated.

    Errors at the same time are compared.

    With ``S`` the covariance of the errors of the vector autoregression of all series, the statistic is
    ``T s' V^-1 s`` with ``s = S_ij`` over effects i and causes j, and
    ``V_(ij)(kl) = S_ik S_jl + S_il S_jk``; its null distribution is chi-square with k m degrees of freedom.
    The test has no direction.

    Parameters and errors are those of `granger`.

    References
    ----------
    Luetkepohl (2005), section 3.6.3.
    """
    series, k = _series(effect, cause, lags)
    residuals = _fit(series, series.shape[1], lags).within
    rows, count = residuals.shape
    covariance = residuals.T @ residuals / rows
    within, across = covariance[:k, :k], covariance[:k, k:]
    df = k * (count - k)
    variance = np.einsum("ik,jl->ijkl", within, covariance[k:, k:]) + np.einsum("il,kj->ijkl", across, across)
    statistic = float(rows * across.ravel() @ np.linalg.solve(variance.reshape(df, df), across.ravel()))
    return WaldTest(statistic, df, float(chi2.sf(statistic, df)))


def causality(
    series: Array | pd.DataFrame, causes: Sequence[str], lags: int, *, names: Sequence[str] | None = None
) -> Causality:
    """Test a group of series against all others.

    This is ``causality`` of the R package vars.

    Parameters
    ----------
    series : array (n, k) or DataFrame
    causes : sequence of str
        Names of the causes; all other series are effects.
    lags : int >= 1
    names : sequence of str, optional
        Names of the columns; by default those of a DataFrame, X1..Xk for an array.

    Returns
    -------
    Causality

    Raises
    ------
    ValueError
        If `causes` is a string, names an unknown series or all series; as `granger`.
    """
    names, values = named_columns(series, names)
    if isinstance(causes, str) or not set(causes) < set(names) or not len(causes):
        raise ValueError(f"causes is {causes!r}; expected a list of some of {list(names)}, but not all")
    is_cause = np.array([name in set(causes) for name in names])
    pair = values[:, ~is_cause], values[:, is_cause]
    return Causality(granger(*pair, lags), instantaneous(*pair, lags))


def _series(effect: Array, cause: Array, lags: int) -> tuple[Array, int]:
    """Return the effects and causes (n, k + m) after checks, and k."""
    effects, causes = (
        values[:, None] if values.ndim == 1 else values
        for values in (np.asarray(effect, dtype=float), np.asarray(cause, dtype=float))
    )
    if effects.ndim != 2 or causes.ndim != 2 or not effects.shape[1] or not causes.shape[1]:
        raise ValueError(
            f"effect {effects.shape} and cause {causes.shape}; expected one or more series, (n,) or (n, m)"
        )
    k, m = effects.shape[1], causes.shape[1]
    if len(causes) != len(effects) or lags < 1 or len(effects) - lags - (k + m) * lags - 1 < 1:
        raise ValueError(
            f"effect {effects.shape} and cause {causes.shape} with {lags} lags leave no degree of freedom; "
            f"expected series of equal length, longer than {k + m + 1} lags + 1"
        )
    series = np.column_stack([effects, causes])
    if not np.isfinite(series).all():
        raise ValueError("effect or cause is not finite; drop or impute those times first")
    constant = [_label(i, k, lags=1) for i, flat in enumerate(is_constant(series)) if flat]
    if constant:
        raise ValueError(f"{', '.join(constant)}: constant; its past cannot predict and nothing predicts it")
    return series, k


def _label(column: int, k: int, lags: int) -> str:
    number, lag = divmod(column, lags)
    name = f"effect {number + 1}" if number < k else f"cause {number - k + 1}"
    return f"{name} at lag {lag + 1}" if lags > 1 else name


@dataclass(frozen=True)
class _Fit:
    """Regressions on the past of k targets, and on the past of all series.

    `own` and `full` are orthonormal bases of the past, `without` and `within` the residuals (rows, k).
    """

    own: Array
    full: Array
    without: Array
    within: Array

    @property
    def rows(self) -> int:
        return len(self.full)

    def leverage(self, basis: Array) -> Array:
        return np.square(basis).sum(axis=1) + 1 / self.rows


def _fit(series: Array, k: int, lags: int) -> _Fit:
    """Regress the first k series.

    All columns are centred, which stands for the constant of the regression, and each series is in its
    own standard deviations, so that neither its level nor its unit matters.
    """
    limit = max(PERFECT, float(resolution(series).max())) * np.sqrt(len(series) - lags)
    standard = standardise(series)
    past = np.column_stack([column[lags - i : -i] for column in standard.T for i in range(1, lags + 1)])
    past, target = past - past.mean(axis=0), standard[lags:, :k] - standard[lags:, :k].mean(axis=0)
    full, triangle = np.linalg.qr(past)
    if np.abs(np.diag(triangle)).min() < limit:
        relation = [_label(i, k, lags) for i in collinear(past, limit / np.sqrt(len(past)))]
        raise ValueError(
            f"the lags of the series are collinear: {', '.join(relation)}; drop a repeated series, or use "
            "fewer lags"
        )
    own = full[:, : k * lags]
    fit = _Fit(own, full, target - own @ (own.T @ target), target - full @ (full.T @ target))
    for residuals, predictors in ((fit.without, "its own past"), (fit.within, "the past of all series")):
        # The largest eigenvalue is below k; the smallest is the least error of a combination of effects.
        if np.linalg.eigvalsh(residuals.T @ residuals)[0] < limit**2:
            raise ValueError(
                f"the effect is predicted exactly by {predictors}: F would be a ratio of rounding errors; "
                "expected series with noise (a straight line, a repeated or a shifted series has none)"
            )
    leverage = fit.leverage(full)
    if leverage.max() > 1 - PERFECT:
        raise ValueError(
            f"time {int(leverage.argmax()) + lags} alone determines a coefficient: a single spike is no "
            "evidence; drop the series, or use fewer lags"
        )
    return fit


def _f(without: Array, within: Array) -> Array:
    """Compute ``trace(within^-1 (without - within))``.

    Both are cross products (..., k, k) of residuals.
    """
    if within.shape[-1] == 1:
        return (without[..., 0, 0] - within[..., 0, 0]) / within[..., 0, 0]
    return np.trace(np.linalg.solve(within, without - within), axis1=-2, axis2=-1)


def _warn_of_one_row(test: GrangerTest, fit: _Fit, lags: int) -> None:
    """Warn if the test depends on one row, such as a spike in both series.

    Without row i, the cross product of the residuals is ``E - e_i e_i' / (1 - h_i)``, h_i its leverage.
    """
    products = []
    for basis, residuals in ((fit.own, fit.without), (fit.full, fit.within)):
        scaled = residuals / np.sqrt(1 - fit.leverage(basis))[:, None]
        products.append(residuals.T @ residuals - scaled[:, :, None] * scaled[:, None, :])
    free = fit.rows - fit.full.shape[1] - 1
    if free < 2:
        return
    f = _f(products[0], products[1]) * (free - 1) / test.df_num
    row = int(np.argmin(f))
    p_value = float(f_distribution.sf(f[row], test.df_num, test.df_den * (free - 1) / free))
    if p_value > UNCERTAIN:
        warnings.warn(
            f"time {row + lags} decides the Granger test: p is {test.p_value:.2g} with it and {p_value:.2g} "
            "without it",
            stacklevel=3,
        )

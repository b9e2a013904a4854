"""Granger test for a panel: many short series, each with its own level."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.stats import f as f_distribution

from methods.causal.columns import group_leverage, resolution, standardise
from methods.causal.prediction import CERTAIN, PERFECT, UNCERTAIN, GrangerTest

Array = np.ndarray

# Only units above this share of a direction can determine a coefficient together with few others.
HIGH_LEVERAGE = 0.4


@dataclass(frozen=True)
class PanelTest:
    """A Granger test with its coefficients.

    Attributes
    ----------
    test : GrangerTest
        Wald test that all coefficients are 0, in F form; ``df_den`` is units - 1.
    coefficients, std_errors : array (p,)
        Coefficients of the lags of the cause, with standard errors.
    rows, units : int
        Rows and units that the test used.
    """

    test: GrangerTest
    coefficients: Array
    std_errors: Array
    rows: int
    units: int


def panel_granger(
    effect: Array,
    own: Array,
    cause: Array,
    unit: Array,
    period: Array,
    *,
    weights: Array | None = None,
    jackknife: bool = True,
) -> PanelTest:
    r"""Test over all units whether `cause` helps to forecast `effect`.

    ``y_it = a_i + g_t + sum_l b_l y_{i,t-l} + sum_l c_l x_{i,t-l} + e_it``, ``H0: c = 0``. The
    level of each unit and of each period is removed; the covariance allows any dependence
    within a unit. Removing the level of a short series correlates its lags with the errors
    (a bias of order 1/T); the half-panel jackknife ``2 c - (c_early + c_late) / 2`` removes the
    leading term.

    Parameters
    ----------
    effect : array (n,)
    own : array (n, q)
        Lags of the effect in each row.
    cause : array (n, p)
        Lags of the cause in each row.
    unit, period : array (n,)
        Labels; the rows of one unit are ordered by `period`.
    weights : array (n,), optional
        Precision of each row; 1 by default.
    jackknife : bool
        Correct the bias; this leaves out units with fewer than 4 rows.

    Returns
    -------
    PanelTest

    Warns
    -----
    UserWarning
        If one unit decides the test.

    Raises
    ------
    ValueError
        If values are not finite, a weight is not positive, or fewer units are left than there are
        coefficients; if a column is constant or collinear, the past predicts the effect exactly, or one
        unit alone determines a coefficient.

    References
    ----------
    Dhaene and Jochmans, Review of Economic Studies 82 (2015); Juodis, Karavias and Sarafidis,
    Empirical Economics 60 (2021); spec 3 section 2.3.
    """
    own, cause = (values[:, None] if values.ndim == 1 else values for values in map(np.asarray, (own, cause)))
    weights = np.ones(len(effect)) if weights is None else np.asarray(weights, dtype=float)
    lengths = {len(values) for values in (effect, own, cause, unit, period, weights)}
    if len(lengths) > 1:
        raise ValueError(f"effect, own, cause, unit, period and weights have lengths {sorted(lengths)}")
    if not all(np.isfinite(values).all() for values in (effect, own, cause, weights)) or min(weights) <= 0:
        raise ValueError(
            "effect, own, cause or weights is not finite, or a weight is not above 0; drop those rows"
        )
    _, unit = np.unique(unit, return_inverse=True)
    order = np.lexsort((period, unit))
    order = order[np.bincount(unit)[unit[order]] >= (4 if jackknife else 2)]
    columns = np.column_stack([cause, own, effect])[order].astype(float)
    period, weights = np.asarray(period)[order], weights[order]
    _, unit = np.unique(unit[order], return_inverse=True)
    units, p = len(np.unique(unit)), cause.shape[1]
    if units <= columns.shape[1]:
        raise ValueError(
            f"{units} units have enough rows; expected more than {columns.shape[1]} for "
            f"{columns.shape[1] - 1} coefficients"
        )
    limit = max(PERFECT, float(resolution(columns).max()))
    rows = _Rows(standardise(columns), unit, period, weights)
    test, estimate, std_errors = _test(rows, p, limit, jackknife)
    _check_without(rows, p, limit, jackknife, test)
    scale = columns.std(axis=0)
    slope_unit = scale[-1] / scale[:p]
    return PanelTest(test, estimate * slope_unit, std_errors * slope_unit, len(columns), units)


@dataclass(frozen=True)
class _Rows:
    """Columns (n, p + q + 1) of causes, own lags and effect, and labels."""

    columns: Array
    unit: Array
    period: Array
    weights: Array

    def where(self, kept: Array) -> _Rows:
        unit = np.unique(self.unit[kept], return_inverse=True)[1]
        return _Rows(self.columns[kept], unit, self.period[kept], self.weights[kept])


def _test(rows: _Rows, p: int, limit: float, jackknife: bool) -> tuple[GrangerTest, Array, Array]:
    """Test the first p columns; return their coefficients and standard errors too."""
    estimate, influence, _ = _fit(rows, p, limit)
    if jackknife:
        late = _is_late_half(rows.unit)
        halves = [_fit(rows.where(half), p, limit) for half in (~late, late)]
        estimate = 2 * estimate - sum(half[0] for half in halves) / 2
        influence = 2 * influence - sum(half[1] for half in halves) / 2
    estimate, influence, units = estimate[:p], influence[:, :p], len(influence)
    covariance = units / (units - 1) * influence.T @ influence
    f = float(estimate @ np.linalg.solve(covariance, estimate)) / p
    test = GrangerTest(f, p, units - 1, float(f_distribution.sf(f, p, units - 1)))
    return test, estimate, np.sqrt(np.diag(covariance))


def _check_without(rows: _Rows, p: int, limit: float, jackknife: bool, test: GrangerTest) -> None:
    """Refuse or warn if one unit decides.

    The residuals of that unit say nothing about the error that it causes.
    """
    leverage = _fit(rows, p, limit)[2]
    for unit in np.flatnonzero(leverage > HIGH_LEVERAGE):
        try:
            without = _test(rows.where(rows.unit != unit), p, limit, jackknife)[0].p_value
        except ValueError as error:
            raise ValueError(f"one unit alone determines a coefficient; without it, {error}") from error
        if test.p_value < CERTAIN and without > UNCERTAIN:
            warnings.warn(
                f"one unit decides the test: p is {test.p_value:.2g} with it and {without:.2g} without it",
                stacklevel=3,
            )


def _fit(rows: _Rows, causes: int, limit: float) -> tuple[Array, Array, Array]:
    """Fit weighted least squares with levels removed.

    Returns the coefficients, each unit's influence on them, and the leverage of each unit.
    """
    _, codes = np.unique(rows.period, return_inverse=True)
    dummies = np.eye(codes.max() + 1)[codes][:, 1:]
    centred = _centre(np.column_stack([dummies, rows.columns]), rows.unit, rows.weights)
    root = np.sqrt(rows.weights)[:, None]
    levels, kept = root * centred[:, : dummies.shape[1]], root * centred[:, dummies.shape[1] :]
    kept = kept - levels @ np.linalg.lstsq(levels, kept, rcond=None)[0]
    x, y = kept[:, :-1], kept[:, -1]
    limit = limit * np.sqrt(rows.weights.sum())
    basis, triangle = np.linalg.qr(x)
    pivots = np.abs(np.diag(triangle))
    if pivots.min() < limit:
        column = int(np.argmax(pivots < limit))
        name = f"cause {column + 1}" if column < causes else f"own lag {column - causes + 1}"
        raise ValueError(
            f"{name} is constant within units and periods, or collinear with columns before it; leave it out"
        )
    residuals = y - basis @ (basis.T @ y)
    if np.linalg.norm(residuals) < limit:
        raise ValueError(
            "the effect is predicted exactly by past and levels: F would be a ratio of rounding errors"
        )
    solution = np.linalg.inv(triangle)
    influence = np.zeros((rows.unit.max() + 1, x.shape[1]))
    np.add.at(influence, rows.unit, (basis * residuals[:, None]) @ solution.T)
    return solution @ (basis.T @ y), influence, group_leverage(basis, rows.unit)


def _centre(values: Array, unit: Array, weights: Array) -> Array:
    totals = np.zeros((unit.max() + 1, values.shape[1]))
    np.add.at(totals, unit, weights[:, None] * values)
    masses = np.bincount(unit, weights)
    return values - totals[unit] / masses[unit][:, None]


def _is_late_half(unit: Array) -> Array:
    """Mark rows in the later half of their unit (rows sorted by unit and time)."""
    counts = np.bincount(unit)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return (np.arange(len(unit)) - starts[unit]) * 2 >= counts[unit]

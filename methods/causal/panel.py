"""Granger test for a panel: many short series, each with its own level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import f as f_distribution

from methods.causal.prediction import GrangerTest

Array = np.ndarray


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

    Raises
    ------
    ValueError
        If values are not finite, or fewer units are left than there are coefficients.

    References
    ----------
    Dhaene and Jochmans, Review of Economic Studies 82 (2015); Juodis, Karavias and Sarafidis,
    Empirical Economics 60 (2021); spec 3 section 2.3.
    """
    own, cause = np.atleast_2d(own.T).T, np.atleast_2d(cause.T).T
    weights = np.ones(len(effect)) if weights is None else np.asarray(weights, dtype=float)
    if not all(np.isfinite(values).all() for values in (effect, own, cause, weights)):
        raise ValueError("effect, own, cause or weights is not finite; drop those rows first")
    _, unit = np.unique(unit, return_inverse=True)
    order = np.lexsort((period, unit))
    order = order[np.bincount(unit)[unit[order]] >= (4 if jackknife else 2)]
    columns = np.column_stack([cause, own, effect])[order].astype(float)
    unit, period, weights = unit[order], np.asarray(period)[order], weights[order]
    units, p = len(np.unique(unit)), cause.shape[1]
    if units <= columns.shape[1]:
        raise ValueError(
            f"{units} units have enough rows; expected more than {columns.shape[1]} for "
            f"{columns.shape[1] - 1} coefficients"
        )
    estimate, influence = _fit(columns, unit, period, weights)
    if jackknife:
        late = _is_late_half(unit)
        halves = [_fit(columns[half], unit[half], period[half], weights[half]) for half in (~late, late)]
        estimate = 2 * estimate - sum(half[0] for half in halves) / 2
        influence = 2 * influence - sum(half[1] for half in halves) / 2
    estimate, influence = estimate[:p], influence[np.unique(unit), :p]
    covariance = units / (units - 1) * influence.T @ influence
    f = float(estimate @ np.linalg.solve(covariance, estimate)) / p
    test = GrangerTest(f, p, units - 1, float(f_distribution.sf(f, p, units - 1)))
    return PanelTest(test, estimate, np.sqrt(np.diag(covariance)), len(columns), units)


def _fit(columns: Array, unit: Array, period: Array, weights: Array) -> tuple[Array, Array]:
    """Fit weighted least squares with levels removed.

    Returns the coefficients and each unit's influence on them.
    """
    _, codes = np.unique(period, return_inverse=True)
    dummies = np.eye(codes.max() + 1)[codes][:, 1:]
    centred = _centre(np.column_stack([dummies, columns]), unit, weights)
    root = np.sqrt(weights)[:, None]
    levels, kept = root * centred[:, : dummies.shape[1]], root * centred[:, dummies.shape[1] :]
    kept = kept - levels @ np.linalg.lstsq(levels, kept, rcond=None)[0]
    x, y = kept[:, :-1], kept[:, -1]
    bread = np.linalg.inv(x.T @ x)
    estimate = bread @ (x.T @ y)
    scores = x * (y - x @ estimate)[:, None]
    influence = np.zeros((unit.max() + 1, x.shape[1]))
    np.add.at(influence, unit, scores @ bread)
    return estimate, influence


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

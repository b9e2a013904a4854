"""Checks of columns: constants, exact linear relations, rows that decide alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import qr

Array = np.ndarray

ROUNDING = 8 * np.finfo(float).eps


def check_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Return the names as a tuple; they must be `count` different names.

    Raises
    ------
    ValueError
        If they are one string, too few or too many, or not all different.
    """
    if isinstance(names, str) or len(names) != count or len(set(names)) != count:
        raise ValueError(f"names is {names!r}; expected a list of {count} different names")
    return tuple(names)


def is_constant(values: Array) -> Array:
    """Mark the columns (p,) of `values` (n, p) that are constant up to rounding."""
    return np.ptp(values, axis=0) <= ROUNDING * np.abs(values).max(axis=0)


def standardise(values: Array) -> Array:
    """Return the columns with mean 0 and standard deviation 1; constant ones are 0.

    The mean is subtracted twice: the first difference removes a large offset, the second the rounding
    error of its mean. Dividing by the largest value first keeps the squares finite.
    """
    centred = values - values.mean(axis=0)
    centred = centred - centred.mean(axis=0)
    largest = np.abs(centred).max(axis=0)
    centred = centred / np.where((largest == 0) | is_constant(values), np.inf, largest)
    scale = np.sqrt(np.mean(centred**2, axis=0))
    return centred / np.where(scale == 0, 1, scale)


def resolution(values: Array) -> Array:
    """Compute the rounding error (p,) of each column in its standard deviations."""
    spread = values.std(axis=0)
    return ROUNDING * np.abs(values).max(axis=0) / np.where(spread == 0, 1, spread)


def collinear(values: Array, tolerance: float = 1e-5) -> list[int]:
    """Return the columns of one exact linear relation with an intercept.

    The relation is that of the first column that is a linear function of columns before it.

    Parameters
    ----------
    values : array (n, p)
    tolerance : float
        Standard deviation of what the relation leaves, in those of its column. It is at least the
        rounding error of the values.

    Returns
    -------
    list of int
        Empty if there is no such relation. A constant column is a relation of its own.
    """
    rows, columns = values.shape
    standard = standardise(values) / np.sqrt(rows)
    triangle = np.zeros((columns, columns))
    triangle[: min(rows, columns)] = np.linalg.qr(standard, mode="r")
    tolerance = max(tolerance, float(resolution(values).max(initial=0)))
    dependent = np.flatnonzero(np.abs(np.diag(triangle)) < tolerance)
    if not len(dependent):
        return []
    first = int(dependent[0])
    weights = np.linalg.solve(triangle[:first, :first], triangle[:first, first])
    return [*(int(i) for i in np.flatnonzero(np.abs(weights) > 10 * tolerance)), first]


def independent(values: Array) -> Array:
    """Return the numbers of a largest set of columns without a linear relation."""
    if not values.shape[1]:
        return np.zeros(0, dtype=int)
    triangle, order = qr(standardise(values) / np.sqrt(len(values)), mode="r", pivoting=True)
    size = int((np.abs(np.diag(triangle)) > 1e-5).sum())
    return np.sort(order[:size])


def equal_codes(values: Array) -> list[int]:
    """Return the first group of columns that code the same categories, or none."""
    groups: dict[bytes, list[int]] = {}
    for number, column in enumerate(values.T):
        _, first, codes = np.unique(column, return_index=True, return_inverse=True)
        groups.setdefault(first[codes].tobytes(), []).append(number)
    return next((group for group in groups.values() if len(group) > 1), [])


def group_leverage(basis: Array, groups: Array) -> Array:
    """Compute how far each group alone determines a coefficient.

    Parameters
    ----------
    basis : array (n, k)
        Orthonormal basis of the regressors.
    groups : array (n,) of int
        From 0 to g - 1.

    Returns
    -------
    array (g,) in [0, 1]
        Largest eigenvalue of each group's part of ``basis' basis``. It is 1 if the other groups leave a
        coefficient undetermined: the residuals of the group then say nothing about its error.
    """
    count = int(groups.max()) + 1
    if count == len(groups):
        leverage = np.zeros(count)
        leverage[groups] = np.square(basis).sum(axis=1)
        return leverage
    parts = np.zeros((count, basis.shape[1], basis.shape[1]))
    np.add.at(parts, groups, basis[:, :, None] * basis[:, None, :])
    return np.asarray(np.linalg.eigvalsh(parts)[:, -1])

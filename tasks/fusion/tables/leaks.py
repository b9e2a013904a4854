"""Columns that say nothing, and columns that say too much.

A column that alone gives the target of every row is a copy of it, or was recorded after it. The rules,
on the rows where the column is present:

- classification, *copy*: each value of the column belongs to one class and each class to one value;
- classification, *values*: each value belongs to one class, and values repeat five times on average;
- classification, *thresholds*: sorted by the column, the classes are separate intervals;
- classification, *missing*: the column is present exactly in the rows of some classes;
- regression: the correlation of values or of ranks is at least 0.99999.

A rule applies only where chance would satisfy it for one of all columns with a probability below
0.001: with :math:`n_c` rows in class :math:`c`, :math:`k` classes are separate intervals with the
probability :math:`k!\\,\\prod_c n_c! / n!`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import rankdata

CHANCE = 1e-3
CORRELATION = 0.99999
LEAST_ROWS = 20


def is_constant(codes: NDArray[np.float64]) -> bool:
    """Return whether at most one value is present."""
    present = codes[~np.isnan(codes)]
    return present.size == 0 or bool((present == present[0]).all())


def class_leak(codes: NDArray[np.float64], labels: NDArray[np.int64], columns: int) -> str:
    """Return the rule by which a column alone gives the class, or nothing.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Numbers, or codes of text, in any order; NaN where missing.
    labels : ndarray of shape (n,)
        Classes.
    columns : int
        Number of columns that are tested, for the probability of chance.
    """
    present = ~np.isnan(codes)
    if _chance(labels, columns) < CHANCE and 0 < present.sum() < len(codes):
        inside = np.unique(labels[present])
        if len(np.intersect1d(inside, labels[~present])) == 0:
            return "is present exactly in the rows of some classes"
    codes, labels = codes[present], labels[present]
    if len(np.unique(labels)) < 2 or len(codes) < LEAST_ROWS or _chance(labels, columns) >= CHANCE:
        return ""
    order = np.argsort(codes, kind="stable")
    codes, labels = codes[order], labels[order]
    new_value, new_class = np.diff(codes) != 0, np.diff(labels) != 0
    if (new_class & ~new_value).any():
        return ""
    values, classes = int(new_value.sum()) + 1, len(np.unique(labels))
    if values == classes:
        return "has one value for each class, so it is a copy of the target"
    if int(new_class.sum()) + 1 == classes:
        return f"separates the classes of all rows by {classes - 1} threshold{'s' * (classes > 2)}"
    if values <= len(codes) / 5:
        return f"has {values} values, each of which belongs to one class"
    return ""


def value_leaks(table: NDArray[np.float64], target: NDArray[np.float64]) -> dict[int, str]:
    """Return the columns whose correlation with a number is almost 1.

    Parameters
    ----------
    table : ndarray of shape (n, d)
        NaN where missing.
    target : ndarray of shape (n,)

    Returns
    -------
    dict of int to str
        Column -> the rule.
    """
    leaks = {}
    for column in range(table.shape[1]):
        present = ~np.isnan(table[:, column])
        values, goal = table[present, column], target[present]
        if len(values) < LEAST_ROWS or np.ptp(values) == 0 or np.ptp(goal) == 0:
            continue
        if len(np.unique(goal)) < 3:
            continue
        if abs(np.corrcoef(values, goal)[0, 1]) >= CORRELATION:
            leaks[column] = f"has a correlation of at least {CORRELATION} with the target"
        elif abs(np.corrcoef(rankdata(values), rankdata(goal))[0, 1]) >= CORRELATION:
            leaks[column] = f"has a rank correlation of at least {CORRELATION} with the target"
    return leaks


def _chance(labels: NDArray[np.int64], columns: int) -> float:
    counts = np.unique(labels, return_counts=True)[1].astype(float)
    if len(counts) < 2:
        return 1.0
    log = gammaln(len(counts) + 1) + gammaln(counts + 1).sum() - gammaln(counts.sum() + 1)
    return float(min(np.exp(log + np.log(max(columns, 1))), 1.0))

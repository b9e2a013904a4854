r"""Nested groupings of rows (specification 1, section 5.1).

.. math:: d_{l+1,j} = g(\{d_{l,i} : i \in j\})

The rows are level 0; each level groups the units of the level below, as albums group songs and artists
group albums. The function g is the mean, and the context C of the document is the grouping itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def aggregate(values: Floats, groups: Codes) -> Floats:
    """Return the mean of each group.

    Parameters
    ----------
    values : ndarray of shape (n, d)
    groups : ndarray of shape (n,)
        Numbers 0, 1, ..., of which each occurs.

    Returns
    -------
    ndarray of shape (groups, d)
    """
    counts = np.bincount(groups)
    if not counts.all():
        raise ValueError(f"group {int(np.argmin(counts))} has no row; expected each number up to the largest")
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, groups, values)
    return np.asarray(sums / counts[:, None])


def nested_shares(values: Floats, levels: Sequence[Codes]) -> Floats:
    r"""Return the share of the variance at each level.

    The sum of squares about the mean is the sum of those between the groups of the last level, between
    the groups of each other level within the next one, and between rows within the groups of the first.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        Columns that vary.
    levels : sequence of ndarray of shape (n,)
        Groups of each row, the finest level first; each group lies in one group of the next level.

    Returns
    -------
    ndarray of shape (len(levels) + 1, d)
        Rows within the finest groups first, between the coarsest groups last; each column sums to 1.

    Raises
    ------
    ValueError
        If a group is divided between two groups of the next level.
    """
    for number, (fine, coarse) in enumerate(itertools.pairwise(levels)):
        pairs = np.unique(np.column_stack([fine, coarse]), axis=0)
        divided = np.flatnonzero(np.diff(pairs[:, 0]) == 0)
        if len(divided):
            raise ValueError(
                f"group {pairs[divided[0], 0]} of level {number} is in several groups of level {number + 1}; "
                "expected nested levels"
            )
    smooth = [values, *(aggregate(values, groups)[groups] for groups in levels)]
    smooth.append(np.broadcast_to(values.mean(axis=0), values.shape))
    squares = np.array([((a - b) ** 2).sum(axis=0) for a, b in itertools.pairwise(smooth)])
    return np.asarray(squares / squares.sum(axis=0))


def intraclass(values: Floats, groups: Codes) -> Floats:
    r"""Return the intraclass correlation ICC(1) of one-way random effects.

    .. math:: \frac{B - W}{B + (n_0 - 1) W}, \quad
              n_0 = \frac{1}{k - 1} \left( n - \frac{\sum_j n_j^2}{n} \right)

    with the mean squares B between and W within k groups of sizes n_j.

    Parameters
    ----------
    values : ndarray of shape (n, d)
    groups : ndarray of shape (n,)
        Numbers 0, 1, ...; at least two groups, fewer than rows.

    Returns
    -------
    ndarray of shape (d,)
        At most 1; below 0 where groups are more alike than by chance.
    """
    sizes = np.bincount(groups)
    rows, number = len(values), len(sizes)
    if not 2 <= number < rows:
        raise ValueError(f"{number} groups of {rows} rows; expected at least 2 groups and fewer than rows")
    means = aggregate(values, groups)
    between = (sizes[:, None] * (means - values.mean(axis=0)) ** 2).sum(axis=0) / (number - 1)
    within = ((values - means[groups]) ** 2).sum(axis=0) / (rows - number)
    size = (rows - (sizes**2).sum() / rows) / (number - 1)
    return np.asarray((between - within) / (between + (size - 1) * within))

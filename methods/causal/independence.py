"""Choice of a conditional-independence test, and the test for mixed data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import chi2

from methods.causal.columns import collinear, equal_codes, independent

Array = np.ndarray
PValue = Callable[[int, int, Sequence[int]], float]

MOST_LEVELS = 100
ROWS_A_LEVEL = 20


def is_discrete(column: Array) -> bool:
    """Return whether a column holds codes of categories.

    A column does if it holds integers of at most 100 levels, with 20 rows per level on average.
    """
    levels = len(np.unique(column))
    return bool(np.all(column == np.round(column)) and levels <= min(MOST_LEVELS, len(column) / ROWS_A_LEVEL))


def choose_test(data: Array) -> str:
    """Choose the test of conditional independence by the types of the columns.

    Parameters
    ----------
    data : array (n, p)

    Returns
    -------
    str
        ``chisq`` if all columns are discrete (see `is_discrete`), ``fisherz`` if none is, else
        ``mixed``. Integer counts with few levels count as discrete: name the test if the order of the
        levels matters.
    """
    discrete = [is_discrete(column) for column in data.T]
    return "chisq" if all(discrete) else "mixed" if any(discrete) else "fisherz"


def redundant_columns(data: Array, test: str) -> list[int]:
    """Return columns that repeat one another, so that `test` cannot tell them apart.

    Given a copy of x, every variable is independent of x, and true edges disappear.

    Parameters
    ----------
    data : array (n, p)
    test : {"fisherz", "chisq", "gsq", "mixed"}
        Continuous columns are redundant if they are linear functions of one another or of the
        indicators of discrete columns. Discrete columns are if they code the same categories; a column
        that merges levels of another one is not.

    Returns
    -------
    list of int
        The columns of one relation; empty if there is none.
    """
    if test == "fisherz":
        return collinear(data)
    discrete = np.array([test != "mixed" or is_discrete(column) for column in data.T])
    codes, numbers = np.flatnonzero(discrete), np.flatnonzero(~discrete)
    equal = [int(codes[i]) for i in equal_codes(data[:, codes])]
    if equal or not len(numbers):
        return equal
    blocks = [_indicators(data[:, i]) for i in codes]
    indicators = np.column_stack([np.zeros((len(data), 0)), *blocks])
    kept = independent(indicators)
    source = np.concatenate([np.repeat(codes, [block.shape[1] for block in blocks])[kept], numbers])
    relation = collinear(np.column_stack([indicators[:, kept], data[:, numbers]]))
    return sorted({int(source[i]) for i in relation})


def mixed_test(data: Array) -> PValue:
    r"""Build the likelihood-ratio test of the degenerate Gaussian, for mixed data.

    L - 1 indicator columns replace a discrete column of L levels; all columns together are treated as
    Gaussian. With ``rho_k`` the canonical correlations of the columns of x with those of y given the q
    columns of S,
    ``-(n - q - 1 - (d_x + d_y + 1)/2) sum_k log(1 - rho_k^2) ~ chi2(d_x d_y)`` (Bartlett). For two
    continuous columns it is the test of their partial correlation.

    The test is exact if a discrete variable acts on continuous ones or is conditioned on. If a discrete
    variable depends on a continuous one, a straight line approximates the true curve.

    Parameters
    ----------
    data : array (n, p)
        `is_discrete` decides which columns are discrete.

    Returns
    -------
    callable (x, y, given) -> p

    References
    ----------
    Andrews, Ramsey and Cooper, Learning high-dimensional directed acyclic graphs with mixed
    data-types, PMLR 104 (2019); Bartlett (1938).
    """
    values, columns = column_blocks(data, mixed=True)
    correlation = np.corrcoef(values, rowvar=False)

    def p_value(x: int, y: int, given: Sequence[int]) -> float:
        fixed = np.concatenate([columns[i] for i in given]) if len(given) else np.zeros(0, dtype=int)
        both = np.concatenate([columns[x], columns[y]])
        pull = np.linalg.pinv(correlation[np.ix_(fixed, fixed)], rcond=1e-10, hermitian=True)
        rest = correlation[np.ix_(both, both)]
        rest = rest - correlation[np.ix_(both, fixed)] @ pull @ correlation[np.ix_(fixed, both)]
        of_x = len(columns[x])
        white_x, white_y = _whitener(rest[:of_x, :of_x]), _whitener(rest[of_x:, of_x:])
        freedom = white_x.shape[1] * white_y.shape[1]
        if freedom == 0:
            return 1.0
        rho = np.linalg.svd(white_x.T @ rest[:of_x, of_x:] @ white_y, compute_uv=False)
        scale = len(data) - len(fixed) - 1 - (white_x.shape[1] + white_y.shape[1] + 1) / 2
        statistic = -scale * np.log1p(-(np.minimum(rho, 1 - 1e-15) ** 2)).sum()
        return float(chi2.sf(statistic, freedom))

    return p_value


def column_blocks(data: Array, *, mixed: bool) -> tuple[Array, list[Array]]:
    """Replace discrete columns by indicators.

    Returns the wider table, and the numbers of its columns that belong to each variable.
    """
    blocks = [_indicators(column) if mixed and is_discrete(column) else column[:, None] for column in data.T]
    ends = np.cumsum([0, *(block.shape[1] for block in blocks)])
    return np.column_stack(blocks), [np.arange(ends[i], ends[i + 1]) for i in range(len(blocks))]


def _indicators(column: Array) -> Array:
    return (column[:, None] == np.unique(column)[1:]).astype(float)


def _whitener(covariance: Array) -> Array:
    """Return ``W`` with ``W' covariance W = I`` over directions of positive variance."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-10
    return vectors[:, kept] / np.sqrt(values[kept])


def partial_correlation(data: Array, i: int, j: int, given: Sequence[int] = ()) -> float:
    """Compute the correlation of columns i and j of `data` (n, p) given others.

    Raises
    ------
    ValueError
        If the columns are linear functions of one another or constant.
    """
    columns = [i, j, *given]
    relation = [columns[k] for k in collinear(data[:, columns])]
    if relation:
        raise ValueError(
            f"columns {relation} are constant or linear functions of one another; leave one of them out"
        )
    precision = np.linalg.inv(np.corrcoef(data[:, columns], rowvar=False))
    return float(-precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1]))

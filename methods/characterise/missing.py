r"""Little's test of whether cells are missing completely at random.

References
----------
Little, "A test of missing completely at random for multivariate data with missing values", Journal of the
American Statistical Association 83 (1988). Dempster, Laird and Rubin, "Maximum likelihood from incomplete
data via the EM algorithm", Journal of the Royal Statistical Society B 39 (1977).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.stats import chi2

Floats = NDArray[np.float64]

MOST_STEPS = 2000
DEPENDENT = 1e-6
"""A column with a smaller part of its length outside the span of the others depends on them."""


@dataclass(frozen=True)
class Pattern:
    """The rows that have the same columns.

    Attributes
    ----------
    observed : ndarray of int, shape (k,)
        Columns that the rows have, k >= 1.
    rows : int
    mean : ndarray of shape (k,)
    scatter : ndarray of shape (k, k)
        Mean of the products of deviations from `mean`.
    """

    observed: NDArray[np.intp]
    rows: int
    mean: Floats
    scatter: Floats


@dataclass(frozen=True)
class NormalFit:
    """Normal law of maximum likelihood for rows with missing cells.

    Attributes
    ----------
    mean : ndarray of shape (d,)
    covariance : ndarray of shape (d, d)
    steps : int
        Steps of EM that were made.
    """

    mean: Floats
    covariance: Floats
    steps: int


@dataclass(frozen=True)
class Little:
    """Little's test.

    Attributes
    ----------
    statistic : float
        d^2, chi-square under MCAR for many rows.
    degrees : int
        Degrees of freedom; 0 for one pattern.
    p : float
        Probability of a larger statistic under MCAR.
    patterns : int
        Different sets of columns that rows have.
    rows : int
        Rows with at least one cell.
    """

    statistic: float
    degrees: int
    p: float
    patterns: int
    rows: int


def missing_patterns(values: Floats) -> list[Pattern]:
    """Return the patterns of the rows that have any cell.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        NaN where missing.
    """
    present = ~np.isnan(values)
    rows = values[present.any(axis=1)]
    kinds, code = np.unique(present[present.any(axis=1)], axis=0, return_inverse=True)
    patterns = []
    for number, kind in enumerate(kinds):
        cells = rows[code.ravel() == number][:, kind]
        mean = cells.mean(axis=0)
        scatter = (cells - mean).T @ (cells - mean) / len(cells)
        patterns.append(Pattern(np.flatnonzero(kind), len(cells), mean, scatter))
    return patterns


def normal_fit(values: Floats, *, tolerance: float = 1e-6) -> NormalFit:
    r"""Fit a normal law to rows with missing cells by EM.

    The E-step replaces a missing part by its regression on the present part,
    :math:`\mu_m + \Sigma_{mo} \Sigma_{oo}^{-1} (x_o - \mu_o)`, and adds the residual covariance
    :math:`\Sigma_{mm} - \Sigma_{mo} \Sigma_{oo}^{-1} \Sigma_{om}` to the products. It needs the moments of
    each pattern only, so that the cost of a step does not depend on the number of rows.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        NaN where missing; each column has at least two different values.
    tolerance : float
        Change of a mean or a covariance of standardised columns at which EM ends.

    Raises
    ------
    ValueError
        If a column does not vary, or EM does not end in 2,000 steps.
    """
    scale = np.nanstd(values, axis=0)
    fit = _fit(missing_patterns(_standardised(values)), values.shape[1], tolerance)
    return NormalFit(
        np.nanmean(values, axis=0) + scale * fit.mean, fit.covariance * np.outer(scale, scale), fit.steps
    )


def little(values: Floats, *, tolerance: float = 1e-6) -> Little:
    r"""Test whether the means of the columns depend on which cells are missing.

    .. math:: d^2 = \sum_j n_j (\bar x_j - \hat\mu_j)' \hat\Sigma_j^{-1} (\bar x_j - \hat\mu_j)

    over the patterns j with n_j rows and the mean of their present columns, where the law of maximum
    likelihood is restricted to these columns. The degrees of freedom are the number of columns of each
    pattern, added up, less the number of columns. A column that depends linearly on others is left out
    first.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        NaN where missing. Rows without any cell are ignored.
    tolerance : float
        Of :func:`normal_fit`.

    Raises
    ------
    ValueError
        If a column does not vary, or EM does not end.

    Notes
    -----
    A small p-value says that the rows with missing cells differ from the others, which excludes MCAR. A
    large one does not show MCAR: cells may be missing by their own values. The law of the statistic is
    asymptotic in the rows of each pattern. With fewer than about ten, skewed columns reject MCAR too often.
    """
    scaled = _standardised(values)
    scaled = scaled[:, _independent(scaled)]
    patterns, columns = missing_patterns(scaled), scaled.shape[1]
    fit = _fit(patterns, columns, tolerance)
    statistic = 0.0
    for pattern in patterns:
        inverse = _inverse(fit.covariance[np.ix_(pattern.observed, pattern.observed)])
        deviation = pattern.mean - fit.mean[pattern.observed]
        statistic += pattern.rows * float(deviation @ inverse @ deviation)
    degrees = sum(len(pattern.observed) for pattern in patterns) - columns
    p = float(chi2.sf(statistic, degrees)) if degrees else 1.0
    return Little(statistic, degrees, p, len(patterns), sum(pattern.rows for pattern in patterns))


def _standardised(values: Floats) -> Floats:
    scale = np.nanstd(values, axis=0)
    if not (scale > 0).all():
        raise ValueError("a column does not vary; expected two different values in each column")
    return np.asarray((values - np.nanmean(values, axis=0)) / scale)


def _independent(scaled: Floats) -> NDArray[np.intp]:
    """Return columns that span the table.

    Columns that are missing in the same rows keep their linear relation if means, here 0, replace the
    missing cells.
    """
    upper, order = qr(np.nan_to_num(scaled), mode="r", pivoting=True)
    diagonal = np.abs(np.diag(upper))
    return np.sort(order[: len(diagonal)][diagonal > DEPENDENT * diagonal[0]])


def _fit(patterns: list[Pattern], columns: int, tolerance: float) -> NormalFit:
    rows = sum(pattern.rows for pattern in patterns)
    mean, covariance = np.zeros(columns), np.eye(columns)
    for step in range(1, MOST_STEPS + 1):
        total, products = np.zeros(columns), np.zeros((columns, columns))
        for pattern in patterns:
            # Regression of all columns on those that are present: the identity for the latter.
            observed = pattern.observed
            slopes = covariance[:, observed] @ _inverse(covariance[np.ix_(observed, observed)])
            slopes[observed] = np.eye(len(observed))
            expected = mean + slopes @ (pattern.mean - mean[observed])
            residual = covariance - slopes @ covariance[observed]
            total += pattern.rows * expected
            products += pattern.rows * (
                np.outer(expected, expected) + slopes @ pattern.scatter @ slopes.T + residual
            )
        new_mean = total / rows
        new_covariance = products / rows - np.outer(new_mean, new_mean)
        change = max(np.abs(new_mean - mean).max(), np.abs(new_covariance - covariance).max())
        mean, covariance = new_mean, (new_covariance + new_covariance.T) / 2
        if change < tolerance:
            return NormalFit(mean, covariance, step)
    raise ValueError(f"EM did not end in {MOST_STEPS} steps; expected fewer missing cells, or fewer columns")


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.pinv(matrix, rcond=1e-12, hermitian=True))

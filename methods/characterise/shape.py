r"""Covariance of a table, and Mardia's tests of multivariate normality.

References
----------
Specification 1, section 5.2. Ledoit and Wolf, "A well-conditioned estimator for large-dimensional
covariance matrices", Journal of Multivariate Analysis 88 (2004). Mardia, "Measures of multivariate
skewness and kurtosis with applications", Biometrika 57 (1970).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm

Floats = NDArray[np.float64]

BLOCK = 512
"""Rows of the matrix of products that are in memory at once."""


@dataclass(frozen=True)
class Covariance:
    """Covariance of a table.

    Attributes
    ----------
    matrix : ndarray of shape (d, d)
    shrinkage : float
        Weight of the multiple of the identity, 0 to 1; 0 for the sample covariance.
    effective_rank : float
        :math:`(\\sum \\lambda)^2 / \\sum \\lambda^2` of the eigenvalues of the correlation matrix, 1 to d.
    """

    matrix: Floats
    shrinkage: float
    effective_rank: float


def covariance(values: Floats) -> Covariance:
    """Estimate the covariance, with shrinkage for fewer rows than columns.

    Shrinkage is that of Ledoit and Wolf on columns divided by their standard deviation, so that it does
    not depend on units.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        Finite, n >= 2.
    """
    rows, columns = values.shape
    if rows < 2:
        raise ValueError(f"values has {rows} rows; expected at least 2")
    scale = values.std(axis=0, ddof=1)
    scale[scale == 0] = 1.0
    if rows >= columns:
        matrix, shrinkage = np.atleast_2d(np.cov(values, rowvar=False)), 0.0
    else:
        from sklearn.covariance import ledoit_wolf

        correlation, shrinkage = ledoit_wolf((values - values.mean(axis=0)) / scale, assume_centered=True)
        matrix = correlation * np.outer(scale, scale)
    eigenvalues = np.linalg.eigvalsh(matrix / np.outer(scale, scale))
    rank = eigenvalues.sum() ** 2 / max((eigenvalues**2).sum(), np.finfo(float).tiny)
    return Covariance(matrix, float(shrinkage), float(rank))


@dataclass(frozen=True)
class Mardia:
    """Mardia's two tests of multivariate normality.

    Attributes
    ----------
    skewness : float
        b1, 0 for a symmetric law.
    skewness_statistic, skewness_p : float
        n b1 / 6 and its tail probability by chi-square with d (d + 1) (d + 2) / 6 degrees of freedom;
        multiplied by the small-sample factor if n < 20.
    kurtosis : float
        b2, d (d + 2) for a normal law.
    kurtosis_statistic, kurtosis_p : float
        (b2 - d (d + 2)) / sqrt(8 d (d + 2) / n), and its two-sided probability by the normal law.
    """

    skewness: float
    skewness_statistic: float
    skewness_p: float
    kurtosis: float
    kurtosis_statistic: float
    kurtosis_p: float


def mardia(values: Floats) -> Mardia:
    r"""Test whether rows come from a multivariate normal law.

    .. math:: b_1 = \frac{1}{n^2} \sum_{i,j} m_{ij}^3, \quad b_2 = \frac{1}{n} \sum_i m_{ii}^2, \quad
              m_{ij} = (x_i - \bar x)' S^{-1} (x_j - \bar x)

    with the covariance S of denominator n.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        Finite, n > d, columns linearly independent.

    Raises
    ------
    ValueError
        If the covariance is singular.
    """
    rows, columns = values.shape
    deviation = values - values.mean(axis=0)
    left, singular, _ = np.linalg.svd(deviation, full_matrices=False)
    if rows <= columns or singular[-1] <= singular[0] * 1e-10:
        raise ValueError(
            f"values has {rows} rows and rank below {columns + (rows > columns)}; expected more rows than "
            "columns and linearly independent columns"
        )
    white = left * math.sqrt(rows)
    skewness = _third_moments(white) if columns**2 <= rows else _cubes(white)
    kurtosis = float(((white**2).sum(axis=1) ** 2).mean())
    factor = 1.0
    if rows < 20:
        factor = (columns + 1) * (rows + 1) * (rows + 3) / (rows * ((rows + 1) * (columns + 1) - 6))
    statistic = rows * skewness / 6 * factor
    expected = columns * (columns + 2)
    z = (kurtosis - expected) / math.sqrt(8 * expected / rows)
    degrees = columns * (columns + 1) * (columns + 2) / 6
    return Mardia(
        skewness,
        statistic,
        float(chi2.sf(statistic, degrees)),
        kurtosis,
        z,
        float(2 * norm.sf(abs(z))),
    )


def _third_moments(white: Floats) -> float:
    """Return b1 as the sum of squared third moments, in n d^3 operations."""
    rows, columns = white.shape
    pairs = (white[:, :, None] * white[:, None, :]).reshape(rows, columns**2)
    return float(((pairs.T @ white / rows) ** 2).sum())


def _cubes(white: Floats) -> float:
    """Return b1 as the mean of cubed products of rows, in n^2 d operations."""
    rows = len(white)
    blocks = (white[start : start + BLOCK] @ white.T for start in range(0, rows, BLOCK))
    return sum(float((block**3).sum()) for block in blocks) / rows**2

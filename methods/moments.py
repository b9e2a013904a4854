"""Moments of a table of measures (specification 1, section 5.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Mean, covariance, skewness and kurtosis of `n` observations of `d` measures.

    Attributes
    ----------
    n : int
        Number of observations.
    mean : ndarray of shape (d,)
    covariance : ndarray of shape (d, d)
        With the denominator n - 1.
    skewness : ndarray of shape (d,)
        NaN for a measure that does not vary.
    kurtosis : ndarray of shape (d,)
        In excess of the normal distribution's 3; NaN for a measure that does not vary.
    """

    n: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    skewness: NDArray[np.float64]
    kurtosis: NDArray[np.float64]


def moments(values: NDArray[np.float64]) -> Moments:
    r"""Compute :math:`S = \{\mu, \Sigma, \mathrm{Skew}, \mathrm{Kurt}\}`.

    With :math:`m_k` the k-th central moment (denominator n), the skewness is
    :math:`m_3 / m_2^{3/2}` and the kurtosis :math:`m_4 / m_2^2 - 3`.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        Finite observations, n >= 2.

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        If there are fewer than two observations, or a value is not finite.

    Notes
    -----
    Specification 1, section 5.2, phase 1.
    """
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(f"values has shape {values.shape}; expected (n, d) with at least 2 rows")
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"values[{row}, {column}] is {values[row, column]}; expected finite values")
    mean = values.mean(axis=0)
    deviation = values - mean
    variance = (deviation**2).mean(axis=0)
    # Rounding leaves a tiny variance in a constant column.
    varies = variance > (np.finfo(float).eps * np.maximum(np.abs(mean), 1e-300)) ** 2 * 16
    safe = np.where(varies, variance, 1.0)
    skewness = (deviation**3).mean(axis=0) / safe**1.5
    kurtosis = (deviation**4).mean(axis=0) / safe**2 - 3
    return Moments(
        n=len(values),
        mean=mean,
        covariance=np.atleast_2d(np.cov(values, rowvar=False)),
        skewness=np.where(varies, skewness, np.nan),
        kurtosis=np.where(varies, kurtosis, np.nan),
    )


def corrected_skewness(g1: float, n: int) -> float:
    r"""Correct the skewness for few observations.

    .. math:: G_1 = g_1 \sqrt{n (n - 1)} / (n - 2)

    It is NaN if n < 3. It is unbiased for a normal law (Joanes and Gill, 1998).
    """
    return g1 * math.sqrt(n * (n - 1)) / (n - 2) if n > 2 else math.nan


def corrected_kurtosis(g2: float, n: int) -> float:
    r"""Correct the kurtosis for few observations.

    .. math:: G_2 = \frac{n - 1}{(n - 2)(n - 3)} ((n + 1) g_2 + 6)

    `g2` and the result are in excess of 3. The result is NaN if n < 4, and is unbiased for a normal law.
    """
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * g2 + 6) if n > 3 else math.nan

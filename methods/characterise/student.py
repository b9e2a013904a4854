r"""Multivariate Student t distribution by maximum likelihood.

The law has the density

.. math:: \frac{\Gamma((\nu + d)/2)}{\Gamma(\nu/2) (\nu\pi)^{d/2} |\Sigma|^{1/2}}
          \left(1 + \frac{\delta(x)}{\nu}\right)^{-(\nu + d)/2}, \quad
          \delta(x) = (x - \mu)' \Sigma^{-1} (x - \mu).

It is a normal law whose precision is scaled by a Gamma variable; the EM algorithm takes the expected
scale :math:`w_i = (\nu + d) / (\nu + \delta_i)` as a weight. Degrees of freedom maximise the likelihood
itself in each round (ECME), and the scatter is divided by the sum of weights (parameter expansion): both
keep the likelihood from falling, and need fewer rounds.

References
----------
Liu and Rubin, "ML estimation of the t distribution using EM and its extensions, ECM and ECME",
Statistica Sinica 5 (1995). Liu, Rubin and Wu, "Parameter expansion to accelerate EM", Biometrika 85 (1998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

Floats = NDArray[np.float64]

LEAST_DEGREES, MOST_DEGREES = 0.5, 200.0
"""Range of the degrees of freedom; at the upper end the law is practically normal."""


@dataclass(frozen=True)
class StudentT:
    """Location, scatter and degrees of freedom.

    Attributes
    ----------
    location : ndarray of shape (d,)
    scatter : ndarray of shape (d, d)
        The covariance is nu / (nu - 2) times the scatter, for nu > 2.
    degrees : float
    log_likelihood : ndarray of shape (rounds,)
        Of all rows, after each round.
    """

    location: Floats
    scatter: Floats
    degrees: float
    log_likelihood: Floats


def fit_student(
    values: Floats, *, floor: float = 1e-6, tolerance: float = 1e-8, rounds: int = 200
) -> StudentT:
    """Fit the law by maximum likelihood.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        Finite, n > d.
    floor : float
        Smallest eigenvalue of the scatter.
    tolerance : float
        Growth of the log likelihood per row at which the algorithm ends.
    rounds : int
        Largest number of rounds.
    """
    rows, columns = values.shape
    if rows <= columns:
        raise ValueError(f"values has {rows} rows and {columns} columns; expected more rows than columns")
    location = np.median(values, axis=0)
    scatter = floored(np.atleast_2d(np.cov(values, rowvar=False)), floor)
    degrees, history = 10.0, []
    for _ in range(rounds):
        distance, _ = distances(values, location, scatter)
        weight = (degrees + columns) / (degrees + distance)
        location = weight @ values / weight.sum()
        deviation = values - location
        scatter = floored((weight[:, None] * deviation).T @ deviation / weight.sum(), floor)
        distance, log_det = distances(values, location, scatter)
        degrees = _best_degrees(distance, columns)
        history.append(float(_log_density(distance, log_det, degrees, columns).sum()))
        if len(history) > 1 and history[-1] - history[-2] < tolerance * rows:
            break
    return StudentT(location, scatter, degrees, np.array(history))


def student_log_density(values: Floats, law: StudentT) -> Floats:
    """Return the log density of each row, shape (n,)."""
    distance, log_det = distances(values, law.location, law.scatter)
    return _log_density(distance, log_det, law.degrees, values.shape[1])


def distances(values: Floats, location: Floats, scatter: Floats) -> tuple[Floats, float]:
    """Return squared Mahalanobis distances and the log determinant.

    The distances have the shape (n,); the determinant is that of the scatter.
    """
    root = np.linalg.cholesky(scatter)
    white = solve_triangular(root, (values - location).T, lower=True)
    return (white**2).sum(axis=0), float(2 * np.log(np.diag(root)).sum())


def floored(matrix: Floats, floor: float) -> Floats:
    """Return a symmetric matrix with eigenvalues of at least `floor`."""
    eigenvalues, vectors = np.linalg.eigh(matrix)
    if eigenvalues[0] >= floor:
        return matrix
    return np.asarray((vectors * np.maximum(eigenvalues, floor)) @ vectors.T)


def _best_degrees(distance: Floats, columns: int) -> float:
    bounds = (math.log(LEAST_DEGREES), math.log(MOST_DEGREES))
    result = minimize_scalar(
        lambda log: -float(_log_density(distance, 0.0, math.exp(log), columns).sum()),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-6},
    )
    return math.exp(float(result.x))


def _log_density(distance: Floats, log_det: float, degrees: float, columns: int) -> Floats:
    constant = (
        gammaln((degrees + columns) / 2)
        - gammaln(degrees / 2)
        - columns / 2 * math.log(degrees * math.pi)
        - log_det / 2
    )
    return np.asarray(constant - (degrees + columns) / 2 * np.log1p(distance / degrees))

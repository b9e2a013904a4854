"""Distances on manifolds of distributions whose metric is the Fisher information.

    g_ij(theta) = E[ d log p(x; theta) / d theta_i  d log p(x; theta) / d theta_j ]

The Fisher-Rao distance is the length of the shortest curve between two members of a family. Four families
have it in closed form:

    categorical       2 arccos sum_k sqrt(a_k b_k), the angle on a sphere of radius 2
    Poisson           2 |sqrt(a) - sqrt(b)|; several independent rates: the root of the sum of squares
    normal            sqrt(2) arccosh(1 + ((m_a - m_b)^2 / 2 + (s_a - s_b)^2) / (2 s_a s_b)), a half-plane
    centred normal    sqrt(sum_i log(l_i)^2 / 2), l_i the eigenvalues of A^-1 B

Each is computed in a form that keeps its digits where the members nearly agree. `geodesic` has the numerical
distance of every other family.

References
----------
Rao (1945), "Information and the accuracy attainable in the estimation of statistical parameters". Atkinson
and Mitchell (1981), "Rao's distance measure", for the first three; Skovgaard (1984) for covariances. Amari
(2016), "Information geometry and its applications". Specification 4 §2.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Family = Literal["categorical", "poisson", "normal", "centred_normal"]
Array = NDArray[np.float64]

SUM_TOLERANCE = 1e-8
"""Largest distance of a sum of probabilities from 1."""

SYMMETRY_TOLERANCE = 1e-8
"""Largest asymmetry of a covariance, relative to its largest entry."""


def fisher_rao_distance(family: Family, a: ArrayLike, b: ArrayLike) -> float:
    """Return the length of the shortest curve between two members of a family.

    Parameters
    ----------
    family : {'categorical', 'poisson', 'normal', 'centred_normal'}
    a, b : array_like
        Of one shape. categorical: (k,) probabilities that sum to 1. poisson: one rate or (k,) independent
        rates, 0 or more. normal: (2,) mean and standard deviation, greater than 0. centred_normal: (d, d)
        covariance, symmetric and positive definite.

    Returns
    -------
    float
        0 or more, without a unit; at most pi for the categorical family.

    Raises
    ------
    ValueError
        If the family is unknown, or `a` or `b` is no member of it.
    """
    if family == "categorical":
        return _angle(*_pair(a, b, family, _require_probabilities))
    if family == "poisson":
        rates_a, rates_b = _pair(a, b, family, _require_rates)
        roots = np.maximum(np.sqrt(rates_a) + np.sqrt(rates_b), np.finfo(float).tiny)  # of two zeros, too
        return float(2 * np.linalg.norm(np.atleast_1d((rates_a - rates_b) / roots)))
    if family == "normal":
        (mean_a, sd_a), (mean_b, sd_b) = _pair(a, b, family, _require_normal)
        step = np.hypot((mean_a - mean_b) / np.sqrt(2), sd_a - sd_b)
        return float(2 * np.sqrt(2) * np.arcsinh(step / (2 * np.sqrt(sd_a) * np.sqrt(sd_b))))
    if family == "centred_normal":
        return _affine_invariant(*_pair(a, b, family, _require_covariance))
    raise ValueError(
        f"family {family!r} is unknown; expected 'categorical', 'poisson', 'normal' or 'centred_normal'"
    )


def _angle(a: Array, b: Array) -> float:
    """Return the angle between square roots by their chord, which keeps digits."""
    chord = float(np.linalg.norm(np.sqrt(a) - np.sqrt(b)))
    return 4 * float(np.arcsin(min(chord / 2, np.sqrt(0.5))))


def _affine_invariant(a: Array, b: Array) -> float:
    """Return the distance by the eigenvalues of L^-1 B L^-T, with A = L L'."""
    from scipy.linalg import solve_triangular

    factor = np.linalg.cholesky(a)
    half = solve_triangular(factor, np.linalg.cholesky(b), lower=True)
    values = np.linalg.svd(half, compute_uv=False)  # squares: the eigenvalues, all positive
    return float(np.sqrt(2 * np.sum(np.log(values) ** 2)))


def _pair(
    a: ArrayLike, b: ArrayLike, family: str, require: Callable[[str, Array], None]
) -> tuple[Array, Array]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    for name, member in (("a", first), ("b", second)):
        if not np.isfinite(member).all():
            raise ValueError(f"{name} of family '{family}' is not finite: {member}")
        require(name, member)
    if first.shape != second.shape:
        raise ValueError(f"a has shape {first.shape} and b {second.shape}; expected the same shape")
    return first, second


def _require_probabilities(name: str, member: Array) -> None:
    if member.ndim != 1 or not len(member):
        raise ValueError(f"{name} has shape {member.shape}; expected a vector of probabilities")
    if (member < 0).any() or abs(member.sum() - 1) > SUM_TOLERANCE:
        raise ValueError(
            f"{name} has a smallest entry of {member.min():.6g} and the sum {member.sum():.10g}; "
            "expected probabilities of at least 0 that sum to 1"
        )


def _require_rates(name: str, member: Array) -> None:
    if member.ndim > 1 or not member.size:
        raise ValueError(f"{name} has shape {member.shape}; expected one rate or a vector of rates")
    if (member < 0).any():
        raise ValueError(f"{name} has the rate {member.min():.6g}; expected rates of at least 0")


def _require_normal(name: str, member: Array) -> None:
    if member.shape != (2,):
        raise ValueError(f"{name} has shape {member.shape}; expected (mean, standard deviation)")
    if member[1] <= 0:
        raise ValueError(f"{name} has the standard deviation {member[1]:.6g}; expected more than 0")


def _require_covariance(name: str, member: Array) -> None:
    if member.ndim != 2 or member.shape[0] != member.shape[1] or not member.size:
        raise ValueError(f"{name} has shape {member.shape}; expected a square covariance")
    asymmetry = np.abs(member - member.T).max()
    if asymmetry > SYMMETRY_TOLERANCE * np.abs(member).max():
        raise ValueError(f"{name} differs from its transpose by {asymmetry:.6g}; expected a symmetric matrix")
    smallest = np.linalg.eigvalsh(member).min()
    if smallest <= 0:
        raise ValueError(f"{name} has the eigenvalue {smallest:.6g}; expected a positive definite matrix")

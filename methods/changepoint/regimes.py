"""Marginal likelihood of one regime, its mean and covariance integrated out.

A regime is a stretch of observations with one mean and one covariance. Under the conjugate
prior both integrate out in closed form, so a segmentation is scored by a sum over its
segments, and every segment of a series is scored by one rank-one update per pair of ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.special import multigammaln

Array = np.ndarray


@dataclass(frozen=True)
class NormalInverseWishart:
    """Prior of a regime: ``Sigma ~ IW(nu0, psi0)``, ``mu | Sigma ~ N(m0, Sigma / kappa0)``.

    Parameters
    ----------
    m0 : array (d,)
        Prior mean of the regime mean.
    kappa0 : float > 0
        How many observations the prior mean is worth.
    nu0 : float > d - 1
        Degrees of freedom; ``E[Sigma] = psi0 / (nu0 - d - 1)`` where ``nu0 > d + 1``.
    psi0 : array (d, d)
        Scale matrix, symmetric and positive definite.

    Raises
    ------
    ValueError
        If shapes do not agree or a value is out of its range.

    References
    ----------
    Murphy, Conjugate Bayesian analysis of the Gaussian distribution (2007), section 9.
    """

    m0: Array
    kappa0: float
    nu0: float
    psi0: Array

    def __post_init__(self) -> None:
        m0 = np.atleast_1d(np.asarray(self.m0, dtype=float))
        psi0 = np.atleast_2d(np.asarray(self.psi0, dtype=float))
        d = m0.size
        if m0.ndim != 1 or psi0.shape != (d, d):
            raise ValueError(f"m0 has shape {m0.shape} and psi0 {psi0.shape}; expected (d,) and (d, d)")
        if not (self.kappa0 > 0 and self.nu0 > d - 1):
            raise ValueError(f"kappa0 = {self.kappa0} must be > 0 and nu0 = {self.nu0} > d - 1 = {d - 1}")
        if not np.allclose(psi0, psi0.T) or np.linalg.eigvalsh(psi0).min() <= 0:
            raise ValueError(f"psi0 must be symmetric and positive definite, found {psi0.tolist()}")
        object.__setattr__(self, "m0", m0)
        object.__setattr__(self, "psi0", psi0)


def segment_log_likelihood(y: Array, prior: NormalInverseWishart, weights: Array | None = None) -> Array:
    r"""Log marginal likelihood of every segment of a series.

    ``log p(y[s:t]) = (d/2) sum log w - (n d/2) log pi + (d/2) log(kappa0/kappa_n)
    + (nu0/2) log|psi0| - (nu_n/2) log|psi_n| + log Gamma_d(nu_n/2) - log Gamma_d(nu0/2)``
    with ``kappa_n = kappa0 + sum w`` and ``nu_n = nu0 + n``.

    Parameters
    ----------
    y : array (T, d)
        Observations, finite.
    prior : NormalInverseWishart
        Prior of each regime.
    weights : array (T,), optional
        Observation t has covariance ``Sigma / weights[t]``; 1 where not given.

    Returns
    -------
    array (T + 1, T)
        At ``[t, s]`` the value of segment ``y[s:t]``; -inf where ``t <= s``.

    References
    ----------
    Murphy (2007), equation 266; spec 3 section 4.1.
    """
    length, d = y.shape
    gammas = np.array([multigammaln((prior.nu0 + n) / 2, d) for n in range(length + 1)])
    factor = np.linalg.cholesky(prior.psi0)
    weights = np.ones(length) if weights is None else weights
    return _segment_scores(y, weights, prior.m0, float(prior.kappa0), float(prior.nu0), factor, gammas)


@njit(cache=True)
def _segment_scores(  # type: ignore[no-untyped-def]  # pragma: no cover
    y, weights, m0, kappa0, nu0, factor0, gammas
):
    length, d = y.shape
    scores = np.full((length + 1, length), -np.inf)
    log_det0 = 2 * np.log(np.diag(factor0)).sum()
    for s in range(length):
        mean, factor, kappa, log_weights = m0.copy(), factor0.copy(), kappa0, 0.0
        for t in range(s + 1, length + 1):
            w = weights[t - 1]
            off = np.sqrt(w * kappa / (kappa + w)) * (y[t - 1] - mean)
            mean += w / (kappa + w) * (y[t - 1] - mean)
            kappa += w
            log_weights += np.log(w)
            log_det = _add_outer_product(factor, off)
            n = t - s
            scores[t, s] = (
                0.5 * d * (log_weights - n * math.log(math.pi) + math.log(kappa0 / kappa))
                + 0.5 * (nu0 * log_det0 - (nu0 + n) * log_det)
                + gammas[n]
                - gammas[0]
            )
    return scores


@njit(cache=True)
def _add_outer_product(factor, vector):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Update the Cholesky factor of A to that of A + vector vector'; return the log determinant."""
    log_det = 0.0
    for i in range(vector.size):
        r = math.hypot(factor[i, i], vector[i])
        cosine, sine = r / factor[i, i], vector[i] / factor[i, i]
        factor[i, i] = r
        for j in range(i + 1, vector.size):
            factor[j, i] = (factor[j, i] + sine * vector[j]) / cosine
            vector[j] = cosine * vector[j] - sine * factor[j, i]
        log_det += 2 * math.log(r)
    return log_det

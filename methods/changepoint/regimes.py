"""Marginal likelihood of one regime, its mean and covariance integrated out.

A regime is a range of observations with one mean and one covariance. Under the conjugate prior both
integrate out in closed form, so the score of a segmentation is a sum over its segments. Running sums
score all segments with a common end in a few operations each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import multigammaln

from methods.changepoint import gaussian, pointwise

Array = np.ndarray


@dataclass(frozen=True)
class NormalInverseWishart:
    """Conjugate prior of a regime.

    ``Sigma ~ IW(nu0, psi0)``, ``mu | Sigma ~ N(m0, Sigma / kappa0)``.

    Parameters
    ----------
    m0 : array (d,)
        Prior mean of the regime mean.
    kappa0 : float > 0
        Number of observations that the prior mean counts as.
    nu0 : float > d - 1
        Degrees of freedom; ``E[Sigma] = psi0 / (nu0 - d - 1)`` if ``nu0 > d + 1``.
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
            raise ValueError(
                f"kappa0 is {self.kappa0} and nu0 is {self.nu0}; expected > 0 and > d - 1 = {d - 1}"
            )
        if not np.allclose(psi0, psi0.T) or np.linalg.eigvalsh(psi0).min() <= 0:
            raise ValueError(f"psi0 is {psi0.tolist()}; expected a symmetric positive definite matrix")
        object.__setattr__(self, "m0", m0)
        object.__setattr__(self, "psi0", psi0)


def segment_log_likelihood(y: Array, prior: NormalInverseWishart, weights: Array | None = None) -> Array:
    r"""Compute the log marginal likelihood of every segment of a series.

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
        Observation t has covariance ``Sigma / weights[t]``; 1 by default.

    Returns
    -------
    array (T + 1, T)
        The value of segment ``y[s:t]`` at ``[t, s]``; -inf where ``t <= s``.

    References
    ----------
    Murphy (2007), equation 266; spec 3 section 4.1.
    """
    weights = np.ones(len(y)) if weights is None else weights
    return GaussianSegments.of(y, weights, prior).ending(0, len(y) + 1)


@dataclass(frozen=True)
class GaussianSegments:
    """A series with a conjugate prior of its regimes, for `recursion`.

    Attributes
    ----------
    y : array (T, d)
    weights : array (T,)
    prior : NormalInverseWishart
    constants : array (T + 1,)
        Terms of a segment's log marginal likelihood that depend on its length alone.
    """

    y: Array
    weights: Array
    prior: NormalInverseWishart
    constants: Array

    @classmethod
    def of(cls, y: Array, weights: Array, prior: NormalInverseWishart) -> GaussianSegments:
        """Bind a series to the prior of its regimes."""
        d, n = y.shape[1], np.arange(len(y) + 1)
        constants = (
            np.array([multigammaln((prior.nu0 + size) / 2, d) for size in n])
            - multigammaln(prior.nu0 / 2, d)
            - n * d / 2 * math.log(math.pi)
            + d / 2 * math.log(prior.kappa0)
            + prior.nu0 / 2 * np.linalg.slogdet(prior.psi0)[1]
        )
        return cls(np.ascontiguousarray(y, dtype=float), weights, prior, constants)

    @property
    def length(self) -> int:
        """See `recursion.Segments`."""
        return len(self.y)

    def ending(self, first: int, last: int) -> Array:
        """See `recursion.Segments`."""
        return self._scores(first, -1, np.full((last - first, self.length), -np.inf))

    def starting(self, first: int, last: int) -> Array:
        """See `recursion.Segments`."""
        return self._scores(first, 1, np.full((last - first, self.length + 1), -np.inf))

    def _scores(self, first: int, step: int, out: Array) -> Array:
        gaussian.score_rows(
            self.y, self.weights, np.log(self.weights), first, step, *self._hyper, self.constants, out
        )
        return out

    def no_regimes(self) -> Array:
        """See `recursion.Segments`."""
        d = self.y.shape[1]
        return np.zeros((self.length + 1, 1 + d + d * d))

    def add_regimes(self, first: int, probabilities: Array, steps: Array) -> None:
        """See `recursion.Segments`."""
        gaussian.add_regimes(self.y, self.weights, first, probabilities, *self._hyper, steps)

    def regimes(self, steps: Array) -> tuple[Array, Array]:
        """See `recursion.Segments`."""
        length, d = self.y.shape
        sums = np.cumsum(steps[:length], axis=0)
        covariances = sums[:, 1 + d :].reshape(length, d, d)
        # Smaller values are rounding errors, not probabilities.
        covariances[sums[:, 0] > 1e-9] = np.inf
        return sums[:, 1 : 1 + d], covariances

    def pointwise(self, starts: Array, ends: Array, shares: Array) -> tuple[Array, Array]:
        """See `recursion.Segments`."""
        sums = pointwise.new_sums(self.length)
        freedom = self.prior.nu0 + np.arange(self.length + 1)
        constants = pointwise.regime_constants(freedom, self.y.shape[1])
        gaussian.add_points(
            self.y, self.weights, np.log(self.weights), starts, ends, shares, *self._hyper, constants, sums
        )
        return pointwise.lppd_and_variances(sums)

    @property
    def _hyper(self) -> tuple[Array, float, float, Array]:
        return self.prior.m0, float(self.prior.kappa0), float(self.prior.nu0), self.prior.psi0

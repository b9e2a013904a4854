"""Semi-conjugate prior of a regime: independent mean and covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class NormalIndependentInverseWishart:
    """Prior ``mu ~ N(m0, s0)``, independent of ``Sigma ~ IW(nu0, psi0)``.

    Unlike in `NormalInverseWishart`, the prior variance of the mean does not grow with the spread of the
    observations.

    Parameters
    ----------
    m0 : array (d,)
        Prior mean of the regime mean.
    s0 : array (d, d)
        Prior covariance of the regime mean, symmetric and positive definite.
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
    Gelman et al., Bayesian Data Analysis (2013), section 3.6; spec 3 sections 4.1 and 4.2.1.
    """

    m0: Array
    s0: Array
    nu0: float
    psi0: Array

    def __post_init__(self) -> None:
        m0 = np.atleast_1d(np.asarray(self.m0, dtype=float))
        d = m0.size
        if m0.ndim != 1 or not np.isfinite(m0).all():
            raise ValueError(f"m0 is {self.m0}; expected finite numbers (d,)")
        if not self.nu0 > d - 1:
            raise ValueError(f"nu0 is {self.nu0}; expected > d - 1 = {d - 1}")
        object.__setattr__(self, "m0", m0)
        object.__setattr__(self, "s0", _positive_definite("s0", self.s0, d))
        object.__setattr__(self, "psi0", _positive_definite("psi0", self.psi0, d))


def _positive_definite(name: str, value: Array, d: int) -> Array:
    matrix = np.atleast_2d(np.asarray(value, dtype=float))
    if matrix.shape != (d, d):
        raise ValueError(f"{name} has shape {matrix.shape}; expected {(d, d)}, the dimension of m0")
    if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix).min() <= 0:
        raise ValueError(f"{name} is {matrix.tolist()}; expected a symmetric positive definite matrix")
    return matrix

r"""Gaussian and Gamma factors as exponential families.

.. math:: q(z \mid \lambda) = h(z) \exp(\lambda^\top t(z) - A(\lambda))

The natural gradient of a conjugate model rests on two facts (Hoffman et al. 2013). The Fisher matrix is
``F = d E[t] / d lambda``, so the natural gradient ``F^-1 dL/d lambda`` is ``dL/d E[t]``. This equals the
natural parameter of the optimal factor given all others minus the current one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, polygamma

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]


@dataclass(frozen=True)
class Gaussian:
    """Independent normal distributions; ``t(z) = (z, z^2)``.

    Attributes
    ----------
    mean, variance : array, of one shape
        Mean and variance of each distribution; variances are positive.
    """

    mean: Floats
    variance: Floats

    @property
    def square(self) -> Floats:
        """``E[z^2]``."""
        return self.mean**2 + self.variance

    @property
    def natural(self) -> Pair:
        """``(mean / variance, -1 / (2 variance))``."""
        return self.mean / self.variance, -0.5 / self.variance

    @classmethod
    def from_natural(cls, first: Floats, second: Floats) -> Gaussian:
        """Create the factor with given natural parameters; the second is negative."""
        variance = -0.5 / second
        return cls(first * variance, variance)

    @property
    def free(self) -> Pair:
        """Unbounded coordinates ``(mean, log variance)``."""
        return self.mean, np.log(self.variance)

    @classmethod
    def from_free(cls, first: Floats, second: Floats) -> Gaussian:
        """Create the factor with given unbounded coordinates."""
        return cls(first, np.exp(second))

    def free_gradient(self, first: Floats, second: Floats) -> Pair:
        """Convert a gradient by mean parameters ``E[t]`` to the coordinates of `free`."""
        return first + 2 * self.mean * second, self.variance * second

    @property
    def entropy(self) -> float:
        """``sum 1/2 log(2 pi e variance)``."""
        return float(0.5 * np.sum(np.log(2 * np.pi * np.e * self.variance)))


@dataclass(frozen=True)
class Gamma:
    """Independent Gamma distributions of precisions; ``t(z) = (log z, z)``.

    Attributes
    ----------
    shape, rate : array, of one shape
        Both are positive; the mean is ``shape / rate``.
    """

    shape: Floats
    rate: Floats

    @property
    def mean(self) -> Floats:
        """``E[z]``."""
        return self.shape / self.rate

    @property
    def log(self) -> Floats:
        """``E[log z]``."""
        return digamma(self.shape) - np.log(self.rate)

    @property
    def natural(self) -> Pair:
        """``(shape - 1, -rate)``."""
        return self.shape - 1, -self.rate

    @classmethod
    def from_natural(cls, first: Floats, second: Floats) -> Gamma:
        """Create the factor with given natural parameters (> -1 and < 0)."""
        return cls(first + 1, -second)

    @property
    def free(self) -> Pair:
        """Unbounded coordinates ``(log shape, log rate)``."""
        return np.log(self.shape), np.log(self.rate)

    @classmethod
    def from_free(cls, first: Floats, second: Floats) -> Gamma:
        """Create the factor with given unbounded coordinates."""
        return cls(np.exp(first), np.exp(second))

    def free_gradient(self, first: Floats, second: Floats) -> Pair:
        """Convert a gradient by mean parameters ``E[t]`` to the coordinates of `free`."""
        by_shape = self.shape * (polygamma(1, self.shape) * first + second / self.rate)
        return by_shape, -first - self.mean * second

    @property
    def entropy(self) -> float:
        """``sum shape - log rate + log Gamma(shape) + (1 - shape) digamma(shape)``."""
        a = self.shape
        return float(np.sum(a - np.log(self.rate) + gammaln(a) + (1 - a) * digamma(a)))


Factor = Gaussian | Gamma

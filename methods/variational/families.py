r"""Gaussian and Gamma factors as exponential families: natural parameters, mean parameters, entropy.

.. math:: q(z \mid \lambda) = h(z) \exp(\lambda^\top t(z) - A(\lambda))

Two facts carry the natural gradient of a conjugate model (Hoffman et al. 2013): the Fisher matrix is
``F = d E[t] / d lambda``, so the natural gradient ``F^-1 dL/d lambda`` is ``dL/d E[t]``; and this equals
the natural parameter of the best factor given all others, minus the present one.
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
        Of each; the variance is positive.
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
        """The factor with these natural parameters; the second is negative."""
        variance = -0.5 / second
        return cls(first * variance, variance)

    @property
    def free(self) -> Pair:
        """Coordinates without bounds: ``(mean, log variance)``."""
        return self.mean, np.log(self.variance)

    @classmethod
    def from_free(cls, first: Floats, second: Floats) -> Gaussian:
        """The factor at these unbounded coordinates."""
        return cls(first, np.exp(second))

    def free_gradient(self, first: Floats, second: Floats) -> Pair:
        """Gradient in the coordinates of `free`, given that in the mean parameters ``E[t]``."""
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
        Both positive; the mean is ``shape / rate``.
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
        """The factor with these natural parameters; the first is above -1, the second negative."""
        return cls(first + 1, -second)

    @property
    def free(self) -> Pair:
        """Coordinates without bounds: ``(log shape, log rate)``."""
        return np.log(self.shape), np.log(self.rate)

    @classmethod
    def from_free(cls, first: Floats, second: Floats) -> Gamma:
        """The factor at these unbounded coordinates."""
        return cls(np.exp(first), np.exp(second))

    def free_gradient(self, first: Floats, second: Floats) -> Pair:
        """Gradient in the coordinates of `free`, given that in the mean parameters ``E[t]``."""
        by_shape = self.shape * (polygamma(1, self.shape) * first + second / self.rate)
        return by_shape, -first - self.mean * second

    @property
    def entropy(self) -> float:
        """``sum shape - log rate + log Gamma(shape) + (1 - shape) digamma(shape)``."""
        a = self.shape
        return float(np.sum(a - np.log(self.rate) + gammaln(a) + (1 - a) * digamma(a)))


Factor = Gaussian | Gamma

"""A series under the semi-conjugate prior, for the exact recursion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.changepoint.semi_conjugate import NormalIndependentInverseWishart
from methods.changepoint.semi_conjugate_evidence import (
    independent_moments,
    independent_segment_log_likelihood,
)
from methods.changepoint.semi_conjugate_points import independent_pointwise
from methods.changepoint.standard_form import StandardForm, standard_form
from methods.compiled import compiled

Array = np.ndarray

# Less probable segments change posterior means by less than the rounding error.
_UNLIKELY = 1e-14


@dataclass(frozen=True)
class IndependentSegments:
    """A series with the scores of all its segments (8 T^2 bytes), for `recursion`.

    Attributes
    ----------
    form : StandardForm
    scores : array (T + 1, T)
        Log marginal likelihood of ``y[s:t]`` at [t, s].
    """

    form: StandardForm
    scores: Array

    @classmethod
    def of(cls, y: Array, weights: Array, prior: NormalIndependentInverseWishart) -> IndependentSegments:
        """Bind a series to the prior of its regimes."""
        return cls(standard_form(y, prior, weights), independent_segment_log_likelihood(y, prior, weights))

    @property
    def length(self) -> int:
        """See `recursion.Segments`."""
        return len(self.form.x)

    def ending(self, first: int, last: int) -> Array:
        """See `recursion.Segments`."""
        return self.scores[first:last].copy()

    def starting(self, first: int, last: int) -> Array:
        """See `recursion.Segments`."""
        # No segment starts at T.
        rows = self.scores[:, first : min(last, self.length)].T
        return np.vstack([rows, np.full((last - first - len(rows), self.length + 1), -np.inf)])

    def no_regimes(self) -> Array:
        """See `recursion.Segments`."""
        d = self.form.psi.shape[0]
        return np.zeros((self.length + 1, 1 + d + d * d))

    def add_regimes(self, first: int, probabilities: Array, steps: Array) -> None:
        """See `recursion.Segments`."""
        _add_regimes(self.form, first, probabilities, steps)

    def regimes(self, steps: Array) -> tuple[Array, Array]:
        """See `recursion.Segments`."""
        length, d, factor = self.length, self.form.psi.shape[0], self.form.factor
        sums = np.cumsum(steps[:length], axis=0)
        covariances = factor @ sums[:, 1 + d :].reshape(length, d, d) @ factor.T
        # Smaller values are rounding errors, not probabilities.
        covariances[sums[:, 0] > 1e-9] = np.inf
        return self.form.m0 + sums[:, 1 : 1 + d] @ factor.T, covariances

    def pointwise(self, starts: Array, ends: Array, shares: Array) -> tuple[Array, Array]:
        """See `recursion.Segments`."""
        return independent_pointwise(self.form, starts, ends, shares)


@compiled
def _add_regimes(form: StandardForm, first: int, probabilities: Array, steps: Array) -> None:
    d = form.psi.shape[0]
    mean, covariance = np.empty(d), np.empty((d, d))
    part = np.zeros(steps.shape[1])
    for row in range(probabilities.shape[0]):
        s = first + row
        for t in range(s + 1, probabilities.shape[1]):
            probability = probabilities[row, t]
            if probability <= _UNLIKELY:
                continue
            independent_moments(form, s, t, mean, covariance)
            exists = form.nu0 + (t - s) > d + 1
            part[0] = 0.0 if exists else 1.0
            part[1 : 1 + d] = mean
            part[1 + d :] = covariance.ravel() if exists else np.zeros(d * d)
            steps[s] += probability * part
            steps[t] -= probability * part

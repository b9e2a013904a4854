r"""Regimes of counts, integrated out in closed form.

In a regime, dimension by dimension, counts are independent with one mean m. Without a dispersion they are
Poisson, and ``m ~ Gamma(shape, rate)``. With the dispersion r they are negative binomial with the variance
``m + m^2 / r``: the number of failures before r successes of the probability ``p = r / (r + m)``, with
``p ~ Beta(r rate + 1, shape)``. m then has the same prior mean, and the Poisson model is the limit of a large
r. Both priors are conjugate: the evidence of a segment depends on its length and its sum of counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, gammaln, polygamma, psi

from methods.changepoint import pointwise

Array = np.ndarray


@dataclass(frozen=True)
class CountRegimes:
    """Conjugate prior of regimes of counts, independent by dimension.

    Parameters
    ----------
    shape : array (d,) > 0
        Sum of counts that the prior is worth.
    rate : array (d,) > 0
        Number of observations that the prior is worth; ``shape / rate`` is the prior mean.
    dispersion : float > 0
        Number r of the negative binomial distribution; infinite for Poisson counts.

    Raises
    ------
    ValueError
        If shapes differ or a value is out of its range.

    References
    ----------
    Murphy, Machine Learning (2012), section 3.4 and exercise 3.5; Fearnhead, Statistics and Computing 16
    (2006), for Poisson regimes.
    """

    shape: Array
    rate: Array
    dispersion: float = math.inf

    def __post_init__(self) -> None:
        for name in ("shape", "rate"):
            object.__setattr__(self, name, np.atleast_1d(np.asarray(getattr(self, name), dtype=float)))
        valid = self.shape.shape == self.rate.shape and self.shape.ndim == 1
        if not (valid and (self.shape > 0).all() and (self.rate > 0).all() and self.dispersion > 0):
            raise ValueError(f"found {self}; expected shape and rate (d,) > 0 and dispersion > 0")

    @classmethod
    def unit(cls, y: Array, dispersion: float = math.inf) -> CountRegimes:
        """Return a prior with the mean of counts (T, d), and the shape 1/2 of Jeffreys."""
        mean = np.asarray(y, dtype=float).mean(axis=0)
        if not (mean > 0).all():
            raise ValueError(f"dimensions {np.flatnonzero(mean <= 0).tolist()} of y are all 0; drop them")
        return cls(np.full(len(mean), 0.5), 0.5 / mean, dispersion)


@dataclass(frozen=True)
class CountSegments:
    """Counts with a conjugate prior of their regimes, for `recursion`.

    Attributes
    ----------
    y : array (T, d)
        Counts, integers >= 0.
    prior : CountRegimes
    sums : array (T + 1, d)
        Sums of the counts before each index.
    constants : array (T + 1,)
        Sums of the terms of each observation that do not depend on its regime.
    """

    y: Array
    prior: CountRegimes
    sums: Array
    constants: Array

    @classmethod
    def of(cls, y: Array, prior: CountRegimes) -> CountSegments:
        """Bind counts to the prior of their regimes.

        Raises
        ------
        ValueError
            If a value is not an integer from 0 to 10^9.
        """
        # Beyond that, differences of log gamma functions lose the digits that decide.
        bad = np.flatnonzero(~((y >= 0) & (y <= 1e9) & (y == np.floor(y))).all(axis=1))
        if len(bad):
            raise ValueError(f"y is not a count in rows {bad[:8].tolist()}; expected integers 0 to 10^9")
        r = prior.dispersion
        terms = -gammaln(y + 1) + (0.0 if math.isinf(r) else gammaln(y + r) - gammaln(r))
        sums, constants = (
            np.concatenate([np.zeros((1, y.shape[1])), np.cumsum(part, axis=0)]) for part in (y, terms)
        )
        return cls(y, prior, sums, constants.sum(axis=1))

    @property
    def length(self) -> int:
        """See `recursion.Segments`."""
        return len(self.y)

    def ending(self, first: int, last: int) -> Array:
        """See `recursion.Segments`."""
        return self._scores(np.arange(self.length), np.arange(first, last)[:, None])

    def starting(self, first: int, last: int) -> Array:
        """See `recursion.Segments`."""
        return self._scores(np.arange(first, last)[:, None], np.arange(self.length + 1))

    def _scores(self, starts: Array, ends: Array) -> Array:
        starts, ends = np.broadcast_arrays(starts, ends)
        out = np.full(starts.shape, -np.inf)
        inside = ends > starts
        s, t = starts[inside], ends[inside]
        score = self.constants[t] - self.constants[s]
        for a in range(self.y.shape[1]):
            one, other, before_one, before_other = self._posterior(s, t, a)
            if math.isinf(self.prior.dispersion):
                score += before_one * np.log(before_other) - gammaln(before_one)
                score += gammaln(one) - one * np.log(other)
            else:
                score += betaln(one, other) - betaln(before_one, before_other)
        out[inside] = score
        return out

    def _posterior(self, starts: Array, ends: Array, a: int) -> tuple[Array, Array, float, float]:
        """Return posterior and prior parameters of segments in one dimension.

        They are shape and rate of the Gamma distribution of m, or both of the Beta distribution of p.
        """
        shape, rate, r = float(self.prior.shape[a]), float(self.prior.rate[a]), self.prior.dispersion
        size, total = ends - starts, self.sums[ends, a] - self.sums[starts, a]
        if math.isinf(r):
            return shape + total, rate + size, shape, rate
        return r * rate + 1 + r * size, shape + total, r * rate + 1, shape

    def no_regimes(self) -> Array:
        """See `recursion.Segments`."""
        return np.zeros((self.length + 1, 2 * self.y.shape[1]))

    def add_regimes(self, first: int, probabilities: Array, steps: Array) -> None:
        """See `recursion.Segments`; the cumulative sums are those of means and variances."""
        d, r = self.y.shape[1], self.prior.dispersion
        rows, ends = np.nonzero(probabilities)
        starts, p = first + rows, probabilities[rows, ends]
        for a in range(d):
            one, other, *_ = self._posterior(starts, ends, a)
            if math.isinf(r):
                mean = variance = one / other
            else:
                # m = r (1 - p) / p and m + m^2 / r = r (1 - p) / p^2, with the moments of 1 / p.
                inverse = (one + other - 1) / (one - 1)
                mean = r * (inverse - 1)
                with np.errstate(divide="ignore"):
                    square = inverse * (one + other - 2) / np.maximum(one - 2, 0)
                variance = r * (square - inverse)
            for column, values in ((a, p * mean), (d + a, p * variance)):
                np.add.at(steps[:, column], starts, values)
                np.add.at(steps[:, column], ends, -values)

    def regimes(self, steps: Array) -> tuple[Array, Array]:
        """See `recursion.Segments`; the covariance is that of an observation."""
        length, d = self.y.shape
        with np.errstate(invalid="ignore"):
            sums = np.cumsum(steps[:length], axis=0)
        variances = np.where(np.isfinite(sums[:, d:]), sums[:, d:], np.inf)
        return sums[:, :d], variances[:, :, None] * np.eye(d)

    def pointwise(self, starts: Array, ends: Array, shares: Array) -> tuple[Array, Array]:
        """See `recursion.Segments`."""
        sums = pointwise.new_sums(self.length)
        for s, t, share in zip(starts, ends, shares, strict=True):
            terms = np.zeros((t - s, 3))
            for a in range(self.y.shape[1]):
                terms += self._points(int(s), int(t), a)
            for i in range(s, t):
                pointwise.add_point(sums[i], share, *terms[i - s])
        return pointwise.lppd_and_variances(sums)

    def _points(self, s: int, t: int, a: int) -> Array:
        """Return log density, and mean and variance of the log likelihood: (t - s, 3)."""
        y, r = self.y[s:t, a], self.prior.dispersion
        one, other, *_ = (float(value) for value in self._posterior(np.array(s), np.array(t), a))
        if math.isinf(r):
            # log p(y | m) = y log m - m - log y!, with m ~ Gamma(one, other).
            density = gammaln(one + y) - gammaln(one) - gammaln(y + 1)
            density += one * math.log(other) - (one + y) * math.log(other + 1)
            mean = y * (psi(one) - math.log(other)) - one / other - gammaln(y + 1)
            variance = y**2 * polygamma(1, one) + one / other**2 - 2 * y / other
        else:
            # log p(y | p) = r log p + y log(1 - p) + terms of y alone, with p ~ Beta(one, other).
            alone = gammaln(y + r) - gammaln(r) - gammaln(y + 1)
            density = alone + betaln(one + r, other + y) - betaln(one, other)
            both = polygamma(1, one + other)
            mean = alone + r * psi(one) + y * psi(other) - (r + y) * psi(one + other)
            variance = r**2 * (polygamma(1, one) - both) + y**2 * (polygamma(1, other) - both)
            variance = variance - 2 * r * y * both
        return np.stack([density, mean, np.maximum(variance, 0.0)], axis=1)

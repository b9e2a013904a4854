r"""Regimes with a trend and autocorrelated noise, integrated out in closed form.

In a regime, dimension by dimension,

    y_t = level + slope (t - centre) + u_t,   (1 - phi B) (1 - psi B) u_t = e_t,   e_t ~ N(0, sigma^2),

with B the backshift operator and u stationary from the regime's first observation on. Given phi and psi,
whitening the errors (Prais and Winsten) leaves a linear regression with independent errors, whose
coefficients and variance have a Normal-inverse-gamma prior and integrate out. The result is a short sum
over kinds of regime: with a slope or without, for each pair of roots from a grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from scipy.special import gammaln

from methods.changepoint import pointwise, trend_sums

Array = np.ndarray


@dataclass(frozen=True)
class TrendRegimes:
    """Prior of regimes with trend and autocorrelation, independent by dimension.

    ``sigma^2 ~ IG(freedom / 2, freedom noise^2 / 2)``; given sigma, the level at the regime's centre is
    ``N(centre, (spread sigma / noise)^2)`` and the rise over the regime's whole length
    ``N(0, (spread sigma / noise)^2)``. A slope or none, and each kind of noise, are equally likely.

    Parameters
    ----------
    centre : array (d,)
        Prior mean of a level.
    spread : array (d,) > 0
        Prior standard deviation of levels and rises.
    noise : array (d,) > 0
        Prior scale of the innovations e.
    freedom : float > 0
        Number of observations that the prior scale of the noise counts as.
    phi : tuple of float
        Roots of the autoregression, each in [0, 1).
    order : int, 1 or 2
        With 2, every pair of roots, including equal ones, is a kind of noise: smooth series, whose
        successive steps are similar, need two. With 1, the second root is 0.
    slopes : bool
        Whether regimes may have a slope.
    resolution : array (d,) >= 0, or float
        Step to which the values are rounded, 0 if they are not. The expected square of the rounding error,
        ``resolution^2 / 12``, is added to the squares of each observation: a run of equal values does not
        show that a regime has no noise.

    Raises
    ------
    ValueError
        If a value is out of its range or shapes differ.

    References
    ----------
    Fearnhead, Exact Bayesian curve fitting and signal segmentation, IEEE Trans. Signal Processing 53
    (2005), for regression in segments; Prais and Winsten (1954) for the errors; spec 3 section 4.1.
    """

    centre: Array
    spread: Array
    noise: Array
    freedom: float = 3.0
    phi: tuple[float, ...] = (0.0, 0.5, 0.9, 0.99)
    order: int = 2
    slopes: bool = True
    resolution: Array | float = 0.0

    def __post_init__(self) -> None:
        for name in ("centre", "spread", "noise"):
            object.__setattr__(self, name, np.atleast_1d(np.asarray(getattr(self, name), dtype=float)))
        resolution = np.broadcast_to(np.asarray(self.resolution, dtype=float), self.centre.shape).copy()
        object.__setattr__(self, "resolution", resolution)
        if not (np.isfinite(resolution).all() and (resolution >= 0).all()):
            raise ValueError(f"resolution is {resolution.tolist()}; expected finite numbers >= 0")
        shapes = {self.centre.shape, self.spread.shape, self.noise.shape}
        if len(shapes) != 1 or self.centre.ndim != 1:
            raise ValueError(f"centre, spread and noise have shapes {shapes}; expected one shape (d,)")
        if not ((self.spread > 0).all() and (self.noise > 0).all() and self.freedom > 0):
            raise ValueError(
                f"expected spread, noise and freedom > 0; found {self.spread.tolist()}, "
                f"{self.noise.tolist()}, {self.freedom}"
            )
        if not self.phi or not all(0 <= value < 1 for value in self.phi):
            raise ValueError(f"phi is {self.phi}; expected at least one number in [0, 1)")
        if self.order not in (1, 2):
            raise ValueError(f"order is {self.order}; expected 1 or 2")

    @property
    def roots(self) -> Array:
        """Pairs of roots (kinds of noise, 2), the second no larger than the first."""
        if self.order == 1:
            return np.array([(value, 0.0) for value in self.phi])
        pairs = combinations_with_replacement(sorted(self.phi, reverse=True), 2)
        return np.array(list(pairs))

    @classmethod
    def robust(cls, y: Array, **settings: Any) -> TrendRegimes:
        """Choose the scales of the prior by robust statistics of a series.

        The series y is (T, d) or (T,). Centre is the median, spread the interquartile range, noise the
        median absolute difference of neighbours (less their median) over 0.954, which is the
        innovation's standard deviation if phi is 0 and the level constant. Resolution is the smallest
        difference of two values; its rounding error explains no more than half of the mean square
        difference of neighbours. The noise is at least that error. If most neighbours are equal, their
        median difference says nothing: noise and rounding error are their root mean square difference over
        sqrt(2).
        """
        y = np.asarray(y, dtype=float)
        y = y[:, None] if y.ndim == 1 else y
        y = y[np.isfinite(y).all(axis=1)]
        if len(y) < 3:
            raise ValueError(f"y has {len(y)} complete observations; expected at least 3")
        low, centre, high = np.quantile(y, [0.25, 0.5, 0.75], axis=0)
        steps = np.diff(y, axis=0)
        noise = np.median(np.abs(steps - np.median(steps, axis=0)), axis=0) / 0.954
        rough = np.sqrt((steps**2).mean(axis=0) / 2)
        smallest = np.array([_smallest_difference(column) for column in y.T])
        smallest = np.where(noise > 0, smallest, np.inf)
        noise = np.where(noise > 0, noise, rough)
        resolution = np.minimum(smallest, math.sqrt(12) * rough)
        spread = high - low
        # If most values repeat, quartiles coincide; the standard deviation replaces them.
        spread = np.where(spread > 0, spread, y.std(axis=0))
        if not (spread > 0).all():
            raise ValueError(
                f"dimensions {np.flatnonzero(spread <= 0).tolist()} of y are constant; drop them"
            )
        noise = np.maximum(noise, np.maximum(1e-3 * spread, resolution / math.sqrt(12)))
        return cls(centre, spread, noise, **{"resolution": resolution} | settings)


def _smallest_difference(values: Array) -> float:
    """Return the smallest difference of two different values; 0 if there is none."""
    gaps = np.diff(np.unique(values))
    # Differences below the precision of the values are rounding errors of the computer.
    gaps = gaps[gaps > 1e-9 * np.abs(values).max()]
    return float(gaps.min(initial=np.inf)) if len(gaps) else 0.0


@dataclass(frozen=True)
class TrendSegments:
    """A series with a prior of trend regimes, for `recursion`.

    Attributes
    ----------
    y : array (T, d)
        Observations, finite.
    times : array (T,)
        Times of the observations, increasing integers: a gap is a missing observation.
    weights : array (T, d)
        Precision of each innovation: its variance is ``sigma^2 / weights[t]``.
    prior : TrendRegimes
    constants : array (T + 1,)
        Terms of a segment's log marginal likelihood that depend on its length alone, per dimension.
    """

    y: Array
    times: Array
    weights: Array
    prior: TrendRegimes
    constants: Array

    @classmethod
    def of(cls, y: Array, times: Array, weights: Array, prior: TrendRegimes) -> TrendSegments:
        """Bind a series to its prior; levels are relative to centre, in units of noise."""
        n, half = np.arange(len(y) + 1), prior.freedom / 2
        kinds = len(prior.roots) * (2 if prior.slopes else 1)
        constants = (
            gammaln(half + n / 2)
            - gammaln(half)
            - n / 2 * math.log(math.pi)
            + half * math.log(prior.freedom)
            - math.log(kinds)
        )
        scaled = np.ascontiguousarray((y - prior.centre) / prior.noise)
        return cls(scaled, np.ascontiguousarray(times, dtype=float), weights, prior, constants)

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
        # Values were divided by the scale of the noise; the density in original units has this Jacobian.
        jacobian = float(np.log(self.prior.noise).sum())
        trend_sums.score_rows(
            self.y, self.times, self._white, first, step, *self._hyper, self.constants, jacobian, out
        )
        return out

    def no_regimes(self) -> Array:
        """See `recursion.Segments`."""
        return np.zeros((self.length + 1, 4 * self.y.shape[1]))

    def add_regimes(self, first: int, probabilities: Array, steps: Array) -> None:
        """See `recursion.Segments`."""
        spread = np.array([trend_sums.autocovariances(p, q, 0)[0] for p, q in self.prior.roots])
        trend_sums.add_regimes(
            self.y, self.times, self._white, first, probabilities, spread, *self._hyper, steps
        )

    def regimes(self, steps: Array) -> tuple[Array, Array]:
        """See `recursion.Segments`; the mean is the trend's, the variance is that of u."""
        length, d = self.y.shape
        undefined, level, slope, variance = np.moveaxis(
            np.cumsum(steps[:length], axis=0).reshape(length, d, 4), 2, 0
        )
        means = self.prior.centre + self.prior.noise * (level + slope * self.times[:, None])
        variance = np.where(undefined > 1e-9, np.inf, variance) * self.prior.noise**2
        return means, variance[:, :, None] * np.eye(d)

    def pointwise(self, starts: Array, ends: Array, shares: Array) -> tuple[Array, Array]:
        """See `recursion.Segments`."""
        lppd, variances = pointwise.lppd_and_variances(self._points(starts, ends, shares)[0])
        return lppd - float(np.log(self.prior.noise).sum()), variances

    def squared_errors(self, starts: Array, ends: Array, shares: Array) -> Array:
        """Compute the expected squared innovations in units of their variance, (T, d)."""
        return self._points(starts, ends, shares)[1] / self.weights

    def _points(self, starts: Array, ends: Array, shares: Array) -> tuple[Array, Array]:
        sums, squares = pointwise.new_sums(self.length), np.zeros_like(self.y)
        constants = pointwise.regime_constants(self.prior.freedom + np.arange(self.length + 1), 1)
        trend_sums.add_points(
            self.y, self.times, self._white, starts, ends, shares, *self._hyper, constants, sums, squares
        )
        return sums, squares

    @cached_property
    def _white(self) -> Array:
        return trend_sums.whitening(self.times, self.weights, self.prior.roots)

    @property
    def _hyper(self) -> tuple[Array, float, Array, bool]:
        prior = self.prior
        precision, rounding = (prior.noise / prior.spread) ** 2, (prior.resolution / prior.noise) ** 2 / 12
        return precision, float(prior.freedom), rounding, prior.slopes

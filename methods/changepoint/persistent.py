r"""Regimes of series that persist, observed with known noise at any times.

In a regime, dimension by dimension,

    y_t = level + u_t + r_t + e_t,   Cov(u_s, u_t) = deviation correlation^|s - t|,

with ``level ~ N(0, level)``, ``r_t ~ N(0, residual)`` and ``e_t ~ N(0, noise_t)`` of known variance. u is an
Ornstein-Uhlenbeck process, which is an autoregression of order 1 where times are successive integers. It
starts from its stationary distribution at each change. Series differ in how much they vary: the variances
of u and r are multiplied by a factor of the series, one of `scales` with the probabilities `shares`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from methods.changepoint import persistent_sums
from methods.changepoint.exact import log_count_prior, log_placements, segments_posterior
from methods.changepoint.posterior import ChangePointPosterior

Array = np.ndarray


@dataclass(frozen=True)
class PersistentRegimes:
    """Prior of regimes with persistence, the same for many series.

    Parameters
    ----------
    level : array (d,) > 0
        Variance of the levels of regimes around 0.
    deviation : array (d,) >= 0
        Variance of the persistent deviation u.
    correlation : array (d,)
        Correlation of u at two times that are one unit apart, in [0, 1).
    residual : array (d,) >= 0
        Variance of the independent deviation r.
    scales : array (m,) > 0
        Factors of `deviation` and `residual`.
    shares : array (m,)
        Probability of each factor; the sum is 1.

    Raises
    ------
    ValueError
        If shapes do not agree or a value is out of its range.

    References
    ----------
    Uhlenbeck and Ornstein, Physical Review 36 (1930), for u; Fearnhead, Statistics and Computing 16 (2006),
    for the sum over change points; Yao, Annals of Statistics 12 (1984), for the comparison of levels.
    """

    level: Array
    deviation: Array
    correlation: Array
    residual: Array
    scales: Array
    shares: Array

    def __post_init__(self) -> None:
        for name in ("level", "deviation", "correlation", "residual", "scales", "shares"):
            object.__setattr__(self, name, np.atleast_1d(np.asarray(getattr(self, name), dtype=float)))
        shapes = {self.level.shape, self.deviation.shape, self.correlation.shape, self.residual.shape}
        if len(shapes) != 1 or self.level.ndim != 1 or self.scales.shape != self.shares.shape:
            raise ValueError(
                f"level, deviation, correlation and residual have shapes {shapes}, scales and shares "
                f"{self.scales.shape} and {self.shares.shape}; expected one (d,) and one (m,)"
            )
        ranges = (
            self.level > 0, self.deviation >= 0, self.correlation >= 0, self.correlation < 1,
            self.residual >= 0, self.scales > 0, self.shares >= 0,
        )  # fmt: skip
        if not all(inside.all() for inside in ranges) or abs(self.shares.sum() - 1) > 1e-9:
            raise ValueError(
                f"found {self}; expected level and scales > 0, deviation, residual and shares >= 0, "
                "correlation in [0, 1) and shares with the sum 1"
            )

    @property
    def hypers(self) -> Array:
        """Level, deviation, correlation and residual of each kind: (m, d, 4)."""
        one = np.stack([self.level, self.deviation, self.correlation, self.residual], axis=1)
        return one * np.stack([np.array([1.0, scale, 1.0, scale]) for scale in self.scales])[:, None, :]


@dataclass(frozen=True)
class NoisySeries:
    """A series at increasing times, observed with errors of known variance.

    Attributes
    ----------
    y : array (T, d)
        Observations, finite, around 0.
    times : array (T,)
        Times, strictly increasing.
    noise : array (T, d)
        Variance of the error of each observation, > 0.

    Raises
    ------
    ValueError
        If shapes do not agree or a value is out of its range.
    """

    y: Array
    times: Array
    noise: Array

    def __post_init__(self) -> None:
        for name in ("y", "times", "noise"):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=float))
        if self.y.ndim != 2 or self.noise.shape != self.y.shape or self.times.shape != self.y.shape[:1]:
            raise ValueError(
                f"y, times and noise have shapes {self.y.shape}, {self.times.shape} and {self.noise.shape}; "
                "expected (T, d), (T,) and (T, d)"
            )
        if not (np.isfinite(self.y).all() and np.isfinite(self.noise).all() and (self.noise > 0).all()):
            raise ValueError("y or noise is not finite, or noise is not above 0; drop these rows")
        if not (np.isfinite(self.times).all() and (np.diff(self.times) > 0).all()):
            raise ValueError(f"times are {self.times.tolist()}; expected strictly increasing numbers")


@dataclass(frozen=True)
class PersistentSegments:
    """A series with regimes of one kind, for `recursion`.

    Attributes
    ----------
    series : NoisySeries
    hyper : array (d, 4)
        Level, deviation, correlation and residual.
    """

    series: NoisySeries
    hyper: Array

    @property
    def length(self) -> int:
        """See `recursion.Segments`."""
        return len(self.series.y)

    def ending(self, first: int, last: int) -> Array:
        """See `recursion.Segments`."""
        return self._scores(first, -1, np.full((last - first, self.length), -np.inf))

    def starting(self, first: int, last: int) -> Array:
        """See `recursion.Segments`."""
        return self._scores(first, 1, np.full((last - first, self.length + 1), -np.inf))

    def _scores(self, first: int, step: int, out: Array) -> Array:
        one = self.series
        persistent_sums.score_rows(one.y, one.times, one.noise, first, step, self.hyper, out)
        return out

    def no_regimes(self) -> Array:
        """See `recursion.Segments`."""
        return np.zeros(self.series.y.shape)

    def add_regimes(self, first: int, probabilities: Array, steps: Array) -> None:
        """See `recursion.Segments`."""
        one = self.series
        persistent_sums.add_courses(one.y, one.times, one.noise, first, probabilities, self.hyper, steps)

    def regimes(self, steps: Array) -> tuple[Array, Array]:
        """See `recursion.Segments`; the mean is of level + u, the covariance of r."""
        return steps, np.tile(np.diag(self.hyper[:, 3]), (self.length, 1, 1))

    def pointwise(self, starts: Array, ends: Array, shares: Array) -> tuple[Array, Array]:
        """Raise NotImplementedError: these regimes have no WAIC."""
        raise NotImplementedError("persistent regimes have no WAIC; compare models by log_evidence")


@dataclass(frozen=True)
class ChangePrior:
    """Prior of the change points: see `exact_posterior`.

    Attributes
    ----------
    rate : float > 0
        Expected number of changes before truncation.
    min_length : int >= 1
        Shortest regime, in observations.
    k_max : int >= 0
        Largest number of changes.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    rate: float
    min_length: int = 1
    k_max: int = 20

    def __post_init__(self) -> None:
        if not (self.rate > 0 and self.min_length >= 1 and self.k_max >= 0):
            raise ValueError(f"found {self}; expected rate > 0, min_length >= 1, k_max >= 0")


def persistent_posterior(
    series: NoisySeries, prior: PersistentRegimes, changes: ChangePrior
) -> ChangePointPosterior:
    """Compute the exact posterior of change points under persistent regimes.

    It is the average over the factors of the prior, weighted by their evidence. The most probable
    segmentation is that of the most probable factor.

    Parameters
    ----------
    series : NoisySeries
    prior : PersistentRegimes
    changes : ChangePrior

    Returns
    -------
    ChangePointPosterior
        Without draws and WAIC. `regime_means` are of level + u, `regime_covariances` those of r.

    Raises
    ------
    ValueError
        If the dimensions differ or the series is shorter than the shortest regime.
    """
    _require_fit(series, prior, changes.min_length)
    parts = []
    for hyper, share in zip(prior.hypers, prior.shares, strict=True):
        if share > 0:
            segments = PersistentSegments(series, hyper)
            part = segments_posterior(
                segments, changes.rate, changes.min_length, changes.k_max, draws=0, seed=0
            )
            parts.append(replace(part, log_evidence=part.log_evidence + float(np.log(share))))
    logs = np.array([part.log_evidence for part in parts])
    total = float(np.logaddexp.reduce(logs))
    weights = np.exp(logs - total)

    def mean(name: str) -> Array:
        return np.tensordot(weights, np.stack([getattr(part, name) for part in parts]), axes=1)

    return replace(
        parts[int(np.argmax(logs))],
        location_probability=mean("location_probability"),
        count_probability=mean("count_probability"),
        regime_means=mean("regime_means"),
        regime_covariances=mean("regime_covariances"),
        log_evidence=total,
    )


def evidence_by_count(
    y: Array, series: NoisySeries, prior: PersistentRegimes, min_length: int = 1, k_max: int = 20
) -> Array:
    """Compute the evidence of each number of changes, for many series at once.

    Parameters
    ----------
    y : array (series, T, d)
        Observations with the times and error variances of `series`.
    series : NoisySeries
    prior : PersistentRegimes
    min_length, k_max
        As in `ChangePrior`.

    Returns
    -------
    array (series, counts)
        ``log p(y | K = k) - log p(y | K = 0)`` for each k that fits in the series, so that a prior of the
        number of changes gives the posterior. Infinite beyond ``exp(700)``.

    Raises
    ------
    ValueError
        If shapes do not agree or the series is shorter than the shortest regime.
    """
    _require_fit(series, prior, min_length)
    if y.ndim != 3 or y.shape[1:] != series.y.shape:
        raise ValueError(f"y has shape {y.shape}; expected (series, {', '.join(map(str, series.y.shape))})")
    placements = log_placements(len(series.y), min_length, k_max)
    out = np.empty((len(y), len(placements)))
    used = prior.shares > 0
    persistent_sums.evidence_by_count(
        np.ascontiguousarray(y, dtype=float), series.times, series.noise, prior.hypers[used],
        np.log(prior.shares[used]), placements, min_length, out,
    )  # fmt: skip
    return out


def log_odds_of_change(evidence: Array, rate: float) -> Array:
    """Compute ``log P(K >= 1 | y) - log P(K = 0 | y)`` from `evidence_by_count`.

    Parameters
    ----------
    evidence : array (series, counts)
    rate : float > 0
        As in `ChangePrior`.

    Returns
    -------
    array (series,)
        -inf where no change fits in the series.
    """
    log_counts = log_count_prior(evidence.shape[1] - 1, rate)
    return np.asarray(np.logaddexp.reduce(evidence[:, 1:] + log_counts[1:], axis=1) - log_counts[0])


def _require_fit(series: NoisySeries, prior: PersistentRegimes, min_length: int) -> None:
    if series.y.shape[1] != prior.level.size:
        raise ValueError(f"y has {series.y.shape[1]} dimensions; expected {prior.level.size}, as the prior")
    if not 1 <= min_length <= len(series.y):
        raise ValueError(f"min_length is {min_length}; expected 1 to the {len(series.y)} observations of y")

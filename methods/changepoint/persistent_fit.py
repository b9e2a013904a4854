"""Fit persistent regimes to many series, and then a rate of changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit

from methods.changepoint import persistent_sums
from methods.changepoint.exact import log_count_prior
from methods.changepoint.persistent import NoisySeries, PersistentRegimes

Array = np.ndarray

SCALES = (0.1, 0.4, 0.8, 1.6, 3.2)
# Logarithms of level, deviation and residual over the variance of y, and the logit of the correlation.
_BOUNDS = ((-9.0, 3.0), (-9.0, 3.0), (-9.0, 3.0), (-4.0, 8.0))
_STARTS = (0.0, 2.0, 4.0)


@dataclass(frozen=True)
class FittedRegimes:
    """A fitted prior.

    Attributes
    ----------
    prior : PersistentRegimes
    log_likelihood : float
        Of all series without changes, in nats.
    """

    prior: PersistentRegimes
    log_likelihood: float


def fit_persistent(
    series: Sequence[NoisySeries], scales: Sequence[float] = SCALES, rounds: int = 3
) -> FittedRegimes:
    """Fit the prior of persistent regimes by maximum likelihood, without changes.

    By expectation-maximisation over the factor of each series, from the fit with one factor. The shares of
    the factors converge in each round; the parameters of each dimension are then maximised given the
    posterior of the factors.

    Parameters
    ----------
    series : sequence of NoisySeries
        At least two, in the same dimensions.
    scales : sequence of float > 0
        Factors of the variances of the deviations.
    rounds : int >= 0
        Fits of the parameters given the factors.

    Returns
    -------
    FittedRegimes

    Raises
    ------
    ValueError
        If there are fewer than two series, or `rounds` is below 0.

    References
    ----------
    Dempster, Laird and Rubin, JRSS B 39 (1977); Kiefer and Wolfowitz, Annals of Mathematical Statistics 27
    (1956), for the distribution of the factors.
    """
    if len(series) < 2 or rounds < 0:
        raise ValueError(f"expected two series or more and rounds >= 0; found {len(series)}, {rounds}")
    panel = _Panel.of(series)
    factors, sure = np.asarray(scales, dtype=float), np.ones((1, len(series)))
    dimensions = range(panel.y.shape[1])
    hyper = np.stack([_fit_dimension(panel, a, np.ones(1), sure, None) for a in dimensions])
    shares = np.full(len(factors), 1 / len(factors))
    for turn in range(rounds + 1):
        logs = panel.log_likelihoods(_prior(hyper, factors, shares))
        shares, posterior, total = _fit_shares(logs, shares)
        if turn < rounds:
            hyper = np.stack([_fit_dimension(panel, a, factors, posterior, hyper[a]) for a in dimensions])
    return FittedRegimes(_prior(hyper, factors, shares), total)


def _prior(hyper: Array, factors: Array, shares: Array) -> PersistentRegimes:
    level, deviation, correlation, residual = hyper.T
    return PersistentRegimes(level, deviation, correlation, residual, factors, shares)


@dataclass(frozen=True)
class FittedRate:
    """A fitted number of changes.

    Attributes
    ----------
    rate : float
        Expected number of changes of a series.
    gain : float >= 0
        Log evidence of all series at this rate over that without changes, in nats. Twice the gain is the
        likelihood ratio statistic of one parameter at the boundary of its range.
    """

    rate: float
    gain: float


def fit_rate(evidence: Sequence[Array]) -> FittedRate:
    """Fit the expected number of changes of many series, by maximum likelihood.

    Parameters
    ----------
    evidence : sequence of array (counts,)
        Of each series, from `evidence_by_count`.

    Returns
    -------
    FittedRate
        The rate is between 1e-4, where changes explain nothing, and 10.

    Raises
    ------
    ValueError
        If there is no series.
    """
    if not evidence:
        raise ValueError("there is no series to fit a rate to; expected at least one")

    def gain(log_rate: float) -> float:
        rate = math.exp(log_rate)
        return sum(float(np.logaddexp.reduce(one + log_count_prior(len(one) - 1, rate))) for one in evidence)

    result = minimize_scalar(
        lambda log_rate: -gain(log_rate), bounds=(math.log(1e-4), math.log(10)), method="bounded"
    )
    return FittedRate(math.exp(result.x), max(-float(result.fun), 0.0))


@dataclass(frozen=True)
class _Panel:
    """Series one after the other; series g has the rows ``bounds[g]:bounds[g + 1]``."""

    y: Array
    times: Array
    noise: Array
    bounds: Array

    @classmethod
    def of(cls, series: Sequence[NoisySeries]) -> _Panel:
        return cls(
            np.concatenate([one.y for one in series]),
            np.concatenate([one.times for one in series]),
            np.concatenate([one.noise for one in series]),
            np.cumsum([0, *(len(one.y) for one in series)]),
        )

    def of_dimension(self, a: int, hyper: Sequence[float]) -> Array:
        """Compute the log likelihood of each series in one dimension."""
        out = np.empty(len(self.bounds) - 1)
        level, deviation, correlation, residual = map(float, hyper)
        persistent_sums.log_likelihoods(
            np.ascontiguousarray(self.y[:, a]), self.times, np.ascontiguousarray(self.noise[:, a]),
            self.bounds, level, deviation, correlation, residual, out,
        )  # fmt: skip
        return out

    def log_likelihoods(self, prior: PersistentRegimes) -> Array:
        """Compute the log likelihood of each factor and series, (m, series)."""
        return np.stack(
            [sum(self.of_dimension(a, one) for a, one in enumerate(kind)) for kind in prior.hypers]
        )


def _fit_dimension(panel: _Panel, a: int, factors: Array, posterior: Array, start: Array | None) -> Array:
    """Maximise the expected log likelihood over the hyperparameters."""
    variance = panel.y[:, a].var()

    def hyper(x: Array) -> Array:
        level, deviation, residual = variance * np.exp(x[:3])
        return np.array([level, deviation, expit(x[3]), residual])

    def loss(x: Array) -> float:
        level, deviation, correlation, residual = hyper(x)
        return -sum(
            float(weight @ panel.of_dimension(a, (level, deviation * factor, correlation, residual * factor)))
            for factor, weight in zip(factors, posterior, strict=True)
        )

    if start is None:
        starts = [np.array([-1.0, -1.0, -2.0, correlation]) for correlation in _STARTS]
    else:
        starts = [np.array([*np.log(start[[0, 1, 3]] / variance), logit(start[2])])]
    results = [minimize(loss, x, method="L-BFGS-B", bounds=_BOUNDS) for x in starts]
    return hyper(min(results, key=lambda result: result.fun).x)


def _fit_shares(logs: Array, shares: Array) -> tuple[Array, Array, float]:
    """Maximise over the shares of the factors.

    Return them, the posterior of the factors and the log likelihood.
    """
    for _ in range(200):
        posterior, total = factor_probabilities(logs, shares)
        shares = posterior.mean(axis=1)
    posterior, total = factor_probabilities(logs, shares)
    return shares, posterior, float(total.sum())


def factor_probabilities(logs: Array, shares: Array) -> tuple[Array, Array]:
    """Return the posterior (m, series) of the factors and the log evidence."""
    with np.errstate(divide="ignore"):  # a share may be 0
        joint = logs + np.log(shares)[:, None]
    total = np.logaddexp.reduce(joint, axis=0)
    return np.exp(joint - total), total

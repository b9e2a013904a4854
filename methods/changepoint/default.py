"""Default detector: season, tails and prior chosen from the series alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from methods.changepoint.counts import CountRegimes
from methods.changepoint.decision import best_agreement
from methods.changepoint.exact import count_evidence, exact_posterior
from methods.changepoint.posterior import ChangePointPosterior
from methods.changepoint.robust import robust_posterior
from methods.changepoint.seasonal import seasonal_component
from methods.changepoint.trend import TrendRegimes

Array = np.ndarray

RATE = 1.0
# One more than the parameters of a one-dimensional regime: level, slope, variance, two roots.
MIN_LENGTH = 6
K_MAX = 20
TAILS = (4.0, math.inf)
# Larger counts are close to Normal, and may have a trend and persistence.
SMALL_COUNT = 30
DISPERSIONS = (0.5, 1.0, 2.0, 5.0, 20.0, math.inf)


# Evidence, posterior, periods, tail and dispersion of one model of the series.
Candidate = tuple[float, ChangePointPosterior, tuple[int, ...], float, float | None]


@dataclass(frozen=True)
class Detection:
    """Result of the default detector.

    Attributes
    ----------
    locations : array of int (k,)
        Estimated change points, see `decision.best_agreement`.
    posterior : ChangePointPosterior
        Posterior for the series less its seasonal component.
    periods : tuple of int (d,)
        Period of the season removed from each dimension; 1 without a season.
    tail : float
        Degrees of freedom of the innovations: 4, or inf if they are Normal or the series are counts.
    dispersion : float or None
        Dispersion of regimes of counts, inf if they are Poisson; None if regimes have a trend.
    """

    locations: Array
    posterior: ChangePointPosterior
    periods: tuple[int, ...]
    tail: float
    dispersion: float | None = None


def detect(y: Array, *, draws: int = 1000, seed: int = 0) -> Detection:
    """Detect change points in any series, with the same settings for all.

    Regimes have a level or a trend and autocorrelated noise; their prior comes from robust statistics of
    the series. One change is expected. The evidence decides whether a periodic season is removed, at the
    cost of its parameters (Schwarz), and whether innovations are Normal or Student. The evidence under
    Student innovations is a lower bound.

    Integers >= 0 with a median of at most 30 may also be counts, Poisson or negative binomial (see
    `counts`), if that has the higher evidence: the probability of an integer is compared with the density
    over its unit.

    Parameters
    ----------
    y : array (T, d) or (T,)
        Observations in order; a row with NaN is a missing observation.
    draws, seed : int
        See `exact_posterior`.

    Returns
    -------
    Detection

    Raises
    ------
    ValueError
        If the series has fewer than 6 complete observations or a constant dimension.

    References
    ----------
    docs/methods/changepoint.md explains the choice of each part; spec 3 section 4.
    """
    y = np.asarray(y, dtype=float)
    y = y[:, None] if y.ndim == 1 else y
    candidates: list[Candidate] = []
    for rest, periods, cost in _with_and_without_season(y):
        prior = TrendRegimes.robust(rest)
        for tail in TAILS:
            posterior_of = exact_posterior if math.isinf(tail) else partial(robust_posterior, tail=tail)
            posterior = posterior_of(rest, prior, RATE, MIN_LENGTH, K_MAX, draws=draws, seed=seed)
            candidates.append((posterior.log_evidence - cost, posterior, periods, tail, None))
    candidates += _of_counts(y, draws, seed)
    _, posterior, periods, tail, dispersion = max(candidates, key=lambda candidate: candidate[0])
    return Detection(best_agreement(posterior), posterior, periods, tail, dispersion)


def _of_counts(y: Array, draws: int, seed: int) -> list[Candidate]:
    """Return the posterior under counts of the best dispersion, if y are counts."""
    if not (np.isfinite(y).all() and (y >= 0).all() and (y == np.floor(y)).all()):
        return []
    if (np.median(y, axis=0) > SMALL_COUNT).any():
        return []
    priors = [CountRegimes.unit(y, dispersion) for dispersion in DISPERSIONS]
    logs = [np.logaddexp.reduce(count_evidence(y, prior, RATE, MIN_LENGTH, K_MAX)) for prior in priors]
    best = priors[int(np.argmax(logs))]
    # The dispersion is one of several: its prior probability is part of the evidence.
    cost = math.log(len(priors))
    posterior = exact_posterior(y, best, RATE, MIN_LENGTH, K_MAX, draws=draws, seed=seed)
    return [(posterior.log_evidence - cost, posterior, (1,) * y.shape[1], math.inf, best.dispersion)]


def _with_and_without_season(y: Array) -> list[tuple[Array, tuple[int, ...], float]]:
    """Return the series as it is and, if there is a season, without it.

    Each with the periods removed and the cost of their parameters in log evidence.
    """
    choices = [(y, (1,) * y.shape[1], 0.0)]
    components, periods, costs = zip(*(seasonal_component(column) for column in y.T), strict=True)
    if max(periods) > 1:
        choices.append((y - np.stack(components, axis=1), periods, sum(costs)))
    return choices

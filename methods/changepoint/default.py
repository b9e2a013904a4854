"""Default detector: season, tails and prior chosen from the series alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from methods.changepoint.decision import best_agreement
from methods.changepoint.exact import exact_posterior
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
        Degrees of freedom of the innovations: 4, or inf if they are Normal.
    """

    locations: Array
    posterior: ChangePointPosterior
    periods: tuple[int, ...]
    tail: float


def detect(y: Array, *, draws: int = 1000, seed: int = 0) -> Detection:
    """Detect change points in any series, with the same settings for all.

    Regimes have a level or a trend and autocorrelated noise; their prior comes from robust statistics of
    the series. One change is expected. The evidence decides whether a periodic season is removed, at the
    cost of its parameters (Schwarz), and whether innovations are Normal or Student. The evidence under
    Student innovations is a lower bound.

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
    candidates = []
    for rest, periods, cost in _with_and_without_season(y):
        prior = TrendRegimes.robust(rest)
        for tail in TAILS:
            posterior_of = exact_posterior if math.isinf(tail) else partial(robust_posterior, tail=tail)
            posterior = posterior_of(rest, prior, RATE, MIN_LENGTH, K_MAX, draws=draws, seed=seed)
            candidates.append((posterior.log_evidence - cost, posterior, periods, tail))
    _, posterior, periods, tail = max(candidates, key=lambda candidate: candidate[0])
    return Detection(best_agreement(posterior), posterior, periods, tail)


def _with_and_without_season(y: Array) -> list[tuple[Array, tuple[int, ...], float]]:
    """Return the series as it is and, if there is a season, without it.

    Each with the periods removed and the cost of their parameters in log evidence.
    """
    choices = [(y, (1,) * y.shape[1], 0.0)]
    components, periods, costs = zip(*(seasonal_component(column) for column in y.T), strict=True)
    if max(periods) > 1:
        choices.append((y - np.stack(components, axis=1), periods, sum(costs)))
    return choices

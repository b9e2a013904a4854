"""One setting for any series: season, tails, prior and decision, chosen without looking at an answer."""

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
# More observations than a regime of one dimension has parameters: level, slope, variance, two roots.
MIN_LENGTH = 6
K_MAX = 20
TAILS = (4.0, math.inf)


@dataclass(frozen=True)
class Detection:
    """What the default setting finds in a series.

    Attributes
    ----------
    locations : array of int (k,)
        The change points to report, see `decision.best_agreement`.
    posterior : ChangePointPosterior
        Of the series less its seasonal component.
    periods : tuple of int (d,)
        Period of the season taken out of each dimension; 1 where there is none.
    tail : float
        Degrees of freedom of the innovations: 4, or inf where they are Normal.
    """

    locations: Array
    posterior: ChangePointPosterior
    periods: tuple[int, ...]
    tail: float


def detect(y: Array, *, draws: int = 1000, seed: int = 0) -> Detection:
    """Change points of any series, with one setting for all.

    Regimes have a level or a trend and noise with autocorrelation, their prior from robust statistics of
    the series; one change is expected. The evidence decides whether a season that repeats is taken out, at
    the price of its parameters (Schwarz), and whether innovations are Normal or Student, whose evidence
    is a lower bound.

    Parameters
    ----------
    y : array (T, d) or (T,)
        Observations in order; a row with NaN is a missing one.
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
    docs/methods/changepoint.md says how each part was chosen; spec 3 section 4.
    """
    y = np.asarray(y, dtype=float)
    y = y[:, None] if y.ndim == 1 else y
    found = []
    for rest, periods, price in _with_and_without_season(y):
        prior = TrendRegimes.robust(rest)
        for tail in TAILS:
            posterior_of = exact_posterior if math.isinf(tail) else partial(robust_posterior, tail=tail)
            posterior = posterior_of(rest, prior, RATE, MIN_LENGTH, K_MAX, draws=draws, seed=seed)
            found.append((posterior.log_evidence - price, posterior, periods, tail))
    _, posterior, periods, tail = max(found, key=lambda one: one[0])
    return Detection(best_agreement(posterior), posterior, periods, tail)


def _with_and_without_season(y: Array) -> list[tuple[Array, tuple[int, ...], float]]:
    """What is left of the series, the periods taken out, and what their parameters cost in log evidence."""
    choices = [(y, (1,) * y.shape[1], 0.0)]
    components, periods, costs = zip(*(seasonal_component(column) for column in y.T), strict=True)
    if max(periods) > 1:
        choices.append((y - np.stack(components, axis=1), periods, sum(costs)))
    return choices

"""One setting for any series: season, prior, tails and decision, chosen without looking at an answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.changepoint.decision import best_agreement
from methods.changepoint.posterior import ChangePointPosterior
from methods.changepoint.robust import robust_posterior
from methods.changepoint.seasonal import seasonal_component
from methods.changepoint.trend import TrendRegimes

Array = np.ndarray

RATE = 1.0
# More observations than a regime of one dimension has parameters: level, slope, variance, autocorrelation.
MIN_LENGTH = 5
K_MAX = 20


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
    """

    locations: Array
    posterior: ChangePointPosterior
    periods: tuple[int, ...]


def detect(y: Array, *, draws: int = 1000, seed: int = 0) -> Detection:
    """Change points of any series, with one setting for all.

    A season that repeats is taken out; regimes have a level or a trend and autocorrelated Student
    innovations, their prior from robust statistics of the series; one change is expected.

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
        If the series has fewer than 5 complete observations or a constant dimension.

    References
    ----------
    docs/methods/changepoint.md says how each part was chosen; spec 3 section 4.
    """
    y = np.asarray(y, dtype=float)
    y = y[:, None] if y.ndim == 1 else y
    seasons = [seasonal_component(column) for column in y.T]
    rest = y - np.stack([component for component, _ in seasons], axis=1)
    prior = TrendRegimes.robust(rest)
    posterior = robust_posterior(rest, prior, RATE, MIN_LENGTH, K_MAX, draws=draws, seed=seed)
    return Detection(best_agreement(posterior), posterior, tuple(period for _, period in seasons))

r"""A linear forecaster of many series that can be made sparse and smooth.

Inputs of a row, all from earlier rows: the last value of each dimension, its mean over the unit's past
with weights that decay with age, and its mean over all units in the years before. The weights of one
target minimise

.. math::
    \frac{1}{2n} \sum_i (y_i - x_i'b)^2 + \frac{c}{2m} \sum_s (\Delta_s'b)^2
        + \frac{\rho}{2} |b|^2 + \lambda |b|_1

with standardised x and y. :math:`\Delta_s` is the change of the inputs between two successive rows of a
unit, so :math:`\Delta_s'b` is the step of the forecast, which the second term makes small (specification
3, §7.1: accuracy, temporal consistency, sparsity). The first two terms need the data only through two
matrices; coordinate descent on them takes milliseconds.

References
----------
Friedman, Hastie and Tibshirani, "Regularization paths for generalized linear models via coordinate
descent", Journal of Statistical Software 33 (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.compiled import compiled
from methods.temporal.panel import Floats, Ints, Panel, position, previous

YEARS = 5
"""Years before a row over which the mean of all units is taken."""


@dataclass(frozen=True)
class Settings:
    """Penalties and memory of a forecaster.

    Attributes
    ----------
    lasso, ridge, smooth : float
        lambda, rho and c of the equation, >= 0.
    half_life : float
        Age in units of time at which a past row counts half, > 0.
    exponent : float
        A past row of n values counts n to this power; 0 counts rows, 1 counts values.
    pull : float
        Weight of the mean of all units in the mean of a unit's past, >= 0.
    """

    lasso: float
    ridge: float
    smooth: float
    half_life: float
    exponent: float
    pull: float


@dataclass(frozen=True)
class SparseForecast:
    """Forecasts (n, t) and weights of the standardised inputs (t, 3 d)."""

    forecast: Floats
    weights: Floats


@dataclass(frozen=True)
class History:
    """Parts of the inputs that no setting changes.

    Attributes
    ----------
    panel : Panel
        n rows of d dimensions.
    last, population : (n, d) float
        Last value of the unit, NaN in its first row, and mean of all units in the years before.
    earlier : (n,) int
        Index of the row before a row in its unit, -1 for the first.
    waves : tuple of int arrays
        Indices of the first rows of all units, of their second rows, and so on.
    """

    panel: Panel
    last: Floats
    population: Floats
    earlier: Ints
    waves: tuple[Ints, ...]


def history_of(panel: Panel) -> History:
    """Prepare a panel for many forecasts with different settings."""
    place = position(panel.unit)
    order = np.lexsort((place, panel.unit))
    earlier = np.full(len(place), -1)
    earlier[order[1:]] = np.where(np.diff(panel.unit[order]) == 0, order[:-1], -1)
    by_place = np.argsort(place, kind="stable")
    waves = np.split(by_place, np.flatnonzero(np.diff(place[by_place])) + 1)
    return History(panel, previous(panel.mean, panel.unit), _population(panel), earlier, tuple(waves))


def inputs(history: History, settings: Settings) -> Floats:
    """Return the inputs of each row, (n, 3 d); NaN in the first row of a unit."""
    mean = decayed_mean(history, settings.half_life, settings.exponent, settings.pull)
    return np.hstack([history.last, mean, history.population])


def decayed_mean(history: History, half_life: float, exponent: float, pull: float) -> Floats:
    """Compute the mean of a unit's earlier rows with weights that halve with age.

    Parameters
    ----------
    history : History
    half_life, exponent, pull : float
        See `Settings`.

    Returns
    -------
    (n, d) float
        NaN in the first row of a unit.
    """
    panel = history.panel
    weight = panel.count**exponent
    total, mass = np.zeros_like(panel.mean), np.zeros(len(weight))
    for rows in history.waves[1:]:
        before = history.earlier[rows]
        keep = 0.5 ** ((panel.time[rows] - panel.time[before]) / half_life)
        mass[rows] = keep * (mass[before] + weight[before])
        total[rows] = keep[:, None] * (total[before] + weight[before, None] * panel.mean[before])
    pulled = (total + pull * history.population) / np.where(mass > 0, mass + pull, np.nan)[:, None]
    return np.asarray(pulled)


def _population(panel: Panel) -> Floats:
    """Return the mean of all units in the years before a row; of the first years, 0."""
    blocks, index = np.unique(panel.block, return_inverse=True)
    total = np.zeros((len(blocks), panel.mean.shape[1]))
    np.add.at(total, index, panel.mean)
    rows = np.bincount(index).astype(float)
    near = (blocks[:, None] > blocks[None, :]) & (blocks[:, None] - blocks[None, :] <= YEARS)
    counted = near @ rows
    mean = np.divide(near @ total, counted[:, None], out=np.zeros_like(total), where=counted[:, None] > 0)
    return mean[index]


def forecast(history: History, settings: Settings, learn: NDArray[np.bool_], targets: int) -> SparseForecast:
    """Fit the weights on some rows and forecast all rows.

    Parameters
    ----------
    history : History
    settings : Settings
    learn : (n,) bool
        Rows with at least one earlier row of their unit.
    targets : int
        Number of dimensions to forecast: the first ones.

    Returns
    -------
    SparseForecast
        NaN in the first row of a unit.
    """
    x, y = inputs(history, settings), history.panel.mean[learn, :targets]
    known = x[learn]
    centre, spread = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-9)
    middle, scale = y.mean(axis=0), np.maximum(y.std(axis=0), 1e-9)
    z = (known - centre) / spread
    later = np.flatnonzero(learn)
    later = later[learn[history.earlier[later]]]
    steps = (x[later] - x[history.earlier[later]]) / spread
    gram = z.T @ z / len(z) + settings.ridge * np.eye(x.shape[1])
    gram += settings.smooth * steps.T @ steps / max(len(steps), 1)
    moment = z.T @ ((y - middle) / scale) / len(z)
    weights = np.array([lasso(gram, column, settings.lasso) for column in moment.T])
    slopes = scale[:, None] * weights / spread
    return SparseForecast(middle - slopes @ centre + x @ slopes.T, weights)


def lasso(gram: Floats, moment: Floats, penalty: float, tolerance: float = 1e-7) -> Floats:
    r"""Minimise :math:`b'Gb/2 - m'b + \lambda |b|_1` by coordinate descent.

    Parameters
    ----------
    gram : (p, p) float
        Positive semidefinite, with a positive diagonal.
    moment : (p,) float
    penalty : float
        lambda >= 0.
    tolerance : float
        Largest change of a weight in the last sweep.
    """
    weights = np.zeros(len(moment))
    _descend(np.ascontiguousarray(gram), np.ascontiguousarray(moment), penalty, tolerance, weights)
    return weights


@compiled
def _descend(gram: Floats, moment: Floats, penalty: float, tolerance: float, weights: Floats) -> None:
    slope = moment.copy()
    for _ in range(5_000):
        largest = 0.0
        for j in range(len(weights)):
            free = slope[j] + gram[j, j] * weights[j]
            value = max(abs(free) - penalty, 0.0) * np.sign(free) / gram[j, j]
            change = value - weights[j]
            if change != 0.0:
                slope -= change * gram[j]
                weights[j] = value
                largest = max(largest, abs(change))
        if largest < tolerance:
            break

"""Baseline forecasts, each from earlier rows of the same unit only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from methods.temporal.panel import Floats, Panel, before, position, previous

Mask = NDArray[np.bool_]


def last_value(panel: Panel) -> Floats:
    """Forecast `m_t = y_{t-1}`; NaN in the first row of a unit."""
    return previous(panel.mean, panel.unit)


def unit_mean(panel: Panel) -> Floats:
    """Forecast the mean of all earlier songs, `sum_{s<t} n_s y_s / sum_{s<t} n_s`."""
    songs = before(panel.count, panel.unit)[:, None]
    total = before(panel.mean * panel.count[:, None], panel.unit)
    return np.divide(total, songs, out=np.full_like(total, np.nan), where=songs > 0)


def autoregression(panel: Panel, learn: Mask, *, mean: bool) -> Floats:
    """Forecast by autoregression, `m_t = a + b y_{t-1} (+ c mean_{t-1})`.

    The coefficients are fitted by least squares over the rows of `learn`.

    Parameters
    ----------
    panel : Panel
    learn : (n,) bool
        Rows with at least one earlier row.
    mean : bool
        Whether the mean of the unit is a regressor.
    """
    last, average = last_value(panel), unit_mean(panel)
    out = np.empty_like(panel.mean)
    for column in range(panel.mean.shape[1]):
        parts = [np.ones(len(last)), last[:, column]] + ([average[:, column]] if mean else [])
        x = np.column_stack(parts)
        slope = np.linalg.lstsq(x[learn], panel.mean[learn, column], rcond=None)[0]
        out[:, column] = x @ slope
    return out


def history_summary(panel: Panel) -> Floats:
    """Compute features for gradient boosting.

    The last two values, mean and spread of every dimension, and calendar features.

    Returns
    -------
    (n, 4 d + 5) float
        NaN without the necessary past.
    """
    last = last_value(panel)
    average = unit_mean(panel)
    seen = position(panel.unit)[:, None]
    plain = before(panel.mean, panel.unit)
    squares = before(panel.mean**2, panel.unit)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(np.maximum(squares / seen - (plain / seen) ** 2, 0))
    before_last = previous(last, panel.unit)
    last_time = previous(panel.time, panel.unit)
    order = np.column_stack(
        [
            panel.block,
            panel.time - last_time,
            position(panel.unit),
            before(panel.count, panel.unit),
            previous(panel.count, panel.unit),
        ]
    )
    return np.hstack([last, before_last, average, spread, order])


def boosting(seed: int) -> HistGradientBoostingRegressor:
    """Return the untrained model of `gradient_boosting`."""
    return HistGradientBoostingRegressor(
        max_iter=100, learning_rate=0.05, max_leaf_nodes=8, min_samples_leaf=40,
        early_stopping=False, random_state=seed,
    )  # fmt: skip


def gradient_boosting(panel: Panel, learn: Mask, columns: list[int], seed: int) -> Floats:
    """Forecast by gradient boosting on `history_summary`, one model per dimension.

    Parameters
    ----------
    panel : Panel
    learn : (n,) bool
    columns : list of int
        Dimensions to forecast; the others are features only.
    seed : int

    Returns
    -------
    (n, len(columns)) float
    """
    x = history_summary(panel)
    out = np.empty((len(x), len(columns)))
    for place, column in enumerate(columns):
        # on small tables threads wait for each other longer than they work
        with threadpool_limits(limits=1):
            out[:, place] = boosting(seed).fit(x[learn], panel.mean[learn, column]).predict(x)
    return out

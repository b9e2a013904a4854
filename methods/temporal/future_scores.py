"""Scores of predictions of later years compared with baseline forecasts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.temporal.baselines import autoregression, last_value, unit_mean
from methods.temporal.panel import Floats, Panel, position


class FutureScore(NamedTuple):
    """Scores of one forecaster.

    Root mean square error, skill (1 - MSE / MSE of the unit's mean) and mean log density.
    """

    rmse: float
    skill: float
    log_density: float


def future_scores(
    panel: Panel, past: NDArray[np.bool_], mean: Floats, log_density: Floats
) -> dict[str, FutureScore]:
    """Score forecasts of the first dimension on later rows.

    Parameters
    ----------
    panel : Panel
    past : (n,) bool
        Rows from which the baselines learn coefficients and one error variance each.
    mean, log_density : (n,) float
        Mean of the model's forecast of each row, and its log density of the observed value.

    Returns
    -------
    dict
        Scores by forecaster; ``Gaussian process`` is the model.
    """
    learn, later = past & (position(panel.unit) > 0), ~past
    truth = panel.mean[:, 0]
    plain = {
        "persistence": last_value(panel)[:, 0],
        "artist's mean": unit_mean(panel)[:, 0],
        "autoregression": autoregression(panel, learn, mean=True)[:, 0],
    }
    squares = {name: (truth - guess) ** 2 for name, guess in plain.items()}
    densities = {name: _log_density(error, float(error[learn].mean())) for name, error in squares.items()}
    squares["Gaussian process"] = (truth - mean) ** 2
    densities["Gaussian process"] = log_density
    base = squares["artist's mean"][later].mean()
    return {
        name: FutureScore(
            float(np.sqrt(error[later].mean())),
            float(1 - error[later].mean() / base),
            float(densities[name][later].mean()),
        )
        for name, error in squares.items()
    }


def _log_density(squares: Floats, variance: float) -> Floats:
    return -0.5 * (squares / variance + np.log(2 * np.pi * variance))


def covered(value: Floats, mean: Floats, sd: Floats) -> float:
    """Compute the share of values within the central 90 % of normal forecasts."""
    return float((np.abs(value - mean) <= 1.6449 * sd).mean())

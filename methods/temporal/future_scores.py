"""How well later years are foretold: the careers' model beside the plain forecasts it has to beat."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.temporal.baselines import autoregression, last_value, unit_mean
from methods.temporal.panel import Floats, Panel, position


class FutureScore(NamedTuple):
    """Of one forecaster: root mean square error, 1 - MSE / MSE of the unit's mean, mean log density."""

    rmse: float
    skill: float
    log_density: float


def future_scores(
    panel: Panel, past: NDArray[np.bool_], mean: Floats, log_density: Floats
) -> dict[str, FutureScore]:
    """Score forecasts of the first dimension on the rows that are not past.

    Parameters
    ----------
    panel : Panel
    past : (n,) bool
        The plain forecasts learn their coefficients, and one error variance each, from these rows.
    mean, log_density : (n,) float
        Of our forecast of each row: the mean, and the log density of the value that came.

    Returns
    -------
    dict
        By the forecaster's name; ``Gaussian process`` is ours.
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
    """Share of values within the central 90 % of normal forecasts."""
    return float((np.abs(value - mean) <= 1.6449 * sd).mean())

"""Three aims of a forecast: accuracy, steady forecasts, few inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.search.box import Box
from methods.temporal.baselines import unit_mean
from methods.temporal.cross_fit import folds_of
from methods.temporal.panel import Panel
from methods.temporal.sparse_forecast import History, Settings, forecast, history_of
from tasks.emotion.contracts.search import AIMS
from tasks.emotion.forecast.targets import Task
from tasks.emotion.params import SearchParams

Floats = np.ndarray
Mask = NDArray[np.bool_]

NAMES = ("lasso", "ridge", "smooth", "half_life", "exponent", "pull")
"""Variables of the search in order."""
LINEAR = frozenset({"exponent"})
"""Variables that are not searched by their logarithm."""


@dataclass(frozen=True)
class Score:
    """Aims of one setting, on the artists of the search and on the others.

    Attributes
    ----------
    aims, others : (3,) float
        In the order of `AIMS`.
    norm : float
        Sum of the absolute weights.
    """

    aims: Floats
    others: Floats
    norm: float

    @property
    def useful(self) -> Floats:
        """Aims that the search minimises.

        A useless forecast has the worst step and share. Without this rule most of the front is worse
        than the artist's mean, up to the constant forecast.
        """
        return self.aims if self.aims[0] < 1 else np.r_[self.aims[0], 1.0, 1.0]


@dataclass(frozen=True)
class Yardstick:
    """Rows on which forecasts are scored, and what to compare them with.

    Attributes
    ----------
    rows : (n,) bool
        Validation years of some artists.
    later : (k,) int
        Those whose artist has a forecast of the year before too.
    mean_error, observed_step : (targets,) float
        Mean square error of the artist's mean, root mean square step of the observed years.
    """

    rows: Mask
    later: NDArray[np.int64]
    mean_error: Floats
    observed_step: Floats


@dataclass(frozen=True)
class Problem:
    """A forecasting task without its test years, and the rows that are scored.

    Half of the artists, drawn at random, serve the search; the others show how far its results hold.
    """

    history: History
    targets: int
    learn: Mask
    searched: Yardstick
    others: Yardstick


def problem_of(task: Task) -> Problem:
    """Drop all years from the first test year on, and divide the artists."""
    panel = task.panel
    keep = panel.block < panel.block[task.rows("test")].min()
    names = ("unit", "group", "block", "time", "count", "mean", "sd")
    history = history_of(Panel(*(getattr(panel, name)[keep] for name in names)))
    learn, validation = task.rows("train")[keep], task.rows("validation")[keep]
    half = folds_of(history.panel.unit, 2, 0)

    def yardstick(rows: Mask) -> Yardstick:
        later = np.flatnonzero(rows)
        later = later[(learn | validation)[history.earlier[later]]]
        truth = history.panel.mean[:, : task.targets]
        mean = unit_mean(history.panel)[:, : task.targets]
        return Yardstick(
            rows, later, np.mean((mean - truth)[rows] ** 2, axis=0), _steps(history, truth, later)
        )

    searched, others = yardstick(validation & (half == 0)), yardstick(validation & (half == 1))
    return Problem(history, task.targets, learn, searched, others)


def _steps(history: History, values: Floats, later: NDArray[np.int64]) -> Floats:
    """Return the root mean square step to each row from the row before it."""
    steps = values[later] - values[history.earlier[later]]
    return np.asarray(np.sqrt(np.mean(steps**2, axis=0)))


def score(problem: Problem, point: Floats) -> Score:
    """Fit the forecaster with the settings of a point and score it."""
    fitted = forecast(problem.history, settings(point), problem.learn, problem.targets)
    errors = fitted.forecast - problem.history.panel.mean[:, : problem.targets]
    share = float(np.mean(fitted.weights != 0))

    def aims(on: Yardstick) -> Floats:
        error = np.mean(np.mean(errors[on.rows] ** 2, axis=0) / on.mean_error)
        step = np.mean(_steps(problem.history, fitted.forecast, on.later) / on.observed_step)
        return np.array([error, step, share])

    return Score(aims(problem.searched), aims(problem.others), float(np.abs(fitted.weights).sum()))


def settings(point: Floats) -> Settings:
    """Return the settings of a point of the search."""
    values = {
        name: float(value if name in LINEAR else 10.0**value)
        for name, value in zip(NAMES, point, strict=True)
    }
    return Settings(**values)


def limits(params: SearchParams) -> Box:
    """Return the box of the search: logarithms to base 10 of most ranges."""
    ranges = [getattr(params, name) if name in LINEAR else np.log10(getattr(params, name)) for name in NAMES]
    return Box(*np.array(ranges).T)


REFERENCE = np.ones(len(AIMS))
"""Reference of the hypervolume, see `SearchMetrics`."""

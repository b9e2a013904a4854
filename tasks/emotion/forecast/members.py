"""Regressions that correct the state-space models, and two that do not use them.

Extremely randomised trees learn the error of the filter with a moving population, gradient boosting that
of the mean of both filters; they see what a filter of one dimension does not: the other dimensions, the
number of songs, the genre. Two more are baselines with artists held out in turn, an autoregression with the
artist's mean and boosting of the history: they know nothing of the filters, and so have other errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.emotion.forecast.targets import Task

if TYPE_CHECKING:
    from methods.temporal.population_filter import FilterResult

Floats = np.ndarray

MEMBERS = ("trees", "boosting", "boosting-history", "autoregression")

LEAST_GENRE = 30
"""Training targets from which a genre is an input of its own."""


@dataclass(frozen=True)
class Filtered:
    """A task with its filters, (n, d) precisions of its values, and the folds of its artists."""

    task: Task
    trend: list[FilterResult]
    steady: list[FilterResult]
    precision: Floats
    fold: Floats
    seed: int


def members(known: Filtered) -> Mapping[str, Floats]:
    """Return the forecasts of every row by member, (n, targets) each.

    A training row is forecast by models that did not learn from its artist.
    """
    from methods.temporal.baselines import boosting, history_summary
    from methods.temporal.cross_fit import cross_fit

    task, learn = known.task, known.task.rows("train")
    history = history_summary(task.panel)
    summary, equal = np.nan_to_num(history), np.ones(len(task.time))
    columns: dict[str, list[Floats]] = {name: [] for name in MEMBERS}
    for j in range(task.targets):
        trend, steady = known.trend[j].forecast, known.steady[j].forecast
        x, y, weight = inputs(known, summary, j), task.panel.mean[:, j], known.precision[:, j]
        for name, make, filtered in (
            ("trees", _trees, trend),
            ("boosting", _boosting, (trend + steady) / 2),
        ):
            correction = cross_fit(
                lambda fold, make=make: make(known.seed + fold), x, y - filtered, weight, learn, known.fold
            )
            columns[name].append(filtered + correction)
        columns["boosting-history"].append(
            cross_fit(lambda fold: boosting(known.seed + fold), history, y, equal, learn, known.fold)
        )
        own = summary[:, [j, 2 * len(task.dimensions) + j]]
        columns["autoregression"].append(
            cross_fit(lambda _: _least_squares(), own, y, weight, learn, known.fold)
        )
    return {name: np.column_stack(parts) for name, parts in columns.items()}


def inputs(known: Filtered, summary: Floats, j: int) -> Floats:
    """Return what trees and boosting see of each row.

    Forecasts of all dimensions by both filters; of the own dimension the parts of the filter, the last two
    values, mean and spread; years and songs so far; frequent genres.
    """
    task, own = known.task, known.trend[j]
    d = len(task.dimensions)
    genre = np.eye(task.panel.groups)[task.panel.group]
    return np.column_stack(
        [
            *(part.forecast for part in (*known.trend, *known.steady)),
            own.level, own.deviation, own.trend, np.log(own.variance),
            *(summary[:, block * d + j] for block in range(4)),
            summary[:, 4 * d + 1 :],
            genre[:, genre[task.rows("train")].sum(axis=0) >= LEAST_GENRE],
        ]
    )  # fmt: skip


def _trees(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(100, min_samples_leaf=20, max_features=0.4, random_state=seed, n_jobs=2)


def _boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        max_iter=60, learning_rate=0.03, max_depth=2, min_samples_leaf=40, l2_regularization=10.0,
        early_stopping=False, random_state=seed,
    )  # fmt: skip


def _least_squares() -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression()

"""Contracts of the outputs of the stage emotion-search."""

from __future__ import annotations

from typing import NamedTuple

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table

AIMS = ("error", "step", "share")
"""Aims of the search, each to be minimised.

`error` is the mean over dimensions of MSE / MSE of the artist's mean. `step` is that of the root mean
square step of successive forecasts / that of the observed years. `share` is the share of weights that are
not 0. In the search, a forecast whose error is 1 or more counts as useless: its step and share are 1.
"""


class SearchFront(pa.DataFrameModel):
    """One row per setting that no evaluated setting dominates.

    `error_others` and `step_others` are on the artists that the search did not use; `norm` is the sum of
    the absolute weights. Settings are explained in `emotion.search`.
    """

    error: Series[float] = pa.Field(ge=0)
    step: Series[float] = pa.Field(ge=0)
    share: Series[float] = pa.Field(ge=0, le=1)
    norm: Series[float] = pa.Field(ge=0)
    error_others: Series[float] = pa.Field(ge=0)
    step_others: Series[float] = pa.Field(ge=0)
    knee: Series[bool]
    lasso: Series[float] = pa.Field(gt=0)
    ridge: Series[float] = pa.Field(gt=0)
    smooth: Series[float] = pa.Field(gt=0)
    half_life: Series[float] = pa.Field(gt=0)
    exponent: Series[float] = pa.Field(ge=0)
    pull: Series[float] = pa.Field(gt=0)


class SearchTrials(pa.DataFrameModel):
    """One row per trial of the Bayesian search of the smallest error.

    `best` is the smallest error so far of that seed.
    """

    param_seed: Series[int] = pa.Field(ge=0)
    trial: Series[int] = pa.Field(ge=1)
    settings: Series[float] = pa.Field(
        alias="^param_(lasso|ridge|smooth|half_life|exponent|pull)$", regex=True
    )
    error: Series[float] = pa.Field(ge=0)
    best: Series[float] = pa.Field(ge=0)


class Gain(Document):
    """Mean over seeds of a difference to random search, with a 95 % interval.

    `wins` counts the seeds with a difference above 0.
    """

    mean: float
    low: float
    high: float
    wins: int


class Strategy(Document):
    """Hypervolume of one kind of search, by seed, and its gain over random search."""

    hypervolume: list[float]
    mean: float
    gain: Gain | None


class Point(Document):
    """Aims of one setting, for the artists of the search and the others."""

    error: float
    step: float
    share: float
    weights: int
    error_others: float
    step_others: float


class Bayesian(Document):
    """Search of the smallest error alone, at equal numbers of trials.

    Errors are the smallest of each seed. `gain` is the error of random search minus ours.
    """

    trials: int
    bayesian: list[float]
    random: list[float]
    gain: Gain
    error_others: float


class SearchMetrics(Document):
    """Sizes and results of the searches.

    The reference of the hypervolume is (1, 1, 1): the error of the artist's mean, steps as large as the
    observed ones, and all weights. `norm_share_correlation` is the rank correlation of the sum of
    absolute weights with the share of weights that are not 0, over random settings.
    """

    artists: int
    artists_others: int
    targets: int
    targets_others: int
    evaluations: int
    seeds: int
    weights: int
    front: int
    front_hypervolume: float
    front_hypervolume_others: float
    norm_share_correlation: float
    strategies: dict[str, Strategy]
    knee: Point
    best: Point
    bayesian: Bayesian


class SearchOutputs(NamedTuple):
    """Outputs of the stage emotion-search."""

    search_front: Table[SearchFront]
    search_trials: Table[SearchTrials]
    search: SearchMetrics

"""Contracts of the outputs of the stages emotion-trust and emotion-explain."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table


class Attacks(pa.DataFrameModel):
    """One row per network and budget: forecasts under the worst change.

    The budget is the largest change of each measured input, in standard deviations. `moved` is the mean
    change of the forecast, `moved_most` its 95 % quantile; RMSE is against the truth.
    """

    network: Series[str] = pa.Field(isin=["plain", "hardened"])
    budget: Series[float] = pa.Field(ge=0)
    moved: Series[float] = pa.Field(ge=0)
    moved_random: Series[float] = pa.Field(ge=0, description="by random changes of the same size")
    moved_most: Series[float] = pa.Field(ge=0)
    rmse: Series[float] = pa.Field(gt=0)
    rmse_attacked: Series[float] = pa.Field(gt=0)

    class Config:
        unique: ClassVar[list[str]] = ["network", "budget"]


class GroupCoverage(pa.DataFrameModel):
    """One row per task, dimension, interval and group: coverage of test targets.

    `chance` is the coverage below which the worst of these groups falls in 5 % of the cases if all groups
    have the same coverage.
    """

    task: Series[str]
    dimension: Series[str]
    interval: Series[str] = pa.Field(isin=["one width", "scaled", "scaled by genre", "adaptive"])
    grouping: Series[str]
    group: Series[str]
    targets: Series[int] = pa.Field(ge=1)
    covered: Series[float] = pa.Field(ge=0, le=1)
    width: Series[float] = pa.Field(ge=0, description="mean of the finite widths")
    infinite: Series[int] = pa.Field(ge=0)
    chance: Series[float] = pa.Field(ge=0, le=1)

    class Config:
        unique: ClassVar[list[str]] = ["task", "dimension", "interval", "grouping", "group"]


class BaggedVariance(pa.DataFrameModel):
    """One row per kind of member: mean variances over validation targets.

    `formula` is rho s^2 + (1 - rho) s^2 / B, `measured` the variance of other bagged ensembles over
    resampled artists, `independent` is s^2 / B.
    """

    member: Series[str] = pa.Field(unique=True)
    members: Series[int] = pa.Field(ge=2)
    correlation: Series[float] = pa.Field(ge=0, le=1)
    single: Series[float] = pa.Field(ge=0, description="s^2")
    bootstrap: Series[float] = pa.Field(ge=0)
    formula: Series[float] = pa.Field(ge=0)
    measured: Series[float] = pa.Field(ge=0)
    independent: Series[float] = pa.Field(ge=0)
    rmse_single: Series[float] = pa.Field(gt=0)
    rmse_bagged: Series[float] = pa.Field(gt=0)


class Fidelity(Document):
    """Agreement of the network with our forecasts, on artists that it did not see.

    `r2` is of the forecast, `r2_change` of its difference to the artist's mean.
    """

    targets: int
    artists: int
    r2: float
    r2_change: float


class BaggingSummary(Document):
    """Mean variances of one kind of member, as in `BaggedVariance`."""

    member: str
    correlation: float
    formula: float
    measured: float
    independent: float


class TrustMetrics(Document):
    """Summaries of the stage.

    `worst_group` has the lowest coverage of a group among scaled intervals, with its name.
    `groups_below_chance` counts task, dimension and grouping where the worst group is below chance;
    `_adaptive` names the same figures of adaptive intervals. `coverage` and `coverage_adaptive` are of
    all test targets by dimension.
    """

    dimension: str
    level: float
    fidelity: Fidelity
    worst_group: float
    worst_group_name: str
    worst_group_adaptive: float
    comparisons: int
    groups_below_chance: int
    groups_below_chance_adaptive: int
    coverage: dict[str, float]
    coverage_adaptive: dict[str, float]
    bagging: list[BaggingSummary]


class TrustOutputs(NamedTuple):
    """Outputs of the stage emotion-trust."""

    trust_attacks: Table[Attacks]
    trust_coverage: Table[GroupCoverage]
    trust_bagging: Table[BaggedVariance]
    trust: TrustMetrics


class Attributions(pa.DataFrameModel):
    """One row per artist and input: its part in the predicted value.

    `low` and `high` are of an estimate by permutations, as a check of the exact value `part`.
    """

    artist_id: Series[int]
    artist: Series[str]
    time: Series[float]
    input: Series[str]
    value: Series[float] = pa.Field(nullable=True)
    part: Series[float]
    low: Series[float]
    high: Series[float]

    class Config:
        unique: ClassVar[list[str]] = ["artist_id", "input"]


class Counterfactuals(pa.DataFrameModel):
    """One row per artist and input: its value, and the needed one.

    `change` is in standard deviations; `needed` and `change` are missing if no plausible change is enough.
    """

    artist_id: Series[int]
    artist: Series[str]
    input: Series[str]
    value: Series[float] = pa.Field(nullable=True)
    needed: Series[float] = pa.Field(nullable=True)
    change: Series[float] = pa.Field(nullable=True)

    class Config:
        unique: ClassVar[list[str]] = ["artist_id", "input"]


class Explained(Document):
    """One explained forecast.

    `baseline` is the mean prediction of the background, `after` the prediction at the counterfactual.
    """

    artist: str
    year: int
    so_far: float
    forecast: float
    stand_in: float
    baseline: float
    truth: float
    target: float
    after: float | None
    length: float | None


class ExplainMetrics(Document):
    """Summaries of the stage."""

    dimension: str
    margin: float
    fidelity: Fidelity
    darker: int
    candidates: int
    additivity_error: float
    within_interval: float
    explained: list[Explained]


class ExplainOutputs(NamedTuple):
    """Outputs of the stage emotion-explain."""

    attributions: Table[Attributions]
    counterfactuals: Table[Counterfactuals]
    explain: ExplainMetrics

"""Contracts of the outputs of the stage emotion-macro."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import pandera.pandas as pa
from pandera.typing import Series
from pydantic import Field

from statewright.contracts import Document, Table


class CareerCourses(pa.DataFrameModel):
    """One row per dimension, career and year: observed mean, course and forecast.

    `course` uses all years of the career, `forecast` only earlier ones; `forecast_sd` includes the
    sampling error of the year's mean. `length_years` and `amplitude` are posterior means for the career;
    `_low` and `_high` are the bounds of 95 % of its posterior. A dimension whose fit has not converged
    has no rows.
    """

    dimension: Series[str]
    artist_id: Series[int]
    artist: Series[str]
    year: Series[int]
    future: Series[bool]
    observed: Series[float]
    sampling_sd: Series[float] = pa.Field(ge=0)
    course: Series[float]
    course_sd: Series[float] = pa.Field(ge=0)
    forecast: Series[float]
    forecast_sd: Series[float] = pa.Field(gt=0)
    amplitude: Series[float] = pa.Field(gt=0)
    amplitude_low: Series[float] = pa.Field(ge=0)
    amplitude_high: Series[float] = pa.Field(gt=0)
    length_years: Series[float] = pa.Field(gt=0)
    length_low: Series[float] = pa.Field(gt=0)
    length_high: Series[float] = pa.Field(gt=0)


class CareerParameters(pa.DataFrameModel):
    """One row per dimension and shared parameter: posterior, R-hat, bulk ESS."""

    dimension: Series[str]
    parameter: Series[str]
    mean: Series[float]
    sd: Series[float] = pa.Field(ge=0)
    low: Series[float]
    high: Series[float]
    rhat: Series[float]
    ess: Series[float]

    class Config:
        unique: ClassVar[list[str]] = ["dimension", "parameter"]


class FutureScore(Document):
    """Score on test years; `skill` is 1 - MSE / MSE of the artist's mean."""

    rmse: float
    skill: float
    log_density: float


class Check(Document):
    """A statistic of the data compared with 95 % of posterior predictive data sets."""

    observed: float
    low: float
    high: float
    p: float


class CareerFit(Document):
    """Fit of one dimension.

    `converged` is false, with a `reason`, if the chains are not reliable; then `future`, `covered_90`
    and `checks` are empty. `worst_mixing` is the parameter with the smallest effective sample size.
    """

    careers: int
    years_fitted: int
    years_forecast: int
    converged: bool
    reason: str
    worst_rhat: float
    smallest_ess: float
    worst_mixing: str
    divergences: int
    typical_length_years: float | None = None
    future: dict[str, FutureScore] = Field(default_factory=dict)
    covered_90: float | None = None
    checks: dict[str, Check] = Field(default_factory=dict)


class MacroMetrics(Document):
    """Fits by dimension."""

    dimensions: dict[str, CareerFit]


class MacroOutputs(NamedTuple):
    """Outputs of the stage emotion-macro."""

    career_courses: Table[CareerCourses]
    career_parameters: Table[CareerParameters]
    macro: MacroMetrics

"""What the stage emotion-macro writes."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import pandera.pandas as pa
from pandera.typing import Series
from pydantic import Field

from statewright.contracts import Document, Table


class CareerCourses(pa.DataFrameModel):
    """One row a dimension, career and year: observed, the smooth course, and the one-step forecast.

    `course` uses all years of the career, `forecast` only earlier ones; `forecast_sd` includes the
    sampling error of the year's mean. `length_years` and `amplitude` are posterior means for the career,
    `_low` and `_high` hold 95 % of its posterior. No rows of a dimension whose fit has not converged.
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
    """One row a dimension and shared parameter: posterior, R-hat and bulk effective sample size."""

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
    """One forecaster on the test years; `skill` is 1 - MSE / MSE of the artist's mean."""

    rmse: float
    skill: float
    log_density: float


class Check(Document):
    """A trait of the data beside the middle 95 % of data sets drawn from the posterior."""

    observed: float
    low: float
    high: float
    p: float


class CareerFit(Document):
    """`converged` is false, with the `reason`, where the chains may not be trusted.

    Then `future`, `covered_90` and `checks` are left empty. `worst_mixing` is the parameter with the
    smallest effective sample size.
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
    dimensions: dict[str, CareerFit]


class MacroOutputs(NamedTuple):
    career_courses: Table[CareerCourses]
    career_parameters: Table[CareerParameters]
    macro: MacroMetrics

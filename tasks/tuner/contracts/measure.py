"""Contracts of the outputs of the cells of tuner-generate and tuner-measure."""

from __future__ import annotations

from typing import NamedTuple

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table


class Times(pa.DataFrameModel):
    """CPU and wall seconds of one program in one round."""

    program: Series[int] = pa.Field(ge=0)
    round: Series[int] = pa.Field(ge=0)
    cpu: Series[float] = pa.Field(gt=0)
    wall: Series[float] = pa.Field(gt=0)


class MeasureSummary(Document):
    """Programs of one specification on tables of one size.

    `features` describe tables and specification for the prediction. `imports` has CPU and wall seconds of the
    first import by engine, which `times` leaves out. `compared` programs wrote a result that was compared
    with that of the first one, and `equal` of them had an equal one.
    """

    spec: str
    rows: int
    programs: int
    rounds: int
    features: dict[str, float]
    imports: dict[str, list[float]]
    compared: int
    equal: int


class MeasureOutputs(NamedTuple):
    """Outputs of one cell of tuner-measure."""

    times: Table[Times]
    summary: MeasureSummary


class GenerateSummary(Document):
    """Programs of one specification for one engine, one for each configuration.

    Ranges are the smallest and the largest value over the programs. `alignment` is minus the smoothed
    divergence between the operations in a program and those asked for, in nats. Lines and classes are columns
    of the report and reward nothing. `digest` is the SHA-256 of all programs, `same_bytes` whether a second
    generation gave the same.
    """

    spec: str
    engine: str
    programs: int
    distinct: int
    lines: list[int]
    functions: list[int]
    classes: list[int]
    alignment: list[float]
    digest: str
    same_bytes: bool


class GenerateOutputs(NamedTuple):
    """Outputs of one cell of tuner-generate."""

    program: str
    generated: GenerateSummary

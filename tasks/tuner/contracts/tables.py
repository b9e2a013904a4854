"""Contracts of the tables that tuner-ingest reads and writes.

A row outside its contract is quarantined. Columns that a contract does not name are not read.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table
from tasks.checked import Counts, Quarantine


class Careers(pa.DataFrameModel):
    """Songs of one artist in one year, and the means of their audio features."""

    artist_id: Series[int] = pa.Field(ge=0)
    year: Series[int] = pa.Field(ge=1900, le=2100)
    n_songs: Series[int] = pa.Field(ge=1)
    energy_mean: Series[float] = pa.Field(ge=0, le=1)
    valence_mean: Series[float] = pa.Field(ge=0, le=1)
    tempo_mean: Series[float] = pa.Field(ge=0, le=300)
    loudness_mean: Series[float] = pa.Field(ge=-60, le=10)

    class Config:
        unique: ClassVar[list[str]] = ["artist_id", "year"]


class Artists(pa.DataFrameModel):
    """Genre and influence of one artist."""

    artist_id: Series[int] = pa.Field(ge=0)
    artist: Series[str]
    genre: Series[str]
    influences: Series[int] = pa.Field(ge=0)

    class Config:
        unique: ClassVar[list[str]] = ["artist_id"]


class IngestMetrics(Document):
    """Rows of each table, and faults by reason."""

    tables: dict[str, Counts]
    reasons: dict[str, int]


class IngestOutputs(NamedTuple):
    """Outputs of the stage tuner-ingest."""

    careers: Table[Careers]
    artists: Table[Artists]
    quarantine: Table[Quarantine]
    ingest: IngestMetrics

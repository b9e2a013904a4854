"""Stage emotion-ingest: read the source, check rows, quarantine invalid ones."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from statewright.contracts import ContractError, Document, Table
from tasks.checked import Counts, Quarantine, add_counts, check_rows
from tasks.emotion.contracts.raw import (
    RAW,
    AlbumAudio,
    AlbumJoint,
    AlbumLyrics,
    CareerAudio,
    ChartYears,
    MusicYears,
    RawArtists,
    RawInfluence,
    SectionKinds,
    WithinSong,
)
from tasks.emotion.params import IngestParams
from tasks.sources import read_table


class IngestReport(Document):
    """Rows read, kept and quarantined, by table and in total."""

    tables: dict[str, Counts]
    all_tables: Counts


class IngestOutputs(NamedTuple):
    """The raw tables, the quarantine and the counts."""

    career_audio: Table[CareerAudio]
    artists: Table[RawArtists]
    influence: Table[RawInfluence]
    music_years: Table[MusicYears]
    chart_years: Table[ChartYears]
    album_lyrics: Table[AlbumLyrics]
    album_audio: Table[AlbumAudio]
    album_joint: Table[AlbumJoint]
    within_song: Table[WithinSong]
    section_kinds: Table[SectionKinds]
    quarantine: Table[Quarantine]
    ingest: IngestReport


def ingest(*, params: IngestParams) -> IngestOutputs:
    """Read every table of the source; quarantine the rows that break their contract.

    This is the only stage that reads an external source. It takes no input file: its dependency
    (``emotion.ingest.watch``) only decides when the stage runs again.

    Raises
    ------
    ContractError
        If a table is missing, has the wrong form, or has too many invalid rows.
    """
    unknown = sorted(set(params.tables) - set(RAW))
    if unknown:
        raise ContractError(
            f"emotion.ingest.tables: found '{unknown[0]}', expected one of {', '.join(RAW)}; correct "
            "params.yaml"
        )
    valid: dict[str, pd.DataFrame] = {}
    quarantined: list[pd.DataFrame] = []
    counts: dict[str, Counts] = {}
    for table in RAW:
        valid[table], faults, rows = read_checked(table, params)
        quarantined.append(faults)
        kept = len(valid[table])
        counts[table] = Counts(rows_read=rows, rows_kept=kept, rows_quarantined=rows - kept)
    return IngestOutputs(
        **valid,
        quarantine=pd.concat(quarantined, ignore_index=True),
        ingest=IngestReport(tables=counts, all_tables=add_counts(list(counts.values()))),
    )


def read_checked(table: str, params: IngestParams) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Read one table; return its valid rows, its faults, and the number of rows read."""
    schema = RAW[table].to_schema()
    text = params.text_column if table == "album_lyrics" else None
    columns = [*schema.columns, text] if text else list(schema.columns)
    source = read_table(params.source, params.tables.get(table, table), columns, schema.unique)
    if text:
        named = source.frame.rename(columns={text: "text"}).replace({"text": r"^\s*$"}, None, regex=True)
        source = replace(source, frame=named)
    result = check_rows(
        source, table, RAW[table], params.most_quarantined, more={"text": "text"} if text else {}
    )
    return result.kept, result.faults, result.rows

"""Stage emotion-ingest: read the configured source, check every row, set the broken ones aside."""

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
    """What was read, kept and set aside, of every table and of all together."""

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
    """Read every table of the source; a row that breaks its contract goes to quarantine.

    This is the one stage that reads the outside. It takes no input file: its dependency
    (``emotion.ingest.watch``) only says when to run again.

    Raises
    ------
    ContractError
        If a table is missing, is not what it says, or is mostly broken.
    """
    unknown = sorted(set(params.tables) - set(RAW))
    if unknown:
        raise ContractError(
            f"emotion.ingest.tables: there is no table '{unknown[0]}'; the tables are {', '.join(RAW)}"
        )
    kept, broken, counts = {}, [], {}
    for table in RAW:
        kept[table], faults, rows = read_checked(table, params)
        broken.append(faults)
        counts[table] = Counts(
            rows_read=rows, rows_kept=len(kept[table]), rows_quarantined=rows - len(kept[table])
        )
    return IngestOutputs(
        **kept,
        quarantine=pd.concat(broken, ignore_index=True),
        ingest=IngestReport(tables=counts, all_tables=add_counts(list(counts.values()))),
    )


def read_checked(table: str, params: IngestParams) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Read one table; return the rows that keep to its contract, the faults, and how many were read."""
    schema = RAW[table].to_schema()
    text = params.text_column if table == "album_lyrics" else None
    asked = [*schema.columns, text] if text else list(schema.columns)
    source = read_table(params.source, params.tables.get(table, table), asked, schema.unique)
    if text:
        named = source.frame.rename(columns={text: "text"}).replace({"text": r"^\s*$"}, None, regex=True)
        source = replace(source, frame=named)
    found = check_rows(
        source, table, RAW[table], params.most_quarantined, more={"text": "text"} if text else {}
    )
    return found.kept, found.faults, found.rows

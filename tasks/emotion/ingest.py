"""Stage emotion-ingest: read the configured source, check every row, set the broken ones aside."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

import pandas as pd
from pandera.errors import SchemaErrors

from statewright.contracts import ContractError, Document, Table
from tasks.emotion.cells import convert
from tasks.emotion.params import IngestParams
from tasks.emotion.raw import (
    RAW,
    AlbumAudio,
    AlbumJoint,
    AlbumLyrics,
    CareerAudio,
    ChartYears,
    MusicYears,
    Quarantine,
    RawArtists,
    RawInfluence,
    SectionKinds,
    WithinSong,
)
from tasks.emotion.sources import Cells, read_table


class Counts(Document):
    """Rows of one table: ``rows_read = rows_kept + rows_quarantined``."""

    rows_read: int
    rows_kept: int
    rows_quarantined: int


class IngestReport(Document):
    """What was read, kept and set aside, of every table and of all together."""

    tables: dict[str, Counts]
    all_tables: Counts


class Ingest(NamedTuple):
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


def ingest(*, params: IngestParams) -> Ingest:
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
    return Ingest(
        **kept,
        quarantine=pd.concat(broken, ignore_index=True),
        ingest=IngestReport(tables=counts, all_tables=_sum(list(counts.values()))),
    )


def _sum(counts: list[Counts]) -> Counts:
    return Counts(**{name: sum(getattr(count, name) for count in counts) for name in Counts.model_fields})


def read_checked(table: str, params: IngestParams) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Read one table; return the rows that keep to its contract, the faults, and how many were read."""
    schema = RAW[table].to_schema()
    kinds = {name: _kind(column) for name, column in schema.columns.items()}
    text = params.text_column if table == "album_lyrics" else None
    asked = [*kinds, text] if text else list(kinds)
    source = read_table(params.source, params.tables.get(table, table), asked, schema.unique)
    cells = source.frame
    if text:
        cells = cells.rename(columns={text: "text"}).replace({"text": r"^\s*$"}, None, regex=True)
        kinds["text"] = "text"
    frame, faults = _typed(cells, kinds, source)
    faults = pd.concat([faults, _contract_faults(frame.drop(index=faults["row"].unique()), RAW[table])])
    good = frame.drop(index=faults["row"].unique())
    faults = pd.concat([faults, _repeats(good, schema.unique)])
    good = frame.drop(index=faults["row"].unique())
    faults = _described(faults, cells, table)
    share = 1 - len(good) / len(frame)
    if good.empty or share > params.most_quarantined:
        raise ContractError(_mostly_broken(source.place, faults, len(frame), share, params.most_quarantined))
    return _settle(good, kinds), faults, len(frame)


def _kind(column: Any) -> str:
    dtype = str(column.dtype)
    return {"int64": "whole", "float64": "number", "bool": "truth"}.get(dtype, "text")


def _typed(cells: pd.DataFrame, kinds: dict[str, str], source: Cells) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame, found = {}, []
    for column, kind in kinds.items():
        frame[column], reasons = convert(
            cells[column], kind, f"{source.place}, column '{column}'", typed=source.typed
        )
        found.append(pd.DataFrame({"row": reasons.index, "column": column, "reason": reasons.to_numpy()}))
    return pd.DataFrame(frame), pd.concat(found, ignore_index=True)


@cache
def _rules(model: Any) -> Any:
    """Rules of the values alone: types are settled before, repeats sought afterwards."""
    schema = deepcopy(model.to_schema())
    schema.unique = None
    for column in schema.columns.values():
        column.dtype = None
    return schema


def _contract_faults(frame: pd.DataFrame, model: Any) -> pd.DataFrame:
    try:
        _rules(model).validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        return pd.DataFrame(
            {
                "row": cases["index"].astype(int).to_numpy(),
                "column": cases["column"].astype(str).to_numpy(),
                "reason": [_sentence(str(check)) for check in cases["check"]],
            }
        )
    return pd.DataFrame({"row": [], "column": [], "reason": []})


def _sentence(check: str) -> str:
    name, _, bound = check.rstrip(")").partition("(")
    return {
        "not_nullable": "is missing where a value is required",
        "greater_than_or_equal_to": f"is below {bound}",
        "less_than_or_equal_to": f"is above {bound}",
        "calendar_date": "is not a day written YYYY-MM-DD",
    }.get(name, f"breaks {check}")


def _repeats(frame: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Rows whose key an earlier good row has already."""
    first = frame.reset_index().groupby(key, sort=False)["index"].transform("first").to_numpy()
    again = frame.index.to_numpy() != first
    return pd.DataFrame(
        {
            "row": frame.index[again],
            "column": ", ".join(key),
            "reason": [f"repeats the key of row {row}" for row in first[again]],
        }
    )


def _described(faults: pd.DataFrame, cells: pd.DataFrame, table: str) -> pd.DataFrame:
    """Add the table and the value as it was read; every reason of a row is a row."""
    faults = faults.astype({"row": "int64"}).drop_duplicates()
    values = [
        " | ".join(_shown(cells.at[row, name]) for name in column.split(", "))[:200]
        for row, column in zip(faults["row"], faults["column"], strict=True)
    ]
    described = faults.assign(table=table, value=values).sort_values(["row", "column"], kind="stable")
    return described[["table", "row", "column", "value", "reason"]].astype(
        dict.fromkeys(("table", "column", "value", "reason"), "str")
    )


def _shown(value: Any) -> str:
    return "(missing)" if pd.isna(value) else str(value)


def _mostly_broken(place: str, faults: pd.DataFrame, rows: int, share: float, most: float) -> str:
    common = faults.groupby(["column", "reason"], sort=False).agg(rows=("row", "size"), row=("row", "first"))
    (column, reason), worst = next(common.sort_values("rows", ascending=False, kind="stable").iterrows())
    value = faults[(faults["column"] == column) & (faults["reason"] == reason)]["value"].iloc[0]
    return (
        f"{place}: {share:.0%} of its {rows} rows break the contract, at most {most:.0%} may; most often "
        f"column '{column}' {reason} (row {worst['row']}: {value!r:.60}); mend the column, "
        "or raise emotion.ingest.most_quarantined"
    )


def _settle(frame: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    """Give the good rows their types; keep numbers to single precision.

    Seven digits are more than any measure here has, and make a CSV file, a database and a
    Parquet file of single precision give the same table to the bit.
    """
    types = {"whole": "int64", "truth": "bool", "text": "str", "number": "float32"}
    settled = frame.astype({column: types[kind] for column, kind in kinds.items()})
    doubled = {column: "float64" for column, kind in kinds.items() if kind == "number"}
    return settled.astype(doubled).reset_index(drop=True)

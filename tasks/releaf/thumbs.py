"""Stage releaf-thumbs: read the log of answers and what people said to them; set aside what is broken."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from statewright.contracts import Document, Table
from tasks.checked import Counts, Quarantine, check_rows
from tasks.releaf.contracts.tables import Thumbs
from tasks.releaf.params import ThumbsParams
from tasks.sources import Cells, read_table

BLOCK = "releaf.thumbs"
TABLE = "thumbs"
OFF = f"off: {BLOCK}.log is null"


class ThumbsReport(Document):
    """Rows of the log, and how many thumbs point up and down; where the log is, or that it is off."""

    rows: Counts
    up: int
    down: int
    log: str


class Logged(NamedTuple):
    """The good rows of the log, the quarantine and the counts."""

    thumbs: Table[Thumbs]
    thumbs_quarantine: Table[Quarantine]
    thumbs_report: ThumbsReport


def thumbs(*, params: ThumbsParams) -> Logged:
    """Read the log; without one, or with one to which nothing was written yet, the table is empty.

    Raises
    ------
    ContractError
        If a log is named and is not there, is not what it says, or is mostly broken.
    """
    columns = Thumbs.to_schema().columns
    cells = Cells(pd.DataFrame(columns=list(columns)), OFF, typed=True)
    if params.log is not None:
        cells = _read(params.log)
    kept = pd.DataFrame({name: pd.Series(dtype=str(column.dtype)) for name, column in columns.items()})
    faults = pd.DataFrame({"table": [], "row": [], "column": [], "value": [], "reason": []}, dtype="str")
    faults = faults.astype({"row": "int64"})
    if len(cells.frame):
        found = check_rows(cells, TABLE, Thumbs, params.most_quarantined, block=BLOCK)
        kept, faults = found.kept, found.faults
    rows = Counts(
        rows_read=len(cells.frame), rows_kept=len(kept), rows_quarantined=len(cells.frame) - len(kept)
    )
    up, down = (int((kept["thumb"] == sign).sum()) for sign in (1, -1))
    return Logged(kept, faults, ThumbsReport(rows=rows, up=up, down=down, log=params.log or OFF))


def _read(log: str) -> Cells:
    """A Parquet or CSV file, or the table `thumbs` of a database; what is blank is missing."""
    schema = Thumbs.to_schema()
    source, name = (log, TABLE) if "://" in log else (str(Path(log).parent), Path(log).name)
    cells = read_table(source, name, list(schema.columns), schema.unique, block=BLOCK, may_be_empty=True)
    frame = cells.frame.replace(
        {name: {r"^\s*$": None} for name, c in schema.columns.items() if c.nullable}, regex=True
    )
    return Cells(frame, cells.place, cells.typed)

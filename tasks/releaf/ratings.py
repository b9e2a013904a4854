"""Stage ``releaf-ratings``: read and check the log of answers and ratings."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from statewright.contracts import Document, Table
from tasks.checked import Counts, Quarantine, check_rows
from tasks.releaf.contracts.tables import Ratings
from tasks.releaf.params import RatingsParams
from tasks.sources import Cells, read_table

BLOCK = "releaf.ratings"
TABLE = "ratings"
OFF = f"off ({BLOCK}.log is null)"


class RatingsReport(Document):
    """Counts of rows and of positive and negative ratings.

    `log` is the path of the log, or says that it is off.
    """

    rows: Counts
    up: int
    down: int
    log: str


class RatingsOutputs(NamedTuple):
    """The valid rows of the log, the quarantine and the counts."""

    ratings: Table[Ratings]
    ratings_quarantine: Table[Quarantine]
    ratings_report: RatingsReport


def ratings(*, params: RatingsParams) -> RatingsOutputs:
    """Read the log; the table is empty without a log and for an empty log.

    Raises
    ------
    ContractError
        If the log is missing, a column has another type throughout, or too many rows are broken.
    """
    columns = Ratings.to_schema().columns
    cells = Cells(pd.DataFrame(columns=list(columns)), OFF, typed=True)
    if params.log is not None:
        cells = _read(params.log)
    valid = pd.DataFrame({name: pd.Series(dtype=str(column.dtype)) for name, column in columns.items()})
    faults = pd.DataFrame({"table": [], "row": [], "column": [], "value": [], "reason": []}, dtype="str")
    faults = faults.astype({"row": "int64"})
    if len(cells.frame):
        result = check_rows(cells, TABLE, Ratings, params.most_quarantined, block=BLOCK)
        valid, faults = result.kept, result.faults
    rows = Counts(
        rows_read=len(cells.frame), rows_kept=len(valid), rows_quarantined=len(cells.frame) - len(valid)
    )
    up, down = (int((valid["rating"] == sign).sum()) for sign in (1, -1))
    return RatingsOutputs(valid, faults, RatingsReport(rows=rows, up=up, down=down, log=params.log or OFF))


def _read(log: str) -> Cells:
    """Read a file, or the table `ratings` of a database; blank cells are missing."""
    schema = Ratings.to_schema()
    source, name = (log, TABLE) if "://" in log else (str(Path(log).parent), Path(log).name)
    cells = read_table(source, name, list(schema.columns), schema.unique, block=BLOCK, may_be_empty=True)
    frame = cells.frame.replace(
        {name: {r"^\s*$": None} for name, c in schema.columns.items() if c.nullable}, regex=True
    )
    return Cells(frame, cells.place, cells.typed)

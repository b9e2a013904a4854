"""Check of the rows of an external table against its contract."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors
from pandera.typing import Series

from statewright.contracts import ContractError, Document
from tasks.cells import convert
from tasks.sources import Cells


class Quarantine(pa.DataFrameModel):
    """One row per fault: the position of the invalid value, the value, and the rule.

    `row` counts the data rows of the source from 0, without the heading; in a database it counts
    the rows in the order of the table's key.
    """

    table: Series[str]
    row: Series[int] = pa.Field(ge=0)
    column: Series[str]
    value: Series[str]
    reason: Series[str]


class Counts(Document):
    """Rows of one table: ``rows_read = rows_kept + rows_quarantined``."""

    rows_read: int
    rows_kept: int
    rows_quarantined: int


def add_counts(counts: list[Counts]) -> Counts:
    """Return the sum of the counts of several tables."""
    return Counts(**{name: sum(getattr(count, name) for count in counts) for name in Counts.model_fields})


@dataclass(frozen=True)
class CheckResult:
    """Result of `check_rows`.

    Attributes
    ----------
    kept : pandas.DataFrame
        Valid rows with their types, numbered from 0.
    faults : pandas.DataFrame
        One row per fault, with the columns of `Quarantine`.
    rows : int
        Number of rows that were read.
    origin : numpy.ndarray
        Number in the source of each valid row.
    """

    kept: pd.DataFrame
    faults: pd.DataFrame
    rows: int
    origin: Any


def check_rows(
    source: Cells,
    table: str,
    model: Any,
    most_quarantined: float,
    *,
    more: Mapping[str, str] | None = None,
    others: pd.DataFrame | None = None,
    block: str = "emotion.ingest",
) -> CheckResult:
    """Separate the rows that satisfy `model` from those that do not.

    A row that repeats the key of an earlier valid row is a fault too.

    Parameters
    ----------
    source : Cells
        The table as it was read.
    table : str
        Name of the table in the quarantine.
    model : pandera.DataFrameModel
        Contract of the table; ``Config.unique`` is the key.
    most_quarantined : float
        Share of invalid rows, 0 to 1, above which the table is refused.
    more : mapping of str to str, optional
        Columns that the contract does not name, and their kind (see `tasks.cells.convert`).
    others : pandas.DataFrame, optional
        Faults that the caller found: columns ``row``, ``column``, ``reason``.
    block : str
        Params block of the stage, for the error message.

    Raises
    ------
    ContractError
        If a column has another type throughout, or too many rows are invalid.
    """
    schema = model.to_schema()
    kinds = {name: _kind(column) for name, column in schema.columns.items()} | dict(more or {})
    cells = source.frame
    frame, faults = _typed(cells, kinds, source)
    if others is not None:
        faults = pd.concat([faults, others], ignore_index=True)
    faults = pd.concat([faults, _contract_faults(frame.drop(index=faults["row"].unique()), model)])
    good = frame.drop(index=faults["row"].unique())
    faults = pd.concat([faults, _repeats(good, schema.unique)])
    good = frame.drop(index=faults["row"].unique())
    faults = _described(faults, cells, table)
    share = 1 - len(good) / len(frame)
    if good.empty or share > most_quarantined:
        raise ContractError(_mostly_broken(source.place, faults, len(frame), share, most_quarantined, block))
    return CheckResult(_settle(good, kinds), faults, len(frame), good.index.to_numpy())


def _kind(column: Any) -> str:
    dtype = str(column.dtype)
    return {"int64": "whole", "float64": "number", "bool": "truth"}.get(dtype, "text")


def _typed(cells: pd.DataFrame, kinds: dict[str, str], source: Cells) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame, faults = {}, []
    for column, kind in kinds.items():
        frame[column], reasons = convert(
            cells[column], kind, f"{source.place}, column '{column}'", typed=source.typed
        )
        faults.append(pd.DataFrame({"row": reasons.index, "column": column, "reason": reasons.to_numpy()}))
    return pd.DataFrame(frame), pd.concat(faults, ignore_index=True)


@cache
def _rules(model: Any) -> Any:
    """Return the contract without types (set before) and key (checked afterwards)."""
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
    """Return a fault for each row that repeats the key of an earlier valid row."""
    first = frame.reset_index().groupby(key, sort=False, dropna=False)["index"].transform("first").to_numpy()
    again = frame.index.to_numpy() != first
    return pd.DataFrame(
        {
            "row": frame.index[again],
            "column": ", ".join(key),
            "reason": [f"repeats the key of row {row}" for row in first[again]],
        }
    )


def _described(faults: pd.DataFrame, cells: pd.DataFrame, table: str) -> pd.DataFrame:
    """Add the table and the value as it was read, one row per fault."""
    faults = faults.astype({"row": "int64"}).drop_duplicates()
    values = [
        " | ".join(_text_of(cells.at[row, name]) for name in column.split(", "))[:200]
        for row, column in zip(faults["row"], faults["column"], strict=True)
    ]
    described = faults.assign(table=table, value=values).sort_values(["row", "column"], kind="stable")
    return described[["table", "row", "column", "value", "reason"]].astype(
        dict.fromkeys(("table", "column", "value", "reason"), "str")
    )


def _text_of(value: Any) -> str:
    return "(missing)" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def _mostly_broken(place: str, faults: pd.DataFrame, rows: int, share: float, most: float, block: str) -> str:
    common = faults.groupby(["column", "reason"], sort=False).agg(rows=("row", "size"), row=("row", "first"))
    (column, reason), worst = next(common.sort_values("rows", ascending=False, kind="stable").iterrows())
    value = faults[(faults["column"] == column) & (faults["reason"] == reason)]["value"].iloc[0]
    return (
        f"{place}: {share:.0%} of its {rows} rows break the contract, expected at most {most:.0%}; most "
        f"often column '{column}' {reason} (row {worst['row']}: {value!r:.60}); fix the column, "
        f"or raise {block}.most_quarantined"
    )


def _settle(frame: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    """Return the valid rows with their types, numbers rounded to single precision.

    Seven digits are more than any measure here has. With them a CSV file, a database and a Parquet
    file of single precision give exactly the same table.
    """
    types = {"whole": "int64", "truth": "bool", "text": "str", "number": "float32"}
    settled = frame.astype({column: types[kind] for column, kind in kinds.items()})
    doubled = {column: "float64" for column, kind in kinds.items() if kind == "number"}
    return settled.astype(doubled).reset_index(drop=True)

"""Reading of the configured tables: which columns, which rows, by which key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import pandas as pd

from statewright.contracts import ContractError
from tasks.fusion.params import IngestParams, ModalityParams, names
from tasks.fusion.tables.kinds import text_of
from tasks.sources import Cells, column_names, read_table

BLOCK = "fusion.ingest"
WHOLE = re.compile(r"^(-?\d+)\.0+$")


@dataclass(frozen=True)
class Plan:
    """Tables, and the columns that are read from each.

    Attributes
    ----------
    present : dict of str to list of str
        Table -> all of its columns.
    columns : dict of str to list of str
        Modality -> its columns in the order of the table.
    roles : dict of str to str
        Column with a role (time, groups, split, a level) -> table that has it.
    """

    present: dict[str, list[str]]
    columns: dict[str, list[str]]
    roles: dict[str, str]


@dataclass
class Faults:
    """Faults found so far, in the columns of the contract `QuarantinedCells`."""

    rows: list[dict[str, object]] = field(default_factory=list)

    def add(
        self, table: str, column: str, reasons: pd.Series, lost: str, values: pd.Series | None = None
    ) -> None:
        """Add one fault for each row of `reasons`."""
        for row, reason in reasons.items():
            value = "" if values is None else text_of(values[row])
            self.rows.append(_fault(table, int(row), column, value, str(reason), lost))

    def add_column(self, table: str, column: str, reason: str) -> None:
        """Add a fault of a whole column."""
        self.rows.append(_fault(table, -1, column, "", reason, "column"))

    def frame(self) -> pd.DataFrame:
        """Return the faults, sorted by table, row and column."""
        columns = ["table", "row", "column", "value", "reason", "lost"]
        frame = pd.DataFrame(self.rows, columns=columns).drop_duplicates()
        types = {name: "int64" if name == "row" else "str" for name in columns}
        return frame.astype(types).sort_values(["table", "row", "column"], ignore_index=True, kind="stable")


def _fault(table: str, row: int, column: str, value: str, reason: str, lost: str) -> dict[str, object]:
    return {"table": table, "row": row, "column": column, "value": value, "reason": reason, "lost": lost}


def plan(params: IngestParams) -> Plan:
    """Decide which columns of which table are read.

    Raises
    ------
    ContractError
        If a named column does not exist, or there are fewer than two modalities.
    """
    if len(params.modalities) < 2:
        found = ", ".join(params.modalities) or "none"
        raise ContractError(
            f"{BLOCK}.modalities: found {found}, expected at least two modalities to fuse; name a second "
            "table, or other columns of the same table, in params.yaml"
        )
    if not names(params.key) and "://" in params.source:
        raise ContractError(
            f"{BLOCK}.key is null, but the rows of a database have no order; name the key in params.yaml"
        )
    tables = dict.fromkeys([params.target.table, *(part.table for part in params.modalities.values())])
    present = {table: column_names(params.source, table, block=BLOCK) for table in tables}
    for table, existing in present.items():
        for column in [*names(params.key), *([params.target.column] if table == params.target.table else [])]:
            if column not in existing:
                raise ContractError(_no_column(table, column, existing))
    roles = {column: _table_of(column, present) for column in _roles(params)}
    taken = {*names(params.key), *roles}
    columns = {
        name: _selected(name, part, present[part.table], taken, params)
        for name, part in params.modalities.items()
    }
    return Plan(present, columns, roles)


def _roles(params: IngestParams) -> list[str]:
    given = [params.time, params.groups, params.split, *params.levels]
    return list(dict.fromkeys(column for column in given if column is not None))


def _table_of(column: str, present: dict[str, list[str]]) -> str:
    for table, columns in present.items():
        if column in columns:
            return table
    raise ContractError(
        f"{BLOCK}: no table has the column '{column}' (time, groups, split or levels); tables read: "
        f"{', '.join(present)}; correct the name in params.yaml"
    )


def _no_column(table: str, column: str, columns: list[str]) -> str:
    more = ", ..." if len(columns) > 12 else ""
    return (
        f"table '{table}': column '{column}' is missing; found {', '.join(columns[:12])}{more}; correct "
        f"{BLOCK} in params.yaml"
    )


def _selected(
    name: str, part: ModalityParams, present: list[str], taken: set[str], params: IngestParams
) -> list[str]:
    target = {params.target.column} if part.table == params.target.table else set()
    for pattern in (*(part.columns or ()), *part.without):
        if not _matching([pattern], present):
            raise ContractError(_no_column(part.table, pattern, present))
    # A pattern may cover a column with another role; a name that does is a mistake.
    for column in part.columns or ():
        if column in taken | target:
            raise ContractError(
                f"{BLOCK}.modalities.{name}: column '{column}' is the key, the target or has another role; "
                "remove it from columns in params.yaml"
            )
    chosen = _matching(part.columns or ("*",), present) - _matching(part.without, present) - taken - target
    if not chosen:
        raise ContractError(
            f"{BLOCK}.modalities.{name}: no column of table '{part.table}' is left; found "
            f"{', '.join(present[:12])}; correct columns in params.yaml"
        )
    return [column for column in present if column in chosen]


def _matching(patterns: Iterable[str], present: list[str]) -> set[str]:
    return {
        column
        for column in present
        if any(column == pattern or fnmatchcase(column, pattern) for pattern in patterns)
    }


def read_tables(
    params: IngestParams, planned: Plan, faults: Faults
) -> tuple[dict[str, Cells], dict[str, int]]:
    """Read every table with one row per key, indexed by the number of the row.

    Rows without a key, or with that of an earlier row, are left out and quarantined. Each frame has
    the further column ``(key)``, text.

    Returns
    -------
    tables : dict of str to Cells
    rows : dict of str to int
        Rows read from each table.
    """
    key = list(names(params.key))
    tables, rows = {}, {}
    for table, present in planned.present.items():
        needed = {
            column
            for name, part in params.modalities.items()
            if part.table == table
            for column in planned.columns[name]
        }
        needed |= {column for column, owner in planned.roles.items() if owner == table} | set(key)
        needed |= {params.target.column} if table == params.target.table else set()
        columns = [column for column in present if column in needed]
        cells = read_table(params.source, table, columns, key or columns[:1], block=BLOCK)
        rows[table] = len(cells.frame)
        tables[table] = Cells(_with_key(cells.frame, table, key, faults), cells.place, cells.typed)
    if not key and len(set(rows.values())) > 1:
        counts = ", ".join(f"'{table}' {number}" for table, number in rows.items())
        raise ContractError(
            f"{BLOCK}.key is null, so tables are joined by row number, but their numbers of rows differ: "
            f"{counts}; name the key in params.yaml"
        )
    return tables, rows


def _with_key(frame: pd.DataFrame, table: str, key: list[str], faults: Faults) -> pd.DataFrame:
    if not key:
        return frame.assign(**{"(key)": frame.index.astype(str)})
    parts = [frame[column].map(key_text, na_action="ignore") for column in key]
    missing = pd.concat(parts, axis=1).isna().any(axis=1)
    faults.add(table, ", ".join(key), pd.Series("has no key", frame.index[missing], dtype=object), "row")
    joined = parts[0].astype(object)
    for part in parts[1:]:
        joined = joined + " | " + part.astype(object)
    joined = joined[~missing].astype(str)
    first = joined.drop_duplicates()
    repeated = joined.drop(first.index)
    earlier = dict(zip(first, first.index, strict=True))
    reasons = repeated.map(lambda value: f"repeats the key of row {earlier[value]}")
    faults.add(table, ", ".join(key), reasons, "row", joined)
    return frame.loc[first.index].assign(**{"(key)": first})


def key_text(value: object) -> str | None:
    """Return a key or a class as text, the same for 7, 7.0 and their text."""
    text = str(value).strip()
    return WHOLE.sub(r"\1", text) or None

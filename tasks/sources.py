"""Reading of one table from a Parquet file, a CSV file or a database.

The source is not trusted: nothing is unpickled, and a query contains only names that the database
itself reports. A table that cannot be read ends with a `ContractError` that says what to do. This
module checks the form of a file only; `tasks.checked` checks its values.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from statewright.contracts import ContractError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy import Table as Relation


@dataclass(frozen=True)
class Cells:
    """A table as it was read.

    Attributes
    ----------
    frame : pandas.DataFrame
        Cells of a CSV file are text or missing. Rows are numbered from 0.
    place : str
        The file or database table, for errors.
    typed : bool
        Whether the source gives its columns a type that applies to every cell.
    """

    frame: pd.DataFrame
    place: str
    typed: bool


def read_table(
    source: str,
    name: str,
    columns: list[str],
    order: list[str],
    *,
    block: str = "emotion.ingest",
    may_be_empty: bool = False,
) -> Cells:
    """Read some columns of one table.

    Parameters
    ----------
    source : str
        A folder, or a SQLAlchemy URL (anything with ``://``).
    name : str
        A table of the database, or a file of the folder: with its suffix, or else
        ``name.parquet`` or ``name.csv``. An absolute path may be outside the folder.
    columns : list of str
        Required columns; other columns are not read.
    order : list of str
        Columns of the key, by which the rows of a database are sorted.
    block : str
        Params block of the stage that reads, for error messages.
    may_be_empty : bool
        Whether a table without rows is valid, such as a log without entries.

    Raises
    ------
    ContractError
        Naming the file, the column and, where there is one, the line.
    """
    if "://" in source:
        cells = _read_database(source, name, columns, order, block)
    else:
        cells = _read_file(_find(Path(source), name, block), columns)
    if cells.frame.empty and not may_be_empty:
        raise ContractError(f"{cells.place} has no rows, expected at least one; add rows to it")
    return cells


def column_names(source: str, name: str, *, block: str) -> list[str]:
    """Return the columns of a table in its order, without reading its rows.

    Parameters and errors are those of `read_table`.
    """
    if "://" in source:
        return _database_columns(source, name, block)
    path = _find(Path(source), name, block)
    if path.stat().st_size == 0:
        raise ContractError(f"{path} is empty (0 bytes), expected a table; write the file again")
    if path.suffix == ".parquet":
        return _parquet_columns(path)
    _check_utf8(path)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return next(csv.reader(stream), [])


def _read_file(path: Path, columns: list[str]) -> Cells:
    if path.stat().st_size == 0:
        raise ContractError(f"{path} is empty (0 bytes), expected a table; write the file again")
    frame = _read_parquet(path, columns) if path.suffix == ".parquet" else _read_csv(path, columns)
    return Cells(frame, str(path), typed=path.suffix == ".parquet")


def _find(folder: Path, name: str, block: str) -> Path:
    candidates = (
        [folder / name] if Path(name).suffix else [folder / f"{name}.parquet", folder / f"{name}.csv"]
    )
    for path in candidates:
        if path.is_file():
            if path.suffix not in (".parquet", ".csv"):
                raise ContractError(f"{path}: expected a .parquet or .csv file; convert it")
            return path
    raise ContractError(
        f"{' and '.join(map(str, candidates))} not found, expected the table '{Path(name).stem}'; add the "
        f"file, or give its path under {_tables_of(block)} in params.yaml{_spare_table(block)}"
    )


def _require(columns: list[str], present: list[str], place: str) -> None:
    missing = [column for column in columns if column not in present]
    if missing:
        raise ContractError(
            f"{place}: column '{missing[0]}' is missing"
            + (f" (and {len(missing) - 1} more: {', '.join(missing[1:])})" if missing[1:] else "")
            + f"; found {', '.join(map(str, present[:12]))}{', ...' if len(present) > 12 else ''}; "
            "add the column or rename the one that holds it (tasks/*/contracts/raw.py has the contracts)"
        )


def _read_parquet(path: Path, columns: list[str]) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        present = file.schema_arrow.names
        _require(columns, present, str(path))
        frame = file.read(columns=columns).to_pandas()
        # pandas stores an index as a column, and restores it as an index.
        return frame.reset_index()[columns] if list(frame.columns) != columns else frame
    except (pa.ArrowException, OSError) as error:
        raise ContractError(
            f"{path} is not a complete Parquet file ({str(error).splitlines()[0]}); copy or write it again"
        ) from error


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.ParquetFile(path).schema_arrow.names
        return [name for name in names if not name.startswith("__index_level_")]
    except (pa.ArrowException, OSError) as error:
        raise ContractError(
            f"{path} is not a complete Parquet file ({str(error).splitlines()[0]}); copy or write it again"
        ) from error


def _read_csv(path: Path, columns: list[str]) -> pd.DataFrame:
    _check_utf8(path)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        heading = next(csv.reader(stream), [])
    _require(columns, heading, str(path))
    twice = [column for column in columns if heading.count(column) > 1]
    if twice:
        raise ContractError(f"{path}: column '{twice[0]}' occurs twice, expected once; remove one of them")
    try:
        # An artist may be called "NA" or "null", so only an empty cell is missing.
        with warnings.catch_warnings():
            # pandas only warns about lines that are too long, and truncates them.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                encoding="utf-8-sig",
                dtype=str,
                keep_default_na=False,
                na_values=[""],
                index_col=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error) as error:
        raise ContractError(
            f"{path} is not a regular CSV file ({str(error).strip()}); every line needs "
            f"{len(heading)} cells, with cells that hold a comma in double quotes"
        ) from error
    return frame[columns]


def _check_utf8(path: Path) -> None:
    data = path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        heading = data.split(b"\n", 1)[0].decode("latin-1").strip().split(",")
        cell = before[before.rfind(b"\n") + 1 :].count(b",")
        column = heading[cell] if cell < len(heading) else "?"
        raise ContractError(
            f"{path}: row {max(line - 2, 0)} (line {line}), about column "
            f"'{column}': found the byte 0x{data[error.start]:02x}, expected UTF-8; "
            "save the file as UTF-8, e.g. iconv -f latin1 -t utf-8"
        ) from error


def _read_database(url: str, name: str, columns: list[str], order: list[str], block: str) -> Cells:
    import sqlalchemy as sql

    with _connect(url, name, block) as (connection, place):
        table = _relation(connection, name, place, block)
        _require(columns, list(table.columns.keys()), f"{place} table {name}")
        query = sql.select(*(table.c[column] for column in columns))
        frame = pd.DataFrame(
            connection.execute(query.order_by(*(table.c[key] for key in order))).all(), columns=columns
        )
        return Cells(frame, f"{place} table {name}", typed=False)


def _database_columns(url: str, name: str, block: str) -> list[str]:
    with _connect(url, name, block) as (connection, place):
        return list(_relation(connection, name, place, block).columns.keys())


@contextmanager
def _connect(url: str, name: str, block: str) -> Iterator[tuple[Connection, str]]:
    """Open a database; yield the connection and the URL without a password."""
    import sqlalchemy as sql

    try:
        address = sql.engine.make_url(url)
    except sql.exc.ArgumentError as error:
        raise ContractError(
            f"{block}.source is not a SQLAlchemy URL; expected one such as sqlite:///catalogue.db"
        ) from error
    masked_url = address.render_as_string(hide_password=True)
    if address.password:
        raise ContractError(
            f"{masked_url}: the URL contains a password, which params.yaml and the record of every run would "
            "store; remove it and use the password file of the driver (~/.pgpass, ~/.my.cnf)"
        )
    # SQLite would create a missing file.
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
        raise ContractError(f"{masked_url}: the database file does not exist; create it or correct the URL")
    engine = sql.create_engine(address)
    try:
        with engine.connect() as connection:
            yield connection, masked_url
    except sql.exc.SQLAlchemyError as error:
        raise ContractError(
            f"{masked_url} table {name} cannot be read: {str(error).splitlines()[0]}"
        ) from error
    finally:
        engine.dispose()


def _relation(connection: Connection, name: str, place: str, block: str) -> Relation:
    import sqlalchemy as sql

    inspector = sql.inspect(connection)
    present = [*inspector.get_table_names(), *inspector.get_view_names()]
    if name not in present:
        raise ContractError(
            f"{place}: table '{name}' not found; the database has "
            f"{', '.join(sorted(present)) or 'no tables'}; "
            f"name the right one under {_tables_of(block)} in params.yaml"
        )
    return sql.Table(name, sql.MetaData(), autoload_with=connection)


def _tables_of(block: str) -> str:
    """Return the params that name the tables."""
    return "fusion.ingest.modalities" if block == "fusion.ingest" else f"{block}.tables"


def _spare_table(block: str) -> str:
    if block == "fusion.ingest":
        return ""
    return " (for a table that you do not have, the absolute path of one in data/source of this repository)"

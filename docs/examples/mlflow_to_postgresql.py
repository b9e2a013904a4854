"""Copy MLflow's SQLite database to an empty PostgreSQL database.

docs/operations.md explains it::

    python mlflow_to_postgresql.py mlflow.db postgresql://mlflow@db.example/mlflow
    python mlflow_to_postgresql.py mlflow.db postgresql://... --artifacts file:///srv/mlflow s3://bucket/mlflow

The SQLite database is only read. The copy is one transaction: after an error, PostgreSQL is as before.
The password comes from the variable PGPASSWORD or from ~/.pgpass.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sqlalchemy import Connection, MetaData, Table, create_engine, func, inspect, select, text

BATCH = 5000
VERSION = "alembic_version"
LOCATIONS = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "logged_models": ["artifact_location"],
    "model_versions": ["source", "storage_location"],
    "trace_tags": ["value"],
}
"""Columns that hold locations of artifacts."""


def main() -> None:
    """Copy the rows, compare their number, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", type=Path, help="the file mlflow.db")
    parser.add_argument("target", help="postgresql://USER@HOST:PORT/DATABASE")
    parser.add_argument(
        "--artifacts", nargs=2, metavar=("FROM", "TO"), help="replace this start of locations"
    )
    arguments = parser.parse_args()
    if not arguments.source.is_file():
        sys.exit(f"{arguments.source} is not a file; expected MLflow's SQLite database")
    if not arguments.target.startswith("postgresql"):
        sys.exit(
            f"{arguments.target.partition('://')[0]} is not PostgreSQL; expected postgresql://HOST/DATABASE"
        )
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow  # takes seconds

    mlflow.MlflowClient(arguments.target).search_experiments()  # creates the tables
    source = create_engine(f"sqlite:///{arguments.source.absolute()}")
    target = create_engine(arguments.target)
    with source.connect() as reader, target.begin() as writer:
        check(reader, writer, arguments.source)
        tables = reflect(writer)
        for table in reversed(tables):
            writer.execute(table.delete())  # what MLflow puts into new tables, such as "Default"
        for table in tables:
            copy(reader, writer, table)
            if arguments.artifacts:
                relocate(writer, table, *arguments.artifacts)
            continue_numbers(writer, table)
    print("complete: set MLFLOW_TRACKING_URI, or restart the server with the new address")


def check(reader: Connection, writer: Connection, source: Path) -> None:
    """Exit unless both have the same tables, and PostgreSQL has no runs."""
    here, there = (c.scalar(text(f"SELECT version_num FROM {VERSION}")) for c in (reader, writer))
    if here != there:
        sys.exit(
            f"{source} has version {here} of MLflow's tables, PostgreSQL has {there}; "
            f"copy the file, then: mlflow db upgrade sqlite:///{source.absolute()}"
        )
    for table, most in (("runs", 0), ("registered_models", 0), ("experiments", 1)):
        if (number := writer.scalar(text(f"SELECT count(*) FROM {table}"))) > most:
            sys.exit(f"PostgreSQL holds {number} {table} already; expected an empty database")
    if lacks := set(inspect(reader).get_table_names()) - set(inspect(writer).get_table_names()):
        sys.exit(f"PostgreSQL lacks the tables {', '.join(sorted(lacks))}; is it the same release of MLflow?")


def reflect(writer: Connection) -> list[Table]:
    """Return the tables, each after those to which it refers."""
    metadata = MetaData()
    metadata.reflect(writer)
    return [table for table in metadata.sorted_tables if table.name != VERSION]


def copy(reader: Connection, writer: Connection, table: Table) -> None:
    """Copy the rows of a table, and exit if their number differs."""
    # The types of PostgreSQL, so that 0 and 1 become booleans.
    rows = reader.execution_options(yield_per=BATCH).execute(select(table)).mappings()
    for part in rows.partitions(BATCH):
        writer.execute(table.insert(), [dict(row) for row in part])
    counts = [c.scalar(select(func.count()).select_from(table)) for c in (reader, writer)]
    if counts[0] != counts[1]:
        sys.exit(f"{table.name} has {counts[0]} rows, PostgreSQL got {counts[1]}; nothing was changed")
    if counts[0]:
        print(f"{table.name}: {counts[0]}")


def relocate(writer: Connection, table: Table, before: str, after: str) -> None:
    """Replace the start of the locations of artifacts."""
    for name in LOCATIONS.get(table.name, ()):
        column = table.c[name]
        begins = func.substr(column, 1, len(before)) == before
        value = func.concat(after, func.substr(column, len(before) + 1))
        writer.execute(table.update().where(begins).values({name: value}))


def continue_numbers(writer: Connection, table: Table) -> None:
    """Let a column that numbers its rows go on after the last one."""
    for column in table.primary_key.columns:
        name = writer.scalar(select(func.pg_get_serial_sequence(table.name, column.name)))
        if name:
            last = func.coalesce(func.max(column), 0) + 1
            writer.execute(select(func.setval(name, last, False)).select_from(table))


if __name__ == "__main__":
    main()

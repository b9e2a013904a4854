"""Adapt the MLflow store of a moved or copied repository.

MLflow records absolute locations of artifacts. In a moved or copied repository they lead to the original:
a copy would write into it, and the artifacts are lost once it is gone. So the first command that opens the
store replaces the former folder in all locations, in one transaction::

    file:///home/ada/music/.statewright/mlflow/artifacts/RUN/artifacts
    file:///srv/copy/.statewright/mlflow/artifacts/RUN/artifacts

The locations remain absolute, so that MLflow's own server and clients find them without an option.
Nothing here imports MLflow.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from statewright.files import replacing
from statewright.record.store import DATABASE, connect_read_only, store_folder

ARTIFACTS = "artifacts"
MOST_RUNS = 100
"""Number of runs of an experiment whose folders are looked for."""
WAIT_S = 30.0
"""Seconds to wait for another writer of the database."""

_LOCATIONS = (
    ("experiments", "experiment_id", "artifact_location"),
    ("runs", "run_uuid", "artifact_uri"),
    ("logged_models", "model_id", "artifact_location"),
    ("model_versions", "name || '/' || version", "source"),
    ("model_versions", "name || '/' || version", "storage_location"),
    ("trace_tags", "request_id || '/' || key", "value"),
)
"""Table, key and column of each location in MLflow's schema."""


@dataclass(frozen=True)
class Relocation:
    """A change of the locations of a store.

    Parameters
    ----------
    former, present : Path
        Folder of the artifacts in the locations, before and after.
    changed : int
        Number of locations that were changed.
    backup : Path
        SQL that restores the former locations.
    """

    former: Path
    present: Path
    changed: int
    backup: Path

    def __str__(self) -> str:
        number = "1 artifact location" if self.changed == 1 else f"{self.changed} artifact locations"
        return (
            f"the MLflow store was moved or copied: {number} changed from {self.former} to {self.present}; "
            f"the former ones are in {self.backup.name} beside the database"
        )


def relocate_artifacts(root: Path) -> list[Relocation]:
    """Adapt the locations of a store, if it was moved or copied.

    The caller holds `database_lock`.

    Returns
    -------
    list of Relocation
        One for each former folder; empty if the store is where its locations say.
    """
    store = store_folder(root)
    if not (store / DATABASE).is_file():
        return []
    return [_relocate(root, store, former) for former in former_folders(root)]


def former_folders(root: Path) -> list[Path]:
    """Return the folders of artifacts that the store had before a move.

    A location belongs to the store if the folder of one of its runs is here, or if it ends with the
    same path below the repository. It is not a former one if it is another name of this store, such as
    a symbolic link or a mount, or a separate folder for artifacts.
    """
    store = store_folder(root)
    inside = store.relative_to(root).parts
    try:
        with closing(connect_read_only(store / DATABASE)) as connection:
            rows = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
            folders = {folder: location for (location,) in rows if (folder := _folder(location))}
            return [
                folder
                for folder, location in folders.items()
                if not _is_present(folder, store)
                and (
                    _has_run_here(connection, location, store)
                    or (folder.parts[-len(inside) - 1 :] == (*inside, ARTIFACTS) and not _is_separate(folder))
                )
            ]
    except sqlite3.Error:  # not a database of MLflow, which MLflow reports
        return []


def _folder(location: str | None) -> Path | None:
    """Return the folder of a location, or None if it is not on this machine."""
    if not location:
        return None
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(location) if location.startswith("/") else None


def _is_present(folder: Path, store: Path) -> bool:
    if folder == store / ARTIFACTS:
        return True
    pairs = ((folder, store / ARTIFACTS), (folder.parent / DATABASE, store / DATABASE))
    for other, own in pairs:
        with suppress(OSError):
            if other.samefile(own):
                return True
    return False


def _is_separate(folder: Path) -> bool:
    return folder.is_dir() and not (folder.parent / DATABASE).exists()


def _has_run_here(connection: sqlite3.Connection, location: str, store: Path) -> bool:
    query = "SELECT run_uuid FROM runs JOIN experiments USING (experiment_id)"
    runs = connection.execute(f"{query} WHERE artifact_location = ? LIMIT ?", (location, MOST_RUNS))
    return any((store / ARTIFACTS / run).is_dir() for (run,) in runs)


def _relocate(root: Path, store: Path, former: Path) -> Relocation:
    present = store / ARTIFACTS
    folders = {former: present}
    inside = store.relative_to(root).parts
    if former.parts[-len(inside) - 1 : -1] == inside:
        # MLflow's own folder of the experiment "Default", at the root of the repository.
        folders[Path(*former.parts[: -len(inside) - 1]) / "mlruns"] = root / "mlruns"
    backup = store / f"relocated-{time.time_ns()}.sql"
    with closing(sqlite3.connect(store / DATABASE, timeout=WAIT_S, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        changes = list(_changes(connection, folders))
        with replacing(backup, most=0o600) as temporary:
            undo = "".join(f"{change.sql(change.before)};\n" for change in changes)
            temporary.write_text(f"BEGIN;\n{undo}COMMIT;\n", encoding="utf-8")
        for change in changes:
            connection.execute(change.sql(change.after))
        connection.execute("COMMIT")
    return Relocation(former, present, len(changes), backup)


@dataclass(frozen=True)
class _Change:
    """A location to change; `row` is the condition that selects its row."""

    table: str
    row: str
    column: str
    before: str
    after: str

    def sql(self, value: str) -> str:
        return f"UPDATE {self.table} SET {self.column} = {_quoted(value)} WHERE {self.row}"


def _changes(connection: sqlite3.Connection, folders: Mapping[Path, Path]) -> Iterator[_Change]:
    """Yield the locations to change."""
    texts: dict[str, str] = {}
    for former, present in folders.items():
        texts |= {str(former): str(present), former.as_uri(): present.as_uri()}
    for table, key, column in _LOCATIONS:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if column not in columns:  # the schema of an older MLflow
            continue
        for identity, value in connection.execute(f"SELECT {key}, {column} FROM {table}").fetchall():
            for before, after in texts.items():
                if value and (value == before or value.startswith(f"{before}/")):
                    changed = after + value[len(before) :]
                    if table == "experiments" or not _remains(value, changed):
                        yield _Change(table, f"{key} = {_quoted(identity)}", column, value, changed)


def _remains(value: str, changed: str) -> bool:
    """Return whether files exist only at the former location.

    A copy in which an earlier release has worked has left the files of its runs there.
    """
    before, after = _folder(value), _folder(changed)
    return bool(before and after and before.exists() and not after.exists())


def _quoted(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'{}'".format(value.replace("'", "''"))

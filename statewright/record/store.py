"""The location of the MLflow store of a repository.

::

    MLFLOW_TRACKING_URI  ->  the setting `store`  ->  .statewright/mlflow  (default)

Nothing here imports MLflow, because every plan asks for the location.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from statewright.configuration import read_configuration

DATABASE = "mlflow.db"
FORMER_STORE = "mlflow"
"""Folder of the store in release 0.1, which had no setting for it."""


def tracking_uri(root: Path) -> str:
    """Return `MLFLOW_TRACKING_URI`, or by default the SQLite store of the repository."""
    return os.environ.get("MLFLOW_TRACKING_URI") or local_uri(root)


def local_uri(root: Path) -> str:
    """Return the URI of the SQLite store of the repository."""
    return f"sqlite:///{store_folder(root) / DATABASE}"


def store_folder(root: Path) -> Path:
    """Return the folder of the repository's store.

    If the setting `store` is absent, a store that an earlier release made in `mlflow/` is used further,
    so that its history is not lost. Any other folder `mlflow/` belongs to the user.
    """
    configuration = read_configuration(root)
    folder = root / configuration.store
    if "store" in configuration.sources or (folder / DATABASE).exists():
        return folder
    former = root / FORMER_STORE
    return former if _holds_our_runs(former / DATABASE) else folder


def _holds_our_runs(database: Path) -> bool:
    """Return whether a database of MLflow holds runs of this engine."""
    if not database.is_file():
        return False
    try:
        with closing(connect_read_only(database)) as connection:
            query = "SELECT 1 FROM tags WHERE key = 'statewright.kind' LIMIT 1"
            return connection.execute(query).fetchone() is not None
    except sqlite3.Error:
        return False


def connect_read_only(database: Path) -> sqlite3.Connection:
    """Connect to a SQLite database without the right to change it."""
    return sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=5)


def database_path(uri: str) -> Path | None:
    """Return the path of a SQLite database, or None for any other kind of store."""
    return Path(uri.removeprefix("sqlite:///")).absolute() if uri.startswith("sqlite:///") else None


def answers(uri: str) -> bool:
    """Return whether the HTTP store at `uri` accepts connections.

    The answer for any other kind of store is True. MLflow's own client waits for minutes before it
    reports an error.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return True
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=3).close()
    except OSError:
        return False
    return True


@contextmanager
def database_lock(uri: str) -> Iterator[None]:
    """Hold the lock of a database for the block, across repositories.

    MLflow creates the tables and the first experiment of a new database without a lock on the whole. The
    lock of a SQLite database is on its folder, so that no file appears beside a user's database.
    """
    path = database_path(uri)
    name = hashlib.sha256(uri.encode()).hexdigest()[:16]
    file = Path(tempfile.gettempdir()) / f"statewright-{os.getuid()}-{name}.lock"
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.parent, os.O_RDONLY)
    else:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def note_on_user_store(root: Path) -> str | None:
    """Return how to record in the MLflow store that the stages use, if any.

    Without `MLFLOW_TRACKING_URI`, MLflow writes to `mlflow.db` or `mlruns/` of the working directory.
    The note ends with the first record, because the repository then has a store of its own.
    """
    if os.environ.get("MLFLOW_TRACKING_URI") or (store_folder(root) / DATABASE).exists():
        return None
    if (root / DATABASE).is_file():
        found, uri = DATABASE, f"sqlite:///{DATABASE}"
    elif any((root / "mlruns").glob("*/meta.yaml")):
        found, uri = "mlruns/", "mlruns"
    else:
        return None
    folder = store_folder(root).relative_to(root)
    return f"runs are recorded in {folder}/; to record them in {found}: export MLFLOW_TRACKING_URI={uri}"

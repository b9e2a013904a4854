"""Files of a run in MLflow: outputs, small tables, the end of a log."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from statewright.record.journal import HeldFile

if TYPE_CHECKING:
    from mlflow import MlflowClient

LARGEST_LOG = 1_000_000
"""Maximum bytes of a log in MLflow: its end. The whole log is in `.statewright/logs/`."""


def log_files(client: MlflowClient, run_id: str, files: Sequence[HeldFile]) -> None:
    """Record files, and small Parquet tables as CSV, which MLflow's page shows.

    Raises
    ------
    FileNotFoundError
        If files changed or disappeared since their stage ended; the others are recorded.
    """
    changed = []
    for file in files:
        path = Path(file.path)
        if not file.is_unchanged():
            changed.append(path.name)
        elif path.suffix == ".parquet":
            table = table_as_csv(path)
            if table is not None:
                client.log_text(run_id, table, f"tables/{path.stem}.csv")
        else:
            client.log_artifact(run_id, str(path), file.folder or None)
    if changed:
        raise FileNotFoundError(f"changed before they were recorded: {', '.join(changed)}")


def table_as_csv(path: Path) -> str | None:
    """Return a Parquet file as CSV.

    The result is None if CSV cannot hold the columns (lists, bytes), if the file cannot be read, or if
    the extra `functions` is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.csv
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        return None
    with suppress(pa.ArrowException, OSError, UnicodeDecodeError):
        sink = pa.BufferOutputStream()
        pyarrow.csv.write_csv(pq.read_table(path), sink)
        return str(sink.getvalue().to_pybytes().decode("utf-8"))
    return None


def log_end_of(client: MlflowClient, run_id: str, log: Path) -> None:
    """Record the last `LARGEST_LOG` bytes of a log, unless it is empty or gone."""
    if not log.is_file() or not (size := log.stat().st_size):
        return
    if size <= LARGEST_LOG:
        client.log_artifact(run_id, str(log))
        return
    with tempfile.TemporaryDirectory() as folder:
        end = Path(folder) / log.name
        with log.open("rb") as source, end.open("wb") as target:
            source.seek(size - LARGEST_LOG)
            source.readline(LARGEST_LOG // 10)  # the rest of a line
            target.write(f"... {source.tell()} bytes before are in {log}\n".encode())
            shutil.copyfileobj(source, target)
        client.log_artifact(run_id, str(end))

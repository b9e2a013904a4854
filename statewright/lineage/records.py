"""The stages that were run, as MLflow remembers them: which run made this version of a file?

A local database is read directly (tables of MLflow 3.17, which `pyproject.toml` pins), since
importing MLflow takes seconds; any other store is read through the client.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statewright.record.tracking import answers, tracking_uri
from statewright.state import Hashes

MOST_RUNS = 1000
"""How many past runs of a stage are looked through."""

_RUNS = """
SELECT runs.run_uuid, runs.experiment_id, runs.start_time, runs.end_time
FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid
WHERE tags.key = 'statewright.stage' AND tags.value = ? AND runs.lifecycle_stage = 'active'
ORDER BY runs.start_time DESC LIMIT ?
"""
_HASHES = """
SELECT DISTINCT stages.value, substr(tags.key, 8), tags.value
FROM tags JOIN tags AS stages ON stages.run_uuid = tags.run_uuid AND stages.key = 'statewright.stage'
JOIN runs ON runs.run_uuid = tags.run_uuid
WHERE tags.key LIKE 'output:%' AND tags.value LIKE ? AND runs.lifecycle_stage = 'active'
"""


@dataclass(frozen=True)
class PastRun:
    """One recorded run of a stage.

    Parameters
    ----------
    started, seconds : float
        Seconds since 1970, and how long it took; None while it runs.
    link : str, optional
        Where a server shows the run.
    """

    run_id: str
    experiment_id: str
    started: float | None
    seconds: float | None
    tags: Mapping[str, str]
    params: Callable[[], Mapping[str, str]] = field(compare=False, repr=False)
    link: str | None = None

    @property
    def stage(self) -> str:
        """Address of the stage."""
        return self.tags.get("statewright.stage", "")

    @property
    def status(self) -> str:
        """``ran``, ``restored``, ``done`` or ``failed``."""
        return self.tags.get("statewright.status", "")

    @property
    def inputs(self) -> Hashes:
        """Hash of every dependency, by path."""
        return self._hashes("input:")

    @property
    def outputs(self) -> Hashes:
        """Hash of every output, by path."""
        return self._hashes("output:")

    @property
    def parent_id(self) -> str | None:
        """The run of the whole transition, if it was part of one."""
        return self.tags.get("mlflow.parentRunId")

    @property
    def commit(self) -> str | None:
        """The git commit that was checked out."""
        return self.tags.get("mlflow.source.git.commit")

    @property
    def dirty(self) -> bool:
        """Whether tracked files had changes that were not committed."""
        return self.tags.get("statewright.git.dirty") == "true"

    def _hashes(self, prefix: str) -> dict[str, str]:
        return {k.removeprefix(prefix): v for k, v in self.tags.items() if k.startswith(prefix) and v}

    def as_dict(self) -> dict[str, Any]:
        """What is remembered, for JSON."""
        return {
            "run": self.run_id,
            "parent": self.parent_id,
            "link": self.link,
            "flow": self.tags.get("prefect.link") or self.tags.get("prefect.flow_run"),
            "status": self.status,
            "started": self.started,
            "seconds": self.seconds,
            "commit": self.commit,
            "dirty": self.dirty if self.commit else None,
            "why": self.tags.get("statewright.reason") or None,
        }


@dataclass(frozen=True)
class Record:
    """A store of past runs.

    Parameters
    ----------
    runs : callable
        Address of a stage -> its runs, newest first, read one by one.
    versions : callable
        Beginning of a hash -> (stage, path, hash) of every recorded output that has it.
    absent : str, optional
        Why there is no record at all.
    """

    runs: Callable[[str], Iterable[PastRun]]
    versions: Callable[[str], Iterable[tuple[str, str, str]]]
    absent: str | None = None


def open_past(root: Path) -> Record:
    """The record of a repository; an empty one, with the reason, if there is none or it does not answer."""
    uri = tracking_uri(root)
    if not uri.startswith("sqlite:///"):
        return _remote(uri, root) if answers(uri) else _nothing(f"{uri} does not answer")
    path = Path(uri.removeprefix("sqlite:///"))
    if not path.is_file():
        return _nothing("no run was recorded in MLflow yet")
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
        connection.execute("SELECT run_uuid FROM tags LIMIT 1")
    except sqlite3.Error as error:
        return _nothing(f"{path} cannot be read: {error}")
    return Record(lambda stage: _read(connection, stage), lambda prefix: _read_hashes(connection, prefix))


def _nothing(why: str) -> Record:
    return Record(lambda stage: (), lambda prefix: (), why)


def _read(connection: sqlite3.Connection, stage: str) -> Iterator[PastRun]:
    for run_id, experiment_id, start, end in connection.execute(_RUNS, (stage, MOST_RUNS)).fetchall():
        tags = dict(connection.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run_id,)))

        def params(run_id: str = run_id) -> dict[str, str]:
            return dict(connection.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run_id,)))

        yield PastRun(run_id, str(experiment_id), *_times(start, end), tags, params)


def _read_hashes(connection: sqlite3.Connection, prefix: str) -> list[tuple[str, str, str]]:
    return list(connection.execute(_HASHES, (f"{prefix}%",)))


def _times(start: int | None, end: int | None) -> tuple[float | None, float | None]:
    if start is None:
        return None, None
    return start / 1000, None if end is None else (end - start) / 1000


def _remote(uri: str, root: Path) -> Record:
    """Runs through MLflow's client, of the experiment that the engine records in."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(os.environ.get("MLFLOW_EXPERIMENT_NAME") or root.name)
    if experiment is None:
        return _nothing(f"{uri} has no experiment of this repository")

    def search(query: str) -> list[PastRun]:
        found = client.search_runs(
            [experiment.experiment_id], query, order_by=["start_time DESC"], max_results=MOST_RUNS
        )
        return [_from_client(run, uri) for run in found]

    def versions(prefix: str) -> list[tuple[str, str, str]]:
        runs = search("tags.`statewright.kind` = 'stage'")
        pairs = ((run.stage, path, value) for run in runs for path, value in run.outputs.items() if value)
        return sorted({pair for pair in pairs if pair[2].startswith(prefix)})

    return Record(lambda stage: search(f"tags.`statewright.stage` = '{stage}'"), versions)


def _from_client(run: Any, uri: str) -> PastRun:
    info = run.info
    link = None
    if uri.startswith("http"):
        link = f"{uri.rstrip('/')}/#/experiments/{info.experiment_id}/runs/{info.run_id}"
    times = _times(info.start_time, info.end_time)
    return PastRun(
        info.run_id, info.experiment_id, *times, dict(run.data.tags), lambda: dict(run.data.params), link
    )


def maker(
    record: Record, stage: str, outputs: Hashes, inputs: Hashes | None = None
) -> tuple[PastRun | None, PastRun | None]:
    """The run that made these versions of the outputs, and a later one that only brought them back.

    Of several runs that wrote the same, one from the same `inputs` is preferred, then the newest.
    """
    made, restored, alike = None, None, False
    for run in record.runs(stage):
        if not outputs or any(run.outputs.get(path) != value for path, value in outputs.items()):
            continue
        if run.status == "restored" and made is None and restored is None:
            restored = run
        if run.status != "ran":
            continue
        same = inputs is not None and all(inputs.get(path) == value for path, value in run.inputs.items())
        if made is None or (same and not alike):
            made, alike = run, same
        if alike or inputs is None:
            break
    return made, restored

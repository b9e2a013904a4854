"""Recorded runs of stages: find the run that wrote a version of a file.

A local SQLite store is read directly, because importing MLflow takes seconds. The queries are
for the tables of MLflow 3.17, which `pyproject.toml` pins. Any other store is read through
MLflow's client.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statewright.record.experiment import connect, experiment_ids
from statewright.record.store import answers, connect_read_only, database_path, tracking_uri
from statewright.state import Hashes

MOST_RUNS = 1000
"""Maximum number of past runs of a stage that are searched."""

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
    """Recorded run of a stage.

    Parameters
    ----------
    started : float or None
        Start of the run in seconds since 1970.
    seconds : float or None
        Duration in seconds; None while the run is active.
    params : callable
        Return the params of the run, read from the store on demand.
    link : str, optional
        Address of the run's page on the MLflow server.
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
        """Content hash of each dependency, by path."""
        return self._hashes("input:")

    @property
    def outputs(self) -> Hashes:
        """Content hash of each output, by path."""
        return self._hashes("output:")

    @property
    def parent_id(self) -> str | None:
        """Id of the transition's run, if the stage ran in a transition."""
        return self.tags.get("mlflow.parentRunId")

    @property
    def commit(self) -> str | None:
        """Git commit that was checked out."""
        return self.tags.get("mlflow.source.git.commit")

    @property
    def dirty(self) -> bool:
        """True if tracked files had uncommitted changes."""
        return self.tags.get("statewright.git.dirty") == "true"

    def _hashes(self, prefix: str) -> dict[str, str]:
        return {k.removeprefix(prefix): v for k, v in self.tags.items() if k.startswith(prefix) and v}

    def as_dict(self) -> dict[str, Any]:
        """Return the run as plain values, for JSON."""
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
            "python": self.tags.get("statewright.python"),
            "environment": self.tags.get("statewright.environment"),
        }


@dataclass(frozen=True)
class RunHistory:
    """Recorded runs of a repository.

    Parameters
    ----------
    runs : callable
        Map the address of a stage to its runs, newest first, read one by one.
    versions : callable
        Map the first characters of a hash to (stage, path, hash) of each recorded output
        whose hash starts with them.
    absent : str, optional
        Reason why no run can be read; None if the store was read.
    """

    runs: Callable[[str], Iterable[PastRun]]
    versions: Callable[[str], Iterable[tuple[str, str, str]]]
    absent: str | None = None


def open_run_history(root: Path) -> RunHistory:
    """Open the recorded runs of a repository.

    If the store is absent, damaged or does not answer, the result is empty and `absent` holds
    the reason.
    """
    uri = tracking_uri(root)
    path = database_path(uri)
    if path is None:
        return _open_remote(uri, root) if answers(uri) else _empty(f"{uri} does not answer")
    if not path.is_file():
        return _empty("no run was recorded in MLflow yet")
    try:
        connection = connect_read_only(path)
        connection.execute("SELECT run_uuid FROM tags LIMIT 1")
    except sqlite3.Error as error:
        return _empty(f"{path} cannot be read: {error}")
    return RunHistory(
        lambda stage: _read_runs(connection, stage), lambda prefix: _read_hashes(connection, prefix)
    )


def _empty(reason: str) -> RunHistory:
    return RunHistory(lambda stage: (), lambda prefix: (), reason)


def _read_runs(connection: sqlite3.Connection, stage: str) -> Iterator[PastRun]:
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


def _open_remote(uri: str, root: Path) -> RunHistory:
    """Read runs of the repository's experiments through MLflow's client."""
    client = connect(uri)
    experiments = experiment_ids(client, root)
    if not experiments:
        return _empty(f"{uri} has no experiment for this repository")

    def search(query: str) -> list[PastRun]:
        runs = client.search_runs(experiments, query, order_by=["start_time DESC"], max_results=MOST_RUNS)
        return [from_client(run, uri) for run in runs]

    def versions(prefix: str) -> list[tuple[str, str, str]]:
        runs = search("tags.`statewright.kind` = 'stage'")
        pairs = ((run.stage, path, value) for run in runs for path, value in run.outputs.items() if value)
        return sorted({pair for pair in pairs if pair[2].startswith(prefix)})

    return RunHistory(lambda stage: search(f"tags.`statewright.stage` = '{stage}'"), versions)


def from_client(run: Any, uri: str) -> PastRun:
    """Return a run of MLflow's client."""
    info = run.info
    link = None
    if uri.startswith("http"):
        link = f"{uri.rstrip('/')}/#/experiments/{info.experiment_id}/runs/{info.run_id}"
    times = _times(info.start_time, info.end_time)
    return PastRun(
        info.run_id, info.experiment_id, *times, dict(run.data.tags), lambda: dict(run.data.params), link
    )


def maker(
    history: RunHistory, stage: str, outputs: Hashes, inputs: Hashes | None = None
) -> tuple[PastRun | None, PastRun | None]:
    """Return the run that wrote these outputs, and a later run that restored them.

    If several runs wrote the same outputs, prefer one with the same `inputs`, then the newest.
    """
    made, restored, same_inputs = None, None, False
    for run in history.runs(stage):
        if not outputs or any(run.outputs.get(path) != value for path, value in outputs.items()):
            continue
        if run.status == "restored" and made is None and restored is None:
            restored = run
        if run.status != "ran":
            continue
        same = inputs is not None and all(inputs.get(path) == value for path, value in run.inputs.items())
        if made is None or (same and not same_inputs):
            made, same_inputs = run, same
        if same_inputs or inputs is None:
            break
    return made, restored

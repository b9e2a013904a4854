"""The one file that writes to MLflow.

A transition is a run; each stage that ran or was restored in it is a child run. Values are
written in batches through the client, straight to the store that `MLFLOW_TRACKING_URI` names
(by default SQLite under `mlflow/`), never through global state, so threads may record at once.
"""

from __future__ import annotations

import math
import os
import posixpath
import socket
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from filelock import FileLock

from statewright.git import git
from statewright.record.outputs import files_of, metrics_of, series_of, tables_of
from statewright.workflow import Stage, flatten
from statewright.workspace import control_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class StageRecord:
    """What is to be remembered of one stage: when it ran, from what, to what, and why."""

    stage: Stage
    status: str
    started: float
    finished: float
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str | None] = field(default_factory=dict)
    outputs: Mapping[str, str | None] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    log: Path | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    used: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Record:
    """An open place in MLflow: an experiment, and the parent run if there is one."""

    client: MlflowClient
    experiment_id: str
    root: Path
    context: Mapping[str, str] = field(default_factory=dict)
    parent_id: str | None = None
    mutex: threading.Lock = field(default_factory=threading.Lock)


def tracking_uri(root: Path) -> str:
    """`MLFLOW_TRACKING_URI`, or SQLite below `root`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or local_uri(root)


def local_uri(root: Path) -> str:
    """SQLite below `root`."""
    return f"sqlite:///{root / 'mlflow' / 'mlflow.db'}"


def answers(uri: str) -> bool:
    """Whether somebody listens where an HTTP store should be; MLflow itself would wait for minutes."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return True
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=3).close()
    except OSError:
        return False
    return True


def open_record(root: Path, command: str = "", experiment: str = "") -> Record:
    """Connect, making the database and the experiment if they are not there yet.

    Without a name the experiment is that of `MLFLOW_EXPERIMENT_NAME`, or the folder's. Two processes may
    do this at once: the database is made under a file lock.

    Raises
    ------
    ConnectionError
        If the store is a server that does not answer.
    """
    uri = tracking_uri(root)
    if not answers(uri):
        raise ConnectionError(
            f"{uri} does not answer; `make ui` starts a server, or unset MLFLOW_TRACKING_URI"
        )
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    import mlflow
    from mlflow.exceptions import MlflowException

    if not hasattr(mlflow, "__version__"):
        raise ImportError("the library mlflow is not installed; the folder mlflow/ was imported in its place")
    name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or root.name
    local = uri.startswith("sqlite:")
    control_folder(root / "mlflow", kept=("README.md",))
    with FileLock(root / "mlflow" / ".lock"):
        client = mlflow.MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(name)
        if found is None:
            place = (root / "mlflow" / "artifacts").as_uri() if local else None
            try:
                experiment_id = client.create_experiment(name, artifact_location=place)
                return Record(client, experiment_id, root, context_tags(root, command or " ".join(sys.argv)))
            except MlflowException:
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        return Record(client, found.experiment_id, root, context_tags(root, command or " ".join(sys.argv)))


def start_parent(record: Record, name: str, tags: Mapping[str, str], plan: Mapping[str, Any]) -> None:
    """Open the run of a transition; stages recorded from now on are its children."""
    run = record.client.create_run(
        record.experiment_id,
        run_name=name,
        tags={**record.context, **tags, "statewright.kind": "transition"},
    )
    record.parent_id = run.info.run_id
    record.client.log_dict(record.parent_id, dict(plan), "plan.json")


def record_schedule(record: Record, schedule: Mapping[str, Any]) -> None:
    """Note on the run of a transition what was predicted and what it took, in all and for each stage."""
    if record.parent_id is not None:
        whole = {"seconds.predicted": schedule["predicted"], "seconds.actual": schedule["actual"]}
        _log(record, record.parent_id, metrics=_finite(whole.items()))
        record.client.log_dict(record.parent_id, dict(schedule), "schedule.json")


def end_parent(
    record: Record,
    status: str,
    *,
    tags: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
) -> None:
    """Close the run of a transition as FINISHED, FAILED or KILLED, with the metrics of its last state."""
    if record.parent_id is None:
        return
    _log(record, record.parent_id, metrics=_finite((metrics or {}).items()), tags=tags)
    record.client.set_terminated(record.parent_id, status)


def record_round(
    root: Path,
    between: tuple[float, float],
    tags: Mapping[str, str],
    plan: Mapping[str, Any],
    metrics: Mapping[str, float],
) -> None:
    """Note a round of the loop on the run of its transition, which began `between` two times.

    They are seconds of the epoch. A round in which nothing ran made no transition: it gets a run of
    its own.
    """
    record = open_record(root)
    since, until = (int(seconds * 1000) for seconds in between)
    found = record.client.search_runs(
        [record.experiment_id],
        f"tags.`statewright.kind` = 'transition' and attributes.start_time >= {since}"
        f" and attributes.start_time <= {until}",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    notes = {name: value[:5000] for name, value in tags.items()}
    if found:
        _log(record, found[0].info.run_id, metrics=_finite(metrics.items()), tags=notes)
    else:
        start_parent(record, "loop", notes, plan)
        end_parent(record, "FINISHED", metrics=metrics)


def record_stage(record: Record, done: StageRecord) -> str:
    """Record one stage as a run of its own and return the run's id."""
    tags = {
        **record.context,
        "statewright.kind": "stage",
        "statewright.stage": done.stage.address,
        "statewright.stage.command": "\n".join(done.stage.cmd),
        "statewright.status": done.status,
        "statewright.reason": "; ".join(done.reasons),
        "mlflow.note.content": done.stage.desc,
        **{f"input:{path}": value or "" for path, value in done.inputs.items()},
        **{f"output:{path}": value or "" for path, value in done.outputs.items()},
        **done.tags,
    }
    if record.parent_id:
        tags["mlflow.parentRunId"] = record.parent_id
    run = record.client.create_run(
        record.experiment_id,
        start_time=int(done.started * 1000),
        run_name=done.stage.address,
        tags={key: value[:5000] for key, value in tags.items()},
    )
    status = "FAILED" if done.status == "failed" else "FINISHED"
    try:
        _log_stage(record, run.info.run_id, done)
    finally:
        record.client.set_terminated(run.info.run_id, status, end_time=int(done.finished * 1000))
    return str(run.info.run_id)


def record_benchmark(
    record: Record, name: str, between: tuple[float, float], metrics: Mapping[str, float], artifact: Path
) -> str:
    """Record what a benchmark measured `between` two times as a run, and return the run's id."""
    started, finished = (int(seconds * 1000) for seconds in between)
    tags = {**record.context, "statewright.kind": "benchmark"}
    run = record.client.create_run(record.experiment_id, start_time=started, run_name=name, tags=tags)
    status = "FAILED"
    try:
        _log(record, run.info.run_id, metrics=_finite(metrics.items()))
        record.client.log_artifact(run.info.run_id, str(artifact))
        status = "FINISHED"
    finally:
        record.client.set_terminated(run.info.run_id, status, end_time=finished)
    return str(run.info.run_id)


def _log_stage(record: Record, run_id: str, done: StageRecord) -> None:
    metrics: list[tuple[str, float, int]] = []
    if done.status in ("ran", "restored"):
        metrics += _finite(metrics_of(record.root, done.stage))
        metrics += series_of(record.root, done.stage)
    if done.status == "ran":
        metrics.append(("seconds", done.finished - done.started, 0))
    metrics += _finite(done.used.items())
    _log(record, run_id, metrics=metrics, params=dict(flatten(done.params)) if done.params else {})
    if done.log is not None and done.log.is_file() and done.log.stat().st_size:
        record.client.log_artifact(run_id, str(done.log))
    for path in files_of(record.root, done.stage):
        record.client.log_artifact(run_id, str(path))
    for name, text in tables_of(record.root, done.stage):
        record.client.log_text(run_id, text, f"tables/{name}")


def _log(
    record: Record,
    run_id: str,
    *,
    metrics: Iterable[tuple[str, float, int]] = (),
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write in batches as large as MLflow takes."""
    import time

    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    values = [Metric(_key(name), value, now, step) for name, value, step in metrics]
    settings = [Param(_key(name), str(value)[:6000]) for name, value in (params or {}).items()]
    notes = [RunTag(name, value) for name, value in (tags or {}).items()]
    with record.mutex:
        for start in range(0, len(values), 1000):
            record.client.log_batch(run_id, metrics=values[start : start + 1000])
        for start in range(0, max(len(settings), len(notes)), 100):
            record.client.log_batch(
                run_id, params=settings[start : start + 100], tags=notes[start : start + 100]
            )


def _key(name: str) -> str:
    """A name with the letters that MLflow allows, and which it does not take for a path elsewhere."""
    name = "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name)[:250]
    elsewhere = name.startswith(("/", "../")) or name in ("", ".", "..") or posixpath.normpath(name) != name
    return f"_{name.replace('/', '_')}" if elsewhere else name


def _finite(items: Iterable[tuple[str, float]]) -> list[tuple[str, float, int]]:
    return [(name, value, 0) for name, value in items if math.isfinite(value)]


def context_tags(root: Path, command: str) -> dict[str, str]:
    """Git commit, whether the checkout has changes, and the command line."""
    tags = {"statewright.command": command[:500]}
    commit = git(root, "rev-parse", "HEAD").strip()
    if commit:
        tags["mlflow.source.git.commit"] = commit
        # A run itself writes these: a change of them is none of code or params.
        written = [f":(exclude,glob)**/{name}" for name in ("dvc.lock", ".gitignore")]
        changes = git(root, "status", "--porcelain", "-uno", "--", *written)
        tags["statewright.git.dirty"] = str(bool(changes)).lower()
    return tags

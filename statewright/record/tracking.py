"""The only module that writes to MLflow.

A transition is a run. Each stage that it ran or restored is a child run. Values are written in
batches through the client to the store that `store.py` finds. MLflow's global state is not used, so
several threads can record at once.
"""

from __future__ import annotations

import math
import os
import posixpath
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright.environment import set_default
from statewright.git import git
from statewright.masking import mask_arguments, mask_command
from statewright.record.outputs import files_of, metrics_of, series_of, tables_of
from statewright.record.store import answers, database_lock, database_path, store_folder, tracking_uri
from statewright.workflow import Stage, flatten
from statewright.workspace import control_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class StageRecord:
    """Values to record for one stage: times, params, hashes, reasons.

    Parameters
    ----------
    status : str
        ``ran``, ``restored``, ``done`` or ``failed``.
    started, finished : float
        Seconds since 1970.
    inputs, outputs : mapping of str to str or None
        Path -> content hash.
    used : mapping of str to float
        Measured use of resources, recorded as metrics.
    """

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
    """Open MLflow experiment, and the parent run if there is one."""

    client: MlflowClient
    experiment_id: str
    root: Path
    context: Mapping[str, str] = field(default_factory=dict)
    parent_id: str | None = None
    mutex: threading.Lock = field(default_factory=threading.Lock)


def open_record(root: Path, command: str = "", experiment: str = "") -> Record:
    """Open the experiment; create it and its database if they do not exist.

    Two processes can call this at once: a file lock protects the creation of the database.

    Parameters
    ----------
    command : str
        Command line to record (default: that of the process).
    experiment : str
        Name of the experiment (default: `MLFLOW_EXPERIMENT_NAME`, else the name of the folder).

    Raises
    ------
    ConnectionError
        If the store is a server that does not answer.
    """
    uri = tracking_uri(root)
    if not answers(uri):
        raise ConnectionError(
            f"{uri} does not answer; start a server with `statewright ui`, or unset MLFLOW_TRACKING_URI"
        )
    command = command or mask_arguments(sys.argv)
    name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or root.name
    location = None
    if database_path(uri) is not None:
        location = (control_folder(store_folder(root)) / "artifacts").as_uri()
    with database_lock(uri):
        client = connect(uri)
        from mlflow.exceptions import MlflowException

        existing = client.get_experiment_by_name(name)
        if existing is None:
            try:
                experiment_id = client.create_experiment(name, artifact_location=location)
                return Record(client, experiment_id, root, context_tags(root, command))
            except MlflowException:  # a process of another checkout may have created it meanwhile
                existing = client.get_experiment_by_name(name)
                if existing is None:
                    raise
        return Record(client, existing.experiment_id, root, context_tags(root, command))


def connect(uri: str) -> MlflowClient:
    """Return MLflow's client of a store, with short limits for a server that does not answer."""
    set_default("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    set_default("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    # MLflow 3 refuses a folder of files (mlruns/), but the user has named one and has runs in it.
    set_default("MLFLOW_ALLOW_FILE_STORE", "true")
    import mlflow

    if not hasattr(mlflow, "__version__"):
        raise ImportError("the library mlflow is not installed; the folder mlflow/ was imported in its place")
    return mlflow.MlflowClient(tracking_uri=uri)


def start_parent(record: Record, name: str, tags: Mapping[str, str], plan: Mapping[str, Any]) -> None:
    """Start the run of a transition; later records of stages become its child runs."""
    run = record.client.create_run(
        record.experiment_id,
        run_name=name,
        tags={**record.context, **tags, "statewright.kind": "transition"},
    )
    record.parent_id = run.info.run_id
    record.client.log_dict(record.parent_id, dict(plan), "plan.json")


def record_schedule(record: Record, schedule: Mapping[str, Any]) -> None:
    """Record predicted and actual seconds, in total and by stage."""
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
    """End a transition's run as FINISHED, FAILED or KILLED, with the final metrics."""
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
    """Record a round of the loop on the run of its transition.

    A round in which nothing ran has no transition. It gets a run of its own.

    Parameters
    ----------
    between : (float, float)
        Earliest and latest start of the transition, in seconds since 1970.
    """
    record = open_record(root)
    since, until = (int(seconds * 1000) for seconds in between)
    runs = record.client.search_runs(
        [record.experiment_id],
        f"tags.`statewright.kind` = 'transition' and attributes.start_time >= {since}"
        f" and attributes.start_time <= {until}",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    notes = {name: value[:5000] for name, value in tags.items()}
    if runs:
        _log(record, runs[0].info.run_id, metrics=_finite(metrics.items()), tags=notes)
    else:
        start_parent(record, "loop", notes, plan)
        end_parent(record, "FINISHED", metrics=metrics)


def record_stage(record: Record, done: StageRecord) -> str:
    """Record a stage as a run and return the run's id."""
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
    """Record metrics and report of a benchmark as a run and return the run's id.

    Parameters
    ----------
    between : (float, float)
        Start and end of the benchmark, in seconds since 1970.
    """
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
    """Write values in batches of the maximum size that MLflow accepts."""
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
    """Return `name` as a valid key: allowed characters, no path outside the run."""
    name = "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name)[:250]
    outside = name.startswith(("/", "../")) or name in ("", ".", "..") or posixpath.normpath(name) != name
    return f"_{name.replace('/', '_')}" if outside else name


def _finite(items: Iterable[tuple[str, float]]) -> list[tuple[str, float, int]]:
    return [(name, value, 0) for name, value in items if math.isfinite(value)]


def context_tags(root: Path, command: str) -> dict[str, str]:
    """Return tags: git commit, whether the checkout has changes, command line."""
    tags = {"statewright.command": mask_command(command)[:500]}
    commit = git(root, "rev-parse", "HEAD").strip()
    if commit:
        tags["mlflow.source.git.commit"] = commit
        # A run itself writes these files: their changes are not changes of code or params.
        written = [f":(exclude,glob)**/{name}" for name in ("dvc.lock", ".gitignore")]
        changes = git(root, "status", "--porcelain", "-uno", "--", *written)
        tags["statewright.git.dirty"] = str(bool(changes)).lower()
    return tags

"""The only module that writes to MLflow.

A transition is a run. Each stage that it ran or restored is a child run. Values are written in
batches through the client to the store that `store.py` finds. MLflow's global state is not used.

A record with an id is written once: if a run of MLflow has the id as its tag, it is completed instead
(see `journal.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statewright.record.artifacts import log_end_of, log_files
from statewright.record.datasets import DatasetRecord, log_datasets
from statewright.record.experiment import KnownRun, Record, is_temporary
from statewright.record.journal import ID_TAG, HeldFile
from statewright.record.models import (
    ModelRecord,
    find_models,
    log_model,
    log_model_inputs,
    log_model_metrics,
    log_model_outputs,
)
from statewright.record.parents import ParentEnd, ParentRecord, note, plan_markdown
from statewright.record.plots import points_of
from statewright.record.trials import trials_of
from statewright.record.values import finite, log_values, texts
from statewright.workflow import Stage, flatten

PAGES = (".html", ".htm")
"""Suffixes of the outputs that MLflow shows at the run of a transition, as its report."""


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
    metrics : mapping of str to float
        Numbers of the stage's metrics files.
    files : sequence of HeldFile
        Outputs to record as files, plots among them.
    datasets : sequence of DatasetRecord
        Dependencies that DVC tracks.
    models : sequence of ModelRecord
        Models among the outputs.
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
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Sequence[HeldFile] = ()
    datasets: Sequence[DatasetRecord] = ()
    models: Sequence[ModelRecord] = ()


def find_known(record: Record, journal: str) -> dict[str, KnownRun]:
    """Return the runs of a journal that exist, by id of the record."""
    known: dict[str, KnownRun] = {}
    token = None
    while True:
        runs = record.client.search_runs(
            [record.experiment_id], f"tags.`{ID_TAG}` LIKE '{journal}/%'", max_results=1000, page_token=token
        )
        for run in runs:
            known[run.data.tags[ID_TAG]] = KnownRun(run.info.run_id, run.info.status != "RUNNING")
        token = runs.token
        if not token:
            return known


def create_run(
    record: Record, name: str, started: float | None, tags: Mapping[str, str], identity: str
) -> KnownRun:
    """Create a run, unless a run with the identity exists."""
    if identity in record.known:
        return record.known[identity]
    own = {ID_TAG: identity} if identity else {}
    run = record.client.create_run(
        record.experiment_id,
        start_time=None if started is None else int(started * 1000),
        run_name=name,
        tags=texts({**record.context, **tags, **own}),
    )
    return KnownRun(str(run.info.run_id), ended=False)


def start_parent(
    record: Record, parent: ParentRecord, *, at: float | None = None, identity: str = ""
) -> None:
    """Start the run of a transition; later records of stages become its child runs.

    Parameters
    ----------
    at : float, optional
        Start in seconds since 1970 (default: now).
    identity : str
        Id of the record.
    """
    tags = {
        "mlflow.note.content": note(parent, record.context),
        **parent.tags,
        "statewright.kind": "transition",
    }
    run = create_run(record, parent.name, at, tags, identity)
    record.parent_id, record.parent, record.stages = run.run_id, parent, []
    if not run.ended:
        log_values(record.client, run.run_id, at or time.time(), params=parent.params)
        record.client.log_dict(run.run_id, dict(parent.plan), "plan.json")
        record.client.log_text(run.run_id, plan_markdown(parent), "plan.md")


def end_parent(
    record: Record, status: str, end: ParentEnd | None = None, *, at: float | None = None, chart: str = ""
) -> None:
    """End a transition's run as FINISHED, FAILED or KILLED, with its metrics.

    Parameters
    ----------
    at : float, optional
        End in seconds since 1970 (default: now).
    chart : str
        Gantt chart of the stages as SVG.
    """
    if record.parent_id is None:
        return
    at, end = time.time() if at is None else at, end or ParentEnd()
    try:
        _log_end(record, record.parent_id, end, at, chart)
    except Exception as error:
        if not is_temporary(error):
            record.client.set_terminated(record.parent_id, status, end_time=int(at * 1000))
        raise
    record.client.set_terminated(record.parent_id, status, end_time=int(at * 1000))


def _log_end(record: Record, run_id: str, end: ParentEnd, at: float, chart: str) -> None:
    client, tags = record.client, dict(end.tags)
    metrics = dict(end.metrics)
    if end.schedule:
        metrics |= {"seconds.predicted": end.schedule["predicted"], "seconds.actual": end.schedule["actual"]}
        client.log_dict(run_id, dict(end.schedule), "schedule.json")
    if record.parent is not None and end.outcomes:
        tags["mlflow.note.content"] = note(record.parent, record.context, end)
    log_values(client, run_id, at, metrics=finite(metrics.items()), tags=tags)
    if chart:
        client.log_text(run_id, chart, "gantt.svg")
    _link_data(record, run_id)


def _link_data(record: Record, run_id: str) -> None:
    """Link a transition to its models, and to data that no stage of it wrote."""
    written = {path for done in record.stages for path in done.outputs}
    data = {data.path: data for done in record.stages for data in done.datasets}
    log_datasets(
        record.client, run_id, [d for path, d in data.items() if path not in written], record.context
    )
    digests = [model.digest for done in record.stages for model in done.models]
    if digests:
        ids = _known_models(record)
        log_model_outputs(record.client, run_id, [ids[digest] for digest in digests if digest in ids])


def log_reports(record: Record, done: StageRecord) -> None:
    """Record the pages that a stage wrote at the run of its transition, too."""
    pages = [file for file in done.files if Path(file.path).suffix.lower() in PAGES and file.is_unchanged()]
    for page in pages if record.parent_id is not None else ():
        record.client.log_artifact(str(record.parent_id), page.path, "report")


def record_round(
    record: Record,
    between: Sequence[float],
    tags: Mapping[str, str],
    plan: Mapping[str, Any],
    metrics: Mapping[str, float],
    *,
    identity: str = "",
) -> None:
    """Record a round of the loop on the run of its transition.

    A round in which nothing ran has no transition. It gets a run of its own.

    Parameters
    ----------
    between : (float, float)
        Earliest and latest start of the transition, in seconds since 1970.
    """
    since, until = (int(seconds * 1000) for seconds in between)
    runs = record.client.search_runs(
        [record.experiment_id],
        f"tags.`statewright.kind` = 'transition' and attributes.start_time >= {since}"
        f" and attributes.start_time <= {until}",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    if runs:
        log_values(record.client, runs[0].info.run_id, between[1], metrics=finite(metrics.items()), tags=tags)
    else:
        start_parent(
            record, ParentRecord("loop", tags=tags, plan=_as_plan(plan)), at=between[0], identity=identity
        )
        end_parent(record, "FINISHED", ParentEnd(metrics=metrics), at=between[1])


def _as_plan(verdicts: Mapping[str, str]) -> dict[str, Any]:
    return {"stages": {address: {"verdict": verdict} for address, verdict in verdicts.items()}}


def record_stage(record: Record, done: StageRecord, *, identity: str = "") -> str:
    """Record a stage as a run and return the run's id."""
    tags = {
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
    run = create_run(record, done.stage.address, done.started, tags, identity)
    record.stages.append(done)
    if run.ended:
        return run.run_id
    status = "FAILED" if done.status == "failed" else "FINISHED"
    try:
        _log_stage(record, run.run_id, done)
        _record_trials(record, done, run.run_id, identity)
    except Exception as error:
        if not identity or not is_temporary(error):
            record.client.set_terminated(run.run_id, status, end_time=int(done.finished * 1000))
        raise
    record.client.set_terminated(run.run_id, status, end_time=int(done.finished * 1000))
    return run.run_id


def _log_stage(record: Record, run_id: str, done: StageRecord) -> None:
    client = record.client
    metrics = points_of(done.files)
    if done.status == "ran":
        metrics.append(("seconds", done.finished - done.started, 0))
    metrics += finite(done.used.items())
    params = dict(flatten(done.params)) if done.params else {}
    results = finite(done.metrics.items())
    models: list[str] = []
    problem: Exception | None = None
    try:
        log_datasets(client, run_id, done.datasets, record.context)
        models = _model_ids(record, run_id, done, params)
    except Exception as error:  # a server of MLflow 2 has no models: the rest is recorded
        if is_temporary(error):
            raise
        problem = error
    if models:
        data = [data for data in done.datasets if data.digest not in (record.models or {})]
        measured_on = data[0] if len(data) == 1 else None
        log_model_metrics(client, run_id, models[-1], results, done.finished, measured_on)
    else:
        metrics = [*results, *metrics]
    log_values(client, run_id, done.finished, metrics=metrics, params=params)
    if done.log is not None:
        log_end_of(client, run_id, done.log)
    try:
        log_reports(record, done)
    finally:
        log_files(client, run_id, done.files)
    if problem:
        raise problem


def _model_ids(record: Record, run_id: str, done: StageRecord, params: Mapping[str, Any]) -> list[str]:
    """Record the models that a stage wrote or read, and return their ids.

    Its metrics describe the last one.
    """
    if not (done.models or done.datasets):
        return []
    models = _known_models(record)
    hashes = {data.digest for data in done.datasets}
    read = [model for digest, model in models.items() if digest in hashes]
    if read:
        log_model_inputs(record.client, run_id, read)
    wrote = []
    for model in done.models:
        # A restored model is the one that an earlier run has written.
        if done.status != "ran" and model.digest in models:
            continue
        wrote.append(log_model(record.client, record.experiment_id, run_id, model, params))
        models[model.digest] = wrote[-1]
    return [*read, *wrote]


def _known_models(record: Record) -> dict[str, str]:
    """Return hash -> id of the models in the experiment."""
    if record.models is None:
        record.models = find_models(record.client, record.experiment_id)
    return record.models


def _record_trials(record: Record, done: StageRecord, stage_id: str, identity: str) -> None:
    """Record each row of the file in `meta.trials` as a child run of the stage's run."""
    if done.status != "ran":
        return
    for number, trial in enumerate(trials_of(done.stage.settings.trials, done.files), 1):
        tags = {
            "statewright.kind": "trial",
            "statewright.trial.stage": done.stage.address,
            "mlflow.parentRunId": stage_id,
        }
        own = f"{identity}/{number}" if identity else ""
        run = create_run(record, f"{done.stage.address} {number}", done.started, tags, own)
        if not run.ended:
            metrics = finite(trial.metrics.items())
            log_values(record.client, run.run_id, done.finished, metrics=metrics, params=trial.params)
            record.client.set_terminated(run.run_id, "FINISHED", end_time=int(done.finished * 1000))


def record_benchmark(
    record: Record, name: str, between: tuple[float, float], metrics: Mapping[str, float], artifact: Path
) -> str:
    """Record metrics and report of a benchmark as a run and return the run's id.

    Parameters
    ----------
    between : (float, float)
        Start and end of the benchmark, in seconds since 1970.
    """
    run = create_run(record, name, between[0], {"statewright.kind": "benchmark"}, "")
    status = "FAILED"
    try:
        log_values(record.client, run.run_id, between[1], metrics=finite(metrics.items()))
        record.client.log_artifact(run.run_id, str(artifact))
        status = "FINISHED"
    finally:
        record.client.set_terminated(run.run_id, status, end_time=int(between[1] * 1000))
    return run.run_id

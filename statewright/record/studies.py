"""Studies in MLflow: a parent run, and a child run for each trial.

A trial has the id ``tune/KEY/NUMBER``. A resumed study sends its trials again: those that MLflow has
are left as they are, and the parent run continues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from statewright.masking import mask_text, mask_value
from statewright.record.artifacts import log_files
from statewright.record.experiment import KnownRun, Record
from statewright.record.journal import HeldFile
from statewright.record.tracking import create_run, find_known
from statewright.record.values import finite, log_values

STATUS = {"failed": "FAILED", "pruned": "KILLED"}
"""MLflow's status of a trial; of all others it is FINISHED."""


@dataclass(frozen=True)
class StudyRecord:
    """A search to record.

    Parameters
    ----------
    key : str
        Unique name of the search in the store; the same when it resumes.
    params : mapping
        Target, metric, sampler and space, for MLflow's params.
    started : float
        Seconds since 1970.
    """

    key: str
    name: str
    params: Mapping[str, Any]
    started: float


@dataclass(frozen=True)
class TrialRecord:
    """A finished trial to record.

    Parameters
    ----------
    params : mapping
        Value of each param of the space, and the seed.
    value : float or None
        The metric of the search, recorded as ``objective``.
    metrics : mapping of str to float
        All metrics after the trial.
    tags : mapping of str to str
        Reason, kind and name of the DVC experiment.
    """

    number: int
    status: str
    params: Mapping[str, Any]
    value: float | None
    started: float
    finished: float
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def masked_trial(trial: TrialRecord) -> TrialRecord:
    """Return a trial without secrets in its params and tags."""
    return replace(
        trial,
        params={name: mask_value(name, value) for name, value in trial.params.items()},
        tags={name: mask_text(text) for name, text in trial.tags.items()},
    )


def start_study(record: Record, study: StudyRecord) -> None:
    """Start the run of a study, or continue it; its trials become child runs."""
    identity = f"tune/{study.key}"
    record.known = {**record.known, **find_known(record, identity)}
    tags = {"statewright.kind": "study", "statewright.study": study.name}
    run = create_run(record, f"tune {study.name}", study.started, tags, f"{identity}/study")
    record.parent_id = run.run_id
    if run.ended:
        record.client.update_run(run.run_id, status="RUNNING")
    else:
        log_values(record.client, run.run_id, study.started, params=study.params)


def record_trial(record: Record, key: str, trial: TrialRecord) -> None:
    """Record a trial as a child run, unless it is recorded."""
    identity = f"tune/{key}/{trial.number}"
    tags = {
        "statewright.kind": "trial",
        "statewright.trial": str(trial.number),
        "statewright.status": trial.status,
        "mlflow.parentRunId": record.parent_id or "",
        **trial.tags,
    }
    run = create_run(record, f"trial {trial.number}", trial.started, tags, identity)
    if run.ended:
        return
    own = {"seconds": trial.seconds}
    if trial.value is not None and trial.status != "pruned":
        own["objective"] = trial.value
    metrics = finite([*trial.metrics.items(), *own.items()])
    log_values(record.client, run.run_id, trial.finished, metrics=metrics, params=trial.params)
    status = STATUS.get(trial.status, "FINISHED")
    record.client.set_terminated(run.run_id, status, end_time=int(trial.finished * 1000))
    record.known = {**record.known, identity: KnownRun(run.run_id, ended=True)}


def end_study(
    record: Record,
    at: float,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    files: Sequence[HeldFile],
) -> None:
    """End the run of a study, with its page and plots as files."""
    if record.parent_id is None:
        return
    log_values(record.client, record.parent_id, at, metrics=finite(metrics.items()), tags=tags)
    try:
        log_files(record.client, record.parent_id, files)
    finally:
        record.client.set_terminated(record.parent_id, "FINISHED", end_time=int(at * 1000))

"""The outcome of a trial: its status, value and reason."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from statewright.files import file_name
from statewright.planning.metric_names import find_metric
from statewright.session import Session
from statewright.terminal.words import joined
from statewright.tuning.hooks import Prune
from statewright.tuning.metric import OPTION
from statewright.tuning.missing_file import advice, lacking_file
from statewright.tuning.sources import changed_sources
from statewright.tuning.study import DONE, FAILED, PRUNED, Study, Trial
from statewright.tuning.trial import Outcome
from statewright.workflow import WorkflowError


def judged(root: Path, study: Study, trial: Trial, outcome: Outcome, prune: Prune | None) -> Trial:
    """Return a trial with status, value and reason."""
    if prune and outcome.status != DONE:
        return replace(trial, status=PRUNED, value=prune.value, reason=prune.reason)
    if outcome.status != DONE:
        reason = outcome.reason.replace(f"{root}/", "")
        return replace(trial, status=FAILED, reason=reason or "the trial was stopped")
    value = outcome.metrics.get(study.metric)
    if value is None:
        return replace(trial, status=FAILED, reason=_no_metric(study, outcome))
    if not math.isfinite(value):
        return replace(trial, status=FAILED, reason=f"{study.metric} is {value}")
    return replace(trial, status=DONE, value=value)


def completed_metric(study: Study, outcome: Outcome) -> str:
    """Return the whole name of a metric whose file the first trial has written.

    Raises
    ------
    WorkflowError
        If the file has no such metric, or several.
    """
    if study.metric in outcome.metrics:
        return study.metric
    file, _, key = study.metric.rpartition(":")
    written = [name for name in outcome.metrics if name.startswith(f"{file}:")]
    metric = find_metric(key, written, OPTION)
    if metric is None:
        raise WorkflowError(f"{OPTION} {study.metric}: {_no_metric(study, outcome)}")
    return metric


def _no_metric(study: Study, outcome: Outcome) -> str:
    file = study.metric.rpartition(":")[0]
    keys = [name.rpartition(":")[2] for name in outcome.metrics if name.startswith(f"{file}:")]
    there = f"it has {', '.join(keys[:8])}" if keys else "the file has no numbers"
    return f"the stages ran and wrote no number {study.metric}; {there}"


def check_ready(study: Study, outcome: Outcome) -> None:
    """Raise an error if a checkout cannot be used, or differs from the repository."""
    if outcome.status != DONE:
        raise WorkflowError(f"a scratch checkout cannot be used: {outcome.reason}")
    if changed := changed_sources(study.sources, outcome.sources):
        shown = joined(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
        raise WorkflowError(
            f"a scratch checkout differs from the repository in {shown}: a file changed while it was copied, "
            f"or git does not list it; `statewright tune --name {study.name} --resume` tries again"
        )


def refuse_undeclared(root: Path, session: Session, logs: Path, copied: Path) -> None:
    """Raise an error if the defaults failed because a checkout lacks a file."""
    for log in sorted(logs.glob("*.log")):
        for address in session.plan.decisions:
            if log.name != file_name(address, ".log"):
                continue
            stage = session.workflow.stages[address]
            if path := lacking_file(log, stage, root, copied):
                raise WorkflowError(f"{advice(address, path)}; log: {log.relative_to(root)}")

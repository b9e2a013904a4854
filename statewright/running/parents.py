"""The parent runs of a transition in MLflow: one for each pipeline that has work."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statewright.masking import MASK, mask_arguments, mask_value
from statewright.planning.cause import cause
from statewright.planning.headline import headline
from statewright.planning.pipelines import REPOSITORY, parts, pipelines
from statewright.planning.plan import SKIP, Plan
from statewright.record.experiment import experiment_name
from statewright.record.parents import ParentEnd, ParentRecord
from statewright.request import Request
from statewright.workflow import Workflow, flatten

UP_TO_DATE = ("ran", "restored", "done", "skipped")
"""Outcomes of stages whose outputs belong to the current params."""
USUAL_NAMES = ("", "statewright", "loop")
"""Names of a run that say nothing about it."""


@dataclass(frozen=True)
class PipelineRun:
    """A pipeline in a transition.

    Parameters
    ----------
    stages : tuple of str
        All its stages.
    planned : tuple of str
        Those in the plan, with or without work.
    work : tuple of str
        The stages that are recorded below its parent run.
    """

    name: str
    stages: tuple[str, ...]
    planned: tuple[str, ...]
    work: tuple[str, ...]


def pipeline_runs(workflow: Workflow, plan: Plan) -> list[PipelineRun]:
    """Return the pipelines that have work, in the order of the plan."""
    names = pipelines(workflow)
    runs = []
    for name, work in parts(workflow, plan.work).items():
        own = {address for address in workflow.stages if names[address] == name} | set(work)
        if name != REPOSITORY:
            own |= {up for up in workflow.ancestors(own) if names[up] == REPOSITORY}
        stages = tuple(address for address in workflow.stages if address in own)
        elsewhere = set(plan.work) - set(work)  # a shared stage, whose work belongs to one pipeline
        planned = tuple(a for a in plan.decisions if a in own and a not in elsewhere)
        runs.append(PipelineRun(name, stages, planned, work))
    return runs


def parent_records(
    root: Path, workflow: Workflow, plan: Plan, *, name: str, tags: Mapping[str, str], request: Request
) -> list[ParentRecord]:
    """Return the parent run of each pipeline that has work.

    Parameters
    ----------
    name : str
        Name that the caller gave to the run; it precedes the cause unless it is one of `USUAL_NAMES`.
    tags : mapping of str to str
        Tags of all parents.
    """
    records = []
    for run in pipeline_runs(workflow, plan):
        own = Plan({address: plan.decisions[address] for address in run.planned})
        given = "" if name in (*USUAL_NAMES, run.name) else f"{name}: "
        records.append(
            ParentRecord(
                name=given + cause(own, workflow),
                experiment=experiment_name(root, run.name),
                part=run.name,
                tags={**tags, "statewright.pipeline": run.name or root.name},
                plan=own.as_dict(),
                params=pipeline_params(workflow, run.stages),
                command=repeat_command(sys.argv, request),
                changes=changed_params(own),
            )
        )
    return records


def parent_ends(
    root: Path, workflow: Workflow, plan: Plan, ended: ParentEnd, metrics: Mapping[str, float]
) -> list[ParentEnd]:
    """Return the end of each parent run.

    Parameters
    ----------
    ended : ParentEnd
        End of the whole transition; its times and outcomes are those of all stages.
    metrics : mapping of str to float
        All metrics of the repository.
    """
    ends = []
    for run in pipeline_runs(workflow, plan):
        outcomes = {a: ended.outcomes[a] for a in run.work if a in ended.outcomes}
        times = {a: ended.times[a] for a in run.work if a in ended.times}
        # The metrics of other stages may be those of older params.
        current = [a for a in run.planned if a not in run.work or outcomes.get(a) in UP_TO_DATE]
        chosen = {**feedback_score(root, workflow, current), **headline(workflow, current, metrics)}
        failed = "failed" in outcomes.values() or (ended.failed and "failed" not in ended.outcomes.values())
        ends.append(
            ParentEnd(
                failed=failed,
                part=run.name,
                tags=ended.tags,
                metrics=chosen,
                schedule=_part_of_schedule(ended.schedule, run.work, times),
                times=times,
                outcomes=outcomes,
            )
        )
    return ends


def _part_of_schedule(
    schedule: Mapping[str, Any], work: Sequence[str], times: Mapping[str, Sequence[float]]
) -> Mapping[str, Any]:
    """Return the schedule of some stages, with a prediction of their own."""
    stages = {address: values for address, values in schedule["stages"].items() if address in work}
    if len(stages) == len(schedule["stages"]):
        return schedule
    actual = max((end for _, end in times.values()), default=0.0) - min(
        (start for start, _ in times.values()), default=0.0
    )
    predicted = sum(values["predicted"] or 0.0 for values in stages.values())
    return {"predicted": predicted, "actual": actual, "stages": stages}


def pipeline_params(workflow: Workflow, addresses: Iterable[str]) -> dict[str, Any]:
    """Return the params that stages read, without secrets, by dotted key.

    A file that a stage writes, such as fingerprints of code, holds no params of a user. The file precedes
    the key if several files have it.
    """
    written = {out.path for stage in workflow.stages.values() for out in stage.outs}
    files: dict[str, dict[str, Any]] = {}
    for address in addresses:
        for file, keys in workflow.stages[address].params.items():
            if file in written:
                continue
            for key, value in workflow.params.get(file, {}).items():
                if key in keys or not keys:
                    files.setdefault(file, {}).update(flatten(mask_value(key, value), key))
    several = [key for values in files.values() for key in values]
    return {
        key if several.count(key) == 1 else f"{file}:{key}": value
        for file, values in files.items()
        for key, value in values.items()
    }


def feedback_score(root: Path, workflow: Workflow, addresses: Iterable[str]) -> dict[str, float]:
    """Return the score of the feedback stage, if the pipeline has one."""
    for address in addresses:
        stage = workflow.stages[address]
        for out in stage.outs if stage.settings.journal else ():
            with suppress(OSError, ValueError, KeyError, TypeError):
                return {
                    "feedback.score": float(
                        json.loads((root / out.path).read_text(encoding="utf-8"))["score"]
                    )
                }
    return {}


def repeat_command(arguments: Sequence[str], request: Request) -> str:
    """Return the command line that repeats a run, without secrets and paths."""
    program = Path(arguments[0]).name if arguments else ""
    if program in ("statewright", "__main__.py") and len(arguments) > 1:
        masked = [mask_arguments([argument]) for argument in arguments[1:]]
        return shlex.join(["statewright", *masked])
    return shlex.join(["statewright", "run", *request.targets])


def changed_params(plan: Plan) -> list[str]:
    """Return the changes of params that caused work, as arguments of ``--set``."""
    changes = []
    for decision in plan.decisions.values():
        for reason in decision.reasons if decision.verdict != SKIP else ():
            now = reason.masked[1]
            if reason.kind != "param" or not isinstance(now, str | int | float) or MASK in str(now):
                continue
            file = "" if reason.file in (None, "params.yaml") else f"{reason.file}:"
            changes.append(shlex.quote(f"{file}{reason.subject}={now}"))
    return list(dict.fromkeys(changes))

"""Events that stages declare in ``meta.event``, for automations of Prefect.

An event is emitted at the end of a run, when `dvc.lock` is written: what it starts sees the new state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from statewright.planning.headline import stage_metrics_named
from statewright.workflow import Workflow

CHANGED = frozenset({"ran", "restored", "done"})
"""Outcomes after which the outputs of a stage may be others than before."""


@dataclass(frozen=True)
class StageEvent:
    """An event to emit.

    Parameters
    ----------
    name : str
        Such as ``statewright.drift``.
    stage : str
        Address of the stage.
    metrics : mapping of str to float
        Those that the stage names in ``when``.
    """

    name: str
    stage: str
    metrics: Mapping[str, float]


def events_after(
    workflow: Workflow, outcomes: Mapping[str, str], metrics: Mapping[str, float]
) -> tuple[list[StageEvent], list[str]]:
    """Return the events to emit after a run, and the problems with others.

    Parameters
    ----------
    outcomes : mapping of str to str
        Address of each stage of the run -> what became of it.
    metrics : mapping of str to float
        ``file:key`` -> number, of all stages, after the run.
    """
    events, problems = [], []
    for address, outcome in outcomes.items():
        event = workflow.stages[address].settings.event
        if event is None or outcome not in CHANGED:
            continue
        name = f"statewright.{event.name}"
        values = stage_metrics_named(workflow, address, event.when, metrics) if event.when else {}
        if event.when and not values:
            problems.append(
                f"stage '{address}': the event {name} was not emitted: meta.event.when is '{event.when}', "
                "which is not a metric of the stage; `dvc metrics show` lists them"
            )
        elif not event.when or any(values.values()):
            events.append(StageEvent(name, address, values))
    return events, problems

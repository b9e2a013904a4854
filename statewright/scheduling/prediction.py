"""When each stage of a plan will start and finish; after the run, how far that was off.

The dispatcher of the transition starts, whenever a stage ends, the ready stages that fit, longest tail
first. :func:`schedule_plan` does the same with expected durations, so the chart shows what will happen,
and its lower bound how much a better order could save.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from statewright.plan import MAY, RESTORE, Plan
from statewright.scheduling.schedule import Problem, Schedule, critical_sequence, dispatch
from statewright.workflow import Stage, Workflow

DEMANDS: Mapping[str, float] = {"cpu": 1.0, "ram_gb": 1.0, "gpu": 0.0}
"""What a stage holds while it runs, where its `meta:` says nothing."""

UNKNOWN_S = 1.0
"""Assumed duration where no stage of the plan has a history."""

RESTORE_S = 0.1
"""Assumed duration of a restore: links or copies from the cache."""


@dataclass(frozen=True)
class Prediction:
    """What a plan will take.

    Parameters
    ----------
    critical : tuple of str
        Stages that follow one another without a pause up to the end.
    assumed : tuple of str
        Stages without a history, scheduled with an assumed duration.
    low, high : float
        Makespan in seconds if every stage is as quick as it ever was and none that merely may run
        does, and if every stage is as slow as it ever was.
    """

    schedule: Schedule
    critical: tuple[str, ...]
    assumed: tuple[str, ...]
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """The critical path and the range of the whole (None if all is assumed) as plain values, for JSON."""
        guessed = len(self.assumed) == len(self.schedule.start) > 0
        return {
            "critical_path": list(self.critical),
            "total_seconds": None if guessed else [self.low, self.high],
            "assumed": list(self.assumed),
        }


@dataclass(frozen=True)
class Comparison:
    """A prediction beside what happened; times in seconds from the start of the first stage.

    Parameters
    ----------
    stages : mapping of str to (float or None, float or None)
        Stage -> seconds predicted and seconds it took; None where it was not predicted or did not run.
    """

    predicted: float
    actual: float
    stages: Mapping[str, tuple[float | None, float | None]]

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain values, for JSON."""
        return {
            "predicted": self.predicted,
            "actual": self.actual,
            "stages": {
                address: {"predicted": predicted, "actual": actual}
                for address, (predicted, actual) in self.stages.items()
            },
        }


def expected_seconds(plan: Plan) -> dict[str, float]:
    """Expected duration of every stage that has work: the middle of what past runs took.

    A stage without a history is taken to last as long as the median of those that have one.
    """
    known = {a: sum(plan.decisions[a].seconds or ()) / 2 for a in plan.work if plan.decisions[a].seconds}
    ran = [seconds for a, seconds in known.items() if plan.decisions[a].verdict != RESTORE]
    usual = median(ran) if ran else UNKNOWN_S
    return {a: RESTORE_S if plan.decisions[a].verdict == RESTORE else known.get(a, usual) for a in plan.work}


def schedule_plan(workflow: Workflow, plan: Plan, capacities: Mapping[str, float]) -> Prediction:
    """When the stages of a plan will run.

    Parameters
    ----------
    capacities : mapping of str to float
        How much there is of `cpu`, `ram_gb` and `gpu`. A stage that wants more than there is runs alone.
    """
    seconds = expected_seconds(plan)
    problem = _problem(workflow, seconds, capacities)
    schedule = dispatch(problem)
    restored = {a for a in plan.work if plan.decisions[a].verdict == RESTORE}
    ranges = {a: plan.decisions[a].seconds or (s, s) for a, s in seconds.items() if a not in restored}
    low = {a: 0.0 if plan.decisions[a].verdict == MAY else r[0] for a, r in ranges.items()}
    high = {a: r[1] for a, r in ranges.items()}
    least = dispatch(_problem(workflow, {**seconds, **low}, capacities)).makespan
    most = dispatch(_problem(workflow, {**seconds, **high}, capacities)).makespan
    return Prediction(
        schedule,
        critical_sequence(problem, schedule),
        tuple(a for a in seconds if a not in restored and plan.decisions[a].seconds is None),
        # A list scheduler can take longer with shorter tasks (Graham 1969, timing anomalies).
        min(least, schedule.makespan),
        max(most, schedule.makespan),
    )


def compare(predicted: Schedule, actual: Mapping[str, tuple[float, float]]) -> Comparison:
    """A schedule beside the start and end of every stage that ran, by any one clock."""
    began = min((start for start, _ in actual.values()), default=0.0)
    ended = max((end for _, end in actual.values()), default=0.0)
    foreseen = {a: predicted.finish[a] - start for a, start in predicted.start.items()}
    took = {a: end - start for a, (start, end) in actual.items()}
    stages = {a: (foreseen.get(a), took.get(a)) for a in {**foreseen, **took}}
    return Comparison(predicted.makespan, ended - began, stages)


def _problem(workflow: Workflow, seconds: Mapping[str, float], capacities: Mapping[str, float]) -> Problem:
    """The stages as tasks; a stage that must run alone holds the whole of a resource made for that."""
    stages = [workflow.stages[a] for a in seconds]
    wanted = {stage.address: _demands(stage, capacities) for stage in stages}
    greedy = {a for a, wants in wanted.items() if any(n > capacities[key] for key, n in wants.items())}
    alone = {"alone": float(len(stages))} if greedy else {}
    demands = {
        a: {key: min(n, capacities[key]) for key, n in wants.items()}
        | ({"alone": alone["alone"] if a in greedy else 1.0} if alone else {})
        for a, wants in wanted.items()
    }
    after = {a: [up for up in workflow.upstream[a] if up in seconds] for a in seconds}
    return Problem(seconds, after, demands, {**capacities, **alone})


def _demands(stage: Stage, capacities: Mapping[str, float]) -> dict[str, float]:
    return {key: stage.number(key, DEMANDS.get(key, 0.0)) for key in capacities}

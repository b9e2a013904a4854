"""Predicted start and finish of each stage, and their comparison with the run.

Whenever a stage ends, the dispatcher of the transition starts the ready stages that fit, longest
tail first. :func:`schedule_plan` does the same with expected durations. Its schedule is therefore a
prediction of the run, and its lower bound shows how much a better order could save.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from statewright.planning.plan import MAY, RESTORE, Decision, Plan
from statewright.scheduling.hosts import Cluster, place
from statewright.scheduling.schedule import Problem, Schedule, critical_sequence, dispatch
from statewright.workflow import Stage, Workflow

DEMANDS: Mapping[str, float] = {"cpu": 1.0, "ram_gb": 1.0, "gpu": 0.0}
"""Default demands of a running stage, where its `meta:` gives none."""

UNKNOWN_S = 1.0
"""Assumed duration in seconds if no stage of the plan has past runs."""

RESTORE_S = 0.1
"""Assumed duration in seconds of a restore, which links or copies files from the cache.

If they come from the remote, the time of the transfer is added.
"""


@dataclass(frozen=True)
class Prediction:
    """Predicted schedule of a plan.

    Parameters
    ----------
    critical : tuple of str
        Stages that follow one another without a gap up to the end.
    assumed : tuple of str
        Stages without past runs, scheduled with an assumed duration.
    low : float
        Makespan in seconds with the lowest expected durations, if no `may` stage runs.
    high : float
        Makespan in seconds with the highest expected durations, if all `may` stages run.
    """

    schedule: Schedule
    critical: tuple[str, ...]
    assumed: tuple[str, ...]
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """Return critical path and total as plain values, for JSON.

        The total is None if all durations are assumed.
        """
        all_assumed = len(self.assumed) == len(self.schedule.start) > 0
        return {
            "critical_path": list(self.critical),
            "total_seconds": None if all_assumed else [self.low, self.high],
            "assumed": list(self.assumed),
        }


@dataclass(frozen=True)
class Comparison:
    """Predicted and actual durations.

    Parameters
    ----------
    predicted, actual : float
        Makespan in seconds.
    stages : mapping of str to (float or None, float or None)
        Stage -> predicted and actual seconds; None if it was not predicted or did not run.
    """

    predicted: float
    actual: float
    stages: Mapping[str, tuple[float | None, float | None]]

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values, for JSON."""
        return {
            "predicted": self.predicted,
            "actual": self.actual,
            "stages": {
                address: {"predicted": predicted, "actual": actual}
                for address, (predicted, actual) in self.stages.items()
            },
        }


def middle(low: float, high: float) -> float:
    """Return the geometric mean of a range of seconds.

    A range is a duration divided and multiplied by one factor, see `widened_range`. The arithmetic mean
    would be above the duration: by a quarter for a stage with a single past run.
    """
    return math.sqrt(low * high)


def expected_seconds(plan: Plan) -> dict[str, float]:
    """Return the expected seconds of each stage with work: the middle of its range.

    A stage without past runs gets the median of the other stages.
    """
    known = {a: middle(*seconds) for a in plan.work if (seconds := plan.decisions[a].seconds)}
    commands = [seconds for a, seconds in known.items() if plan.decisions[a].verdict != RESTORE]
    default = median(commands) if commands else UNKNOWN_S
    return {
        a: _restore_seconds(d) if (d := plan.decisions[a]).verdict == RESTORE else known.get(a, default)
        for a in plan.work
    }


def _restore_seconds(decision: Decision) -> float:
    return RESTORE_S + (decision.fetch.seconds if decision.fetch else 0.0)


def schedule_plan(
    workflow: Workflow,
    plan: Plan,
    capacities: Mapping[str, float],
    after: Mapping[str, Collection[str]] | None = None,
    cluster: Cluster | None = None,
) -> Prediction:
    """Predict the schedule of a plan.

    Parameters
    ----------
    capacities : mapping of str to float
        Amounts of `cpu`, `ram_gb` and `gpu`. A stage that demands more than a capacity runs alone.
    after : mapping of str to collection of str, optional
        Stage -> stages that must end before it starts, see `Ordering.after` (default: as declared).
    cluster : Cluster, optional
        Hosts and files (default: one machine). `capacities` are then those of the largest host.
    """

    def run(problem: Problem) -> Schedule:
        return dispatch(problem) if cluster is None else place(problem, cluster).schedule

    seconds = expected_seconds(plan)
    edges = workflow.upstream if after is None else after
    problem = _problem(workflow, seconds, capacities, edges)
    schedule = run(problem)
    restored = {a for a in plan.work if plan.decisions[a].verdict == RESTORE}
    ranges = {a: plan.decisions[a].seconds or (s, s) for a, s in seconds.items() if a not in restored}
    low = {a: 0.0 if plan.decisions[a].verdict == MAY else r[0] for a, r in ranges.items()}
    high = {a: r[1] for a, r in ranges.items()}
    shortest = run(_problem(workflow, {**seconds, **low}, capacities, edges)).makespan
    longest = run(_problem(workflow, {**seconds, **high}, capacities, edges)).makespan
    return Prediction(
        schedule,
        critical_sequence(problem, schedule),
        tuple(a for a in seconds if a not in restored and plan.decisions[a].seconds is None),
        # A list scheduler can take longer with shorter tasks (Graham 1969, timing anomalies).
        min(shortest, schedule.makespan),
        max(longest, schedule.makespan),
    )


def compare(predicted: Schedule, actual: Mapping[str, tuple[float, float]]) -> Comparison:
    """Compare a schedule with the start and end of stages by any monotonic clock."""
    began = min((start for start, _ in actual.values()), default=0.0)
    ended = max((end for _, end in actual.values()), default=0.0)
    expected = {a: predicted.finish[a] - start for a, start in predicted.start.items()}
    took = {a: end - start for a, (start, end) in actual.items()}
    stages = {a: (expected.get(a), took.get(a)) for a in {**expected, **took}}
    return Comparison(predicted.makespan, ended - began, stages)


def _problem(
    workflow: Workflow,
    seconds: Mapping[str, float],
    capacities: Mapping[str, float],
    edges: Mapping[str, Collection[str]],
) -> Problem:
    """Return the stages as tasks of a scheduling problem.

    A stage that must run alone demands the whole of an extra resource `alone`.
    """
    stages = [workflow.stages[a] for a in seconds]
    requested = {stage.address: _demands(stage, capacities) for stage in stages}
    exclusive = {a for a, ns in requested.items() if any(n > capacities[key] for key, n in ns.items())}
    alone = {"alone": float(len(stages))} if exclusive else {}
    demands = {
        a: {key: min(n, capacities[key]) for key, n in ns.items()}
        | ({"alone": alone["alone"] if a in exclusive else 1.0} if alone else {})
        for a, ns in requested.items()
    }
    after = {a: [up for up in edges[a] if up in seconds] for a in seconds}
    return Problem(seconds, after, demands, {**capacities, **alone})


def _demands(stage: Stage, capacities: Mapping[str, float]) -> dict[str, float]:
    return {key: stage.number(key, DEMANDS.get(key, 0.0)) for key in capacities}

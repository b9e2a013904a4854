"""Optimise the order and the parallelism of a workflow under constraints.

Problem
-------
A workflow graph has stages with expected seconds, precedence and demands. Choose start times ``s`` that
minimise the makespan, subject to precedence, capacities, pairs apart and a deadline::

    min  max_i (s_i + d_i)
    s.t. s_j >= s_i + d_i                                   for each edge i -> j
         sum of demands of the stages that run at t <= capacity   for each resource and time t

The specification lists every schedule and keeps the cheapest, which is exact for few stages only: n stages
have up to n! orders. :func:`optimize_workflow` gives the problem to :func:`solve`, the exact scheduler of
this package. A list of all schedules is the oracle of its tests.

References
----------
Specification 1 §7.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from statewright.scheduling.prediction import DEMANDS, UNKNOWN_S
from statewright.scheduling.problem import Problem
from statewright.scheduling.schedule import Schedule, solve
from statewright.workflow import Workflow


@dataclass(frozen=True)
class WorkflowGraph:
    """Stages with their expected seconds, precedence and demands.

    Parameters
    ----------
    seconds : mapping of str to float
        Stage -> expected duration, 0 or more.
    after : mapping of str to sequence of str
        Stage -> stages that must end before it starts.
    demands : mapping of str to mapping of str to float
        Stage -> resource -> amount that the stage holds while it runs.
    """

    seconds: Mapping[str, float]
    after: Mapping[str, Sequence[str]] = field(default_factory=dict)
    demands: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Constraints:
    """Limits that every schedule of a workflow keeps.

    Parameters
    ----------
    capacities : mapping of str to float
        Resource -> available amount; every resource that a stage demands needs one.
    apart : sequence of (str, str)
        Pairs of stages that must not overlap in time.
    deadline : float or None
        Latest end of the last stage, in seconds.
    """

    capacities: Mapping[str, float] = field(default_factory=dict)
    apart: Sequence[tuple[str, str]] = ()
    deadline: float | None = None


def optimize_workflow(
    graph: WorkflowGraph, constraints: Constraints | None = None, *, seconds: float = 10.0
) -> Schedule:
    """Return the schedule of minimum makespan that satisfies the constraints.

    Parameters
    ----------
    constraints : Constraints, optional
        Default: none, so that the makespan is the critical path.
    seconds : float
        Time limit of the search. The result is never worse than list scheduling, whatever the limit;
        `Schedule.optimal` says whether it is proven optimal.

    Raises
    ------
    WorkflowError
        If graph and constraints contradict each other, or if no schedule that meets the deadline was
        found; the message says whether there is none.
    """
    limits = constraints or Constraints()
    problem = Problem(
        graph.seconds, graph.after, graph.demands, limits.capacities, limits.apart, limits.deadline
    )
    return solve(problem, seconds=seconds)


def graph_of(workflow: Workflow, addresses: Iterable[str], expected: Mapping[str, float]) -> WorkflowGraph:
    """Return stages of a workflow as a graph, as if all of them had to run.

    Parameters
    ----------
    addresses : iterable of str
        Stages to take. An edge through a stage that is not taken is left out.
    expected : mapping of str to float
        Stage -> expected seconds. Any other stage with a command gets their median.
    """
    taken = {address: workflow.stages[address] for address in addresses}
    known = [expected[address] for address in taken if address in expected]
    default = median(known) if known else UNKNOWN_S
    return WorkflowGraph(
        {a: expected.get(a, default if stage.cmd else 0.0) for a, stage in taken.items()},
        {a: tuple(up for up in workflow.upstream[a] if up in taken) for a in taken},
        {a: {key: stage.number(key, value) for key, value in DEMANDS.items()} for a, stage in taken.items()},
    )

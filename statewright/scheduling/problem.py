"""A scheduling problem as stated, and in whole numbers.

Time is in whole milliseconds and amounts are in millionths, so that all schedulers work with the
same integers. Durations are rounded up, demands to the nearest integer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from statewright.workflow import WorkflowError

TICKS = 1_000
"""Ticks in a second."""

PARTS = 1_000_000
"""Parts in one unit of a resource."""


@dataclass(frozen=True)
class Problem:
    """Tasks to schedule.

    Parameters
    ----------
    durations : mapping of str to float
        Task -> duration of 0 or more, in seconds or any other unit of time.
    after : mapping of str to sequence of str
        Task -> tasks that must end before it starts.
    demands : mapping of str to mapping of str to float
        Task -> resource -> amount that the task uses while it runs.
    capacities : mapping of str to float
        Resource -> available amount.
    apart : sequence of (str, str)
        Pairs of tasks that must not overlap in time.
    deadline : float or None
        Latest end of the last task.
    """

    durations: Mapping[str, float]
    after: Mapping[str, Sequence[str]] = field(default_factory=dict)
    demands: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    capacities: Mapping[str, float] = field(default_factory=dict)
    apart: Sequence[tuple[str, str]] = ()
    deadline: float | None = None


@dataclass(frozen=True)
class Grid:
    """Problem in whole numbers, with tasks numbered in a topological order."""

    names: tuple[str, ...]
    duration: tuple[int, ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    demand: tuple[tuple[int, ...], ...]
    capacity: tuple[int, ...]
    apart: tuple[frozenset[int], ...]
    unit: int
    deadline: int | None


def to_grid(problem: Problem) -> Grid:
    """Validate a problem and convert it to whole numbers."""
    names = _ordered(problem)
    number = {name: i for i, name in enumerate(names)}
    before: list[set[int]] = [{number[up] for up in problem.after.get(name, ())} for name in names]
    after: list[set[int]] = [set() for _ in names]
    for i, ups in enumerate(before):
        for up in ups:
            after[up].add(i)
    apart: list[set[int]] = [set() for _ in names]
    for first, second in problem.apart:
        if first not in number or second not in number or first == second:
            raise WorkflowError(f"({first}, {second}) must not overlap: expected two tasks of the schedule")
        apart[number[first]].add(number[second])
        apart[number[second]].add(number[first])
    ticks = [_ticks(name, problem.durations[name]) for name in names]
    unit = math.gcd(*ticks) or 1
    demand, capacity = _amounts(problem, names)
    deadline = problem.deadline
    return Grid(
        names,
        tuple(tick // unit for tick in ticks),
        tuple(tuple(sorted(ups)) for ups in before),
        tuple(tuple(sorted(downs)) for downs in after),
        demand,
        capacity,
        tuple(frozenset(others) for others in apart),
        unit,
        None if deadline is None else math.floor(deadline * TICKS + 1e-6) // unit,
    )


def _ordered(problem: Problem) -> tuple[str, ...]:
    for task, ups in problem.after.items():
        for name in (task, *ups):
            if name not in problem.durations:
                raise WorkflowError(f"'{name}' has no duration, but the precedence of '{task}' names it")
    try:
        graph = {name: problem.after.get(name, ()) for name in problem.durations}
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        raise WorkflowError(f"tasks form a cycle: {cycle}; remove one edge") from None


def _ticks(name: str, duration: float) -> int:
    if not (math.isfinite(duration) and duration >= 0):
        raise WorkflowError(f"task '{name}' has the duration {duration}; expected a number of 0 or more")
    # Without rounding first, the error of a sum of floats could add a tick.
    return math.ceil(round(duration * TICKS, 6))


def _amounts(problem: Problem, names: Sequence[str]) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Return demands and capacities as the smallest whole numbers."""
    columns, capacity = [], []
    for resource, available in problem.capacities.items():
        column = [_parts(name, resource, problem.demands.get(name, {}).get(resource, 0)) for name in names]
        unit = math.gcd(*column) or 1
        for name, demand in zip(names, column, strict=True):
            if demand > round(available * PARTS):
                raise WorkflowError(
                    f"task '{name}' demands {demand / PARTS:g} of {resource}, but the capacity is "
                    f"{available:g}; lower the demand or raise the capacity"
                )
        columns.append([demand // unit for demand in column])
        capacity.append(round(available * PARTS) // unit)
    for name, wants in problem.demands.items():
        if name not in problem.durations:
            raise WorkflowError(f"'{name}' has demands, but no duration")
        for resource, amount in wants.items():
            if amount and resource not in problem.capacities:
                raise WorkflowError(f"task '{name}' demands {resource}, which has no capacity")
    rows = tuple(zip(*columns, strict=True)) if columns else tuple(() for _ in names)
    return rows, tuple(capacity)


def _parts(name: str, resource: str, demand: float) -> int:
    if not (math.isfinite(demand) and demand >= 0):
        raise WorkflowError(f"task '{name}' demands {demand} of {resource}; expected a number of 0 or more")
    return round(demand * PARTS)


def makespan_of(grid: Grid, start: Sequence[int]) -> int:
    """Return the end of the last task."""
    return max((s + d for s, d in zip(start, grid.duration, strict=True)), default=0)


def longest_tails(grid: Grid) -> list[int]:
    """Return the longest path from the start of each task to an end."""
    tails = [0] * len(grid.names)
    for i in _backwards(grid):
        tails[i] = grid.duration[i] + max((tails[down] for down in grid.after[i]), default=0)
    return tails


def _backwards(grid: Grid) -> Sequence[int]:
    """Return the numbers of the tasks, each after all its successors."""
    numbers = range(len(grid.names))
    forwards = all(up < i for i in numbers for up in grid.before[i])
    return numbers[::-1] if forwards else numbers


def reverse(grid: Grid) -> Grid:
    """Return the same problem with time running backwards."""
    return replace(grid, before=grid.after, after=grid.before)


def lower_bound(grid: Grid) -> int:
    """Return a lower bound of the makespan.

    It is the larger of the critical path and, for each resource, earliest start + energy / capacity
    + shortest rest over the tasks that use it. The energy of a task is its duration times its demand.
    """
    tails = longest_tails(grid)
    # The tail in the reversed problem ends where the task ends: its earliest finish.
    heads = [tail - d for tail, d in zip(longest_tails(reverse(grid)), grid.duration, strict=True)]
    bound = max(tails, default=0)
    for r, capacity in enumerate(grid.capacity):
        users = [i for i, demand in enumerate(grid.demand) if demand[r] and grid.duration[i]]
        if users:
            energy = sum(grid.duration[i] * grid.demand[i][r] for i in users)
            rest = min(tails[i] - grid.duration[i] for i in users)
            bound = max(bound, min(heads[i] for i in users) + -(-energy // capacity) + rest)
    return bound

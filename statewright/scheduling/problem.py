"""A scheduling problem as it is stated, and as whole numbers.

Time is counted in whole milliseconds and amounts in millionths, so that every way of scheduling is about
the same integers: a duration is rounded up, a demand to the nearest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from statewright.workflow import WorkflowError

TICKS = 1_000
"""Units of time in a second."""

PARTS = 1_000_000
"""Units of a resource in one of it."""


@dataclass(frozen=True)
class Problem:
    """What is to be scheduled.

    Parameters
    ----------
    durations : mapping of str to float
        Task -> seconds (or whatever the unit of time is), 0 or more.
    after : mapping of str to sequence of str
        Task -> the tasks that must have ended before it starts.
    demands : mapping of str to mapping of str to float
        Task -> resource -> how much of it the task holds while it runs.
    capacities : mapping of str to float
        Resource -> how much of it there is.
    apart : sequence of (str, str)
        Pairs of tasks that must not overlap in time.
    deadline : float or None
        When all must be done.
    """

    durations: Mapping[str, float]
    after: Mapping[str, Sequence[str]] = field(default_factory=dict)
    demands: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    capacities: Mapping[str, float] = field(default_factory=dict)
    apart: Sequence[tuple[str, str]] = ()
    deadline: float | None = None


@dataclass(frozen=True)
class Grid:
    """A problem in whole numbers, its tasks numbered in an order that respects precedence."""

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
    """The problem in whole numbers, found to make sense."""
    names = _ordered(problem)
    number = {name: i for i, name in enumerate(names)}
    before: list[set[int]] = [{number[up] for up in problem.after.get(name, ())} for name in names]
    after: list[set[int]] = [set() for _ in names]
    for i, ups in enumerate(before):
        for up in ups:
            after[up].add(i)
    apart: list[set[int]] = [set() for _ in names]
    for one, other in problem.apart:
        if one not in number or other not in number or one == other:
            raise WorkflowError(f"({one}, {other}) must not overlap: expected two tasks of the schedule")
        apart[number[one]].add(number[other])
        apart[number[other]].add(number[one])
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
                raise WorkflowError(f"'{name}' has no duration, and is among what '{task}' comes after")
    try:
        graph = {name: problem.after.get(name, ()) for name in problem.durations}
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise WorkflowError(f"tasks wait for one another in a circle: {circle}; take one edge out") from None


def _ticks(name: str, duration: float) -> int:
    if not (math.isfinite(duration) and duration >= 0):
        raise WorkflowError(f"task '{name}' takes {duration}; expected a number of 0 or more")
    # What a sum of floats leaves behind the last digit must not make a tick of its own.
    return math.ceil(round(duration * TICKS, 6))


def _amounts(problem: Problem, names: Sequence[str]) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Demands and capacities in whole numbers as small as they can be."""
    columns, capacity = [], []
    for resource, most in problem.capacities.items():
        column = [_parts(name, resource, problem.demands.get(name, {}).get(resource, 0)) for name in names]
        unit = math.gcd(*column) or 1
        for name, wanted in zip(names, column, strict=True):
            if wanted > round(most * PARTS):
                raise WorkflowError(
                    f"task '{name}' wants {wanted / PARTS:g} of {resource}, and there is {most:g}: "
                    "it can never start; lower the demand or raise the capacity"
                )
        columns.append([wanted // unit for wanted in column])
        capacity.append(round(most * PARTS) // unit)
    for name, wants in problem.demands.items():
        if name not in problem.durations:
            raise WorkflowError(f"'{name}' has no duration, and demands are given for it")
        for resource, amount in wants.items():
            if amount and resource not in problem.capacities:
                raise WorkflowError(f"task '{name}' wants {resource}, of which no capacity is given")
    rows = tuple(zip(*columns, strict=True)) if columns else tuple(() for _ in names)
    return rows, tuple(capacity)


def _parts(name: str, resource: str, wanted: float) -> int:
    if not (math.isfinite(wanted) and wanted >= 0):
        raise WorkflowError(f"task '{name}' wants {wanted} of {resource}; expected a number of 0 or more")
    return round(wanted * PARTS)


def makespan_of(grid: Grid, start: Sequence[int]) -> int:
    """When the last task ends."""
    return max((s + d for s, d in zip(start, grid.duration, strict=True)), default=0)


def longest_tails(grid: Grid) -> list[int]:
    """Longest path from the start of each task to an end."""
    tails = [0] * len(grid.names)
    for i in _backwards(grid):
        tails[i] = grid.duration[i] + max((tails[down] for down in grid.after[i]), default=0)
    return tails


def _backwards(grid: Grid) -> Sequence[int]:
    """The tasks' numbers so that each comes after all that follow it."""
    numbers = range(len(grid.names))
    forwards = all(up < i for i in numbers for up in grid.before[i])
    return numbers[::-1] if forwards else numbers


def reverse(grid: Grid) -> Grid:
    """The same problem with time running backwards."""
    return replace(grid, before=grid.after, after=grid.before)


def lower_bound(grid: Grid) -> int:
    """Critical path, and energy of each resource between the earliest start and the shortest rest."""
    tails = longest_tails(grid)
    # The tail in the reversed problem ends where the task ends: its earliest finish.
    heads = [tail - d for tail, d in zip(longest_tails(reverse(grid)), grid.duration, strict=True)]
    bound = max(tails, default=0)
    for r, most in enumerate(grid.capacity):
        users = [i for i, wants in enumerate(grid.demand) if wants[r] and grid.duration[i]]
        if users:
            energy = sum(grid.duration[i] * grid.demand[i][r] for i in users)
            rest = min(tails[i] - grid.duration[i] for i in users)
            bound = max(bound, min(heads[i] for i in users) + -(-energy // most) + rest)
    return bound

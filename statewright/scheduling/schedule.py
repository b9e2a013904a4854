"""Schedules of minimum makespan: list scheduling, and an exact solver.

Problem
-------
Resource-constrained project scheduling (RCPSP): tasks have durations, precedence, and demands for
renewable resources, which they hold while they run. Minimise the makespan::

    cores
      2 |          | train b   |
      1 | features | train a         | eval |
        0          10         22     30     35      makespan 35

The *critical sequence* (features, train a, eval) determines the makespan.

The problem is NP-hard, so there are two solvers. Both return a :class:`Schedule` with start times,
makespan, a lower bound, and whether the makespan is proven optimal:

- :func:`list_schedule` uses priority rules and takes a tenth of a second for a hundred tasks. The
  *tail* of a task is the longest path from its start to an end of the graph. The task with the longest
  tail goes first. The serial scheme places tasks one by one at the earliest time where they fit. The
  parallel scheme moves through time and starts the tasks that fit. The schedule is then shifted to the
  right and to the left as long as that shortens it (forward-backward improvement). Two other rules are
  latest finish, and the durations of the direct successors. The best schedule is the result.
- :func:`solve` gives that schedule to OR-Tools' CP-SAT as a hint. CP-SAT then searches and proves.

:func:`dispatch` is the schedule of the engine itself: the parallel scheme only, because the engine
decides at the moment when a stage ends. :func:`priorities` is its rule.

The lower bound of the list scheduler is the larger of the critical path and, for each resource,
``earliest start + energy / capacity + shortest rest`` over the tasks that use it, where a task's energy
is its duration times its demand.

References
----------
Kolisch, Sprecher (1997), PSPLIB, European Journal of Operational Research 96, 205-216.
Kolisch (1996), Serial and parallel RCPSP methods revisited, EJOR 90, 320-333.
Valls, Ballestin, Quintanilla (2005), Justification and RCPSP, EJOR 165, 375-386.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from statewright.scheduling.problem import (
    TICKS,
    Grid,
    Problem,
    longest_tails,
    lower_bound,
    makespan_of,
    reverse,
    to_grid,
)
from statewright.scheduling.schemes import best_by_rules, longest_tail_first, parallel, serial
from statewright.workflow import Workflow, WorkflowError

__all__ = ["Problem", "Schedule", "critical_sequence", "dispatch", "list_schedule", "priorities", "solve"]


@dataclass(frozen=True)
class Schedule:
    """Start and finish of each task.

    Parameters
    ----------
    start, finish : mapping of str to float
        Task -> time, in the unit of the durations; the first task starts at 0.
    makespan : float
        Finish of the last task.
    lower_bound : float
        Proven lower bound of the makespan of any schedule.
    optimal : bool
        Whether the makespan is proven optimal.
    """

    start: Mapping[str, float]
    finish: Mapping[str, float]
    makespan: float
    lower_bound: float
    optimal: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the schedule as plain values, for JSON; whole numbers are integers."""
        return {
            "makespan": _plain(self.makespan),
            "lower_bound": _plain(self.lower_bound),
            "optimal": self.optimal,
            "start": {task: _plain(at) for task, at in self.start.items()},
        }


def list_schedule(problem: Problem) -> Schedule:
    """Return the best schedule of the priority rules, without a search.

    Raises
    ------
    WorkflowError
        If the problem is inconsistent, or if no schedule that meets the deadline was found.
    """
    grid = to_grid(problem)
    return _answer(problem, grid, best_by_rules(grid), lower_bound(grid))


def dispatch(problem: Problem) -> Schedule:
    """Return the schedule of the engine: when a task ends, start the longest tails.

    Raises
    ------
    WorkflowError
        As :func:`list_schedule`.
    """
    grid = to_grid(problem)
    return _answer(problem, grid, parallel(grid, longest_tail_first(grid)), lower_bound(grid))


def solve(problem: Problem, *, seconds: float = 10.0, workers: int = 1) -> Schedule:
    """Return the optimal schedule, or the best schedule within the time limit.

    Parameters
    ----------
    seconds : float
        Time limit of the search; 0 gives the result of :func:`list_schedule`.
    workers : int
        Threads of the search.

    Raises
    ------
    WorkflowError
        As :func:`list_schedule`. The message says whether the deadline is proven impossible.
    """
    began = time.monotonic()
    grid = to_grid(problem)
    start, bound = best_by_rules(grid), lower_bound(grid)
    if makespan_of(grid, start) > bound and (grid.deadline is None or bound <= grid.deadline):
        left = seconds - (time.monotonic() - began)
        if left > 0:
            start, bound = _search(grid, start, bound, left, workers)
    return _answer(problem, grid, start, bound)


def priorities(workflow: Workflow, seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the tail of each stage: the longest path of expected seconds to an end.

    The dispatcher starts the ready stage with the longest tail first. A stage that is not in `seconds`
    counts as 0 s.
    """
    tails: dict[str, float] = dict.fromkeys(workflow.stages, 0.0)
    for address in reversed(list(workflow.stages)):
        tails[address] += seconds.get(address, 0.0)
        for up in workflow.upstream[address]:
            tails[up] = max(tails[up], tails[address])
    return tails


def critical_sequence(problem: Problem, schedule: Schedule) -> tuple[str, ...]:
    """Return consecutive tasks without a gap that end with the schedule.

    Each task waits for the one before it, because of precedence or a shared resource. To shorten the
    schedule, shorten one of these tasks.
    """
    ending: dict[float, list[str]] = {}
    for task, finish in schedule.finish.items():
        if schedule.start[task] < finish:
            ending.setdefault(finish, []).append(task)
    time_reached = schedule.makespan
    sequence: list[str] = []
    current: str | None = None
    while time_reached > 0 and time_reached in ending:
        current = max(ending[time_reached], key=partial(_waits_for, problem, current))
        sequence.append(current)
        time_reached = schedule.start[current]
    return tuple(reversed(sequence))


def _waits_for(problem: Problem, task: str | None, earlier: str) -> int:
    """Return how directly `task` waits for `earlier`.

    2 means precedence, 1 means a shared resource or a pair that must not overlap, 0 means neither.
    """
    if task is None or earlier in problem.after.get(task, ()):
        return 2
    if (task, earlier) in problem.apart or (earlier, task) in problem.apart:
        return 1
    demands, earlier_demands = problem.demands.get(task, {}), problem.demands.get(earlier, {})
    return int(any(demands[name] and earlier_demands.get(name) for name in demands))


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _answer(problem: Problem, grid: Grid, start: Sequence[int], bound: int) -> Schedule:
    """Return the schedule in the unit of the problem.

    Raises
    ------
    WorkflowError
        If the schedule ends after the deadline.
    """
    end = makespan_of(grid, start)
    scale = grid.unit / TICKS
    if grid.deadline is not None and end > grid.deadline:
        proof = (
            f"at least {bound * scale:g} is needed; move the deadline or add resources"
            if bound > grid.deadline
            else f"the best schedule ends at {end * scale:g} and the lower bound is {bound * scale:g}; "
            "search longer, move the deadline or add resources"
        )
        raise WorkflowError(
            f"no schedule that meets the deadline of {grid.deadline * scale:g} was found: {proof}"
        )
    number = {name: i for i, name in enumerate(grid.names)}
    starts = {name: start[number[name]] * grid.unit / TICKS for name in problem.durations}
    finishes = {
        name: (start[number[name]] + grid.duration[number[name]]) * grid.unit / TICKS
        for name in problem.durations
    }
    return Schedule(starts, finishes, end * grid.unit / TICKS, bound * grid.unit / TICKS, end == bound)


def _search(grid: Grid, start: list[int], bound: int, seconds: float, workers: int) -> tuple[list[int], int]:
    """Search with CP-SAT from the hint `start`; return start times and a lower bound."""
    try:
        from ortools.sat.python import cp_model
    except ModuleNotFoundError as error:
        raise WorkflowError(
            "the exact search needs OR-Tools: install 'statewright[schedule]', "
            "or use --seconds 0 for the best schedule that rules find"
        ) from error

    known = makespan_of(grid, start)
    horizon = known if grid.deadline is None else min(known, grid.deadline)
    tails = longest_tails(grid)
    heads = longest_tails(reverse(grid))
    model = cp_model.CpModel()
    # Head and tail both include the duration of the task itself.
    begins = [
        model.new_int_var(head - duration, horizon - tail, "")
        for head, duration, tail in zip(heads, grid.duration, tails, strict=True)
    ]
    makespan = model.new_int_var(bound, horizon, "")
    _constrain(model, grid, begins, makespan)
    if known <= horizon:
        for begin, hint in zip([*begins, makespan], [*start, known], strict=True):
            model.add_hint(begin, hint)
    model.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = 1
    # Without linear relaxations the hard instances of PSPLIB's J30 are proven in half the time or less.
    # With several workers, one of them improves the best schedule instead.
    solver.parameters.linearization_level = 0
    solver.parameters.subsolvers.extend(["no_lp", "quick_restart_no_lp"][: max(1, workers - 1)])
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return start, horizon + 1
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return start, bound
    starts = [solver.value(begin) for begin in begins]
    # The search leaves slack: keep its order and move each task to its earliest time.
    return serial(grid, starts), max(bound, math.ceil(solver.best_objective_bound - 1e-6))


def _constrain(model: Any, grid: Grid, begins: Sequence[Any], makespan: Any) -> None:
    """Add precedence, capacities and pairs apart; a task of duration 0 uses nothing."""
    lasting = [i for i, lasts in enumerate(grid.duration) if lasts]
    spans = {i: model.new_fixed_size_interval_var(begins[i], grid.duration[i], "") for i in lasting}
    for i, begin in enumerate(begins):
        model.add(begin + grid.duration[i] <= makespan)
        for down in grid.after[i]:
            model.add(begins[down] >= begin + grid.duration[i])
    for r, capacity in enumerate(grid.capacity):
        users = [i for i in lasting if grid.demand[i][r]]
        model.add_cumulative([spans[i] for i in users], [grid.demand[i][r] for i in users], capacity)
    for i in lasting:
        for j in grid.apart[i]:
            if i < j and j in spans:
                model.add_no_overlap([spans[i], spans[j]])

"""When each task starts, so that all are done soonest: list scheduling, and the exact answer.

Problem
-------
Resource-constrained project scheduling (RCPSP): tasks with durations, precedence, and renewable
resources of which a running task holds some and gives them back when it ends. Minimise the makespan::

    cores
      2 |          | train b   |
      1 | features | train a         | eval |
        0          10         22     30     35      makespan 35

The *critical sequence* (features, train a, eval) is what keeps it from being shorter.

The problem is NP-hard, so there are two answers behind one signature, both a :class:`Schedule` with
start times, makespan, a lower bound, and whether the makespan is proven optimal:

- :func:`list_schedule` is a rule, and takes a tenth of a second for a hundred tasks. A task's *tail* is
  the longest path from its start to an end of the graph; the task with the longest tail goes first. The
  rule places tasks one by one at the earliest time where they fit (serial scheme), or moves through time
  and starts what fits (parallel scheme); the schedule is then pushed to the right and to the left as long
  as that shortens it (forward-backward improvement). Two other rules are tried beside it: latest finish,
  and the durations of what directly follows. The best of all is the answer.
- :func:`solve` gives that answer to OR-Tools' CP-SAT as a hint and lets it search and prove.

:func:`dispatch` is what the engine does while stages run: the parallel scheme and nothing else, since
it decides at the moment a stage ends. :func:`priorities` is its rule.

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
    """Start and finish of every task; no schedule ends before `lower_bound`.

    Parameters
    ----------
    start, finish : mapping of str to float
        Task -> time, in the unit of the durations; the first task starts at 0.
    optimal : bool
        Whether it is proven that no schedule is shorter.
    """

    start: Mapping[str, float]
    finish: Mapping[str, float]
    makespan: float
    lower_bound: float
    optimal: bool

    def as_dict(self) -> dict[str, Any]:
        """The schedule as plain values, for JSON; whole numbers as such."""
        return {
            "makespan": _plain(self.makespan),
            "lower_bound": _plain(self.lower_bound),
            "optimal": self.optimal,
            "start": {task: _plain(at) for task, at in self.start.items()},
        }


def list_schedule(problem: Problem) -> Schedule:
    """The best schedule that rules find, without a search.

    Raises
    ------
    WorkflowError
        If the problem contradicts itself, or no schedule was found that meets the deadline.
    """
    grid = to_grid(problem)
    return _answer(problem, grid, best_by_rules(grid), lower_bound(grid))


def dispatch(problem: Problem) -> Schedule:
    """The schedule that results if, whenever a task ends, what fits is started by longest tail.

    Raises
    ------
    WorkflowError
        As :func:`list_schedule`.
    """
    grid = to_grid(problem)
    return _answer(problem, grid, parallel(grid, longest_tail_first(grid)), lower_bound(grid))


def solve(problem: Problem, *, seconds: float = 10.0, workers: int = 1) -> Schedule:
    """The optimal schedule, or the best one found and a lower bound when the time is up.

    Parameters
    ----------
    seconds : float
        Time for the search; with 0 it is :func:`list_schedule`.
    workers : int
        Threads of the search.

    Raises
    ------
    WorkflowError
        As :func:`list_schedule`; whether it is proven that nothing meets the deadline is said.
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
    """Length of the longest path of expected seconds from the start of each stage to an end.

    The ready stage with the largest is started first. A stage that `seconds` does not name takes none.
    """
    tails: dict[str, float] = dict.fromkeys(workflow.stages, 0.0)
    for address in reversed(list(workflow.stages)):
        tails[address] += seconds.get(address, 0.0)
        for up in workflow.upstream[address]:
            tails[up] = max(tails[up], tails[address])
    return tails


def critical_sequence(problem: Problem, schedule: Schedule) -> tuple[str, ...]:
    """Tasks that follow one another without a pause and end with the schedule: what to shorten first.

    Each waits for the one before it, because it needs what that makes, or what that held.
    """
    wanted = schedule.makespan
    sequence: list[str] = []
    current: str | None = None
    while wanted > 0:
        ending = [
            task
            for task, finish in schedule.finish.items()
            if finish == wanted and schedule.start[task] < finish
        ]
        if current is not None:
            ending.sort(key=lambda task: _waits_for(problem, current, task), reverse=True)
        if not ending:
            break
        current = ending[0]
        sequence.append(current)
        wanted = schedule.start[current]
    return tuple(reversed(sequence))


def _waits_for(problem: Problem, task: str | None, other: str) -> int:
    """2 if `task` needs `other` done, 1 if both want the same resource or must not overlap, else 0."""
    if task is None or other in problem.after.get(task, ()):
        return 2
    if (task, other) in problem.apart or (other, task) in problem.apart:
        return 1
    mine, theirs = problem.demands.get(task, {}), problem.demands.get(other, {})
    return int(any(mine[name] and theirs.get(name) for name in mine))


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _answer(problem: Problem, grid: Grid, start: Sequence[int], bound: int) -> Schedule:
    """The schedule in the problem's own unit; an error if it is late."""
    end = makespan_of(grid, start)
    scale = grid.unit / TICKS
    if grid.deadline is not None and end > grid.deadline:
        proof = (
            f"none can: at least {bound * scale:g} is needed; put it later or add resources"
            if bound > grid.deadline
            else f"the best found ends at {end * scale:g}, none can end before {bound * scale:g}; "
            "search longer, put it later or add resources"
        )
        raise WorkflowError(
            f"no schedule found that meets the deadline of {grid.deadline * scale:g}: {proof}"
        )
    number = {name: i for i, name in enumerate(grid.names)}
    starts = {name: start[number[name]] * grid.unit / TICKS for name in problem.durations}
    finishes = {
        name: (start[number[name]] + grid.duration[number[name]]) * grid.unit / TICKS
        for name in problem.durations
    }
    return Schedule(starts, finishes, end * grid.unit / TICKS, bound * grid.unit / TICKS, end == bound)


def _search(grid: Grid, start: list[int], bound: int, seconds: float, workers: int) -> tuple[list[int], int]:
    """CP-SAT's best start times, from `start` as a hint, and the best lower bound proven."""
    try:
        from ortools.sat.python import cp_model
    except ModuleNotFoundError as error:
        raise WorkflowError(
            "the exact search needs OR-Tools: install 'statewright[schedule]', "
            "or use --seconds 0 for the best schedule that rules find"
        ) from error

    known = makespan_of(grid, start)
    most = known if grid.deadline is None else min(known, grid.deadline)
    tails = longest_tails(grid)
    heads = longest_tails(reverse(grid))
    model = cp_model.CpModel()
    # A head ends with its task, a tail starts with it: both hold the task's own duration.
    begins = [
        model.new_int_var(head - lasts, most - tail, "")
        for head, lasts, tail in zip(heads, grid.duration, tails, strict=True)
    ]
    makespan = model.new_int_var(bound, most, "")
    _constrain(model, grid, begins, makespan)
    if known <= most:
        for begin, hint in zip([*begins, makespan], [*start, known], strict=True):
            model.add_hint(begin, hint)
    model.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = 1
    # Without linear relaxations the hard instances of PSPLIB's J30 are proven in half the time or less.
    # Where there are several workers, one of them improves what is found instead.
    solver.parameters.linearization_level = 0
    solver.parameters.subsolvers.extend(["no_lp", "quick_restart_no_lp"][: max(1, workers - 1)])
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return start, most + 1
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return start, bound
    found = [solver.value(begin) for begin in begins]
    # The search leaves slack where it likes: in the order found, every task goes to its earliest time.
    return serial(grid, found), max(bound, math.ceil(solver.best_objective_bound - 1e-6))


def _constrain(model: Any, grid: Grid, begins: Sequence[Any], makespan: Any) -> None:
    """Precedence, capacity, and the pairs apart; a task that takes no time holds nothing."""
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

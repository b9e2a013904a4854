"""Schedules compared with enumeration and PSPLIB's optima, and their properties."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statewright.scheduling.problem import Grid, to_grid
from statewright.scheduling.psplib import read_psplib
from statewright.scheduling.schedule import (
    Problem,
    Schedule,
    critical_sequence,
    dispatch,
    list_schedule,
    priorities,
    solve,
)
from statewright.scheduling.schemes import longest_tail_first, parallel
from statewright.workflow import Stage, Workflow, WorkflowError
from tests.external import external_data
from tests.statewright.toys import statewright as command_line

QUICK_J30 = ("j3010_1", "j3011_1", "j3022_1", "j3038_1", "j3048_1", "j301_1", "j3021_4", "j3037_7")


def check(problem: Problem, schedule: Schedule) -> None:
    """Assert precedence, capacities, pairs apart, and consistent figures."""
    assert set(schedule.start) == set(problem.durations) == set(schedule.finish)
    for task, duration in problem.durations.items():
        assert schedule.start[task] >= 0
        # A duration is rounded up to whole milliseconds.
        assert -1e-9 <= schedule.finish[task] - schedule.start[task] - duration < 1e-3 + 1e-9
    for task, ups in problem.after.items():
        assert all(schedule.finish[up] <= schedule.start[task] for up in ups)
    for moment in schedule.start.values():
        now = [t for t in schedule.start if schedule.start[t] <= moment < schedule.finish[t]]
        for resource, capacity in problem.capacities.items():
            assert sum(problem.demands.get(t, {}).get(resource, 0) for t in now) <= capacity + 1e-6
        assert not any(set(pair) <= set(now) for pair in problem.apart)
    assert schedule.makespan == max(schedule.finish.values(), default=0)
    assert schedule.lower_bound <= schedule.makespan
    assert schedule.optimal == (schedule.lower_bound == schedule.makespan)


def shortest(problem: Problem) -> float:
    """Return the optimal makespan by enumeration of all orders of the tasks.

    For some order, placing each task at its earliest time is optimal.
    """
    best = float("inf")
    for order in itertools.permutations(problem.durations):
        position = {task: k for k, task in enumerate(order)}
        if all(position[up] < position[task] for task, ups in problem.after.items() for up in ups):
            best = min(best, _placed_in(order, problem))
    return best


def _placed_in(order: tuple[str, ...], problem: Problem) -> float:
    start: dict[str, float] = {}
    end: dict[str, float] = {}
    for task in order:
        lasts = problem.durations[task]
        ready = max((end[up] for up in problem.after.get(task, ())), default=0)
        for moment in sorted({ready, *(t for t in end.values() if t > ready)}):
            if _free(task, moment, moment + lasts, problem, start, end):
                start[task], end[task] = moment, moment + lasts
                break
    return max(end.values(), default=0)


def _free(
    task: str,
    begin: float,
    finish: float,
    problem: Problem,
    start: Mapping[str, float],
    end: Mapping[str, float],
) -> bool:
    """Return whether `task` fits from `begin` to `finish` beside the placed tasks."""
    if begin == finish:
        return True
    beside = [other for other in start if start[other] < finish and begin < end[other]]
    if any((task, other) in problem.apart or (other, task) in problem.apart for other in beside):
        return False
    wanted = problem.demands.get(task, {})
    moments = [begin, *(start[other] for other in beside if start[other] > begin)]
    return all(
        sum(problem.demands.get(o, {}).get(r, 0) for o in beside if start[o] <= moment < end[o]) + want
        <= problem.capacities[r]
        for r, want in wanted.items()
        for moment in moments
    )


@st.composite
def problems(draw: st.DrawFn, most: int = 12) -> Problem:
    """Draw tasks with durations, two resources, forward edges and pairs apart."""
    names = [f"t{k}" for k in range(draw(st.integers(1, most)))]
    lasts = draw(st.sampled_from([st.integers(0, 6), st.sampled_from([0.0, 0.25, 1.5, 2.125, 3.7])]))
    durations = {name: float(draw(lasts)) for name in names}
    after = {b: [a for a in names[:k] if draw(st.integers(0, 3)) == 0] for k, b in enumerate(names)}
    capacities = {"cpu": 4.0, "ram_gb": 2.5}
    demands = {
        name: {"cpu": float(draw(st.integers(0, 4))), "ram_gb": draw(st.sampled_from([0, 0.5, 1.2, 2.5]))}
        for name in names
    }
    pairs = [pair for pair in itertools.combinations(names, 2) if draw(st.integers(0, 9)) == 0]
    return Problem(durations, after, demands, capacities, pairs)


@settings(max_examples=150, deadline=None)
@given(problems())
def test_rules_satisfy_every_constraint(problem: Problem) -> None:
    listed, dispatched = list_schedule(problem), dispatch(problem)
    check(problem, listed)
    check(problem, dispatched)
    assert listed.makespan <= dispatched.makespan
    assert listed.lower_bound == dispatched.lower_bound


@settings(max_examples=40, deadline=None)
@given(problems(most=6))
def test_the_exact_solver_agrees_with_enumeration(problem: Problem) -> None:
    exact, listed = solve(problem, seconds=20, workers=1), list_schedule(problem)
    check(problem, exact)
    assert exact.optimal
    assert exact.makespan == pytest.approx(shortest(problem), abs=6e-3)
    assert listed.lower_bound <= exact.makespan <= listed.makespan


@settings(max_examples=25, deadline=None)
@given(problems(most=6), st.integers(1, 20))
def test_a_deadline_is_met_or_proven_impossible(problem: Problem, deadline: int) -> None:
    needed = shortest(problem)
    late = Problem(
        problem.durations, problem.after, problem.demands, problem.capacities, problem.apart, deadline
    )
    if needed <= deadline - 6e-3:
        met = solve(late, seconds=20, workers=1)
        check(late, met)
        assert met.makespan <= deadline
    elif needed > deadline:
        with pytest.raises(WorkflowError, match=r"was found: at least .* is needed"):
            solve(late, seconds=20, workers=1)


def test_list_scheduling_may_miss_a_deadline_that_is_possible() -> None:
    cores = {"a": 2, "b": 3, "c": 2, "d": 1, "e": 2}
    problem = Problem(
        {"a": 3, "b": 2, "c": 2, "d": 5, "e": 5},
        demands={task: {"cpu": n} for task, n in cores.items()},
        capacities={"cpu": 4},
        deadline=9,
    )
    with pytest.raises(
        WorkflowError, match="deadline of 9 was found: the best schedule ends at 10 and the lower bound is 8"
    ):
        list_schedule(problem)
    found = solve(problem, seconds=20)
    check(problem, found)
    assert found.makespan == shortest(problem) == 9


def test_tasks_that_fit_run_in_parallel_and_others_wait() -> None:
    problem = Problem(
        {"a": 10, "b": 10, "c": 5},
        {"c": ["a"]},
        {"a": {"cpu": 1}, "b": {"cpu": 2}, "c": {"cpu": 1}},
        {"cpu": 2},
    )
    found = dispatch(problem)
    assert dict(found.start) == {"a": 0, "b": 15, "c": 10} or dict(found.start) == {"a": 0, "b": 10, "c": 20}
    assert solve(problem, seconds=5).makespan == 25
    assert critical_sequence(problem, found)[-1] == max(found.finish, key=found.finish.__getitem__)


def test_pairs_apart_do_not_overlap_although_they_fit() -> None:
    durations = {"a": 4, "b": 4}
    assert solve(Problem(durations)).makespan == 4
    assert solve(Problem(durations, apart=[("a", "b")])).makespan == 8
    assert dispatch(Problem(durations, apart=[("b", "a")])).makespan == 8


def test_an_empty_problem_takes_no_time() -> None:
    for found in (list_schedule(Problem({})), dispatch(Problem({})), solve(Problem({}))):
        assert (found.makespan, found.lower_bound, found.optimal, dict(found.start)) == (0, 0, True, {})


def test_durations_are_kept_to_the_millisecond() -> None:
    found = list_schedule(Problem({"a": 0.1, "b": 0.2, "c": 0.0004}, {"b": ["a"], "c": ["b"]}))
    assert found.finish == {"a": 0.1, "b": 0.3, "c": 0.301}
    assert found.optimal


def test_a_schedule_as_json_has_integers_where_possible() -> None:
    found = solve(Problem({"2": 3, "1": 2.5}, {"1": ["2"]})).as_dict()
    assert json.dumps(found) == (
        '{"makespan": 5.5, "lower_bound": 5.5, "optimal": true, "start": {"2": 0, "1": 3}}'
    )


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (Problem({"a": -1}), "task 'a' has the duration -1; expected a number of 0 or more"),
        (Problem({"a": float("nan")}), "task 'a' has the duration nan"),
        (Problem({"a": 1}, {"a": ["b"]}), "'b' has no duration, but the precedence of 'a' names it"),
        (Problem({"a": 1, "b": 1}, {"a": ["b"], "b": ["a"]}), "form a cycle: (a -> b -> a|b -> a -> b)"),
        (Problem({"a": 1}, {}, {"a": {"cpu": 3}}, {"cpu": 2}), "demands 3 of cpu, but the capacity is 2"),
        (Problem({"a": 1}, {}, {"a": {"cpu": -1}}, {"cpu": 2}), "demands -1 of cpu"),
        (Problem({"a": 1}, {}, {"z": {"cpu": 1}}, {"cpu": 2}), "'z' has demands, but no duration"),
        (Problem({"a": 1}, {}, {"a": {"gpu": 1}}, {"cpu": 2}), "demands gpu, which has no capacity"),
        (Problem({"a": 1}, apart=[("a", "z")]), r"\(a, z\) must not overlap"),
        (Problem({"a": 1}, apart=[("a", "a")]), r"\(a, a\) must not overlap"),
    ],
)
def test_an_inconsistent_problem_is_refused(problem: Problem, message: str) -> None:
    for schedule in (list_schedule, dispatch, solve):
        with pytest.raises(WorkflowError, match=message):
            schedule(problem)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_critical_sequence_fills_the_schedule_without_a_gap(problem: Problem) -> None:
    found = dispatch(problem)
    sequence = critical_sequence(problem, found)
    times = [(found.start[task], found.finish[task]) for task in sequence]
    edges = [0.0, *(time for pair in times for time in pair), found.makespan]
    assert edges[::2] == edges[1::2]
    if sequence:
        assert edges[-1] == found.makespan


@settings(max_examples=60, deadline=None)
@given(problems())
def test_priorities_are_the_longest_paths_to_an_end(problem: Problem) -> None:
    upstream = {task: tuple(problem.after[task]) for task in problem.durations}
    workflow = Workflow({task: Stage(task, ("true",)) for task in upstream}, upstream)
    graph = nx.DiGraph()
    graph.add_nodes_from(upstream)
    for task, ups in upstream.items():
        graph.add_edge(task, "end", weight=problem.durations[task])
        graph.add_edges_from((up, task, {"weight": problem.durations[up]}) for up in ups)
    for task, length in priorities(workflow, problem.durations).items():
        below = graph.subgraph({task, *nx.descendants(graph, task)})
        assert length == pytest.approx(nx.dag_longest_path_length(below))


def test_a_stage_without_a_duration_has_the_tail_of_its_successors() -> None:
    stages = {name: Stage(name, ("true",)) for name in "abc"}
    workflow = Workflow(stages, {"a": (), "b": ("a",), "c": ()})
    assert priorities(workflow, {"b": 5.0, "c": 3.0}) == {"a": 5.0, "b": 5.0, "c": 3.0}


def makespans(folder: Path) -> dict[str, int]:
    """Return the best known makespan of each instance."""
    with (folder / "makespans.csv").open(encoding="utf-8", newline="") as stream:
        return {row["instance"]: int(row["makespan"]) for row in csv.DictReader(stream)}


@pytest.mark.parametrize("name", QUICK_J30)
def test_psplib_optima(name: str) -> None:
    folder = external_data("benchmarks", "scheduling")
    _check_optimum(folder, f"j30/{name}.sm", makespans(folder))


@pytest.mark.slow
def test_every_j30_instance_is_proven_optimal() -> None:
    folder = external_data("benchmarks", "scheduling")
    known = makespans(folder)
    for instance in known:
        if instance.startswith("j30/"):
            _check_optimum(folder, instance, known)


def _check_optimum(folder: Path, instance: str, known: Mapping[str, int]) -> None:
    problem = read_psplib(folder / instance)
    # Ten seconds are enough on an idle machine, but tests run in parallel.
    found = solve(problem, seconds=60)
    check(problem, found)
    assert (instance, found.makespan, found.optimal) == (instance, known[instance], True)


SMALL = """\
file with basedata            : none
************************************************************************
projects                      :  1
jobs (incl. supersource/sink ):  4
RESOURCES
  - renewable                 :  2   R
  - nonrenewable              :  0   N
  - doubly constrained        :  0   D
************************************************************************
PRECEDENCE RELATIONS:
jobnr.    #modes  #successors   successors
   1        1          2           2   3
   2        1          1           4
   3        1          1           4
   4        1          0
************************************************************************
REQUESTS/DURATIONS:
jobnr. mode duration  R 1  R 2
------------------------------------------------------------------------
  1      1     0       0    0
  2      1     3       2    0
  3      1     4       2    1
  4      1     0       0    0
************************************************************************
RESOURCEAVAILABILITIES:
  R 1  R 2
    3    1
************************************************************************
"""


JOB_2 = "   2        1          1           4"
DEMANDS_2 = "  2      1     3       2    0"


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "small.sm"
    path.write_text(SMALL)
    assert read_psplib(path) == Problem(
        {"1": 0, "2": 3, "3": 4, "4": 0},
        {"1": [], "2": ["1"], "3": ["1"], "4": ["2", "3"]},
        {"1": {}, "2": {"R 1": 2}, "3": {"R 1": 2, "R 2": 1}, "4": {}},
        {"R 1": 3, "R 2": 1},
    )


def test_the_reader_agrees_with_the_parser_of_ortools() -> None:
    from ortools.scheduling.python import rcpsp

    folder = external_data("benchmarks", "scheduling")
    for path in [*sorted((folder / "j30").glob("*.sm"))[:5], *sorted((folder / "j120").glob("*.sm"))[:2]]:
        parser = rcpsp.RcpspParser()
        assert parser.parse_file(str(path))
        theirs, ours = parser.problem(), read_psplib(path)
        assert [r.max_capacity for r in theirs.resources] == list(ours.capacities.values())
        for job, task in enumerate(theirs.tasks, start=1):
            (recipe,) = task.recipes
            assert recipe.duration == ours.durations[str(job)]
            wants = {f"R {r + 1}": d for r, d in zip(recipe.resources, recipe.demands, strict=True) if d}
            assert wants == ours.demands[str(job)]
            followers = {int(other) for other, ups in ours.after.items() if str(job) in ups}
            assert {successor + 1 for successor in task.successors} == followers


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("jobs (incl", "tasks (incl", "has no line 'jobs ... : number'"),
        ("):  4", "):  four", "line 4, says 'four' jobs; expected a whole number"),
        ("nonrenewable              :  0", "nonrenewable              :  1", "nonrenewable resources"),
        ("REQUESTS/DURATIONS:", "REQUESTS:", "has no section 'REQUESTS/DURATIONS:'"),
        (JOB_2, "   2  3  1  4", "line 13, gives job 2 3 modes"),
        (JOB_2, "   2  1  2  4", "line 13, states 2 successors and lists 1"),
        (JOB_2, "   2  1", "line 13, states too few numbers"),
        (JOB_2, "   2  1  1  9", "line 13, names job 9; expected 1 to 4"),
        (JOB_2, "   1  1  1  4", "line 13, names job 1 a second time"),
        (JOB_2 + "\n", "", "section 'PRECEDENCE RELATIONS:' lacks job 2"),
        (DEMANDS_2, "  2  1  x  2  0", "line 21, holds 'x'"),
        (DEMANDS_2, "  2  1 -3  2  0", "line 21, holds '-3'"),
        (DEMANDS_2, "  2  1  3  2", "line 21, holds 4 numbers"),
        (DEMANDS_2, "  2  2  3  2  0", "line 21, names job 2, mode 2"),
        (DEMANDS_2 + "\n", "", "section 'REQUESTS/DURATIONS:' lacks job 2"),
        ("    3    1\n", "    3\n", "line 27, gives 1 capacities; expected 2"),
        ("    3    1\n", "", "gives 0 capacities"),
    ],
)
def test_an_invalid_file_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert SMALL.count(old) == 1
    path = tmp_path / "bad.sm"
    path.write_text(SMALL.replace(old, new))
    with pytest.raises(WorkflowError, match=f"{re.escape(str(path))}.*{re.escape(message)}.*--help"):
        read_psplib(path)


def test_a_file_that_is_absent_or_binary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=r"none\.sm cannot be read: No such file"):
        read_psplib(tmp_path / "none.sm")
    (tmp_path / "bytes.sm").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WorkflowError, match=r"bytes\.sm cannot be read: it is not UTF-8 text"):
        read_psplib(tmp_path / "bytes.sm")


def test_the_command_prints_a_schedule_as_json_and_refuses_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "small.sm").write_text(SMALL)
    done = command_line(tmp_path, "schedule", "small.sm", "--seconds", "5", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["makespan"], found["lower_bound"], found["optimal"]) == (7, 7, True)
    assert sorted(found["start"]) == ["1", "2", "3", "4"]
    assert sorted((found["start"]["2"], found["start"]["3"])) in ([0, 3], [0, 4])
    (tmp_path / "small.sm").write_text(SMALL.replace("    3    1\n", "    1    1\n"))
    done = command_line(tmp_path, "schedule", "small.sm", "--json")
    assert done.returncode == 2
    assert "demands 2 of R 1, but the capacity is 1" in done.stderr


@settings(max_examples=100, deadline=None)
@given(problems())
def test_queues_of_equal_demands_give_the_schedule_of_a_look_at_every_task(problem: Problem) -> None:
    grid = to_grid(problem)
    rank = longest_tail_first(grid)
    assert parallel(grid, rank) == look_at_every_task(grid, rank)


def look_at_every_task(grid: Grid, rank: list[float]) -> list[int]:
    """Return the start times of the parallel scheme, by its definition."""
    start: dict[int, int] = {}
    now = 0
    while len(start) < len(rank):
        ends = {i: at + grid.duration[i] for i, at in start.items()}
        waiting = [i for i in range(len(rank)) if i not in start]
        ready = [i for i in waiting if all(up in start and ends[up] <= now for up in grid.before[i])]
        before = len(start)
        for i in sorted(ready, key=lambda i: (rank[i], i)):
            active = [j for j, at in start.items() if at <= now < at + grid.duration[j]]
            used = [sum(grid.demand[j][r] for j in active) for r in range(len(grid.capacity))]
            fits = all(u + d <= c for u, d, c in zip(used, grid.demand[i], grid.capacity, strict=True))
            if fits and not grid.apart[i] & set(active):
                start[i] = now
        if len(start) == before:  # a task without duration frees others at once
            now = min(end for end in ends.values() if end > now)
    return [start[i] for i in range(len(rank))]

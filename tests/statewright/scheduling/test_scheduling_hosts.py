"""Schedules on hosts against enumeration, Graham's bound and one machine."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statewright.scheduling.hosts import Cluster, Host, Placement, parse_hosts, place
from statewright.scheduling.problem import Problem
from statewright.scheduling.schedule import dispatch, solve
from statewright.workflow import WorkflowError


@st.composite
def workflows(draw: st.DrawFn, most: int = 5, cores: int = 1) -> tuple[Problem, dict[str, dict[str, int]]]:
    """Return tasks that read files of earlier ones, and the bytes of files."""
    names = [f"t{k}" for k in range(draw(st.integers(1, most)))]
    durations = {name: draw(st.integers(0, 5)) for name in names}
    after = {
        name: sorted(draw(st.sets(st.sampled_from(names[:k])))) if k else [] for k, name in enumerate(names)
    }
    size = {name: draw(st.integers(0, 4)) for name in ["source", *names]}
    reads = {
        name: {up: size[up] for up in [*after[name], *(["source"] if draw(st.booleans()) else [])]}
        for name in names
    }
    demands = {name: {"cpu": draw(st.integers(0 if cores > 1 else 1, cores))} for name in names}
    return Problem(durations, after, demands), reads


def cluster(hosts: int, reads: dict[str, dict[str, int]], latency: float = 1, cores: float = 1) -> Cluster:
    machines = [Host(f"h{k}", {"cpu": cores}) for k in range(hosts)]
    return Cluster(machines, reads, {name: [name] for name in reads}, bandwidth=1, latency=latency)


@settings(max_examples=100, deadline=None)
@given(workflows(8, cores=3))
def test_one_host_without_transfers_is_the_schedule_of_one_machine(
    drawn: tuple[Problem, dict[str, dict[str, int]]],
) -> None:
    problem, reads = drawn
    free = Cluster([Host("h", {"cpu": 3})], reads)
    one = dispatch(Problem(problem.durations, problem.after, problem.demands, {"cpu": 3}))
    assert place(problem, free).schedule == one


@settings(max_examples=60, deadline=None)
@given(workflows(8, cores=2), st.integers(1, 3))
def test_a_placement_keeps_precedence_capacities_and_transfers(
    drawn: tuple[Problem, dict[str, dict[str, int]]], hosts: int
) -> None:
    problem, reads = drawn
    found = place(problem, cluster(hosts, reads, cores=2))
    check(problem, reads, found, latency=1, cores=2)


def check(
    problem: Problem, reads: dict[str, dict[str, int]], found: Placement, latency: float, cores: float
) -> None:
    start, finish = found.schedule.start, found.schedule.finish
    moved = 0
    for task, seconds in problem.durations.items():
        assert all(finish[up] <= start[task] for up in problem.after[task])
        # A host has the files that its tasks wrote, and those that it fetched, by the start of the task.
        here = {other for other in start if found.host[other] == found.host[task] and other != task}
        has = {other for other in here if finish[other] <= start[task]}
        for other in here:
            if found.transfer[other] and start[other] + found.transfer[other] <= start[task]:
                has |= reads[other].keys()
        missing = {file: size for file, size in reads[task].items() if file not in has}
        if any(start[other] == start[task] for other in here):
            missing = missing if found.transfer[task] else {}  # files of no bytes may come at once
        assert found.transfer[task] <= (latency + sum(missing.values()) if missing else 0)
        assert finish[task] == pytest.approx(start[task] + found.transfer[task] + seconds)
        moved += int(found.transfer[task] - latency) if found.transfer[task] else 0
        busy = [t for t in here | {task} if start[t] <= start[task] < finish[t]]
        assert sum(problem.demands[t]["cpu"] for t in busy) <= cores
    assert found.moved == moved


@settings(max_examples=40, deadline=None)
@given(workflows(4))
def test_no_placement_beats_the_best_of_all_orders_and_hosts(
    drawn: tuple[Problem, dict[str, dict[str, int]]],
) -> None:
    problem, reads = drawn
    found = place(problem, cluster(2, reads))
    best = shortest(problem, reads, hosts=2)
    assert found.schedule.lower_bound <= best <= found.schedule.makespan
    assert found.schedule.makespan <= 2 * (sum(problem.durations.values()) + place_all_fetch(reads))


def place_all_fetch(reads: dict[str, dict[str, int]]) -> int:
    return sum(1 + sum(sizes.values()) for sizes in reads.values())


def shortest(problem: Problem, reads: dict[str, dict[str, int]], hosts: int) -> float:
    """Return the least makespan over all orders and hosts with one core each.

    A sequence of tasks fixes what a host has fetched, so each task starts as early as it can.
    """
    names, best = list(problem.durations), float("inf")
    for order in itertools.permutations(names):
        if any(order.index(up) > order.index(task) for task in names for up in problem.after[task]):
            continue
        for chosen in itertools.product(range(hosts), repeat=len(names)):
            best = min(best, serial(problem, reads, order, chosen))
    return best


def serial(
    problem: Problem, reads: dict[str, dict[str, int]], order: Sequence[str], chosen: Sequence[int]
) -> float:
    free = [0.0] * (max(chosen) + 1)
    has: list[set[str]] = [set() for _ in free]
    finish: dict[str, float] = {}
    for task, host in zip(order, chosen, strict=True):
        missing = reads[task].keys() - has[host]
        fetch = 1 + sum(reads[task][file] for file in missing) if missing else 0
        begin = max([free[host], *(finish[up] for up in problem.after[task])])
        finish[task] = begin + fetch + problem.durations[task]
        free[host] = max(free[host], finish[task])
        has[host] |= {*missing, task}
    return max(finish.values())


@settings(max_examples=20, deadline=None)
@given(workflows(6), st.integers(2, 3))
def test_without_transfers_grahams_bound_holds(
    drawn: tuple[Problem, dict[str, dict[str, int]]], hosts: int
) -> None:
    problem, _ = drawn
    equal = Cluster([Host(str(k), {"cpu": 1}) for k in range(hosts)])
    best = solve(Problem(problem.durations, problem.after, problem.demands, {"cpu": hosts}), seconds=5)
    assert best.optimal
    assert best.makespan <= place(problem, equal).schedule.makespan <= (2 - 1 / hosts) * best.makespan + 1e-9


def test_a_task_goes_where_its_input_is_and_a_file_is_fetched_once_a_host() -> None:
    problem = Problem({"make": 1, "big": 1, "read": 2}, {"read": ["make", "big"]}, {})
    found = place(problem, cluster(2, {"make": {}, "big": {}, "read": {"make": 1, "big": 50}}))
    assert found.host["read"] == found.host["big"] != ""
    same = Problem({"a": 5, "b": 5}, {"b": ["a"]}, {"a": {"cpu": 1}, "b": {"cpu": 1}})
    found = place(same, cluster(2, {"a": {"source": 3}, "b": {"source": 3}}))
    assert (found.moved, dict(found.transfer), found.schedule.makespan) == (3, {"a": 4, "b": 0}, 14)


def test_a_task_that_no_host_can_run_is_refused() -> None:
    problem = Problem({"a": 1}, {}, {"a": {"cpu": 2}})
    with pytest.raises(WorkflowError, match="task 'a' demands cpu 2, and no host has that"):
        place(problem, cluster(3, {}))


@pytest.mark.parametrize("text", ["", "0", "4:8", "4:cpu=x", "4:disk=1", "x:cpu=1", "2:cpu=-1"])
def test_a_wrong_description_of_hosts_is_refused(text: str) -> None:
    with pytest.raises(WorkflowError, match="expected a number and what each host has"):
        parse_hosts([text])


def test_hosts_are_numbered_over_all_descriptions() -> None:
    hosts = parse_hosts(["1", "2:cpu=8,ram_gb=32"])
    assert [host.name for host in hosts] == ["host 1", "host 2", "host 3"]
    assert hosts[2].capacities == {"cpu": 8, "gpu": 0, "ram_gb": 32}

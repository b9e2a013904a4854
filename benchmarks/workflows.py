"""Optimised workflows against the list of all schedules.

Specification 1 §7.2 lists every schedule and keeps the cheapest. :func:`shortest` does so; it is the
oracle of `optimize_workflow` on graphs of at most 7 stages with whole seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random

from benchmarks.parts import ROOT, Tables
from benchmarks.recorded import recorded_table
from statewright import Constraints, WorkflowError, WorkflowGraph, optimize_workflow, workflow_graph
from statewright.request import AUTO
from statewright.running.limits import Limits
from statewright.scheduling.problem import Problem
from statewright.scheduling.schedule import Schedule, list_schedule
from tasks.report.benchmark import BenchmarkTable

GRAPHS, MOST_STAGES = 1000, 7


def random_workflow(seed: int) -> tuple[WorkflowGraph, Constraints]:
    """Return a random workflow of at most 7 stages, and its constraints.

    Whole seconds, two resources, edges from earlier to later stages, some pairs apart, and a deadline in a
    third of the graphs, which may be impossible.
    """
    random = Random(seed)
    names = [f"stage{k}" for k in range(random.randint(1, MOST_STAGES))]
    graph = WorkflowGraph(
        {name: random.randint(0, 6) for name in names},
        {name: [up for up in names[:k] if random.random() < 0.25] for k, name in enumerate(names)},
        {name: {"cpu": random.randint(0, 4), "ram_gb": random.randint(0, 5)} for name in names},
    )
    pairs = [(a, b) for k, b in enumerate(names) for a in names[:k] if random.random() < 0.1]
    total = sum(graph.seconds.values())
    deadline = random.randint(0, int(total)) if random.random() < 1 / 3 else None
    return graph, Constraints({"cpu": 4, "ram_gb": 5}, pairs, deadline)


def shortest(graph: WorkflowGraph, constraints: Constraints) -> int | None:
    """Return the smallest makespan of all schedules within the constraints, or None.

    It lists every order of the stages and places each stage at the earliest whole second that is free.
    One of these schedules is optimal, because the makespan never gains from a later start.
    """
    ends = _ends({}, set(graph.seconds), graph, constraints)
    best = min(ends)
    return None if constraints.deadline is not None and best > constraints.deadline else best


def _ends(
    start: dict[str, int], left: set[str], graph: WorkflowGraph, constraints: Constraints
) -> Iterator[int]:
    """Yield the end of every schedule that continues the placed stages."""
    if not left:
        yield max((begin + int(graph.seconds[stage]) for stage, begin in start.items()), default=0)
    for stage in left:
        ups = graph.after.get(stage, ())
        if left.isdisjoint(ups):
            begin = max((start[up] + int(graph.seconds[up]) for up in ups), default=0)
            while not _fits(stage, begin, start, graph, constraints):
                begin += 1
            yield from _ends({**start, stage: begin}, left - {stage}, graph, constraints)


def _fits(
    stage: str, begin: int, start: dict[str, int], graph: WorkflowGraph, constraints: Constraints
) -> bool:
    for second in range(begin, begin + int(graph.seconds[stage])):
        running = [other for other, at in start.items() if at <= second < at + graph.seconds[other]]
        if any(
            (stage, other) in constraints.apart or (other, stage) in constraints.apart for other in running
        ):
            return False
        for resource, capacity in constraints.capacities.items():
            if sum(graph.demands[name][resource] for name in [stage, *running]) > capacity:
                return False
    return True


def optimum(graph: WorkflowGraph, constraints: Constraints) -> float | None:
    """Return the makespan of `optimize_workflow`, or None if none is possible."""
    try:
        schedule = optimize_workflow(graph, constraints, seconds=60)
    except WorkflowError as error:
        if "is needed" in str(error):
            return None
        raise
    if not schedule.optimal:
        raise AssertionError(f"not proven in 60 s: {graph}")
    return schedule.makespan


def tables(count: int = GRAPHS) -> Tables:
    """Yield the tables of random workflows and of the recorded runs."""
    yield _random_workflows(count)
    yield recorded_table(ROOT, workflow_graph(ROOT), Limits(workers=AUTO).as_dict())


def _random_workflows(count: int) -> BenchmarkTable:
    equal = impossible = shorter = 0
    listing = solving = 0.0
    for seed in range(count):
        graph, constraints = random_workflow(seed)
        began = time.process_time()
        oracle = shortest(graph, constraints)
        between = time.process_time()
        best = optimum(graph, constraints)
        solving += time.process_time() - between
        listing += between - began
        equal += best == oracle
        impossible += oracle is None
        shorter += best is not None and best < _by_rules(graph, constraints).makespan
    columns = [
        "graphs",
        "equal",
        "deadline impossible",
        "shorter than list scheduling",
        "s listing",
        "s solver",
    ]
    return BenchmarkTable(
        name="random workflows",
        title=f"Random workflows of at most {MOST_STAGES} stages: the solver against all schedules.",
        columns=columns,
        rows=[[count, equal, impossible, shorter, listing, solving]],
        decimals={"s listing": 1, "s solver": 1},
    )


def _by_rules(graph: WorkflowGraph, constraints: Constraints) -> Schedule:
    return list_schedule(
        Problem(graph.seconds, graph.after, graph.demands, constraints.capacities, constraints.apart)
    )

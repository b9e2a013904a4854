"""Optimised workflows against all schedules; predictions against past runs.

Specification 1 §7.2 lists every schedule and keeps the cheapest. :func:`shortest` does so; it is the
oracle of `optimize_workflow` on graphs of at most 7 stages with whole seconds.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from benchmarks.parts import ROOT, Omission, Tables
from statewright import Constraints, WorkflowError, WorkflowGraph, optimize_workflow, workflow_graph
from statewright.record.experiment import connect, experiment_name
from statewright.record.store import answers, tracking_uri
from statewright.scheduling.problem import Problem
from statewright.scheduling.schedule import Schedule, dispatch, list_schedule
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
    """Yield the table of random workflows, and that of the recorded runs."""
    yield _random_workflows(count)
    yield _recorded_runs(ROOT)


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


def _recorded_runs(root: Path) -> BenchmarkTable | Omission:
    """Compare the makespan of each recorded run with its prediction.

    With the durations that were measured, it also compares the run with its best schedule on 2 cores.
    """
    uri = tracking_uri(root)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    runs = list(_schedules(root, uri)) if answers(uri) else []
    rows: list[list[str | int | float | None]] = []
    graph = workflow_graph(root) if runs else WorkflowGraph({})
    for began, record in runs:
        seconds = {a: s["actual"] for a, s in record["stages"].items() if s["actual"] is not None}
        complete = len(seconds) == len(record["stages"])  # else a stage failed, or was up to date
        if complete and len(seconds) > 1 and set(seconds) <= set(graph.seconds):
            predicted, actual = record["predicted"], record["actual"]
            best, rule = _hindsight(graph, seconds)
            rows.append([began, len(seconds), predicted, actual, predicted / actual, best, rule])
    if not rows:
        return Omission("no run of several stages is recorded here; `statewright run --force` makes one")
    ratio = median(max(row[4], 1 / row[4]) for row in rows if isinstance(row[4], float))
    seconds_columns = ("predicted s", "actual s", "best s", "rule s")
    return BenchmarkTable(
        name="recorded runs",
        title=(
            "Predicted and actual makespan of the recorded runs, and with the measured durations on 2 cores "
            f"the best schedule and that of the engine's rule. Median factor of a prediction: {ratio:.2f}."
        ),
        columns=["run", "stages", "predicted s", "actual s", "ratio", "best s", "rule s"],
        rows=rows,
        decimals=dict.fromkeys(seconds_columns, 1) | {"ratio": 2},
    )


def _hindsight(graph: WorkflowGraph, seconds: dict[str, float]) -> tuple[float, float]:
    """Return the makespans of the best schedule and of the engine's rule."""
    taken = WorkflowGraph(
        seconds,
        {a: [up for up in graph.after[a] if up in seconds] for a in seconds},
        {a: {"cpu": min(2.0, graph.demands[a]["cpu"])} for a in seconds},
    )
    rule = dispatch(Problem(taken.seconds, taken.after, taken.demands, {"cpu": 2.0}))
    return optimize_workflow(taken, Constraints({"cpu": 2.0})).makespan, rule.makespan


def _schedules(root: Path, uri: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the time and the schedule of each recorded run, the oldest first."""
    client = connect(uri)
    experiment = client.get_experiment_by_name(experiment_name(root))
    if experiment is None:
        return
    runs = client.search_runs([experiment.experiment_id], "metrics.`seconds.predicted` > 0", max_results=50)
    for run in reversed(runs):
        path = Path(client.download_artifacts(run.info.run_id, "schedule.json"))
        began = time.strftime("%Y-%m-%d %H:%M", time.gmtime(run.info.start_time / 1000))
        yield began, json.loads(path.read_text(encoding="utf-8"))

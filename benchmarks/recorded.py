"""Recorded runs of our pipelines, against predictions and schedules.

The wall time of a stage depends on what else the machine does, so that an error of a prediction made on
another day says little. Three figures are therefore kept apart:

- `predicted`: what the engine said before the run; `assumed` counts its stages that had no past run;
- `replayed`: the schedule of the engine's rule with the durations that were measured in the run itself. It
  is the error of the schedule, under the run's own load;
- `from previous`: the same schedule with the durations of the previous run of the same stages. `load` is
  the change of the load between the two, in seconds of wall time for a second of CPU time. Pairs whose load
  differs by a factor of at most 1.25 compare like with like.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.parts import Omission
from statewright import Constraints, WorkflowGraph, optimize_workflow
from statewright.record.experiment import connect, experiment_ids
from statewright.record.store import answers, tracking_uri
from statewright.scheduling.problem import Problem
from statewright.scheduling.schedule import dispatch
from tasks.report.benchmark import BenchmarkTable

SAME_LOAD = 1.25
"""Largest factor between the loads of two runs that are compared."""
REPEATS = 3
MOST_RUNS = 50
Row = Mapping[str, Any]


@dataclass(frozen=True)
class RecordedRun:
    """A run in which every planned stage ran.

    Attributes
    ----------
    began : str
    predicted, actual : float
        Makespan in seconds.
    assumed : int
        Stages that were predicted without a past run.
    seconds, cpu : mapping of str to float
        Stage -> seconds of wall time and of CPU time.
    """

    began: str
    predicted: float
    actual: float
    assumed: int
    seconds: Mapping[str, float]
    cpu: Mapping[str, float]


def rerun(root: Path, targets: Iterable[str], repeats: int = REPEATS) -> None:
    """Run each target by force, so that later runs have earlier ones.

    Raises
    ------
    subprocess.CalledProcessError
        If a run fails.
    """
    for target in targets:
        for _ in range(repeats):
            subprocess.run(
                [sys.executable, "-m", "statewright", "run", "--force", target], cwd=root, check=True
            )


def recorded_runs(root: Path) -> list[RecordedRun]:
    """Return the complete runs of several stages in the record, the oldest first."""
    uri = tracking_uri(root)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return list(_read(root, uri)) if answers(uri) else []


def _read(root: Path, uri: str) -> Iterator[RecordedRun]:
    client = connect(uri)
    ids = experiment_ids(client, root)
    if not ids:
        return
    runs = client.search_runs(ids, "metrics.`seconds.predicted` > 0", max_results=MOST_RUNS)
    for run in reversed(runs):
        parts: dict[str, Any] = {
            name: json.loads(
                Path(client.download_artifacts(run.info.run_id, f"{name}.json")).read_text("utf-8")
            )
            for name in ("schedule", "plan")
        }
        stages, plan = parts["schedule"]["stages"], parts["plan"]["stages"]
        children = client.search_runs(ids, f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
        cpu = {
            child.data.tags["statewright.stage"]: child.data.metrics["cpu_seconds"]
            for child in children
            if child.data.tags.get("statewright.status") == "ran" and "cpu_seconds" in child.data.metrics
        }
        # Else a stage failed, was restored, or was up to date after all.
        if len(stages) > 1 and set(cpu) == set(stages):
            yield RecordedRun(
                time.strftime("%Y-%m-%d %H:%M", time.gmtime(run.info.start_time / 1000)),
                parts["schedule"]["predicted"],
                parts["schedule"]["actual"],
                sum(not plan.get(stage, {}).get("seconds") for stage in stages),
                {stage: value["actual"] for stage, value in stages.items()},
                cpu,
            )


def load_change(previous: RecordedRun, run: RecordedRun) -> float:
    """Return the factor by which waiting grew from one run to a later one.

    It is the wall time of the later run, divided by that with as much wall time for a second of CPU time as
    in the earlier run. 1: the same load, or none in both.
    """
    unchanged = sum(previous.seconds[a] / max(previous.cpu[a], 0.01) * run.cpu[a] for a in run.seconds)
    return sum(run.seconds.values()) / max(unchanged, 0.01)


def makespan(graph: WorkflowGraph, seconds: Mapping[str, float], capacities: Mapping[str, float]) -> float:
    """Return the makespan of the engine's rule with these durations."""
    return dispatch(_problem(graph, seconds, capacities)).makespan


def _problem(graph: WorkflowGraph, seconds: Mapping[str, float], capacities: Mapping[str, float]) -> Problem:
    """Return the stages as a problem, in which no stage demands more than there is."""
    return Problem(
        seconds,
        {a: [up for up in graph.after.get(a, ()) if up in seconds] for a in seconds},
        {a: {key: min(n, graph.demands[a].get(key, 0.0)) for key, n in capacities.items()} for a in seconds},
        capacities,
    )


def rows_of(
    runs: Sequence[RecordedRun], graph: WorkflowGraph, capacities: Mapping[str, float]
) -> list[dict[str, str | int | float | None]]:
    """Compare each run of stages that still exist with predictions and schedules."""
    rows: list[dict[str, str | int | float | None]] = []
    for number, run in enumerate(runs):
        if not set(run.seconds) <= set(graph.seconds):
            continue
        previous = next((r for r in reversed(runs[:number]) if set(r.seconds) == set(run.seconds)), None)
        problem = _problem(graph, run.seconds, capacities)
        best = optimize_workflow(
            WorkflowGraph(run.seconds, problem.after, problem.demands), Constraints(capacities)
        )
        rows.append(
            {
                "run": run.began,
                "stages": len(run.seconds),
                "actual s": run.actual,
                "predicted s": run.predicted,
                "assumed": run.assumed,
                "replayed s": dispatch(problem).makespan,
                "best s": best.makespan,
                "from previous s": None
                if previous is None
                else makespan(graph, previous.seconds, capacities),
                "load": None if previous is None else load_change(previous, run),
            }
        )
    return rows


def factor(rows: Sequence[Row], column: str) -> float | None:
    """Return the median factor between a column and the actual makespan."""
    factors = [max(row[column] / row["actual s"], row["actual s"] / row[column]) for row in rows]
    return median(factors) if factors else None


def like_with_like(rows: Sequence[Row]) -> list[Row]:
    """Return the rows whose previous run had about the same load."""
    return [r for r in rows if r["load"] is not None and 1 / SAME_LOAD <= r["load"] <= SAME_LOAD]


def recorded_table(
    root: Path, graph: WorkflowGraph, capacities: Mapping[str, float]
) -> BenchmarkTable | Omission:
    """Return the table of the recorded runs of a repository."""
    rows = rows_of(recorded_runs(root), graph, capacities)
    if not rows:
        return Omission(
            "no complete run of several stages is recorded here; "
            "`python -m benchmarks.schedule --set workflows --rerun fusion` makes three"
        )
    return BenchmarkTable(
        name="recorded runs",
        title=(
            "Actual makespan of the recorded runs, beside that predicted before the run (`assumed` stages "
            "without a past run), that of the engine's rule and the best one with the durations of the run "
            "itself, and that of the rule with the durations of the previous run of the same stages (`load`: "
            "growth of the wall time for a second of CPU time since then)."
        ),
        columns=list(rows[0]),
        rows=[list(row.values()) for row in rows],
        decimals={name: 1 for name in rows[0] if name.endswith(" s")} | {"load": 2},
    )

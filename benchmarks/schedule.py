"""Schedulers on PSPLIB and workflows, ``python -m benchmarks.schedule``.

The set `workflows` compares the optimised workflow with the list of all schedules, and predictions with
recorded runs; its tables are stored in `benchmarks/figures/engine`. With ``--rerun fusion`` it makes the
runs first; leave the machine alone meanwhile. The other sets are of PSPLIB. Their
instances and their best known makespans are the external data `benchmarks/scheduling`, see
`benchmarks.parts.external_data`. The output is a Markdown table; stderr gets one line for each instance.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from benchmarks import workflows
from benchmarks.parts import ROOT, Omission, external_data, run_part
from benchmarks.recorded import rerun
from statewright.scheduling.psplib import read_psplib
from statewright.scheduling.schedule import list_schedule, solve

SECONDS = {"j30": 10.0, "j60": 10.0, "j120": 20.0}
"""Default time limit in seconds for each instance of a set."""

WORKFLOWS = "workflows"


@dataclass(frozen=True)
class Row:
    """Best known makespan of an instance, and the results of both schedulers."""

    instance: str
    best: float
    listed: float
    list_seconds: float
    searched: float
    lower_bound: float
    optimal: bool
    seconds: float


def main() -> None:
    """Schedule each instance of the chosen sets and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--set",
        action="append",
        choices=[*SECONDS, WORKFLOWS],
        dest="sets",
        help="repeatable (default: all)",
    )
    parser.add_argument("--seconds", type=float, help="limit of each search (default: 10; 20 for j120)")
    parser.add_argument("--workers", type=int, default=1, help="threads of the search (default: 1)")
    parser.add_argument(
        "--rerun",
        action="append",
        default=[],
        metavar="TARGET",
        help="run the target three times by force before the records are read; repeatable",
    )
    options = parser.parse_args()
    sets = options.sets or [*SECONDS, WORKFLOWS]
    if WORKFLOWS in sets:
        rerun(ROOT, options.rerun)
        run_part("engine", WORKFLOWS, workflows.tables(), f"python -m benchmarks.schedule --set {WORKFLOWS}")
        sets.remove(WORKFLOWS)
    if not sets:
        return
    folder = external_data("benchmarks/scheduling")
    if isinstance(folder, Omission):
        sys.exit(folder.reason)
    lines = []
    for name in sets:
        seconds = SECONDS[name] if options.seconds is None else options.seconds
        rows = [_judge(folder, *known, seconds, options.workers) for known in _known(folder, name)]
        lines.append(_summary(name, rows, seconds))
    print("\n".join([*_HEAD, *lines]))


def _known(folder: Path, name: str) -> list[tuple[str, float]]:
    with (folder / "makespans.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["instance"], float(row["makespan"])) for row in csv.DictReader(stream)]
    return [row for row in rows if row[0].startswith(f"{name}/")]


def _judge(folder: Path, instance: str, best: float, seconds: float, workers: int) -> Row:
    problem = read_psplib(folder / instance)
    began = time.perf_counter()
    listed = list_schedule(problem)
    listed_at = time.perf_counter()
    searched = solve(problem, seconds=seconds, workers=workers)
    ended = time.perf_counter()
    row = Row(
        instance,
        best,
        listed.makespan,
        listed_at - began,
        searched.makespan,
        searched.lower_bound,
        searched.optimal,
        ended - listed_at,
    )
    print(
        f"{instance}: best known {best:g}, list {row.listed:g}, search {row.searched:g} "
        f"(lower bound {row.lower_bound:g}) in {row.seconds:.2f} s",
        file=sys.stderr,
        flush=True,
    )
    return row


_HEAD = (
    "| set (limit) | instances | proven optimal | equal to or below the best known | gap to the best known: "
    "mean, largest | list scheduler: equal | its gap: mean, largest | seconds: median, longest "
    "(list scheduler: longest) |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
)


def _summary(name: str, rows: list[Row], limit: float) -> str:
    gaps = [row.searched / row.best - 1 for row in rows]
    listed = [row.listed / row.best - 1 for row in rows]
    took = [row.seconds for row in rows]
    cells = [
        f"{name} ({limit:g} s)",
        str(len(rows)),
        str(sum(row.optimal for row in rows)),
        str(sum(gap <= 0 for gap in gaps)),
        f"{mean(gaps):.2%}, {max(gaps):.1%}",
        str(sum(gap <= 0 for gap in listed)),
        f"{mean(listed):.2%}, {max(listed):.1%}",
        f"{median(took):.2f}, {max(took):.1f} ({max(row.list_seconds for row in rows):.2f})",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()

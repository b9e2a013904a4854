"""Speed-up of independent stages that sleep or compute, with 1, 2 and 4 workers."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.engine.repositories import OURS, make_repository, settled
from benchmarks.parts import Tables
from benchmarks.scale._repositories import run
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

STAGES, SECONDS = 8, 5
KINDS = ("sleeping", "computing")
WORKERS = (1, 2, 4)
COMPUTE = """\
import sys, time

while time.process_time() < float(sys.argv[1]):
    pass
"""


def tables(repeat: int) -> Tables:
    """Yield seconds of whole runs, and their ratio to one worker."""
    rows: list[list[TextOrNumber]] = []
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        for kind in KINDS:
            for name, more in (("`statewright run`", []), ("`statewright run --on dask`", ["--on", "dask"])):
                seconds = {}
                for workers in WORKERS:
                    took = []
                    for _ in range(repeat):
                        repository = make_repository(Path(folder) / "wide", declaration(kind))
                        (repository / "compute.py").write_text(COMPUTE)
                        command = [*OURS, "run", "--workers", str(workers), *more]
                        took.append(run(command, repository).wall)
                        settled(repository)
                    seconds[workers] = median(took)
                    rows.append([kind, name, workers, seconds[workers], seconds[1] / seconds[workers]])
    yield BenchmarkTable(
        name="speedup",
        title=f"Whole runs of {STAGES} independent stages of {SECONDS} s on {os.cpu_count()} cores, with the "
        f"start of the cluster, median of {repeat}.",
        columns=["stages", "command", "workers", "seconds", "speed-up"],
        rows=rows,
        decimals={"seconds": 1, "speed-up": 2},
    )


def declaration(kind: str) -> str:
    """Return independent stages of a kind, each of `SECONDS` seconds."""
    lines = ["stages:"]
    for number in range(STAGES):
        command = f"sleep {SECONDS}" if kind == "sleeping" else f"python compute.py {SECONDS}"
        lines += [f"  s{number}:", f"    cmd: {command} && echo {number} > out/{number}"]
        # A stage without dependencies stays on the coordinator.
        lines += [f"    deps: [{'source.txt' if kind == 'sleeping' else 'compute.py'}]"]
        lines += [f"    outs: [out/{number}]"]
    return "\n".join(lines)

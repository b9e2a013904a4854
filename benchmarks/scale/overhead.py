"""Overhead of a trivial stage: here, under Prefect, and on local workers.

A figure is the slope between two numbers of independent stages, so that the start of a command and of a
cluster does not count. CPU seconds are those of the coordinator and of processes that it waited for.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from benchmarks.engine.repositories import DVC, OURS, make_repository, prefect_server, settled
from benchmarks.parts import Tables
from benchmarks.scale._repositories import Used, run
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

FEW, MANY = 4, 24
WORKERS = "2"


def tables(repeat: int) -> Tables:
    """Yield the seconds that each stage adds."""
    ours = [*OURS, "run", "--workers", WORKERS]
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        root = Path(folder)
        with prefect_server(root) as server:
            commands = {
                "`dvc repro`": ([*DVC, "repro"], {}),
                "`statewright run`": (ours, {}),
                "`statewright run`, Prefect server": (ours, {"PREFECT_API_URL": server}),
                "`statewright run --on dask`": ([*ours, "--on", "dask"], {}),
            }
            slopes: dict[str, list[Used]] = {name: [] for name in commands}
            for _ in range(repeat):
                for name, (command, settings) in commands.items():
                    used = []
                    for size in (FEW, MANY):
                        repository = make_repository(root / "busy", trivial(size))
                        used.append(run(command, repository, settings))
                        settled(repository)
                    slopes[name].append(slope(*used))
    rows: list[list[TextOrNumber]] = [
        [name, median(used.wall for used in runs), median(used.processor for used in runs)]
        for name, runs in slopes.items()
    ]
    yield BenchmarkTable(
        name="overhead",
        title=f"Seconds that a trivial stage adds, slope from {FEW} to {MANY} independent stages with "
        f"{WORKERS} workers, median of {repeat}, alternately.",
        columns=["command", "seconds", "CPU seconds"],
        rows=rows,
    )


def trivial(size: int) -> str:
    """Return the declaration of independent stages that take no time."""
    lines = ["stages:", "  s:", f"    foreach: [{', '.join(map(str, range(size)))}]", "    do:"]
    lines += ["      cmd: echo ${item} > out/${item}", "      deps: [source.txt]"]
    return "\n".join([*lines, "      outs:", "      - out/${item}"])


def slope(few: Used, many: Used) -> Used:
    """Return what one stage adds; at least 1 ms, as load can give less."""
    added = MANY - FEW
    return Used(
        max(0.001, (many.wall - few.wall) / added),
        max(0.001, (many.processor - few.processor) / added),
        max(0.0, (many.memory - few.memory) / added),
    )

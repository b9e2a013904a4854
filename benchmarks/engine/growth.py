"""Growth of the cost of the engine with the number of stages.

The repositories consist of layers of ten stages, and each stage reads two files of the layer before.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.engine.repositories import (
    DVC,
    OURS,
    Times,
    alternate,
    check,
    clock,
    make_layers,
    make_repository,
    print_table,
)


def print_tables(root: Path, options: argparse.Namespace, server: str) -> None:
    """Print the tables of runs with nothing and with everything to do."""
    growth = [size for size in options.sizes if size >= 50] + [options.largest] * bool(options.largest)
    idle, first = nothing_to_do(root, sorted({*options.sizes, *growth}), options.repeat)
    busy = everything_to_do(root, options.sizes, options.repeat, options.workers, server)
    print_growth({**idle, **first, **busy}, growth)


def nothing_to_do(root: Path, sizes: Sequence[int], repeat: int) -> tuple[Times, Times]:
    """Measure a plan and a run with nothing to do, and the first run of everything."""
    commands = {
        "`dvc status`": [*DVC, "status", "--quiet"],
        "`dvc repro`": [*DVC, "repro", "--quiet"],
        "`statewright plan`": [*OURS, "plan"],
        "`statewright run`": [*OURS, "run"],
    }
    times: Times = {name: {} for name in commands}
    first: dict[int, float] = {}
    for size in sizes:
        repository = make_layers(root / f"idle-{size}", size)
        # DVC itself takes minutes at 800 stages; both write the same dvc.lock.
        first[size] = clock([*OURS, "run"], repository)
        for name, seconds in alternate(commands, repository, repeat).items():
            times[name][size] = seconds
    print("## Nothing to do\n")
    print_table(times, sizes, against="`dvc repro`")
    idle = {f"{name}, nothing to do": medians for name, medians in times.items()}
    return idle, {"`statewright run`, the first": first}


def everything_to_do(root: Path, sizes: Sequence[int], repeat: int, workers: int, server: str) -> Times:
    """Measure runs of commands that take no time: all of the time is overhead."""
    run = [*OURS, "run", "--workers", str(workers)]
    commands: dict[str, tuple[list[str], dict[str, str]]] = {
        "`dvc repro`": ([*DVC, "repro", "--quiet"], {}),
        "`statewright run`, Prefect server running": (run, {"PREFECT_API_URL": server}),
        "`statewright run`": (run, {}),
    }
    medians: Times = {name: {} for name in commands}
    for size in sizes:
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(repeat):
            for name, (command, settings) in commands.items():
                seconds[name].append(clock(command, make_layers(root / "busy", size), settings))
        for name, runs in seconds.items():
            medians[name][size] = statistics.median(runs)
    print(f"\n## Everything to do, commands of zero seconds, {workers} workers\n")
    print_table(medians, sizes, against="`dvc repro`")
    low, high = min(sizes), max(sizes)
    if low < high:
        print(f"\nEach additional stage (slope from {low} to {high} stages) costs:\n")
        slopes = {name: (times[high] - times[low]) / (high - low) for name, times in medians.items()}
        for name, slope in slopes.items():
            print(f"- {name}: {1000 * slope:.0f} ms ({slope / slopes['`dvc repro`']:.2f} of `dvc repro`)")
    return {f"{name}, everything to do": times for name, times in medians.items()}


def print_growth(times: Times, sizes: Sequence[int]) -> None:
    """Print the exponent of the growth in the number of stages.

    The exponent is the slope of the least-squares line through the logarithms.
    """
    print(f"\n## Growth from {min(sizes)} to {max(sizes)} stages\n")
    print("| command | stages | exponent |\n| --- | --- | ---: |")
    for name, seconds in times.items():
        measured = [size for size in sizes if size in seconds]
        if len(measured) > 1:
            slope = statistics.linear_regression(
                [math.log(size) for size in measured], [math.log(seconds[size]) for size in measured]
            ).slope
            print(f"| {name} | {', '.join(map(str, measured))} | {slope:.2f} |")


def wide(root: Path, workers: int, server: str, stages: int = 12, seconds: int = 2) -> None:
    """Measure the makespan of independent stages that sleep, relative to the optimum."""
    lines = ["stages:"]
    for number in range(stages):
        lines += [f"  s{number}:", f"    cmd: sleep {seconds} && echo {number} > {number}.txt"]
        lines += ["    outs:", f"    - {number}.txt"]
    best = stages * seconds / workers
    print(f"\n## {stages} independent stages of {seconds} s on {workers} workers: optimum {best:.0f} s\n")
    print("| command | seconds | relative to the optimum |\n| --- | ---: | ---: |")
    for name, command, settings in (
        ("`dvc repro`", [*DVC, "repro", "--quiet"], {}),
        (
            "`statewright run`, Prefect server running",
            [*OURS, "run", "--workers", str(workers)],
            {"PREFECT_API_URL": server},
        ),
        ("`statewright run`", [*OURS, "run", "--workers", str(workers)], {}),
    ):
        repository = make_repository(root / "wide", "\n".join(lines))
        took = clock(command, repository, settings)
        print(f"| {name}, whole process | {took:.1f} | {took / best:.2f} |")
        if "statewright" in name:
            span = makespan(repository)
            print(f"| {name}, start of the first to end of the last stage | {span:.1f} | {span / best:.2f} |")


def makespan(repository: Path) -> float:
    """Return the recorded seconds from the first start to the last end of a stage."""
    import sqlite3

    check(subprocess.run([*OURS, "record"], cwd=repository, check=False).returncode)
    with sqlite3.connect(repository / ".statewright" / "mlflow" / "mlflow.db") as database:
        query = (
            "SELECT MIN(start_time), MAX(end_time) FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid "
            "WHERE tags.key = 'statewright.kind' AND tags.value = 'stage'"
        )
        start, end = database.execute(query).fetchone()
    return float(end - start) / 1000

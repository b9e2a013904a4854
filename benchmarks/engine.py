"""What the engine costs, beside DVC itself, in the same run: ``python -m benchmarks.engine``.

Every figure is the median wall time of whole processes, taken in turn (ours, DVC's, ours, ...) on
repositories made for the purpose: layers of ten stages, each reading two files of the layer before.
It writes tables in Markdown and fails nothing.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PYTHON = sys.executable
DVC = [PYTHON, "-m", "dvc"]
OURS = [PYTHON, "-m", "statewright"]
LAYER = 10


def main() -> None:
    """Make the repositories, take the times, print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 50, 200], metavar="N", help="stages")
    parser.add_argument("--largest", type=int, default=800, metavar="N", help="for growth; 0 leaves it out")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="times each command is run")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="engine-") as folder, prefect_server(Path(folder)) as server:
        root = Path(folder)
        growth = [size for size in options.sizes if size >= 50] + [options.largest] * bool(options.largest)
        idle, first = nothing_to_do(root, sorted({*options.sizes, *growth}), options.repeat)
        busy = everything_to_do(root, options.sizes, options.repeat, options.workers, server)
        print_growth({**idle, **first, **busy}, growth)
        wide(root, options.workers, server)


Times = dict[str, dict[int, float]]
"""Command -> number of stages -> median seconds."""


def nothing_to_do(root: Path, sizes: Sequence[int], repeat: int) -> tuple[Times, Times]:
    """A plan, and a run with nothing to do, beside DVC's; and the first run, that had all to do."""
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
        # DVC itself takes minutes at 800 stages; either leaves the same dvc.lock.
        first[size] = clock([*OURS, "run"], repository)
        for name, seconds in alternate(commands, repository, repeat).items():
            times[name][size] = seconds
    print("## Nothing to do\n")
    print_table(times, sizes, against="`dvc repro`")
    idle = {f"{name}, nothing to do": found for name, found in times.items()}
    return idle, {"`statewright run`, the first": first}


def everything_to_do(root: Path, sizes: Sequence[int], repeat: int, workers: int, server: str) -> Times:
    """Stages whose commands take no time: what is left is the engine's share."""
    run = [*OURS, "run", "--workers", str(workers)]
    commands: dict[str, tuple[list[str], dict[str, str]]] = {
        "`dvc repro`": ([*DVC, "repro", "--quiet"], {}),
        "`statewright run`, Prefect server running": (run, {"PREFECT_API_URL": server}),
        "`statewright run`, temporary server": (run, {}),
    }
    medians: Times = {name: {} for name in commands}
    for size in sizes:
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(repeat):
            for name, (command, settings) in commands.items():
                taken[name].append(clock(command, make_layers(root / "busy", size), settings))
        for name, found in taken.items():
            medians[name][size] = statistics.median(found)
    print(f"\n## Everything to do, commands of zero seconds, {workers} workers\n")
    print_table(medians, sizes, against="`dvc repro`")
    low, high = min(sizes), max(sizes)
    if low < high:
        print(f"\nA further stage (slope from {low} to {high} stages) costs:\n")
        slopes = {name: (found[high] - found[low]) / (high - low) for name, found in medians.items()}
        for name, slope in slopes.items():
            print(f"- {name}: {1000 * slope:.0f} ms ({slope / slopes['`dvc repro`']:.2f} of `dvc repro`)")
    return {f"{name}, everything to do": found for name, found in medians.items()}


def print_growth(times: Times, sizes: Sequence[int]) -> None:
    """The exponent with which time grows in the number of stages, by least squares of the logarithms."""
    print(f"\n## Growth from {min(sizes)} to {max(sizes)} stages\n")
    print("| command | stages | exponent |\n| --- | --- | ---: |")
    for name, found in times.items():
        known = [size for size in sizes if size in found]
        if len(known) > 1:
            slope = statistics.linear_regression(
                [math.log(size) for size in known], [math.log(found[size]) for size in known]
            ).slope
            print(f"| {name} | {', '.join(map(str, known))} | {slope:.2f} |")


def wide(root: Path, workers: int, server: str, stages: int = 12, seconds: int = 2) -> None:
    """Independent stages that sleep: the makespan against the best that there can be."""
    lines = ["stages:"]
    for number in range(stages):
        lines += [f"  s{number}:", f"    cmd: sleep {seconds} && echo {number} > {number}.txt"]
        lines += ["    outs:", f"    - {number}.txt"]
    best = stages * seconds / workers
    print(f"\n## {stages} independent stages of {seconds} s on {workers} workers: at best {best:.0f} s\n")
    print("| command | seconds | of the best |\n| --- | ---: | ---: |")
    for name, command, settings in (
        ("`dvc repro`", [*DVC, "repro", "--quiet"], {}),
        (
            "`statewright run`, Prefect server running",
            [*OURS, "run", "--workers", str(workers)],
            {"PREFECT_API_URL": server},
        ),
        ("`statewright run`, temporary server", [*OURS, "run", "--workers", str(workers)], {}),
    ):
        repository = make_repository(root / "wide", "\n".join(lines))
        took = clock(command, repository, settings)
        print(f"| {name}, whole process | {took:.1f} | {took / best:.2f} |")
        if "statewright" in name:
            span = makespan(repository)
            print(f"| {name}, first stage's start to last stage's end | {span:.1f} | {span / best:.2f} |")


def makespan(repository: Path) -> float:
    """From the first start to the last end of the stages of the last run, as recorded."""
    import sqlite3

    with sqlite3.connect(repository / "mlflow" / "mlflow.db") as database:
        query = (
            "SELECT MIN(start_time), MAX(end_time) FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid "
            "WHERE tags.key = 'statewright.kind' AND tags.value = 'stage'"
        )
        start, end = database.execute(query).fetchone()
    return float(end - start) / 1000


def make_layers(root: Path, size: int) -> Path:
    """A repository of `size` stages."""
    lines = ["stages:"]
    for number in range(size):
        row, column = divmod(number, LAYER)
        above = (row - 1) * LAYER
        deps = sorted({above + column, above + (column * 7 + 3) % LAYER}) if row else []
        files = [f"out/{dep}.txt" for dep in deps] or ["source.txt"]
        lines += [f"  s{number:03d}:"]
        lines += [f"    cmd: (cat {' '.join(files)} | cksum; echo {number}) > out/{number}.txt"]
        lines += ["    deps:", *(f"    - {file}" for file in files), "    outs:", f"    - out/{number}.txt"]
    return make_repository(root, "\n".join(lines))


def make_repository(root: Path, declaration: str) -> Path:
    """A fresh git and DVC repository."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "out").mkdir(parents=True)
    (root / "out" / ".keep").touch()
    check(subprocess.run(["git", "init", "--quiet"], cwd=root, check=False).returncode)
    check(subprocess.run([*DVC, "init", "--quiet"], cwd=root, check=False).returncode)
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    (root / "source.txt").write_text("source\n")
    (root / "dvc.yaml").write_text(declaration + "\n")
    return root


def alternate(commands: Mapping[str, list[str]], repository: Path, repeat: int) -> dict[str, float]:
    """Median seconds of each command, run in turn after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(repeat + 1):
        for name, command in commands.items():
            took = clock(command, repository)
            if number:
                times[name].append(took)
    return {name: statistics.median(found) for name, found in times.items()}


def clock(command: list[str], folder: Path, settings: Mapping[str, str] | None = None) -> float:
    """Seconds that a process takes from start to end."""
    environment = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    environment |= {"DVC_NO_ANALYTICS": "1", **(settings or {})}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    took = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed in {folder}: {done.stderr[-2000:]}")
    print(f"{took:7.2f} s  {' '.join(command[2:])}  ({folder.name})", file=sys.stderr)
    return took


def check(status: int) -> None:
    """Stop if a step of the preparation failed."""
    if status:
        sys.exit("the repository for the benchmark could not be made; run the step by hand to see why")


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """The API address of a Prefect server with a database of its own."""
    import socket

    from statewright.running.process import stop
    from statewright.running.servers import wait_until_up

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    os.environ["PREFECT_HOME"] = str(folder / "prefect")
    address = f"http://127.0.0.1:{port}/api"
    command = [PYTHON, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_until_up(f"{address}/health", process)
        yield address
    finally:
        stop(process)


def print_table(times: Times, sizes: Sequence[int], *, against: str) -> None:
    """Seconds, and their ratio to those of `against`."""
    print("| command | " + " | ".join(f"{size} stages" for size in sizes) + " |")
    print("| --- |" + " ---: |" * len(sizes))
    for name, found in times.items():
        cells = [f"{found[size]:.2f} s ({found[size] / times[against][size]:.2f})" for size in sizes]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

"""Cost of the engine compared with DVC itself: ``python -m benchmarks.engine``.

Each figure is the median wall time of whole processes, run alternately (engine, DVC, engine, ...) in
generated repositories: layers of ten stages, each of which reads two files of the layer before. The
output is tables in Markdown. There are no thresholds.
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
    """Create the repositories, measure the times and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[8, 50, 200], metavar="N", help="numbers of stages"
    )
    parser.add_argument(
        "--largest",
        type=int,
        default=800,
        metavar="N",
        help="stages of the largest repository, for the growth; 0 skips it",
    )
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="runs of each command")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="cores for statewright run")
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
        "`statewright run`, temporary server": (run, {}),
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
        ("`statewright run`, temporary server", [*OURS, "run", "--workers", str(workers)], {}),
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


def make_layers(root: Path, size: int) -> Path:
    """Create a repository of `size` stages in layers."""
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
    """Create a git and DVC repository."""
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
    """Return the median seconds of commands, run alternately after a warm-up round."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(repeat + 1):
        for name, command in commands.items():
            took = clock(command, repository)
            if number:
                times[name].append(took)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def clock(command: list[str], folder: Path, settings: Mapping[str, str] | None = None) -> float:
    """Return the seconds that a process takes."""
    environment = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    environment |= {"DVC_NO_ANALYTICS": "1", **(settings or {})}
    started = time.perf_counter()
    process = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed in {folder}: {process.stderr[-2000:]}")
    print(f"{took:7.2f} s  {' '.join(command[2:])}  ({folder.name})", file=sys.stderr)
    return took


def check(status: int) -> None:
    """Exit if a step of the preparation failed."""
    if status:
        sys.exit("git init or dvc init failed; run them by hand in an empty folder to see the error")


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """Yield the API address of a Prefect server with a separate database."""
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
    """Print seconds, and in brackets their ratio to the command `against`."""
    print("| command | " + " | ".join(f"{size} stages" for size in sizes) + " |")
    print("| --- |" + " ---: |" * len(sizes))
    for name, seconds in times.items():
        cells = [f"{seconds[size]:.2f} s ({seconds[size] / times[against][size]:.2f})" for size in sizes]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

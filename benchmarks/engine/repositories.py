"""Generated repositories, and the seconds that whole processes take in them."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PYTHON = sys.executable
DVC = [PYTHON, "-m", "dvc"]
OURS = [PYTHON, "-m", "statewright"]
LAYER = 10

Times = dict[str, dict[int, float]]
"""Command -> number of stages -> median seconds."""


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
    settled(folder)
    print(f"{took:7.2f} s  {' '.join(command[2:])}  ({folder.name})", file=sys.stderr)
    return took


def settled(folder: Path) -> None:
    """Wait for the processes that a run leaves in the background."""
    import psutil

    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if not any(
            str(folder) in " ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])
        ):
            return
        time.sleep(0.05)
    sys.exit(f"a process of {folder} has not ended")


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
        wait_until_up(f"{address}/health", lambda: process.poll() is None)
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

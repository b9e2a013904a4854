"""Small pipelines as whole processes, side by side with ``dvc repro``."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine.repositories import DVC, OURS, clock, make_repository


@dataclass(frozen=True)
class Case:
    """A pipeline, the change before each run, and the ratio to reach."""

    title: str
    declaration: str
    limit: float
    is_done: bool = False
    change: Callable[[Path, int], None] = lambda *_: None


def _independent(stages: int, slow: str = "") -> str:
    lines = ["stages:"]
    for number in range(stages):
        wait = f"{slow} && " if slow and not number else ""
        lines += [f"  s{number}:", f"    cmd: {wait}cat in{number}.txt > out{number}.txt"]
        lines += ["    deps:", f"    - in{number}.txt", "    outs:", f"    - out{number}.txt"]
    return "\n".join(lines)


def _edit(root: Path, number: int) -> None:
    (root / "in0.txt").write_text(f"version {number}\n")


CASES = (
    Case("3 stages of 0 s", _independent(3), 1.3),
    Case("8 stages of 0 s", _independent(8), 1.2),
    Case("50 stages of 0 s", _independent(50), 0.4),
    Case("8 stages, one of 2 s has changed", _independent(8, "sleep 2"), 1.15, is_done=True, change=_edit),
    Case("8 stages, nothing to do", _independent(8), 0.2, is_done=True),
)


def print_comparison(root: Path, repeat: int) -> None:
    """Print seconds of both commands and their ratio for each case."""
    print("## Small pipelines, whole processes\n")
    print(
        "| pipeline | `dvc repro` | `statewright run` | ratio | goal |\n| --- | ---: | ---: | ---: | ---: |"
    )
    commands = {"dvc": [*DVC, "repro", "--quiet"], "ours": [*OURS, "run"]}
    for case in CASES:
        template = make_repository(root / "template", case.declaration)
        for number in range(50):
            (template / f"in{number}.txt").write_text(f"{number}\n")
        if case.is_done:
            clock(commands["dvc"], template)
        times: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(repeat + 1):
            for name, command in commands.items():
                copy = root / "copy"
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(template, copy, symlinks=True)
                if case.is_done:
                    # Files that changed just now are not trusted, and the first run creates some.
                    for _ in range(2):
                        clock(command, copy)
                        time.sleep(3)
                case.change(copy, number)
                times[name].append(clock(command, copy))
        dvc, ours = (statistics.median(times[name][1:]) for name in ("dvc", "ours"))
        print(f"| {case.title} | {dvc:.2f} s | {ours:.2f} s | {ours / dvc:.2f} | {case.limit} |", flush=True)
    print()

"""Seconds and memory of a plan of 50, 500 and 5,000 stages, beside DVC."""

from __future__ import annotations

import compileall
import tempfile
from pathlib import Path
from statistics import median

import statewright
from benchmarks.engine.repositories import DVC, OURS
from benchmarks.parts import Tables
from benchmarks.scale._repositories import SHAPES, Used, make_recorded, run
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

SIZES = (50, 500, 5000)
COMMANDS = {
    "`statewright plan`": [*OURS, "plan"],
    "`dvc status`": [*DVC, "status"],
    "`dvc repro --dry`": [*DVC, "repro", "--dry"],
}
QUADRATIC = "chain"
"""DVC's search for cycles takes minutes in a long chain."""


def tables(repeat: int) -> Tables:
    """Yield what each command uses after a change, one table a shape."""
    compileall.compile_dir(statewright.__path__[0], quiet=1)
    for shape in SHAPES:
        rows: list[list[TextOrNumber]] = []
        for size in SIZES:
            used = _measured(shape, size, repeat)
            rows += [[size, name, *_medians(runs)] for name, runs in used.items()]
        yield BenchmarkTable(
            name=f"plan {shape}",
            title=f"A plan after the source of all stages has changed ({shape}), median of {repeat}, "
            "alternately with DVC. Empty: not run, since DVC's search for cycles takes minutes.",
            columns=["stages", "command", "seconds", "CPU seconds", "peak MB"],
            rows=rows,
            decimals={"seconds": 1, "CPU seconds": 1, "peak MB": 0},
        )


def _measured(shape: str, size: int, repeat: int) -> dict[str, list[Used]]:
    used: dict[str, list[Used]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        repository = make_recorded(Path(folder) / shape, shape, size)
        (repository / "source.txt").write_text("changed\n")
        for _ in range(repeat):
            for name, command in COMMANDS.items():
                if not (shape == QUADRATIC and size > 500 and "--dry" in command):
                    used[name].append(run(command, repository))
    return used


def _medians(runs: list[Used]) -> list[TextOrNumber]:
    if not runs:
        return [None, None, None]
    return [median(getattr(used, key) for used in runs) for key in ("wall", "processor", "memory")]

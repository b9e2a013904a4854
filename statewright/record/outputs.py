"""Outputs of a stage to record as files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from statewright.record.journal import HeldFile, describe_file
from statewright.workflow import Output, Stage

SHOWN = frozenset({".json", ".html", ".svg", ".png", ".csv", ".safetensors"})
PLOTS = frozenset({".csv", ".gif", ".jpeg", ".jpg", ".json", ".png", ".svg", ".tsv", ".yaml", ".yml"})
"""Kinds of files that DVC draws."""
LARGEST_FILE = 50_000_000
LARGEST_TABLE = 64_000
"""Maximum bytes of a Parquet file that is recorded as CSV; larger tables stay in DVC only."""
MOST_FILES = 100
"""Maximum number of files of one folder."""


def files_of(
    root: Path, stage: Stage, hold: Callable[[Path, str, str | None], HeldFile] = describe_file
) -> tuple[HeldFile, ...]:
    """Return the outputs to record as files.

    They are those that MLflow shows, weights, metrics and plots.

    Two files with the same name keep the folders of their paths.

    Parameters
    ----------
    hold : callable
        Keep a file, given its path, the folder of the artifact and the x column of a plot.
    """
    columns: dict[Path, str | None] = {}
    for out in stage.outs:
        for path in _paths(root, out):
            columns[path] = columns.get(path) or out.x
    names = Counter(path.name for path in columns)
    held = []
    for path, x in columns.items():
        inside = path.is_relative_to(root) and names[path.name] > 1
        held.append(hold(path, path.parent.relative_to(root).as_posix() if inside else "", x))
    return tuple(held)


def _paths(root: Path, out: Output) -> Iterator[Path]:
    path = root / out.path
    if path.is_file():
        limit = LARGEST_TABLE if path.suffix == ".parquet" else LARGEST_FILE
        if _is_shown(path, out) and path.stat().st_size <= limit:
            yield path
    elif path.is_dir() and out.role != "out":
        files = (inner for inner in sorted(path.rglob("*")) if inner.is_file())
        shown = [inner for inner in files if _is_shown(inner, out) and inner.stat().st_size <= LARGEST_FILE]
        yield from shown[:MOST_FILES]


def _is_shown(path: Path, out: Output) -> bool:
    return (
        path.suffix in SHOWN
        or path.suffix == ".parquet"
        or out.role == "metric"
        or (out.role == "plot" and path.suffix.lower() in PLOTS)
    )

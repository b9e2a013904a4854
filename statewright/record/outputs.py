"""What of a stage's outputs is remembered: numbers, series by step, files, small tables."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from statewright.workflow import Stage, flatten

SHOWN = frozenset({".json", ".html", ".svg", ".png", ".csv", ".safetensors"})
LARGEST_FILE = 50_000_000
LARGEST_TABLE = 64_000
"""Bytes of a Parquet file up to which it is kept as CSV; what is larger is data, and DVC's."""


def metrics_of(root: Path, stage: Stage) -> Iterator[tuple[str, float]]:
    """Numbers of the stage's JSON metrics by dotted key."""
    for out in stage.outs:
        path = root / out.path
        if out.role == "metric" and path.suffix == ".json" and path.is_file():
            with suppress(ValueError, OverflowError):  # whatever the stage calls a metric
                for key, value in flatten(json.loads(path.read_text(encoding="utf-8"))):
                    if isinstance(value, int | float) and not isinstance(value, bool):
                        yield key or path.stem, float(value)


def series_of(root: Path, stage: Stage) -> list[tuple[str, float, int]]:
    """Metrics per epoch: every number of a CSV plot that names its x column."""
    found: list[tuple[str, float, int]] = []
    for out in stage.outs:
        path = root / out.path
        if out.role == "plot" and out.x and path.suffix == ".csv" and path.is_file():
            # An x of words or dates, as in a confusion matrix, numbers no steps; nor may it be there.
            with suppress(ValueError, KeyError, TypeError, OverflowError, csv.Error):
                found += list(_history(path, out.x))
    return found


def _history(path: Path, x: str) -> Iterator[tuple[str, float, int]]:
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            step = int(float(row[x]))
            yield from ((name, number, step) for name, number in _numbers(row, x))


def _numbers(row: Mapping[str, str], x: str) -> Iterator[tuple[str, float]]:
    for name, text in row.items():
        try:
            number = float(text)
        except (TypeError, ValueError):
            continue
        if name != x and math.isfinite(number):
            yield name, number


def files_of(root: Path, stage: Stage) -> Iterator[Path]:
    """Outputs that a page can show, or that are weights."""
    for out in stage.outs:
        path = root / out.path
        if path.suffix in SHOWN and path.is_file() and path.stat().st_size <= LARGEST_FILE:
            yield path


def tables_of(root: Path, stage: Stage) -> Iterator[tuple[str, str]]:
    """Small Parquet outputs as CSV, which a page can show: its name, its text.

    One with columns that CSV has no place for (lists, bytes), or that cannot be read, is left out.
    """
    try:
        import pyarrow as pa
        import pyarrow.csv
        import pyarrow.parquet as pq
    except ModuleNotFoundError:  # the extra `functions` is not installed
        return

    for out in stage.outs:
        path = root / out.path
        if path.suffix != ".parquet" or not path.is_file() or path.stat().st_size > LARGEST_TABLE:
            continue
        with suppress(pa.ArrowException, OSError, UnicodeDecodeError):
            sink = pa.BufferOutputStream()
            pyarrow.csv.write_csv(pq.read_table(path), sink)
            yield f"{path.stem}.csv", sink.getvalue().to_pybytes().decode("utf-8")

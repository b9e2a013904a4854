"""Parts of a stage's outputs to record: numbers, series, files, small tables."""

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
"""Maximum bytes of a Parquet file that is recorded as CSV; larger tables stay in DVC only."""


def metrics_of(root: Path, stage: Stage) -> Iterator[tuple[str, float]]:
    """Yield each number of the stage's JSON metrics with its dotted key."""
    for out in stage.outs:
        path = root / out.path
        if out.role == "metric" and path.suffix == ".json" and path.is_file():
            with suppress(ValueError, OverflowError):  # a stage may declare any file as a metric
                for key, value in flatten(json.loads(path.read_text(encoding="utf-8"))):
                    if isinstance(value, int | float) and not isinstance(value, bool):
                        yield key or path.stem, float(value)


def series_of(root: Path, stage: Stage) -> list[tuple[str, float, int]]:
    """Return the numbers of CSV plots that name an x column, as (name, value, step)."""
    series: list[tuple[str, float, int]] = []
    for out in stage.outs:
        path = root / out.path
        if out.role == "plot" and out.x and path.suffix == ".csv" and path.is_file():
            # The x column may be missing, or hold words or dates (a confusion matrix): not a step.
            with suppress(ValueError, KeyError, TypeError, OverflowError, csv.Error):
                series += list(_rows_by_step(path, out.x))
    return series


def _rows_by_step(path: Path, x: str) -> Iterator[tuple[str, float, int]]:
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
    """Yield the outputs to record as files: those that MLflow shows, and weights."""
    for out in stage.outs:
        path = root / out.path
        if path.suffix in SHOWN and path.is_file() and path.stat().st_size <= LARGEST_FILE:
            yield path


def tables_of(root: Path, stage: Stage) -> Iterator[tuple[str, str]]:
    """Yield each small Parquet output as CSV: file name and text.

    MLflow's page shows CSV. A table is skipped if CSV cannot hold its columns (lists, bytes) or if
    it cannot be read.
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

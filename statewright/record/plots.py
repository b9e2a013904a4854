"""Points of plots: tables whose x column is a step (an epoch, an iteration)."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from statewright.record.journal import HeldFile
from statewright.record.values import Point


def points_of(files: Sequence[HeldFile]) -> list[Point]:
    """Return the numbers of the files that name an x column.

    A column has its own name, or that of file and column if several files have a column of this name.
    """
    tables = {file: _points(Path(file.path), file.x) for file in files if file.x and file.is_unchanged()}
    owners = Counter(name for points in tables.values() for name in {name for name, *_ in points})
    result: list[Point] = []
    for file, points in tables.items():
        name = Path(file.folder, Path(file.path).name).as_posix()
        result += [(n if owners[n] == 1 else f"{name}:{n}", value, step) for n, value, step in points]
    return result


def _points(path: Path, x: str) -> list[Point]:
    points: list[Point] = []
    # A damaged file has no points from there on. The x column may be missing, or hold words or dates (a
    # confusion matrix): not a step.
    with suppress(ValueError, KeyError, TypeError, OverflowError, csv.Error, OSError):
        for row in rows_of(path):
            step = int(float(row[x]))
            points += [(name, number, step) for name, number in _numbers(row, x)]
    return points


def rows_of(path: Path) -> Iterable[Mapping[str, Any]]:
    """Return the rows of a table, or of the lists in a JSON or YAML file."""
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return _table_rows(path, "\t" if suffix == ".tsv" else ",")
    text = path.read_text(encoding="utf-8")
    if suffix == ".json":
        return _records(json.loads(text))
    if suffix in (".yaml", ".yml"):
        from ruamel.yaml import YAML, YAMLError

        try:
            return _records(YAML(typ="safe").load(text))
        except YAMLError as error:
            raise ValueError(str(error)) from error
    return ()


def _table_rows(path: Path, delimiter: str) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, delimiter=delimiter)


def _records(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of the lists in a JSON or YAML file, as DVC finds them."""
    if isinstance(value, list):
        yield from (row for row in value if isinstance(row, Mapping))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _records(item)


def _numbers(row: Mapping[str, Any], x: str) -> Iterator[tuple[str, float]]:
    for name, text in row.items():
        if name == x or not isinstance(name, str) or isinstance(text, bool):
            continue
        try:
            number = float(text)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number):
            yield name, number

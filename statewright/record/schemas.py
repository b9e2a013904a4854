"""Columns, first rows and tensors of a data file, without numpy and pandas.

CSV and JSON are read with the standard library, Parquet with pyarrow if it is installed. Of a file of
tensors only the header is read, and the first item of each tensor.
"""

from __future__ import annotations

import csv
import json
import math
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

TYPED_ROWS = 100
"""Number of first rows of a text file that tell the types of its columns."""
EXAMPLE_ROWS = 5
LARGEST_JSON = 5_000_000
MOST_NUMBERS = 10_000
"""Maximum number of values of a tensor's first item in an example."""

_TENSOR_TYPES: Mapping[str, tuple[str, str]] = {
    "F64": ("float64", "d"),
    "F32": ("float32", "f"),
    "I64": ("int64", "q"),
    "I32": ("int32", "i"),
    "I16": ("int16", "h"),
    "I8": ("int8", "b"),
    "U8": ("uint8", "B"),
    "BOOL": ("bool", "?"),
}
"""Type in a header -> name of the type in MLflow, and its code in `struct`."""


@dataclass(frozen=True)
class Table:
    """Columns of a table: name -> type as MLflow names it, and the first rows."""

    columns: Mapping[str, str]
    rows: Sequence[Sequence[Any]]
    number: int | None = None

    def without(self, names: Sequence[str]) -> Table:
        """Return the table without some columns."""
        kept = [name for name in self.columns if name not in names]
        places = [place for place, name in enumerate(self.columns) if name in kept]
        rows = [[row[place] for place in places] for row in self.rows]
        return Table({name: self.columns[name] for name in kept}, rows, self.number)

    def specification(self) -> list[dict[str, Any]]:
        """Return the columns as MLflow's schema has them."""
        return [{"type": kind, "name": name, "required": True} for name, kind in self.columns.items()]

    def example(self) -> dict[str, Any]:
        """Return the first rows as pandas writes them with ``orient="split"``."""
        return {"columns": list(self.columns), "data": [list(row) for row in self.rows[:EXAMPLE_ROWS]]}


@dataclass(frozen=True)
class Tensors:
    """Type and shape of each tensor of a file, and its first item as nested lists."""

    shapes: Mapping[str, tuple[str, tuple[int, ...]]]
    first: Mapping[str, Any]

    def specification(self) -> list[dict[str, Any]]:
        """Return the tensors as MLflow's schema has them; the first axis is the batch."""
        shapes = {
            name: (kind, [-1, *shape[1:]] if shape else []) for name, (kind, shape) in self.shapes.items()
        }
        return [
            {"type": "tensor", "name": name, "tensor-spec": {"dtype": kind, "shape": shape}}
            for name, (kind, shape) in shapes.items()
        ]


def read_data(path: Path) -> Table | Tensors | None:
    """Return columns or tensors of a file; None if it cannot be read."""
    readers = {
        ".csv": lambda: _read_csv(path, ","),
        ".tsv": lambda: _read_csv(path, "\t"),
        ".json": lambda: _read_json(path),
        ".jsonl": lambda: _read_lines(path),
        ".parquet": lambda: _read_parquet(path),
        ".safetensors": lambda: _read_tensors(path),
    }
    read = readers.get(path.suffix.lower())
    if read is None:
        return None
    with suppress(OSError, ValueError, KeyError, TypeError, struct.error, csv.Error):
        return read()
    return None


def _read_csv(path: Path, delimiter: str) -> Table | None:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream, delimiter=delimiter)
        names = next(rows, [])
        first = [row for row in islice(rows, TYPED_ROWS) if len(row) == len(names)]
        stream.seek(0)
        number = sum(1 for row in csv.reader(stream, delimiter=delimiter) if row) - 1
    if not names or len(set(names)) < len(names):
        return None
    values = [[_value(text) for text in row] for row in first]
    return Table(_types(names, values), values[:EXAMPLE_ROWS], number)


def _value(text: str) -> Any:
    """Return a cell of a text file as a number if it is one; None if it is empty."""
    if text == "":
        return None
    for kind in (int, float):
        with suppress(ValueError):
            number = kind(text)
            return number if math.isfinite(number) else None
    return text


def _read_json(path: Path) -> Table | None:
    if path.stat().st_size > LARGEST_JSON:
        return None
    value = json.loads(path.read_text(encoding="utf-8"))
    return _records(value) if isinstance(value, list) else None


def _read_lines(path: Path) -> Table | None:
    with path.open(encoding="utf-8") as stream:
        return _records([json.loads(line) for line in islice(stream, TYPED_ROWS)], counted=False)


def _records(items: Sequence[Any], *, counted: bool = True) -> Table | None:
    if not items or not all(isinstance(item, Mapping) for item in items[:TYPED_ROWS]):
        return None
    names = list(dict.fromkeys(name for item in items[:TYPED_ROWS] for name in item))
    values = [[item.get(name) for name in names] for item in items[:TYPED_ROWS]]
    return Table(_types(names, values), values[:EXAMPLE_ROWS], len(items) if counted else None)


def _types(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, str]:
    return {name: _type([row[place] for row in rows]) for place, name in enumerate(names)}


def _type(values: Sequence[Any]) -> str:
    """Return MLflow's type of a column; integers with gaps are numbers, as in pandas."""
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, bool) for value in present):
        return "boolean"
    if present and all(isinstance(value, int | float) and not isinstance(value, bool) for value in present):
        whole = all(isinstance(value, int) for value in present) and len(present) == len(values)
        return "long" if whole else "double"
    return "string"


def _read_parquet(path: Path) -> Table | None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        return None
    with suppress(pa.ArrowException), pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        columns = {field.name: _arrow_type(str(field.type)) for field in schema}
        batch = next(file.iter_batches(batch_size=EXAMPLE_ROWS), None)
        rows = [[_plain(row[name]) for name in columns] for row in batch.to_pylist()] if batch else []
        return Table(columns, rows, file.metadata.num_rows)
    return None


def _arrow_type(name: str) -> str:
    if name.startswith(("timestamp", "date")):
        return "datetime"
    known = {"bool": "boolean", "float": "float", "double": "double", "binary": "binary"}
    known |= {"int64": "long", "uint32": "long"}
    known |= dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "integer")
    return known.get(name, "string")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool | list) else str(value)


def _read_tensors(path: Path) -> Tensors | None:
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    first = {}
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length)) if length < LARGEST_JSON else {}
        for name, tensor in header.items():
            if name == "__metadata__" or tensor["dtype"] not in _TENSOR_TYPES:
                continue
            kind, code = _TENSOR_TYPES[tensor["dtype"]]
            shape = tuple(tensor["shape"])
            shapes[name] = (kind, shape)
            inner = shape[1:]
            number = math.prod(inner)
            if shape and shape[0] and number <= MOST_NUMBERS:
                stream.seek(8 + length + tensor["data_offsets"][0])
                values = struct.unpack(f"<{number}{code}", stream.read(number * struct.calcsize(code)))
                first[name] = [_nested(values, inner)]
    return Tensors(shapes, first) if shapes else None


def _nested(values: Sequence[Any], shape: Sequence[int]) -> Any:
    """Return the values of a tensor, in row-major order, as nested lists."""
    if not shape:
        return values[0]
    step = len(values) // shape[0] if shape[0] else 0
    return [_nested(values[k * step : (k + 1) * step], shape[1:]) for k in range(shape[0])]

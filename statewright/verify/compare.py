"""Differences of two files of one kind, by column, tensor or key.

No reader unpickles data. For a kind of file that `_READERS` does not list, only the bytes are compared.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from statewright.meta import Tolerance

MAX_FILES = 20
"""Maximum number of differing files of a folder that are compared by content."""


@dataclass(frozen=True)
class Difference:
    """One column, tensor, key or file in which two outputs differ.

    Parameters
    ----------
    where : str
        The part that differs, such as ``column rmse``.
    text : str
        Description of the difference.
    count, of : int, optional
        Number of values that differ, and number of values.
    absolute, relative : float, optional
        Largest ``|a - b|`` and largest ``|a - b| / max(|a|, |b|)`` of numbers.
    beyond : int, optional
        Number of values that differ by more than the tolerance, if there is one.
    """

    where: str
    text: str
    count: int | None = None
    of: int | None = None
    absolute: float | None = None
    relative: float | None = None
    beyond: int | None = None

    @property
    def tolerable(self) -> bool:
        """True if all values agree within the tolerance."""
        return self.beyond == 0

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are set, for JSON."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def compare_paths(
    one: Path,
    two: Path,
    hashes: tuple[Mapping[str, str] | None, Mapping[str, str] | None],
    tolerance: Tolerance | None = None,
) -> list[Difference]:
    """Compare two files, or two folders file by file.

    Parameters
    ----------
    hashes : pair of mappings
        For each path the MD5 of its files, as returned by `statewright.verify.scratch.content_hashes`.
    """
    first, second = hashes
    if first is None or second is None:
        missing = [number for number, contents in enumerate(hashes, 1) if contents is None]
        return [Difference("", f"not written by run {' and '.join(map(str, missing))}")]
    if set(first) == set(second) == {""}:
        return compare_files(one, two, tolerance)
    differences = []
    for number, (names, others) in enumerate(((first, second), (second, first)), 1):
        differences += [
            Difference(f"file {name}", f"only in run {number}") for name in sorted(set(names) - set(others))
        ]
    changed = [name for name in sorted(set(first) & set(second)) if first[name] != second[name]]
    for name in changed[:MAX_FILES]:
        differences += [_inside(name, item) for item in compare_files(one / name, two / name, tolerance)]
    if len(changed) > MAX_FILES:
        differences.append(Difference("", f"and {len(changed) - MAX_FILES} more files that differ"))
    return differences


def _inside(name: str, item: Difference) -> Difference:
    where = f"file {name}: {item.where}" if item.where else f"file {name}"
    return replace(item, where=where)


def compare_files(one: Path, two: Path, tolerance: Tolerance | None = None) -> list[Difference]:
    """Compare two files whose bytes differ, with the reader for their suffix."""
    reader = _READERS.get(one.suffix)
    if reader is None:
        return [Difference("", f"bytes differ; {one.stat().st_size} and {two.stat().st_size} bytes")]
    noun, read = reader
    try:
        differences = list(_compare_all(noun, read(one), read(two), tolerance))
    except Exception as error:
        return [Difference("", f"bytes differ; not readable as {one.suffix}: {error}")]
    same = "the same values in other bytes (order, metadata or compression)"
    return differences or [Difference("", same, beyond=None if tolerance is None else 0)]


def _compare_all(noun: str, first: Parts, second: Parts, tolerance: Tolerance | None) -> Iterator[Difference]:
    for name in dict.fromkeys([*first[0], *second[0]]):
        where = f"{noun} {name}".strip()
        if name not in first[0] or name not in second[0]:
            yield Difference(where, f"only in run {1 if name in first[0] else 2}")
        elif difference := compare_arrays(where, first[1](name), second[1](name), tolerance):
            yield difference


def compare_arrays(where: str, a: Any, b: Any, tolerance: Tolerance | None = None) -> Difference | None:
    """Compare two arrays; return None if they are equal, where NaN equals NaN."""
    try:
        import numpy as np
    except ModuleNotFoundError:  # the extra `functions` is not installed
        return _compare_lists(where, a, b, tolerance)

    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return Difference(where, f"{_shape(a)} in run 1, {_shape(b)} in run 2")
    numbers = [array.dtype.kind in "iuf" for array in (a, b)]
    if not any(numbers) or (a.size == 1 and not all(numbers)):
        return _compare_values(where, a, b)
    if a.dtype != b.dtype:
        return Difference(where, f"{a.dtype} in run 1, {b.dtype} in run 2")
    unlike = ~((a == b) | (np.isnan(a) & np.isnan(b))) if a.dtype.kind == "f" else a != b
    if not unlike.any():
        return None
    x, y = a[unlike].astype(np.float64), b[unlike].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        absolute = np.abs(x - y)
        relative = absolute / np.maximum(np.abs(x), np.abs(y))
    # Where only one of the two is NaN, the difference is NaN; report it as infinite.
    largest, share = (float(np.nan_to_num(values, nan=np.inf).max()) for values in (absolute, relative))
    text = f"largest difference {largest:.3g} (relative {share:.2g})"
    if a.size > 1:
        text += f", in {unlike.sum()} of {a.size} values"
    else:
        text += f": {a.item():.6g} and {b.item():.6g}"
    beyond = None
    if tolerance is not None:
        bound = np.maximum(tolerance.relative * np.maximum(np.abs(x), np.abs(y)), tolerance.absolute)
        with np.errstate(invalid="ignore"):
            beyond = int((~(absolute <= bound)).sum())  # NaN is beyond every bound
    return Difference(where, text, int(unlike.sum()), int(a.size), largest, share, beyond)


def _compare_lists(where: str, a: Any, b: Any, tolerance: Tolerance | None) -> Difference | None:
    """Compare two values, or two lists of values, without NumPy."""
    first, second = (list(value) if isinstance(value, list) else [value] for value in (a, b))
    if len(first) != len(second):
        return Difference(where, f"{len(first)} rows in run 1, {len(second)} in run 2")
    unlike = [(x, y) for x, y in zip(first, second, strict=True) if x != y and not (x != x and y != y)]
    if not unlike:
        return None
    if not all(isinstance(value, float) for pair in unlike for value in pair):
        x, y = unlike[0]
        text = f"{len(unlike)} of {len(first)} values differ, first: {_truncate(x)} and {_truncate(y)}"
        return Difference(where, text, len(unlike), len(first))
    gaps = [(abs(x - y), max(abs(x), abs(y))) for x, y in unlike]
    largest = max(math.inf if gap != gap else gap for gap, _ in gaps)
    share = max(math.inf if gap != gap else gap / size for gap, size in gaps)
    beyond = None
    if tolerance is not None:
        beyond = sum(not gap <= max(tolerance.relative * size, tolerance.absolute) for gap, size in gaps)
    text = f"largest difference {largest:.3g} (relative {share:.2g}), in {len(unlike)} of {len(first)} values"
    return Difference(where, text, len(unlike), len(first), largest, share, beyond)


def _shape(array: Any) -> str:
    if array.ndim != 1:
        return f"shape {array.shape}"
    return "1 row" if len(array) == 1 else f"{len(array)} rows"


def _compare_values(where: str, a: Any, b: Any) -> Difference | None:
    first, second = a.ravel().tolist(), b.ravel().tolist()
    unlike = [
        index for index, pair in enumerate(zip(first, second, strict=True)) if repr(pair[0]) != repr(pair[1])
    ]
    if not unlike:
        return None
    x, y = first[unlike[0]], second[unlike[0]]
    row = f" first in row {unlike[0]}:" if len(first) > 1 else ""
    text = f"{len(unlike)} of {len(first)} values differ,{row} {_truncate(x)} and {_truncate(y)}"
    return Difference(where, text, len(unlike), len(first))


def _truncate(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


Parts = tuple[Sequence[str], Callable[[str], Any]]
"""Names of columns or tensors, and a function that reads one, so that only one is in memory."""


def _parquet(path: Path) -> Parts:
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    return names, lambda name: _plain(pq.read_table(path, columns=[name]).column(0))


def _csv(path: Path, delimiter: str = ",") -> Parts:
    try:
        import pyarrow.csv
    except ModuleNotFoundError:  # the extra `functions` is not installed
        return _plain_csv(path, delimiter)
    table = pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter))
    return table.column_names, lambda name: _plain(table.column(table.column_names.index(name)))


def _plain_csv(path: Path, delimiter: str) -> Parts:
    with path.open(encoding="utf-8", newline="") as stream:
        names, *rows = csv.reader(stream, delimiter=delimiter)
    columns = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    return names, lambda name: _as_numbers(columns[name])


def _as_numbers(texts: Sequence[str]) -> Sequence[float] | Sequence[str]:
    try:
        return [float(text) for text in texts]
    except ValueError:
        return texts


def _plain(column: Any) -> Any:
    """Convert an Arrow column to an array.

    Lists of numbers are concatenated; any other column becomes an array of Python objects.
    """
    import numpy as np
    import pyarrow as pa

    column = column.combine_chunks()
    flat = column
    while (
        pa.types.is_list(flat.type)
        or pa.types.is_large_list(flat.type)
        or pa.types.is_fixed_size_list(flat.type)
    ):
        flat = flat.flatten()
    if pa.types.is_integer(flat.type) or pa.types.is_floating(flat.type):
        lengths_matter = flat is not column and not pa.types.is_fixed_size_list(column.type)
        if not lengths_matter and not (flat.null_count and pa.types.is_integer(flat.type)):
            return flat.to_numpy(zero_copy_only=False)
    values = np.empty(len(column), dtype=object)
    values[:] = column.to_pylist()
    return values


def _safetensors(path: Path) -> Parts:
    from safetensors import safe_open

    def read(name: str) -> Any:
        with safe_open(path, framework="numpy") as tensors:
            return tensors.get_tensor(name)

    with safe_open(path, framework="numpy") as tensors:
        return sorted(tensors.keys()), read


def _json(path: Path) -> Parts:
    leaves = dict(_leaves(json.loads(path.read_text("utf-8")), ""))
    return list(leaves), leaves.__getitem__


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    items = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    empty = True
    for name, item in items:
        empty = False
        yield from _leaves(item, f"{key}.{name}" if key else str(name))
    if empty:
        # 1 and 1.0 are the same number in JSON; texts and null stay unchanged.
        plain = isinstance(value, int) and not isinstance(value, bool)
        yield key, float(value) if plain else str(value) if isinstance(value, Mapping | list) else value


def _numpy(path: Path) -> Parts:
    import numpy as np

    arrays = np.load(path, allow_pickle=False)
    if path.suffix == ".npy":
        return [""], lambda name: arrays
    return arrays.files, lambda name: arrays[name]


_READERS: Mapping[str, tuple[str, Callable[[Path], Parts]]] = {
    ".parquet": ("column", _parquet),
    ".csv": ("column", _csv),
    ".tsv": ("column", partial(_csv, delimiter="\t")),
    ".safetensors": ("tensor", _safetensors),
    ".json": ("key", _json),
    ".npy": ("", _numpy),
    ".npz": ("array", _numpy),
}

"""Run parts of the benchmarks, and store their tables."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from statewright import files
from tasks.report.benchmark import Benchmark, BenchmarkTable, Measurement

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "torch_geometric": "torch-geometric",
    "transformers": "transformers",
    "sentence_transformers": "sentence-transformers",
    "onnxruntime": "onnxruntime",
    "rank_bm25": "rank-bm25",
    "statsmodels": "statsmodels",
    "ruptures": "ruptures",
    "networkx": "networkx",
    "pymc": "pymc",
    "nutpie": "nutpie",
}
"""Module and distribution of the libraries that can affect a figure."""


@dataclass(frozen=True)
class Omission:
    """Reason why a part has no table, such as a missing data set and its path."""

    reason: str


Tables = Iterator[BenchmarkTable | Omission]
"""Result of a part: its tables, and reasons for missing ones."""


def run(package: str, description: str) -> None:
    """Run the parts named on the command line, and print and store their tables.

    Parameters
    ----------
    package : str
        A folder of this package, such as `benchmarks.releaf`. Each of its modules is a part, with a function
        `tables(repeat)`, where `repeat` is how often a figure is measured.
    description : str
        Its first line is the description in the help.
    """
    parts = sorted(
        path.stem for path in (Path(__file__).parent / package.rpartition(".")[2]).glob("[!_]*.py")
    )
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description.partition("\n")[0])
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"one or more of {', '.join(parts)} (default: all)"
    )
    parser.add_argument(
        "--repeat",
        type=int,
        default=3,
        metavar="N",
        help="number of measurements of each figure (default: 3)",
    )
    options = parser.parse_args()
    if unknown := sorted(set(options.parts) - set(parts)):
        parser.error(f"unknown part {', '.join(unknown)}; expected one or more of {', '.join(parts)}")
    for part in options.parts or parts:
        repeated = f" --repeat {options.repeat}" if options.repeat != 3 else ""
        tables = import_module(f"{package}.{part}").tables(options.repeat)
        run_part(package.rpartition(".")[2], part, tables, f"python -m {package} {part}{repeated}")


def run_part(folder: str, part: str, tables: Tables, command: str) -> None:
    """Print and store each table when it is ready, then record all as one run."""
    began, finished = time.time(), []
    path = ROOT / "benchmarks/figures" / folder / f"{part}_benchmark.json"
    for table in tables:
        if isinstance(table, Omission):
            print(f"{part}: skipped, the last figures are kept: {table.reason}", file=sys.stderr)
            continue
        print(markdown(table), end="\n\n", flush=True)
        keep(path, part, measured(table, command))
        finished.append(table)
    if finished:
        _record(path, part, finished, (began, time.time()), command)


def markdown(table: BenchmarkTable) -> str:
    """Return the title and the table in Markdown."""
    rows = [table.columns, ["---"] * len(table.columns), *table.formatted()]
    return "\n".join([table.title, "", *(f"| {' | '.join(row)} |" for row in rows)])


def measured(table: BenchmarkTable, command: str) -> Measurement:
    """Return the table with the date, the command, and versions of loaded libraries."""
    loaded = {name: version(name) for module, name in LIBRARIES.items() if module in sys.modules}
    versions = {"Python": sys.version.partition(" ")[0], **loaded}
    today = dt.datetime.now(dt.UTC).date().isoformat()
    rows = [[round(cell, 6) if isinstance(cell, float) else cell for cell in row] for row in table.rows]
    return Measurement(**table.model_dump() | {"rows": rows}, date=today, command=command, versions=versions)


def keep(path: Path, part: str, table: Measurement) -> None:
    """Store a table; it replaces the one of the same name, and the others are kept."""
    previous = Benchmark.model_validate(json.loads(path.read_text("utf-8"))).tables if path.exists() else []
    tables = {old.name: old for old in previous} | {table.name: table}
    files.save(Benchmark(part=part, tables=list(tables.values())), path)


def numbers(tables: Iterable[BenchmarkTable]) -> Mapping[str, float]:
    """Return every number of the tables by the key ``table.row.column``.

    The key of a row with a repeated label ends with the position of the row.
    """
    values: dict[str, float] = {}
    for table in tables:
        for position, row in enumerate(table.rows, 1):
            label = " ".join(cell for cell in row if isinstance(cell, str)) or str(row[0])
            for column, cell in zip(table.columns, row, strict=True):
                if isinstance(cell, int | float):
                    key = f"{table.name}.{label}.{column}"
                    values[f"{key} {position}" if key in values else key] = float(cell)
    return values


def external_data(name: str) -> Path | Omission:
    """Return the path of a data set outside the repository, or why it is missing.

    Parameters
    ----------
    name : str
        Path below the folder that the environment variable STATEWRIGHT_DATA names, by default
        ``../shared/data`` beside the repository. For example ``benchmarks/causal``.
    """
    path = Path(os.environ.get("STATEWRIGHT_DATA") or ROOT.parent / "shared" / "data") / name
    if path.exists():
        return path
    return Omission(
        f"{path} is missing: copy the data set there, or set STATEWRIGHT_DATA to the folder that "
        f"contains {name}; see docs/external-data.md"
    )


def _record(
    path: Path, part: str, tables: list[BenchmarkTable], between: tuple[float, float], command: str
) -> None:
    """Record a run of the experiment `benchmarks`; a failure is only printed."""
    from statewright.record import tracking
    from statewright.record.experiment import open_record

    try:
        record = open_record(ROOT, command, experiment="benchmarks")
        tracking.record_benchmark(record, part, between, numbers(tables), path)
    except Exception as error:
        print(f"not recorded in MLflow: {type(error).__name__}: {error}", file=sys.stderr)

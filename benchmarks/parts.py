"""Run the parts of a folder of benchmarks that are asked for, and keep what they measure."""

from __future__ import annotations

import argparse
import datetime as dt
import json
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
"""Module and distribution of what a figure may rest on."""


@dataclass(frozen=True)
class Skipped:
    """In the place of tables: which data set is not there, and where it is looked for."""

    reason: str


Found = Iterator[BenchmarkTable | Skipped]
"""What a part yields."""


def run(package: str, description: str) -> None:
    """Print and keep the tables of the parts asked for on the command line, each as soon as it is there.

    Parameters
    ----------
    package : a folder below this one, as `benchmarks.releaf`; each of its modules is a part, with a function
        `tables` of how often a figure is taken.
    description : its first line heads the help.
    """
    parts = sorted(
        path.stem for path in (Path(__file__).parent / package.rpartition(".")[2]).glob("[!_]*.py")
    )
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)} (default: all)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="times each figure is taken")
    options = parser.parse_args()
    if unknown := sorted(set(options.parts) - set(parts)):
        parser.error(f"there is no part {', '.join(unknown)}; the parts are {', '.join(parts)}")
    for part in options.parts or parts:
        repeated = f" --repeat {options.repeat}" if options.repeat != 3 else ""
        tables = import_module(f"{package}.{part}").tables(options.repeat)
        run_part(package.rpartition(".")[2], part, tables, f"python -m {package} {part}{repeated}")


def run_part(folder: str, part: str, tables: Found, command: str) -> None:
    """Print and keep each table as soon as it is there, then record them all as one run."""
    began, made = time.time(), []
    path = ROOT / "benchmarks/figures" / folder / f"{part}_benchmark.json"
    for table in tables:
        if isinstance(table, Skipped):
            print(f"{part}: skipped, the last figures stay: {table.reason}", file=sys.stderr)
            continue
        print(markdown(table), end="\n\n", flush=True)
        keep(path, part, measured(table, command))
        made.append(table)
    if made:
        _record(path, part, made, (began, time.time()), command)


def markdown(table: BenchmarkTable) -> str:
    """The table in Markdown, its title above."""
    rows = [table.columns, ["---"] * len(table.columns), *table.formatted()]
    return "\n".join([table.title, "", *(f"| {' | '.join(row)} |" for row in rows)])


def measured(table: BenchmarkTable, command: str) -> Measurement:
    """The table with today's date, the command, and the versions of the libraries that are loaded."""
    loaded = {name: version(name) for module, name in LIBRARIES.items() if module in sys.modules}
    versions = {"Python": sys.version.partition(" ")[0], **loaded}
    today = dt.datetime.now(dt.UTC).date().isoformat()
    rows = [[round(cell, 6) if isinstance(cell, float) else cell for cell in row] for row in table.rows]
    return Measurement(**table.model_dump() | {"rows": rows}, date=today, command=command, versions=versions)


def keep(path: Path, part: str, table: Measurement) -> None:
    """Write a table in the place of the last of its name; the others stay, with their own date."""
    old = Benchmark.model_validate(json.loads(path.read_text("utf-8"))).tables if path.exists() else []
    tables = {one.name: one for one in old} | {table.name: table}
    files.save(Benchmark(part=part, tables=list(tables.values())), path)


def numbers(tables: Iterable[BenchmarkTable]) -> Mapping[str, float]:
    """Every number of the tables as ``table.row.column``; a repeated row is told apart by its place."""
    found: dict[str, float] = {}
    for table in tables:
        for place, row in enumerate(table.rows):
            label = " ".join(cell for cell in row if isinstance(cell, str)) or str(row[0])
            for column, cell in zip(table.columns, row, strict=True):
                if isinstance(cell, int | float):
                    key = f"{table.name}.{label}.{column}"
                    found[f"{key} {place + 1}" if key in found else key] = float(cell)
    return found


def _record(
    path: Path, part: str, tables: list[BenchmarkTable], between: tuple[float, float], command: str
) -> None:
    """As a run of the experiment `benchmarks`; a store out of reach is said, not fatal."""
    from statewright.record import tracking

    try:
        record = tracking.open_record(ROOT, command, experiment="benchmarks")
        tracking.record_benchmark(record, part, between, numbers(tables), path)
    except Exception as error:
        print(f"not recorded in MLflow: {type(error).__name__}: {error}", file=sys.stderr)

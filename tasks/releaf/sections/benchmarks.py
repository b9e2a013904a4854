"""Section on the benchmarks: public collections that do not ship, and timings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.releaf.contracts.report import Benchmarks
from tasks.report.benchmark import Benchmark, Measurement, benchmark_grids
from tasks.report.blocks import Prose, Section, joined, plural

SIGNIFICANT = 0.05
Row = dict[str, Any]


def finding(benchmarks: Benchmarks) -> str:
    """Return the comparison of the search with its parts on public collections."""
    sentence = next(_search(benchmarks.retrieval_benchmark), "no public collection was measured.")
    return f"Public benchmarks: {sentence[0].lower()}{sentence[1:]}"


def section(benchmarks: Benchmarks) -> Section:
    """Return comparisons across the tables, then each table with its day and command."""
    comparisons = (
        *_search(benchmarks.retrieval_benchmark),
        *_links(benchmarks.graph_benchmark),
        *_photographs(benchmarks.vision_benchmark),
    )
    versions = sorted(
        {pair for part in benchmarks for table in part.tables for pair in table.versions.items()}
    )
    return Section(
        "benchmarks",
        "Benchmarks on other data",
        (
            Prose(
                "These tables compare the same methods with published results, on public collections that "
                "are too large or not free to ship. They also hold timings, which differ from run to run. "
                "The pipeline does not repeat the measurements: each table names its day and command."
            ),
            *([Prose(points=comparisons)] if comparisons else []),
            *(table for part in benchmarks for table in benchmark_grids(part)),
            Prose(f"Measured with {joined(f'{name} {number}' for name, number in versions)}."),
        ),
    )


def _records(table: Measurement) -> list[Row]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _table(benchmark: Benchmark, name: str) -> list[Row]:
    return next((_records(table) for table in benchmark.tables if table.name == name), [])


def _search(benchmark: Benchmark) -> Iterator[str]:
    """Yield the comparison of the shipped search with the best single system."""
    tables: dict[str, list[Row]] = {}
    for row in _table(benchmark, "systems"):
        tables.setdefault(row["collection"], []).append(row)
    if not tables:
        return
    better: list[str] = []
    worse: list[str] = []
    undecided: list[str] = []
    for name, rows in tables.items():
        shipped = next(row for row in rows if row["system"] == "shipped")
        best = next(row for row in rows if row["p"] is None)
        figures = f"{name} ({shipped['nDCG@10']:.3f} against {best['nDCG@10']:.3f} of {best['system']})"
        if shipped["p"] is None or shipped["p"] >= SIGNIFICANT:
            undecided.append(figures)
        else:
            (better if shipped["nDCG@10"] > best["nDCG@10"] else worse).append(figures)
    groups = (
        ("significantly better on", better),
        ("not significantly different on", undecided),
        ("significantly worse on", worse),
    )
    parts = "; ".join(f"{label} {joined(names)}" for label, names in groups if names)
    yield (
        f"By nDCG@10 on {plural(len(tables), 'collection')}, the shipped search compares with the better of "
        f"BM25 and dense vectors as follows: {parts}."
    )


def _links(benchmark: Benchmark) -> Iterator[str]:
    """Yield the comparison of link prediction with published results."""
    rows = _table(benchmark, "citations")
    if rows:
        figures = joined(
            f"{row['graph']} {row['model']} {row['AUC']:.1f} ± {row['± AUC']:.1f} against "
            f"{row['published AUC']:.1f}"
            for row in rows
        )
        above = sum(row["AUC"] > row["published AUC"] for row in rows)
        yield (
            f"Link prediction on citation graphs is above the published AUC in {above} of {len(rows)} cases: "
            f"{figures}."
        )


def _photographs(benchmark: Benchmark) -> Iterator[str]:
    """Yield the comparison of our best classifier with the best standard one."""
    ours: list[Row] = []
    standard: list[Row] = []
    for row in _table(benchmark, "features") + _table(benchmark, "photographs"):
        # A single run of a standard classifier has no seeds to average.
        (standard if row["all seeds, test %"] is None else ours).append(row)
    if ours and standard:
        our_best = max(ours, key=lambda row: row["val %"])
        standard_best = max(standard, key=lambda row: row["val %"])
        accuracy, reference = our_best["all seeds, test %"], standard_best["test %"]
        comparison = "above" if accuracy > reference else "not above"
        yield (
            f"For photos, with each classifier chosen on validation data, “{our_best['route']}” reaches "
            f"{accuracy:.1f}% of the test photos, {comparison} “{standard_best['route']}” ({reference:.1f}%)."
        )

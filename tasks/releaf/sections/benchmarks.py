"""Section of the report on what the benchmarks measured, on which day: collections that do not ship, load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.report.benchmark import Benchmark, Measurement, benchmark_grids
from tasks.report.blocks import Prose, Section, joined, plural

SURE = 0.05


def elsewhere(retrieval: Benchmark, graph: Benchmark, vision: Benchmark, *others: Benchmark) -> Section:
    """Findings across the tables, then each table with its day and command."""
    parts = (retrieval, graph, vision, *others)
    findings = [*_search(retrieval), *_links(graph), *_photographs(vision)]
    versions = sorted({pair for part in parts for table in part.tables for pair in table.versions.items()})
    return Section(
        "elsewhere",
        "Measured on collections that do not ship",
        (
            Prose(
                "The same methods on public test collections, whose data are too large or not free to ship, "
                "and beside what others published; and times, which no two runs share. A run of the pipeline "
                "does not measure these again: each table carries the day and the command that made it."
            ),
            *([Prose(points=tuple(findings))] if findings else []),
            *(table for part in parts for table in benchmark_grids(part)),
            Prose(f"Measured with {joined(f'{name} {number}' for name, number in versions)}."),
        ),
    )


def _records(table: Measurement) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _table(benchmark: Benchmark, name: str) -> list[dict[str, Any]]:
    return next((_records(table) for table in benchmark.tables if table.name == name), [])


def _search(benchmark: Benchmark) -> Iterator[str]:
    """Where the shipped recipe surely beats the better single system of a collection."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for row in _table(benchmark, "systems"):
        tables.setdefault(row["collection"], []).append(row)
    if not tables:
        return
    better, worse, open_ = [], [], []
    for name, rows in tables.items():
        shipped = next(row for row in rows if row["system"] == "shipped")
        best = next(row for row in rows if row["p"] is None)
        said = f"{name} ({shipped['nDCG@10']:.3f} against {best['nDCG@10']:.3f} of {best['system']})"
        sure = shipped["p"] is not None and shipped["p"] < SURE
        group = open_ if not sure else better if shipped["nDCG@10"] > best["nDCG@10"] else worse
        group.append(said)
    parts = [
        f"{word} {joined(names)}"
        for word, names in (("surely better on", better), ("not surely different on", open_),
                            ("surely worse on", worse))
        if names
    ]  # fmt: skip
    yield (
        f"Search as shipped beside the better of BM25 and dense vectors, by nDCG@10 on "
        f"{plural(len(tables), 'collection')}: {'; '.join(parts)}."
    )


def _links(benchmark: Benchmark) -> Iterator[str]:
    """Ours beside the published figures of link prediction."""
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
    """Our best route beside the best plain classifier on the same features."""
    ours, plain = [], []
    for row in _table(benchmark, "features") + _table(benchmark, "photographs"):
        # A single run of a plain classifier has no seeds to be averaged.
        (plain if row["all seeds, test %"] is None else ours).append(row)
    if ours and plain:
        mine = max(ours, key=lambda row: row["val %"])
        peer = max(plain, key=lambda row: row["val %"])
        score, other = mine["all seeds, test %"], peer["test %"]
        word = "above" if score > other else "not above"
        yield (
            f"Photographs, each route chosen by validation: “{mine['route']}” reaches {score:.1f}% of the "
            "test "
            f"photographs, {word} “{peer['route']}” ({other:.1f}%)."
        )

"""Evaluations that random search needs for what the hybrid reaches in 1,500.

Random search is evaluated in blocks, up to `LIMIT` on each instance. An instance that has not reached the
median of the hybrid by then is counted with `LIMIT`, so a median at the limit is a lower bound.
"""

from __future__ import annotations

import json

import numpy as np

from benchmarks.parts import ROOT, Omission, Tables
from benchmarks.search._bbob import BUDGET, DIMENSIONS, FUNCTIONS, Problem, gap_interval, problems
from tasks.report.benchmark import Benchmark, BenchmarkTable, TextOrNumber

LIMIT, BLOCK = 200_000, 50_000
FIGURES = ROOT / "benchmarks/figures/search/bbob_benchmark.json"


def tables(repeat: int) -> Tables:
    """Yield the evaluations of random search, over ``5 * repeat`` instances."""
    medians = hybrid_medians()
    if isinstance(medians, Omission):
        yield medians
        return
    rows: list[list[TextOrNumber]] = []
    for d in DIMENSIONS:
        for f, label in FUNCTIONS.items():
            target = medians[label, d]
            needed = np.array([evaluations(problem, target) for problem in problems(f, d, 5 * repeat)])
            low, high = (_text(value) for value in gap_interval(needed))
            median, within = _text(float(np.median(needed))), int((needed < LIMIT).sum())
            rows.append([label, d, f"{target:.2g}", median, f"{low} to {high}", within])
    yield BenchmarkTable(
        name="random",
        title=f"Evaluations of random search to the median of the hybrid after {BUDGET:,}, median of "
        f"{5 * repeat} instances with an interval of 95 % by bootstrap, and instances that reach it within "
        f"{LIMIT:,}.",
        columns=["function", "dimension", "target", "evaluations", "interval", "reached"],
        rows=rows,
    )


def hybrid_medians() -> dict[tuple[str, int], float] | Omission:
    """Return the medians of the hybrid that the part `bbob` stored."""
    if not FIGURES.exists():
        return Omission(f"{FIGURES} is missing: run python -m benchmarks.search bbob")
    stored = Benchmark.model_validate(json.loads(FIGURES.read_text("utf-8"))).tables
    table = next(table for table in stored if table.name == "medians")
    return {(str(label), int(str(d))): float(str(median)) for label, d, median, *_ in table.rows}


def evaluations(problem: Problem, target: float, limit: int = LIMIT) -> float:
    """Return the number of random points until one is within `target`."""
    rng = np.random.default_rng([problem.instance, 1])
    for first in range(0, limit, BLOCK):
        hits = np.flatnonzero(problem.values(rng.random((BLOCK, problem.dimension))) <= target)
        if len(hits):
            return float(first + hits[0] + 1)
    return float(limit)


def _text(value: float) -> str:
    return f"over {LIMIT:,}" if value >= LIMIT else f"{value:,.0f}"

"""Hybrid, genetic search, and peers on BBOB.

1,500 evaluations in 5 and 10 dimensions, and 100 evaluations, as many as a pipeline affords. The hybrid
against its genetic stage with the whole budget: Wilcoxon's signed rank test over the instances, corrected
after Holm for the five functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.parts import ROOT, Tables
from benchmarks.search._bbob import BUDGET, DIMENSIONS, FUNCTIONS, gap_interval, problems, trace
from benchmarks.search._figure import draw_ecdf
from statewright.search.genetic import default_population
from statewright.search.hybrid import SHARE
from statewright.search.space import Floats
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

SAMPLERS = ("hybrid", "genetic", "genetic then cmaes", "cmaes", "random")
PARTS = ("hybrid without learning", "hybrid without attention")
SMALL = 100
SMALL_SAMPLERS = ("hybrid", "genetic", "cmaes", "tpe", "random")
GENERATION = 30
Traces = dict[tuple[str, int, int], Floats]
"""Traces, (instances, evaluations), by sampler, function and dimension."""


def tables(repeat: int) -> Tables:
    """Yield medians, tests, ablations and shares over ``5 * repeat`` instances."""
    count = 5 * repeat
    traces = _traces((*SAMPLERS, *PARTS), count, BUDGET)
    for dimension in DIMENSIONS:
        chosen = {name: [traces[name, f, dimension] for f in FUNCTIONS] for name in SAMPLERS}
        draw_ecdf(chosen, dimension, ROOT / f"docs/methods/search-ecdf-{dimension}.svg")
    yield _medians("medians", SAMPLERS, traces, count, BUDGET)
    yield _tests("tests", "genetic", traces)
    yield _ablations(traces, count)
    yield _shares(traces)
    small = _traces(SMALL_SAMPLERS, count, SMALL)
    yield _medians("small", SMALL_SAMPLERS, small, count, SMALL)
    for peer in ("tpe", "random"):
        yield _tests(f"small-{peer}", peer, small)


def _traces(names: Sequence[str], count: int, budget: int) -> Traces:
    return {
        (name, f, d): np.array([trace(name, problem, budget) for problem in problems(f, d, count)])
        for name in names
        for f in FUNCTIONS
        for d in DIMENSIONS
    }


def _medians(name: str, samplers: Sequence[str], traces: Traces, count: int, budget: int) -> BenchmarkTable:
    rows: list[list[TextOrNumber]] = []
    for d in DIMENSIONS:
        for f, label in FUNCTIONS.items():
            ends = {sampler: traces[sampler, f, d][:, -1] for sampler in samplers}
            cells = [f"{np.median(ends[sampler]):.2g}" for sampler in samplers]
            low, high = gap_interval(ends["hybrid"])
            rows.append([label, d, cells[0], f"{low:.2g} to {high:.2g}", *cells[1:]])
    return BenchmarkTable(
        name=name,
        title=f"Distance to the minimum after {budget:,} evaluations, median of {count} instances; interval "
        "of 95 % by bootstrap. Values below 1e-8 count as 1e-8.",
        columns=["function", "dimension", "hybrid", "interval", *samplers[1:]],
        rows=rows,
    )


def compare(ours: Floats, others: Floats) -> tuple[int, int, float]:
    """Return wins, losses and p of Wilcoxon's signed rank test of paired logarithms."""
    from scipy.stats import wilcoxon

    gains = np.log10(others) - np.log10(ours)
    p = float(wilcoxon(gains).pvalue) if gains.any() else 1.0
    return int((gains > 0).sum()), int((gains < 0).sum()), p


def holm(p: Sequence[float]) -> list[float]:
    """Return p values corrected after Holm."""
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(adjusted, 1)
    return [float(value) for value in corrected]


def _tests(name: str, peer: str, traces: Traces) -> BenchmarkTable:
    rows: list[list[TextOrNumber]] = []
    for d in DIMENSIONS:
        results = [compare(traces["hybrid", f, d][:, -1], traces[peer, f, d][:, -1]) for f in FUNCTIONS]
        corrected = holm([p for *_, p in results])
        for label, (wins, losses, _), p in zip(FUNCTIONS.values(), results, corrected, strict=True):
            better = "hybrid" if wins > losses else peer
            rows.append([label, d, wins, losses, p, better if p < 0.05 else "not distinguished"])
    return BenchmarkTable(
        name=name,
        title=f"The hybrid against {peer} at equal evaluations: instances won and lost, p of Wilcoxon's "
        "signed rank test corrected after Holm within a dimension, and the better one at 0.05.",
        columns=["function", "dimension", "won", "lost", "p", "better"],
        rows=rows,
        decimals={"p": 4},
    )


def _ablations(traces: Traces, count: int) -> BenchmarkTable:
    rows: list[list[TextOrNumber]] = []
    for d in DIMENSIONS:
        for f, label in FUNCTIONS.items():
            row: list[TextOrNumber] = [label, d, f"{np.median(traces['hybrid', f, d][:, -1]):.2g}"]
            for part in PARTS:
                ends = traces[part, f, d][:, -1]
                wins, losses, p = compare(traces["hybrid", f, d][:, -1], ends)
                row += [f"{np.median(ends):.2g}", f"{wins} to {losses}", p]
            rows.append(row)
    labels = [
        label for part in ("learning", "attention") for label in (f"no {part}", f"{part} won", f"{part} p")
    ]
    return BenchmarkTable(
        name="ablations",
        title=f"Medians of {count} instances with a part left out, instances won to lost by the whole, and "
        "p of Wilcoxon's test, not corrected.",
        columns=["function", "dimension", "hybrid", *labels],
        rows=rows,
        decimals={label: 4 for label in labels if label.endswith(" p")},
    )


def _shares(traces: Traces) -> BenchmarkTable:
    """Return how much of the gain each stage brings."""
    population = default_population(BUDGET)
    first, thirty = round(SHARE * BUDGET) - 1, GENERATION * 20 - 1
    rows: list[list[TextOrNumber]] = []
    for d in DIMENSIONS:
        for f, label in FUNCTIONS.items():
            hybrid, genetic = traces["hybrid", f, d], traces["genetic", f, d]
            start = hybrid[:, population - 1]
            digits = np.log10(start) - np.log10(hybrid[:, -1])
            gained = np.log10(start) - np.log10(hybrid[:, first])
            episodes = np.log10(hybrid[:, first]) - np.log10(hybrid[:, first + 250])
            refined = np.log10(hybrid[:, first]) - np.log10(hybrid[:, -1])
            shares = [
                1 - hybrid[:, first] / start,
                1 - hybrid[:, -1] / start,
                gained / np.maximum(digits, 1e-12),
                1 - genetic[:, thirty] / start,
                episodes / np.maximum(refined, 1e-12),
            ]
            rows.append([label, d, *(float(np.median(share)) for share in shares)])
    return BenchmarkTable(
        name="shares",
        title="Share of the distance from the best of the first population to the minimum, closed by the "
        "genetic stage and by the whole hybrid; share of the decimal digits gained that the genetic stage "
        f"brings; share closed by the genetic search alone in {GENERATION * 20} evaluations, {GENERATION} "
        "generations of 20; share of the digits of the second stage gained in its first 250 evaluations, "
        "50 episodes of 5 steps. Medians.",
        columns=["function", "dimension", "genetic stage", "hybrid", "digits", "generation 30", "episode 50"],
        rows=rows,
    )

"""Rows on the tuner read its metrics, and are open without them."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.claim import CORRECTED, OPEN, REPRODUCED
from benchmarks.claims_tuner import CLAIMS

ROWS = {
    "shares": (
        ["step", "specification", "measured", "low", "high"],
        [["genetic search", 0.8, 0.71, 0.6, 0.8], ["Q-learning", 0.15, -0.01, -0.1, 0.1]],
    ),
    "searches": (["search", "regret"], [["attention", 1.05], ["random", 1.5]]),
    "choice": (
        ["rows", "evaluations", "programs", "CPU", "wall", "equal"],
        [[1000, 14, 96, 1.02, 1.2, "yes"], [10_000_000, 14, 96, 1.3, 1.05, "no"]],
    ),
}
BBOB = {
    "tests": (
        ["function", "dimension", "better"],
        [["f1", 5, "hybrid"], ["f8", 5, "genetic"], ["f1", 10, "hybrid"], ["f8", 10, "not distinguished"]],
    ),
    "ablations": (
        ["function", "dimension", "learning won", "learning p", "attention won", "attention p"],
        [["f1", 5, "9 to 6", 0.04, "15 to 0", 0.001], ["f8", 5, "3 to 12", 0.01, "10 to 5", 0.04]],
    ),
}
RANDOM = {
    "random": (
        ["function", "dimension", "evaluations", "interval"],
        [["f1", 5, "over 200,000", "9 to 10"], ["f1", 10, "7", "6 to 8"]],
    )
}


def benchmark(tables: dict[str, Any]) -> dict[str, Any]:
    return {
        "tables": [
            {"name": name, "columns": columns, "rows": rows} for name, (columns, rows) in tables.items()
        ]
    }


def metrics(share: float = 0.5) -> dict[str, Any]:
    samplers = {
        "hybrid": {"median": 1e-8, "shares": {"600": 1.0}},
        "genetic": {"median": 1e-3, "shares": {"600": 0.99}},
        "random": {"median": 1.0, "shares": {"600": 0.94}},
    }
    never = {"draws": 100_000, "reached": 0, "instances": 15, "needed": None, "low": None, "high": None}
    found = {**never, "reached": 9, "needed": 52_000.0, "low": 30_000.0}
    problems = {
        "sphere": {"samplers": samplers, "random_equivalent": never},
        "mixed": {"samplers": samplers, "random_equivalent": found},
    }
    seeds = [{"ratio": 1.008, "shares": {"50": share}}, {"ratio": 1.001, "shares": {"50": 0.95}}]
    return {
        "tuner": {
            "search": {"budget": 1500, "generation": 20, "problems": problems},
            "policy": {"n": 50, "episodes": 10_000, "seeds": seeds},
        },
        "benchmarks": {"choice": benchmark(ROWS), "bbob": benchmark(BBOB), "random": benchmark(RANDOM)},
    }


def rows(values: dict[str, Any]) -> list[str]:
    return [claim.row(values) for claim in CLAIMS]


def test_figures_are_those_of_the_metrics():
    evaluations, precision, choice, generation, episodes, parts = rows(metrics())
    assert "sphere: more than 100,000 (reached on 0 of 15 instances) for a loss of 1e-08" in evaluations
    assert "mixed: 52,000 (30,000 to more than 100,000)" in evaluations
    assert "BBOB in 5 dimensions (`python -m benchmarks.search`): f1 over 200,000 (9 to 10)." in evaluations
    assert "1 of 2 functions in 5 dimensions (worse on 1), 1 of 2 functions in 10 dimensions" in precision
    assert "learning on 1, attention on 2" in precision
    assert "14 of 96 measurements" in choice
    assert "least CPU seconds on 1 of 2 tables of 1,000 to 10,000,000 rows" in choice
    assert "sphere 99.0 % (random search 94.0 %)" in generation
    assert "at 50 to 95 % of the optimum" in episodes
    assert "at most 1.008 times" in episodes
    assert "genetic search 0.71 (0.60 to 0.80), Q-learning -0.01 (-0.10 to 0.10)" in parts
    assert "attention 1.05, random 1.50" in parts
    assert all(f"| {CORRECTED} |" in row for row in rows(metrics()))


@pytest.mark.parametrize(("share", "verdict"), [(0.89, CORRECTED), (0.9, REPRODUCED)])
def test_the_verdict_on_episodes_is_that_of_the_worst_seed(share, verdict):
    assert f"| {verdict} |" in rows(metrics(share))[4]


def test_without_a_run_the_rows_are_open():
    assert all(f"| {OPEN} |" in row for row in rows({"benchmarks": {}}))

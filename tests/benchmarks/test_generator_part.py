"""The tables of the generator's benchmark have the columns that the claims read."""

from __future__ import annotations

from benchmarks.claims_tuner import CLAIMS
from benchmarks.generator.choice import LARGE, ROWS, _choice, _rankings, _searches, _shares
from tasks.tuner.contracts.choose import CellChoice, CellEvaluation, Choices, Evaluation, Ratio, SearchScores

CONFIGURATION = {
    "engine": "polars", "execution": "lazy", "threads": 2,
    "batch_size": 0, "read": "used", "filters": "early",
}  # fmt: skip


def ratio(median: float) -> Ratio:
    return Ratio(median=median, low=0.9 * median, high=1.2 * median)


def choices() -> Choices:
    scores = {
        name: SearchScores(regret=regret, worst=3.0, within=0.5, same=0.2)
        for name, regret in (("attention", 1.1), ("hybrid", 1.2), ("genetic", 1.3), ("random", 1.4))
    }
    cell = CellChoice(
        spec="mood", rows=10_000_000, programs=96, budget=14, evaluations=14, chosen=1, best=2, best_cpu=2,
        best_wall=3, configuration=CONFIGURATION, best_configuration=CONFIGURATION,
        ranking={"attention": 0.9, "mean of other tables": 0.7}, searches=scores, weights=[],
    )  # fmt: skip
    shares = {
        name: {"mean": mean, "low": 0.0, "high": 1.0}
        for name, mean in (("genetic search", 0.77), ("Q-learning", 0.06), ("attention", 0.08))
    }
    return Choices.model_validate(
        {"cells": {"mood": cell}, "shares": shares, "positions": [], "features": []}
    )


def evaluation() -> Evaluation:
    both = {"cpu": ratio(1.0), "wall": ratio(1.0)}
    cell = CellEvaluation(
        spec="mood", rows=10_000_000, cpu=ratio(1.05), wall=ratio(1.15), optimum=both, default=both,
        equal=True, within=False, peak_mb={"choice": 300.0, "optimum": 310.0, "default": 900.0},
    )  # fmt: skip
    return Evaluation(tolerance=1.1, rounds=11, cells={"mood": cell}, equal=1, within_cpu=1, within_wall=0)


def test_five_tables_from_a_thousand_to_ten_million_rows():
    assert len(ROWS) == 5
    assert (ROWS[0], ROWS[-1]) == (1_000, 10_000_000)
    assert sum(rows >= LARGE for rows in ROWS) == 2


def test_the_claims_read_the_tables_as_they_are_written():
    made = choices()
    tables = [_choice(made, evaluation()), _searches(made), _shares(made), _rankings(made)]
    measured = {"tables": [table.model_dump() for table in tables]}
    rows = [claim.row({"benchmarks": {"choice": measured}}) for claim in CLAIMS]
    (choice,) = [row for row in rows if "converges to polars" in row]
    assert "14 of 96 measurements" in choice
    assert "least CPU seconds on 1 of 1 tables" in choice
    assert "least wall seconds on 0" in choice
    (parts,) = [row for row in rows if "0.05 by attention" in row]
    assert "genetic search 0.77 (0.00 to 1.00), Q-learning 0.06 (0.00 to 1.00), attention 0.08" in parts
    assert "attention 1.10, hybrid 1.20, genetic 1.30, random 1.40" in parts
    assert tables[0].formatted()[0][1] == "10,000,000"

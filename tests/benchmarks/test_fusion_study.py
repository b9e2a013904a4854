"""Tables and claims of the fusion benchmarks, from predictions that are made up."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.claims_fusion import CLAIMS
from benchmarks.fusion._fits import CONCATENATION, EVERY, Predictions, Task
from benchmarks.fusion._study import blended, lost_table, regret_table, score_split
from methods.fusion.choice import Data
from methods.fusion.operators import OPERATORS
from methods.fusion.views import Problem, take

BINARY = Problem("classification", 2)
ROWS = 100


def study():
    """Return a task and predictions with known numbers of errors in 100 test rows."""
    rng = np.random.default_rng(0)
    views = {"a": rng.normal(size=(ROWS, 2)), "b": rng.normal(size=(ROWS, 2))}
    data = Data(views, np.arange(ROWS) % 2 * 1.0, BINARY)

    def wrong(errors: int) -> np.ndarray:
        label = data.y.copy()
        label[:errors] = 1 - label[:errors]
        return np.where(np.eye(2)[label.astype(int)] > 0, 0.9, 0.1)

    def made(full: int, lost: int, again: int | None, held: int | None) -> Predictions:
        retrained = {} if again is None else {"a": wrong(again), "b": wrong(again)}
        test = {EVERY: wrong(full), "a": wrong(lost), "b": wrong(lost)}
        return Predictions(test, retrained, None if held is None else wrong(held))

    predictions = {name: made(20, 30, None, 25) for name in OPERATORS}
    predictions["late-average"] = made(10, 16, 16, 8)
    predictions["early"] = made(5, 25, 15, 40)
    predictions[CONCATENATION] = made(12, 22, 15, None)
    return Task(data, take(views, slice(None)), 0, 3), predictions, data


def test_the_tables_and_the_claim_give_the_numbers_of_the_predictions():
    task, predictions, data = study()
    split = score_split(task, predictions, data, np.arange(ROWS))
    lost = lost_table("albums_lost", "", [split])
    rows = {row[0]: row[1:] for row in lost.rows}
    assert rows["late-average"] == pytest.approx([0.9, 0.84, 0.06, 0.6, 0.84, 0.0])
    assert rows[CONCATENATION] == pytest.approx([0.88, 0.78, 0.1, 1.0, 0.85, 0.07])
    assert rows["boosting"] == [*map(pytest.approx, (0.8, 0.7, 0.1, 1.0)), None, None]
    regret = regret_table("albums_regret", "", "albums", [split])
    [(label, weights, best, score, most, points)] = regret.rows
    assert (label, weights, best) == ("albums", "late-average 1.00", "early")
    assert (score, most, points) == pytest.approx((0.9, 0.95, 5.0))
    tables = [table.model_dump() for table in (lost, regret)]
    accuracy = {"name": "albums", "columns": ["operator", "score"]}
    accuracy["rows"] = [[name, value] for name, value in split.score.items()] + [["only:a", 0.7]]
    metrics = {"benchmarks": {"albums": {"tables": [*tables, accuracy]}}}
    [claim] = [c for c in CLAIMS if "85.2" in json.dumps(c.claim)]
    text = claim.row(metrics)
    assert "in points: albums 5.00." in text
    assert "albums 0.060 of 0.900 (avoidable 0.000) and 0.100 of 0.880 (avoidable 0.070)" in text


def test_the_blend_of_a_benchmark_is_that_of_the_operators():
    task, predictions, _ = study()
    weights = {"late-average": 0.5, "early": 0.5}
    test = blended(task, predictions, weights).test
    average, early = predictions["late-average"].test, predictions["early"].test
    np.testing.assert_allclose(test[EVERY], 0.5 * average[EVERY] + 0.5 * early[EVERY])
    np.testing.assert_allclose(test["a"], average["a"])  # no training row lacks it: late fusion alone

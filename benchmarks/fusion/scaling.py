"""Accuracy and cost at 1, 4 and 16 times the rows.

Real rows: the digits have 2,000, of which 400 are for the test. CPU seconds are those of the process with one
thread, so that other work on the machine changes them little.
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks.fusion._fits import CONCATENATION, fit_concatenation
from benchmarks.fusion._sets import digits
from benchmarks.parts import Omission, Tables
from methods.fusion.choice import Data
from methods.fusion.operators import Settings, fit
from methods.fusion.resplits import random_splits, score_views
from methods.fusion.views import Fitted, take
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

FACTORS, UNIT, TEST = (1, 4, 16), 100, 0.2
OPERATORS = ("late-average", "late-stacked", CONCATENATION, "boosting")


def tables(repeat: int) -> Tables:
    """Yield scores, CPU seconds of training, and rows per second."""
    data = digits()
    if isinstance(data, Omission):
        yield data
        return
    splits = random_splits(data, repeat, TEST, seed=0)
    fit("boosting", take(data.views, slice(0, 2000, 20)), data.y[::20], data.problem, Settings())  # imports
    rows: list[list[TextOrNumber]] = []
    for name in OPERATORS:
        for factor in FACTORS:
            runs = [_run(name, data, split, factor * UNIT, seed) for seed, split in enumerate(splits)]
            rows.append([name, factor * UNIT, *map(float, np.mean(runs, axis=0))])
    yield BenchmarkTable(
        name="scaling",
        title=f"Digits, six views: accuracy on {round(TEST * len(data.y))} rows, CPU seconds of a training "
        f"and rows predicted per CPU second, mean of {repeat} splits, one thread.",
        columns=["operator", "rows", "accuracy", "seconds", "rows per second"],
        rows=rows,
        decimals={"rows": 0, "accuracy": 4, "seconds": 3, "rows per second": 0},
    )


def _run(name: str, data: Data, split: tuple[np.ndarray, np.ndarray], rows: int, seed: int) -> list[float]:
    from threadpoolctl import threadpool_limits

    order = np.random.default_rng(seed).permutation(split[0])
    train = data.take(order[:rows])
    views = take(data.views, split[1])
    with threadpool_limits(1):
        began = time.process_time()
        operator = _fitted(name, train, seed)
        trained = time.process_time()
        operator.predict(views)
        predicted = time.process_time()
    score = score_views(operator, views, data, split[1])
    return [score, trained - began, len(split[1]) / max(predicted - trained, 1e-9)]


def _fitted(name: str, train: Data, seed: int) -> Fitted:
    if name == CONCATENATION:
        return fit_concatenation(train)
    return fit(name, train.views, train.y, train.problem, Settings(seed=seed))

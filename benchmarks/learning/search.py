"""Search: expected improvement and NSGA-II on standard functions, beside peers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.parts import Tables
from methods.search.bayesian import maximise
from methods.search.pareto import hypervolume, nsga2
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

Floats = np.ndarray
Function = Callable[[Floats], float]

SEEDS = 10
WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
STEEPNESS = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
"""Constants of the Hartmann function in six variables (Picheny, Wagner and Ginsbourger 2013)."""


def tables(repeat: int) -> Tables:
    """Yield a table of one aim and one of several."""
    yield _one_aim()
    yield _several_aims()


def branin(x: Floats) -> float:
    """Return the negative of Branin's function, whose maximum is -0.397887."""
    quadratic = x[1] - 5.1 / (4 * np.pi**2) * x[0] ** 2 + 5 / np.pi * x[0] - 6
    return -float(quadratic**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x[0]) + 10)


def hartmann(x: Floats) -> float:
    """Return the negative of Hartmann's function, whose maximum is 3.322368."""
    return float(WEIGHTS @ np.exp(-(STEEPNESS * (x - CENTRES) ** 2).sum(axis=1)))


FUNCTIONS: dict[str, tuple[Function, list[tuple[float, float]], int, float]] = {
    "branin": (branin, [(-5.0, 10.0), (0.0, 15.0)], 40, -0.39788735772973816),
    "hartmann6": (hartmann, [(0.0, 1.0)] * 6, 60, 3.3223680114155147),
}
"""Function, box, evaluations and maximum."""


def _one_aim() -> BenchmarkTable:
    rows: list[list[TextOrNumber]] = []
    for name, (function, bounds, evaluations, top) in FUNCTIONS.items():
        began = time.process_time()
        ours = [
            top - max(trial.value for trial in maximise(function, bounds, evaluations=evaluations, seed=seed))
            for seed in range(SEEDS)
        ]
        seconds = (time.process_time() - began) / (SEEDS * evaluations)
        low, high = np.array(bounds).T
        random = [
            top
            - max(
                map(function, low + np.random.default_rng(s).random((evaluations, len(low))) * (high - low))
            )
            for s in range(SEEDS)
        ]
        rows += [
            [name, evaluations, "log expected improvement", *_summary(ours), 1000 * seconds],
            [name, evaluations, "random search", *_summary(random), 0.0],
        ]
    return BenchmarkTable(
        name="one-aim",
        title=f"Regret of the best of all evaluations over {SEEDS} seeds, and CPU milliseconds of an "
        "evaluation. Goals for the median: branin 0.001, hartmann6 0.1.",
        columns=["function", "evaluations", "search", "median regret", "largest regret", "milliseconds"],
        rows=rows,
        decimals={"median regret": 5, "largest regret": 5, "milliseconds": 1},
    )


def _summary(regrets: list[float]) -> list[TextOrNumber]:
    return [float(np.median(regrets)), float(np.max(regrets))]


def _of_many(problem: Any, points: Floats) -> Floats:
    """Return the aims of many points; one point is refused by its index."""
    return np.asarray(problem.evaluate(points[:, :]))


def _several_aims() -> BenchmarkTable:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    rows: list[list[TextOrNumber]] = []
    # The generations of pymoo's own examples; DTLZ with three aims and the authors' numbers of variables.
    cases: list[tuple[str, dict[str, Any], int]] = [
        *((f"zdt{number}", {}, 200) for number in (1, 2, 3, 4, 6)),
        ("dtlz1", {"n_var": 7, "n_obj": 3}, 400),
        ("dtlz2", {"n_var": 12, "n_obj": 3}, 200),
        ("dtlz7", {"n_var": 22, "n_obj": 3}, 200),
    ]
    for name, sizes, generations in cases:
        problem = get_problem(name, **sizes)
        reference = np.max(problem.pareto_front() if not sizes else [[1.0] * 3], axis=0) + 0.1
        if name == "dtlz7":
            reference = np.array([1.0, 1.0, 7.0])
        peer = minimize(problem, NSGA2(pop_size=100), ("n_gen", generations), seed=1).F
        ours = nsga2(
            partial(_of_many, problem),
            np.column_stack([problem.xl, problem.xu]),
            evaluations=100 * generations,
            population=100,
            seed=1,
        )
        rows.append([name, 100 * generations, hypervolume(ours.f, reference), hypervolume(peer, reference)])
    return BenchmarkTable(
        name="several-aims",
        title="Hypervolume of the front of NSGA-II with 100 points and seed 1. Goal: pymoo's - 0.001.",
        columns=["problem", "evaluations", "ours", "pymoo"],
        rows=rows,
        decimals={"ours": 5, "pymoo": 5},
    )

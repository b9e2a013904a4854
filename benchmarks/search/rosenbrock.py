"""Rosenbrock's function on instances that no other part uses.

The medians of 15 instances in `bbob` have wide intervals. Here are 90 more, on which nothing was chosen
either.
"""

from __future__ import annotations

import numpy as np

from benchmarks.parts import Tables
from benchmarks.search._bbob import BUDGET, Problem, gap_interval, trace
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

FUNCTION, DIMENSION, GOAL = 8, 5, 0.5
FIRST, COUNT = 16, 90
SAMPLERS = ("hybrid", "genetic", "genetic then cmaes")


def tables(repeat: int) -> Tables:
    """Yield the medians over ``COUNT * repeat / 3`` instances."""
    instances = range(FIRST, FIRST + COUNT * repeat // 3)
    rows: list[list[TextOrNumber]] = []
    for name in SAMPLERS:
        ends = np.array([trace(name, Problem(FUNCTION, DIMENSION, instance))[-1] for instance in instances])
        low, high = gap_interval(ends)
        within = f"{(ends <= GOAL).sum()} of {len(ends)}"
        rows.append([name, f"{np.median(ends):.2g}", f"{low:.2g} to {high:.2g}", within])
    yield BenchmarkTable(
        name="rosenbrock",
        title=f"Distance to the minimum of f8 Rosenbrock in {DIMENSION} dimensions after {BUDGET:,} "
        f"evaluations, on the instances {instances[0]} to {instances[-1]}: median, interval of 95 % by "
        f"bootstrap, and instances within {GOAL}.",
        columns=["search", "median", "interval", "within the goal"],
        rows=rows,
    )

"""Learned numbers of bits to flip on LeadingOnes."""

from __future__ import annotations

import numpy as np

from benchmarks.parts import Tables
from methods.search.qlearning import LeadingOnes, best_policy, expected_time, train
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

ACTIONS = (1, 2, 4, 8, 16, 32)
EPISODES = (50, 500, 2_000, 10_000)
LARGEST = 100
FIRST_SEED = 100
"""Seeds below were used to choose the step size and the exploration."""


def tables(repeat: int) -> Tables:
    """Yield expected times over the least one, for ``4 * repeat`` seeds."""
    seeds = range(FIRST_SEED, FIRST_SEED + 4 * repeat)
    least = {n: expected_time(best_policy(n, ACTIONS), n) for n in (50, 100)}
    rows: list[list[TextOrNumber]] = []
    for episodes in EPISODES:
        policies = [train(LeadingOnes(50, ACTIONS), episodes=episodes, seed=seed) for seed in seeds]
        row: list[TextOrNumber] = [f"learned, {episodes:,} episodes"]
        for n in least:
            ratios = np.array([expected_time(policy, n) for policy in policies]) / least[n]
            row += [_text(float(np.median(ratios))), _text(float(ratios.max()))]
        rows.append(row)
    one = [_text(expected_time(lambda ones: 1, n) / least[n]) for n in least]
    rows.append(["always one bit", one[0], one[0], one[1], one[1]])
    yield BenchmarkTable(
        name="leading-ones",
        title=f"Exact expected time over the least one with {ACTIONS} bits ({least[50]:.1f} iterations for "
        f"50 bits, {least[100]:.1f} for 100), learned on 50 bits and carried to 100; median and largest of "
        f"{len(seeds)} seeds.",
        columns=["policy", "50 bits", "largest of 50", "100 bits", "largest of 100"],
        rows=rows,
    )


def _text(ratio: float) -> str:
    """Return a ratio, or a bound for a policy that is nearly stuck."""
    return f"{ratio:.4f}" if ratio <= LARGEST else f"over {LARGEST}"

"""Frequency with which the family of a simulated table is recognised.

Specification 1, section 5.2. Tables of 6 columns; 2,000 rows for the family, 50 for the number of
components against the one that the Bayesian information criterion chooses.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor

from benchmarks.parts import Tables
from methods.characterise import recognise
from methods.characterise.families import Family
from methods.characterise.simulate import COMPONENTS, DEGREES, FACTORS, FAMILIES, draw
from tasks.report.benchmark import BenchmarkTable

TABLES = 50
SIZES = {"normal": 1, "student": 1, "mixture": COMPONENTS, "factors": FACTORS}


def tables(repeat: int) -> Tables:
    """Yield how often the family is right with many rows, and too rich with few."""
    cases = [(family, rows, seed) for rows in (2000, 50) for family in FAMILIES for seed in range(TABLES)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        results = dict(zip(cases, pool.map(_choice, cases, chunksize=5), strict=True))
    yield BenchmarkTable(
        name="family",
        title=f"Family by held-out likelihood, 2,000 rows of 6 columns (t with {DEGREES:g} degrees of "
        f"freedom, {COMPONENTS} components, {FACTORS} factors)",
        columns=["family", "tables", "family right", "size right", "CPU s a table"],
        rows=[
            [
                family,
                TABLES,
                sum(results[family, 2000, seed][0] == family for seed in range(TABLES)),
                sum(results[family, 2000, seed][:2] == (family, SIZES[family]) for seed in range(TABLES)),
                round(sum(results[family, 2000, seed][3] for seed in range(TABLES)) / TABLES, 2),
            ]
            for family in FAMILIES
        ],
    )
    yield BenchmarkTable(
        name="components",
        title="Components chosen with 50 rows of 6 columns",
        columns=["family", "tables", "more than BIC", "more than 1", "more than 1 by BIC"],
        rows=[
            [
                family,
                TABLES,
                sum(
                    _components(results[family, 50, seed]) > results[family, 50, seed][2]
                    for seed in range(TABLES)
                ),
                sum(_components(results[family, 50, seed]) > 1 for seed in range(TABLES)),
                sum(results[family, 50, seed][2] > 1 for seed in range(TABLES)),
            ]
            for family in FAMILIES
        ],
    )


def _choice(case: tuple[Family, int, int]) -> tuple[str, int, int, float]:
    family, rows, seed = case
    start = time.process_time()
    choice = recognise(draw(family, rows, seed=seed), seed=seed)
    seconds = time.process_time() - start
    return choice.chosen.family, choice.chosen.size, choice.bic_components, seconds


def _components(result: tuple[str, int, int, float]) -> int:
    return result[1] if result[0] == "mixture" else 1

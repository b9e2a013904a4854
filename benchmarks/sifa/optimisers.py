"""Optimisers under one random search: gains of the conformal leapfrog.

Specification 4 §6.4 names a loss of 3.1 points of accuracy without its optimiser. The study is that of the
stage sifa-optimisers with more seeds, one more budget, and the leapfrog in the metric of K-FAC beside the
diagonal one: 20 trials each over rate, momentum and damping, a choice on validation rows, and other seeds for
the test rows. A finished pair of task and optimiser is kept, so that a stopped command resumes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import numpy as np
from safetensors.numpy import load
from tqdm import tqdm

from benchmarks.parts import ROOT, Omission, Tables
from benchmarks.sifa._cells import code_key, kept
from methods.sifa.intervals import seed_interval
from tasks.report.benchmark import BenchmarkTable, TextOrNumber
from tasks.sifa.contracts.optimisers import Comparison, SearchResult
from tasks.sifa.contracts.rows import Rows
from tasks.sifa.learning_tasks import TASKS
from tasks.sifa.optimisers import optimisers
from tasks.sifa.params import OptimiserCell, OptimisersParams

OURS = "leapfrog"
KRONECKER = "kfac-leapfrog"
OTHERS = ("adamw", "sgd", "kfac")
LABELS = {"adamw": "AdamW", "sgd": "SGD", "kfac": "K-FAC", OURS: "leapfrog", KRONECKER: "K-FAC leapfrog"}
SETS = ("digits500", "signals", "molecules")
BUDGETS = (100, 300, 1000, 3000)
REPETITIONS = 10
Results = Mapping[str, Mapping[str, list[SearchResult]]]
"""Results by budget, of each task and optimiser."""


def tables(repeat: int) -> Tables:
    """Yield the test losses and the gains over each other optimiser."""
    folder = ROOT / "data" / "sifa"
    if not (folder / "digits500.safetensors").is_file():
        yield Omission(f"{folder} has no sets; run `statewright run sifa-preprocess`")
        return
    files = {name: (folder / f"{name}.safetensors").read_bytes() for name in SETS}
    params = OptimisersParams.model_validate(
        {
            "tasks": TASKS,
            "optimisers": tuple(LABELS),
            "trials": 20,
            "budgets": BUDGETS,
            "repetitions": max(REPETITIONS, repeat),
            "seed": 0,
        }
    )
    hashes = [hashlib.sha256(content).hexdigest() for content in files.values()]
    results = searched({name: load(content) for name, content in files.items()}, hashes, params)
    yield from compared(results, params)


def searched(sets: Mapping[str, Rows], hashes: list[str], params: OptimisersParams) -> Results:
    """Return the results of every task and optimiser; finished ones from disk.

    Parameters
    ----------
    sets : mapping
        Rows of each name of `SETS`.
    hashes : list of str
        Of the files of the sets.
    params : OptimisersParams
    """
    settings = params.model_dump(include={"trials", "budgets", "repetitions", "seed"})
    key = code_key("tasks.sifa.optimisers.optimisers", [settings, hashes])
    results: dict[str, dict[str, list[SearchResult]]] = {}
    for task in tqdm(params.tasks, desc="tasks"):
        results[task] = {}
        for name in params.optimisers:
            cell = OptimiserCell(task=task, optimiser=name)

            def measure(cell: OptimiserCell = cell) -> dict[str, object]:
                return optimisers(**sets, cell=cell, params=params).model_dump()

            found = kept("optimisers", key, f"{task}-{name}", measure)
            results[task][name] = Comparison.model_validate(found).budgets
    return results


def compared(results: Results, params: OptimisersParams) -> Tables:
    """Yield a table of the diagonal metric, and one of the metric of K-FAC."""
    about = (
        f"Mean test loss over {params.repetitions} seeds after a search of {params.trials} trials, by "
        "gradient evaluations; gain of the conformal leapfrog in percent of the other's loss, with a "
        "paired 95 % interval; step h of the leapfrog."
    )
    yield _table("optimisers", about, OURS, OTHERS, results)
    title = (
        f"The same for the leapfrog in the metric of K-FAC. {LABELS['kfac']} has the same search box, metric "
        "and cost; both differ in what is kept where the metric changes, the momentum or the velocity."
    )
    yield _table("kronecker", title, KRONECKER, (*OTHERS, OURS), results)


def _table(name: str, title: str, ours: str, others: tuple[str, ...], results: Results) -> BenchmarkTable:
    rows: list[list[TextOrNumber]] = []
    for task, found in results.items():
        for number, result in enumerate(found[ours]):
            losses = [found[other][number].mean for other in (*others, ours)]
            gains = [gain(found[other][number], result) for other in others]
            step = None if result.rate is None else math.sqrt(result.rate)
            rows.append([task, result.budget, *losses, *gains, step])
    names = [LABELS[other] for other in others]
    columns = ["task", "gradients", *names, LABELS[ours], *(f"over {other}" for other in names), "step"]
    return BenchmarkTable(name=name, title=title, columns=columns, rows=rows)


def gain(other: SearchResult, ours: SearchResult) -> str | None:
    """Return the fall of the test loss in percent, with its paired interval.

    None if a training of either diverged.
    """
    pairs = [(a, b) for a, b in zip(other.test, ours.test, strict=False) if a is not None and b is not None]
    if len(pairs) < max(len(other.test), len(ours.test), 2):
        return None
    first, second = np.array(pairs).T
    found = seed_interval((100 * (first - second) / first.mean()).tolist())
    return f"{found.mean:+.1f} ({found.low:+.1f} to {found.high:+.1f})"

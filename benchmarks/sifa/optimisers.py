"""Optimisers under one random search: gains of the conformal leapfrog.

Specification 4 §6.4 names a loss of 3.1 points of accuracy without its optimiser. The study is that of the
stage sifa-optimisers with more seeds and one more budget: 20 trials each over rate, momentum and damping, a
choice on validation rows, and other seeds for the test rows.
"""

from __future__ import annotations

import math

import numpy as np
from safetensors.numpy import load_file
from tqdm import tqdm

from benchmarks.parts import ROOT, Omission, Tables
from methods.sifa.intervals import seed_interval
from tasks.report.benchmark import BenchmarkTable, TextOrNumber
from tasks.sifa.contracts.optimisers import SearchResult
from tasks.sifa.learning_tasks import TASKS
from tasks.sifa.optimisers import optimisers
from tasks.sifa.params import OptimiserCell, OptimisersParams

OURS = "leapfrog"
OTHERS = ("adamw", "sgd", "kfac")
BUDGETS = (100, 300, 1000, 3000)
REPETITIONS = 10


def tables(repeat: int) -> Tables:
    """Yield the test losses and the gains over each other optimiser."""
    folder = ROOT / "data" / "sifa"
    if not (folder / "digits500.safetensors").is_file():
        yield Omission(f"{folder} has no sets; run `statewright run sifa-preprocess`")
        return
    sets = {name: load_file(folder / f"{name}.safetensors") for name in ("digits500", "signals", "molecules")}
    params = OptimisersParams.model_validate(
        {
            "tasks": TASKS,
            "optimisers": (*OTHERS, OURS),
            "trials": 20,
            "budgets": BUDGETS,
            "repetitions": max(REPETITIONS, repeat),
            "seed": 0,
        }
    )
    rows: list[list[TextOrNumber]] = []
    for task in tqdm(TASKS, desc="tasks"):
        found: dict[str, list[SearchResult]] = {
            name: optimisers(
                **sets, cell=OptimiserCell.model_validate({"task": task, "optimiser": name}), params=params
            ).budgets
            for name in params.optimisers
        }
        for number, budget in enumerate(BUDGETS):
            results = {name: budgets[number] for name, budgets in found.items()}
            losses = [results[name].mean for name in (*OTHERS, OURS)]
            gains = [gain(results[name], results[OURS]) for name in OTHERS]
            rate = results[OURS].rate
            step = None if rate is None else math.sqrt(rate)
            rows.append([task, budget, *losses, *gains, step])
    names = ["AdamW", "SGD", "K-FAC"]
    yield BenchmarkTable(
        name="optimisers",
        title=f"Mean test loss over {params.repetitions} seeds after a search of {params.trials} trials, by "
        "gradient evaluations; gain of the conformal leapfrog in percent of the other's loss, with a paired "
        "95 % interval; step h of the leapfrog.",
        columns=["task", "gradients", *names, "leapfrog", *(f"over {name}" for name in names), "step"],
        rows=rows,
    )


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

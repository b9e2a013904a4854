"""Stage sifa-optimisers: one optimiser on one task, by the same random search."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from tasks.sifa.contracts.optimisers import Comparison, SearchResult
from tasks.sifa.contracts.rows import Rows
from tasks.sifa.learning_tasks import learning_task
from tasks.sifa.params import OptimiserCell, OptimisersParams

if TYPE_CHECKING:
    from methods.sifa.comparison import Loss, Problem, Trial


def optimisers(
    digits500: Rows, signals: Rows, molecules: Rows, *, cell: OptimiserCell, params: OptimisersParams
) -> Comparison:
    """Search the settings on validation rows; repeat each choice with other seeds.

    The search has its own seed. Only the repetitions see the test rows.
    """
    from methods.sifa.comparison import choose, draw_trials, run_trial

    task = learning_task(cell.task, digits500, signals, molecules, params.seed)
    trials = draw_trials(cell.optimiser, params.trials, params.seed)
    searched = [
        run_trial(task, cell.optimiser, trial, params.budgets, params.seed)
        for trial in tqdm(trials, desc=f"{cell.task}, {cell.optimiser}")
    ]
    choices = {budget: choose(searched, budget) for budget in params.budgets}
    seeds = range(params.seed + 1, params.seed + 1 + params.repetitions)
    repeated = {
        choice: [run_trial(task, cell.optimiser, trials[choice], params.budgets, seed) for seed in seeds]
        for choice in set(choices.values()) - {None}
        if choice is not None
    }
    results = []
    for number, (budget, choice) in enumerate(choices.items()):
        diverged = sum(not math.isfinite(trial[number].validation) for trial in searched)
        if choice is None:
            results.append(_empty(budget, diverged))
            continue
        losses = [repetition[number] for repetition in repeated[choice]]
        results.append(_result(trials[choice], searched[choice][number].validation, losses, budget, diverged))
    return Comparison(
        task=cell.task,
        optimiser=cell.optimiser,
        parameters=_parameters(task),
        trials=params.trials,
        budgets=results,
    )


def _result(trial: Trial, validation: float, losses: list[Loss], budget: int, diverged: int) -> SearchResult:
    from methods.sifa.intervals import seed_interval

    test = [loss.test for loss in losses]
    finite = all(math.isfinite(value) for value in test)
    interval = seed_interval(test) if finite else None
    return SearchResult(
        budget=budget,
        rate=trial.rate,
        momentum=trial.momentum,
        damping=trial.damping,
        validation=validation,
        test=[value if math.isfinite(value) else None for value in test],
        mean=None if interval is None else interval.mean,
        lower=None if interval is None else interval.low,
        upper=None if interval is None else interval.high,
        train=float(np.mean([loss.train for loss in losses])) if finite else None,
        diverged=diverged,
    )


def _empty(budget: int, diverged: int) -> SearchResult:
    """Return the result of a search in which every trial diverged."""
    names = ("rate", "momentum", "damping", "validation", "mean", "lower", "upper", "train")
    return SearchResult(budget=budget, test=[], diverged=diverged, **dict.fromkeys(names))


def _parameters(task: Problem) -> int:
    return sum(value.numel() for value in task.build().parameters())

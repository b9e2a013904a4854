"""Stage tuner-choose: choose a program by few measurements.

A search draws its measurements from those of tuner-measure, so that many seeds cost nothing. A prediction is
learnt from cells with another specification and another number of rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tasks.tuner.contracts.choose import CellChoice, Choices, SearchScores, Shares
from tasks.tuner.generator.configuration import Configuration, configurations
from tasks.tuner.measured import Measured, read_measured
from tasks.tuner.params import ChooseParams, EvaluateParams, MatrixParams, ProgramsParams

if TYPE_CHECKING:
    from methods.search.fragments import CostModel
    from methods.search.shortlist import Choice

Floats = NDArray[np.float64]
NAMES = ("attention", "without earlier fragments", "mean of other tables")
"""Predictions: the model, its ablation, and the simplest one."""
ATTENTION, NOTHING = NAMES[0], "no prediction"
SAMPLERS = ("hybrid", "genetic", "random")


@dataclass(frozen=True)
class Predictions:
    """Predicted log costs of the programs of one cell, and the trained model."""

    costs: Mapping[str, Floats]
    model: CostModel


def choose(
    measure: Path,
    *,
    params: ChooseParams,
    evaluate: EvaluateParams,
    matrix: MatrixParams,
    programs: ProgramsParams,
) -> Choices:
    """Choose for each cell; compare attention with other predictions and searches."""
    space = configurations(programs.engines, programs.threads, programs.batch_sizes)
    cells = read_measured(measure, matrix, len(space))
    found = {}
    for cell in tqdm(cells, desc="cells"):
        others = [other for other in cells if other.spec != cell.spec and other.rows != cell.rows]
        found[cell.key] = _choose_cell(cell, predict(cell, others, space, params), space, params, evaluate)
    from tasks.tuner.generator.choose import POSITIONS

    return Choices(
        cells=found,
        shares=shares(list(found.values()), params.seed),
        positions=list(POSITIONS),
        features=sorted(cells[0].features),
    )


def predict(
    cell: Measured, others: Sequence[Measured], space: Sequence[Configuration], params: ChooseParams
) -> Predictions:
    """Predict the costs of a cell from the measurements of others.

    Attention learns what the mean of the other tables leaves: how the costs of a program depend on features.
    """
    from methods.search.fragments import Programs, fit
    from tasks.tuner.generator.choose import encode

    parts = [encode(space, other.features) for other in others]
    together = Programs(
        np.concatenate([part.fragments for part in parts]),
        np.concatenate([part.features for part in parts]),
        parts[0].vocabulary,
    )
    centred = [np.log(other.means) - np.log(other.means).mean(axis=0) for other in others]
    average = np.mean(centred, axis=0)
    left = np.concatenate([logs - average for logs in centred])
    groups = np.repeat(np.arange(len(others)), len(space))
    target = encode(space, cell.features)
    models = [
        fit(together, left, groups, seed=params.seed, epochs=params.epochs, attend=attend)
        for attend in (True, False)
    ]
    predicted = [*(average + model.predict(target) for model in models), average]
    return Predictions(dict(zip(NAMES, predicted, strict=True)), models[0])


def _choose_cell(
    cell: Measured,
    predictions: Predictions,
    space: Sequence[Configuration],
    params: ChooseParams,
    evaluate: EvaluateParams,
) -> CellChoice:
    from scipy.stats import spearmanr

    from methods.search.shortlist import regret
    from tasks.tuner.generator.choose import encode

    budget = int(params.share * len(space))
    truth = regret(cell.means)
    best = int(np.argmin(truth))
    searches = searchers(predictions, space, params, budget)
    choices = {
        name: [search(cell.replay(params.seed + n), params.seed + n) for n in range(params.repetitions)]
        for name, search in searches.items()
    }
    first = choices[ATTENTION][0]
    logs = np.log(cell.means).mean(axis=1)
    return CellChoice(
        spec=cell.spec,
        rows=cell.rows,
        programs=len(space),
        budget=budget,
        evaluations=len(first.order),
        chosen=first.chosen,
        best=best,
        best_cpu=int(np.argmin(cell.means[:, 0])),
        best_wall=int(np.argmin(cell.means[:, 1])),
        configuration=dataclasses.asdict(space[first.chosen]),
        best_configuration=dataclasses.asdict(space[best]),
        ranking={
            name: round(float(spearmanr(costs.mean(axis=1), logs).statistic), 4)
            for name, costs in predictions.costs.items()
        },
        searches={
            name: _scores([truth[c.chosen] / truth[best] for c in found], evaluate.tolerance)
            for name, found in choices.items()
        },
        weights=np.round(predictions.model.weights(encode(space, cell.features)).mean(axis=0), 4).tolist(),
    )


def searchers(
    predictions: Predictions, space: Sequence[Configuration], params: ChooseParams, budget: int
) -> dict[str, Callable[..., Choice]]:
    """Return every search by its name: a function of the measurement and a seed."""
    from methods.search.shortlist import choose as shortlist
    from tasks.tuner.generator.choose import encode

    fragments = encode(space, {}).fragments
    unknown = np.zeros((len(space), 2))
    found: dict[str, Callable[..., Choice]] = {
        name: lambda measure, seed, costs=costs: shortlist(fragments, costs, measure, budget)
        for name, costs in {**predictions.costs, NOTHING: unknown}.items()
    }
    for name in SAMPLERS:
        found[name] = _sampler_search(name, space, params, budget)
    return found


def _sampler_search(
    name: str, space: Sequence[Configuration], params: ChooseParams, budget: int
) -> Callable[..., Choice]:
    from methods.search.genetic import Genetic
    from methods.search.hybrid import Hybrid
    from methods.search.shortlist import searched
    from tasks.tuner.generator.choose import choose_by_sampler, search_space
    from tasks.tuner.samplers import Random

    entries = search_space(space)
    builders: dict[str, Callable[[int], object]] = {
        "hybrid": lambda seed: Hybrid(entries, budget=searched(budget), seed=seed),
        "genetic": lambda seed: Genetic(entries, population=params.population, seed=seed),
        "random": lambda seed: Random(entries, seed),
    }
    return lambda measure, seed: choose_by_sampler(builders[name](seed), space, measure, budget)


def _scores(regrets: list[float], tolerance: float) -> SearchScores:
    values = np.array(regrets)
    return SearchScores(
        regret=round(float(np.exp(np.log(values).mean())), 5),
        worst=round(float(values.max()), 5),
        within=round(float((values <= tolerance).mean()), 5),
        same=round(float((values <= 1).mean()), 5),
    )


def shares(cells: Sequence[CellChoice], seed: int) -> dict[str, Shares]:
    """Return what each step adds to the performance 1 / regret, over cells."""
    performance = {
        name: np.array([1 / cell.searches[name].regret for cell in cells])
        for name in ("genetic", "hybrid", ATTENTION)
    }
    parts = {
        "genetic search": performance["genetic"],
        "Q-learning": performance["hybrid"] - performance["genetic"],
        "attention": performance[ATTENTION] - performance["hybrid"],
    }
    draws = np.random.default_rng(seed).integers(0, len(cells), (2000, len(cells)))
    return {
        name: Shares(
            mean=round(float(values.mean()), 4),
            low=round(float(np.quantile(values[draws].mean(axis=1), 0.025)), 4),
            high=round(float(np.quantile(values[draws].mean(axis=1), 0.975)), 4),
        )
        for name, values in parts.items()
    }

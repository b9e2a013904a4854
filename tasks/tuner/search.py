"""Stage tuner-search: the hybrid beside its parts at an equal budget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tasks.tuner.contracts.search import (
    Equivalent,
    ProblemScores,
    SamplerScores,
    SearchMetrics,
    SearchOutputs,
    ValidationMetrics,
)
from tasks.tuner.params import SearchParams
from tasks.tuner.samplers import Random

if TYPE_CHECKING:
    from tasks.tuner.problems import Problem

Floats = NDArray[np.float64]
VALIDATION = 1000
"""First instance of the validation: far from those of the comparison."""
SMALLEST = 1e-12
"""Loss below which two losses are equal, for logarithms."""
RESAMPLES = 2000


def search(*, params: SearchParams) -> SearchOutputs:
    """Run every sampler on every problem, on the instances of the comparison.

    The validation runs the genetic search only, on other instances, so that tuner-feedback chooses by figures
    that no comparison has.
    """
    from tasks.tuner.problems import problem

    problems: dict[str, ProblemScores] = {}
    for name in tqdm(params.problems, desc="problems"):
        instances = [problem(name, params.dimension, instance) for instance in range(params.instances)]
        draws = [
            instance.values(np.random.default_rng([params.seed, number]), params.random_draws)
            for number, instance in enumerate(instances)
        ]
        curves = {
            sampler: np.array(
                [
                    run(sampler, instance, params, seed=params.seed + number)
                    for number, instance in enumerate(instances)
                ]
            )
            for sampler in params.samplers
        }
        start = float(np.median([np.median(values) for values in draws]))
        problems[name] = ProblemScores(
            samplers={sampler: _scores(curve, start, params) for sampler, curve in curves.items()},
            random_equivalent=_equivalent(draws, float(np.median(curves["hybrid"][:, -1])), params.seed),
        )
    metrics = SearchMetrics(budget=params.budget, generation=params.population, problems=problems)
    return SearchOutputs(metrics, _validation(params))


def run(name: str, problem: Problem, params: SearchParams, *, seed: int) -> Floats:
    """Return the best loss so far after each evaluation, (budget,)."""
    sampler = make(name, problem, params, seed)
    best, curve = math.inf, np.empty(params.budget)
    for number in range(params.budget):
        config = sampler.ask()
        loss = problem.loss(config)
        sampler.tell(config, loss)
        best = min(best, loss)
        curve[number] = best
    return curve


def make(name: str, problem: Problem, params: SearchParams, seed: int) -> Any:
    """Return a sampler of the problem's space.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    from methods.search.genetic import Genetic
    from methods.search.hybrid import Hybrid

    if name == "hybrid":
        return Hybrid(problem.space, budget=params.budget, seed=seed)
    if name == "genetic":
        return Genetic(problem.space, population=params.population, seed=seed)
    if name == "random":
        return Random(problem.space, seed)
    raise ValueError(f"sampler '{name}' is unknown; expected hybrid, genetic or random")


def _scores(curves: Floats, start: float, params: SearchParams) -> SamplerScores:
    median = np.median(curves, axis=0)
    marks = [mark for mark in params.checkpoints if mark <= params.budget]
    return SamplerScores(
        final=[float(f"{value:.6g}") for value in curves[:, -1]],
        median=float(f"{median[-1]:.6g}"),
        curve={mark: float(f"{median[mark - 1]:.6g}") for mark in marks},
        shares={mark: round(float(1 - median[mark - 1] / start), 6) for mark in marks},
    )


def _equivalent(draws: list[Floats], level: float, seed: int) -> Equivalent:
    """Return how many uniformly random points it takes to be as good as `level`."""
    first = np.array(
        [float(hits[0] + 1) if len(hits := np.flatnonzero(values <= level)) else np.inf for values in draws]
    )
    rng = np.random.default_rng(seed)
    medians = np.median(rng.choice(first, (RESAMPLES, len(first))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975], method="inverted_cdf")
    return Equivalent(
        draws=len(draws[0]),
        reached=int(np.isfinite(first).sum()),
        instances=len(first),
        needed=_finite(np.median(first)),
        low=_finite(low),
        high=_finite(high),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _validation(params: SearchParams) -> ValidationMetrics:
    from tasks.tuner.problems import problem

    by_problem: dict[str, float] = {}
    for name in params.problems:
        losses = []
        for number in range(VALIDATION, VALIDATION + params.instances):
            instance = problem(name, params.dimension, number)
            losses.append(run("genetic", instance, params, seed=number)[-1])
        by_problem[name] = round(float(np.mean(np.log10(np.maximum(losses, SMALLEST)))), 4)
    return ValidationMetrics(loss=round(float(np.mean(list(by_problem.values()))), 4), by_problem=by_problem)

"""Runs of samplers on BBOB functions (COCO).

One function of each of BBOB's five groups: sphere, Rosenbrock, bent cigar, rotated Rastrigin, Gallagher's
101 peaks. The settings of the hybrid were chosen on others, on instances that are not used here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statewright.search.genetic import Genetic, default_population
from statewright.search.hybrid import SHARE, Hybrid
from statewright.search.sampler import Sampler, make_sampler
from statewright.search.space import Float, Floats, Space, to_unit

FUNCTIONS = {
    1: "f1 sphere",
    8: "f8 Rosenbrock",
    12: "f12 bent cigar",
    15: "f15 Rastrigin",
    21: "f21 Gallagher 101",
}
DIMENSIONS = (5, 10)
BUDGET = 1500
PRECISION = 1e-8
"""Values below count as this one, as in COCO."""


@dataclass(frozen=True)
class Problem:
    """A function of BBOB on the unit cube, as the distance to its minimum."""

    function: int
    dimension: int
    instance: int

    def values(self, points: Floats) -> Floats:
        """Return the distances of points, (n, d), to the minimum, (n,)."""
        import cocoex

        bare = cocoex.BareProblem("bbob", self.function, self.dimension, self.instance)
        return np.asarray(bare(10 * points - 5), np.float64) - bare.best_value()

    def space(self) -> Space:
        """Return a space of floats between 0 and 1."""
        return {f"x{i}": Float(0, 1) for i in range(self.dimension)}


def problems(function: int, dimension: int, count: int) -> list[Problem]:
    """Return the first instances of a function."""
    return [Problem(function, dimension, instance) for instance in range(1, count + 1)]


def trace(name: str, problem: Problem, budget: int = BUDGET) -> Floats:
    """Return the least value so far after each evaluation, (budget,).

    Parameters
    ----------
    name : str
        A sampler, "genetic then cmaes", or "hybrid without" and a part. The seed is the instance.
    """
    seed = problem.instance
    if name == "random":
        values = problem.values(np.random.default_rng(seed).random((budget, problem.dimension)))
    elif name == "genetic then cmaes":
        values = _genetic_then_cmaes(problem, budget, seed)
    elif name.startswith("hybrid without "):
        part: Any = name.removeprefix("hybrid without ")
        values = _values(Hybrid(problem.space(), budget=budget, seed=seed, without=part), problem, budget)
    else:
        values = _values(make_sampler(name, problem.space(), budget=budget, seed=seed), problem, budget)
    return np.maximum(np.minimum.accumulate(values), PRECISION)


def _values(sampler: Sampler, problem: Problem, budget: int) -> Floats:
    values = np.empty(budget)
    space = problem.space()
    for i in range(budget):
        config = sampler.ask()
        values[i] = problem.values(to_unit(space, config)[None])[0]
        sampler.tell(config, float(values[i]))
    return values


def _genetic_then_cmaes(problem: Problem, budget: int, seed: int) -> Floats:
    """Run the genetic stage of the hybrid, then CMA-ES from its best point."""
    import cma

    first = round(SHARE * budget)
    genetic = Genetic(problem.space(), population=default_population(budget), seed=seed)
    points, values = [], []
    for _ in range(first):
        config = genetic.ask()
        points.append(to_unit(problem.space(), config))
        values.append(float(problem.values(points[-1][None])[0]))
        genetic.tell(config, values[-1])
    order = np.argsort(values)[: 3 * problem.dimension]
    spread = float(np.median(np.abs(np.array(points)[order] - points[order[0]]).max(1)))
    options = {"bounds": [0, 1], "seed": seed + 1, "verbose": -9, "maxfevals": budget - first}
    strategy = cma.CMAEvolutionStrategy(points[order[0]], min(max(spread, 1e-6), 0.1), options)
    while len(values) < budget and not strategy.stop():
        generation = strategy.ask()
        costs = problem.values(np.array(generation))
        strategy.tell(generation, costs.tolist())
        values.extend(costs.tolist())
    return np.array((values + [values[-1]] * budget)[:budget])


def gap_interval(values: Floats, seed: int = 0, share: float = 0.95) -> tuple[float, float]:
    """Return a bootstrap interval of the median of instances."""
    rng = np.random.default_rng(seed)
    medians = np.median(rng.choice(values, (2000, len(values))), axis=1)
    low, high = np.quantile(medians, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)

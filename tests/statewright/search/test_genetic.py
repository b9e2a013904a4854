"""Operators of the genetic search against their formulas; figures on BBOB."""

from __future__ import annotations

import math
from typing import Any

import cocoex
import numpy as np
import pytest
from scipy.stats import chisquare, qmc

from statewright.search.genetic import (
    ALPHA,
    CROSSOVER,
    STEPS,
    TOURNAMENT,
    Genetic,
    crossover,
    default_population,
    latin_hypercube,
    mutate,
    tournament,
)
from statewright.search.space import Choice, Float, Integer, Space

NO_CHOICES = np.array([False])


def children(parents: np.ndarray, alpha: float, rng: np.random.Generator) -> np.ndarray:
    """Return as many children of random pairs, without selection or mutation."""
    pairs = rng.integers(len(parents), size=(len(parents), 2))
    return np.array([crossover(parents[i], parents[j], NO_CHOICES, rng, alpha) for i, j in pairs])


def blend(parents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return children of the specification, a theta_1 + (1 - a) theta_2."""
    pairs = rng.integers(len(parents), size=(len(parents), 2))
    shares = rng.random((len(parents), 1))
    return shares * parents[pairs[:, 0]] + (1 - shares) * parents[pairs[:, 1]]


def test_plain_blending_contracts_to_the_mean_and_ours_does_not() -> None:
    # Ten generations without selection: a variance times (2/3)^10 = 0.017 against more than before.
    rng = np.random.default_rng(0)
    start = rng.normal(0.5, 0.05, (2000, 1))
    blended, ours = start, start
    for _ in range(10):
        blended, ours = blend(blended, rng), children(ours, ALPHA, rng)
    assert blended.var() / start.var() == pytest.approx((2 / 3) ** 10, rel=0.3)
    assert blended.mean() == pytest.approx(start.mean(), abs=0.01)
    assert ours.var() > start.var()


@pytest.mark.parametrize("alpha", [0.0, 0.366, ALPHA])
def test_the_variance_changes_by_the_factor_of_the_formula(alpha: float) -> None:
    # Four standard errors of a variance of 20,000 normal values are 4 %; children have heavier tails.
    rng = np.random.default_rng(1)
    start = rng.normal(0.5, 0.02, (20_000, 1))
    factor = 0.5 + (1 + 2 * alpha) ** 2 / 6
    assert children(start, alpha, rng).var() / start.var() == pytest.approx(factor, rel=0.06)


def test_a_search_without_a_gradient_keeps_its_spread() -> None:
    # With equal values nothing is selected; plain blending would end at one point.
    genetic = Genetic({"x": Float(0, 1)}, population=40, seed=0)
    points = []
    for _ in range(1200):
        config = genetic.ask()
        points.append(config["x"])
        genetic.tell(config, 1.0)
    # The uniform distribution has 0.289.
    assert np.std(points[-200:]) > 0.15


def test_crossover_stays_inside_and_takes_choices_from_a_parent() -> None:
    rng = np.random.default_rng(2)
    choices = np.array([True, False, False, False])
    first = np.array([0.1, 0.0, np.nan, np.nan])
    second = np.array([0.9, 1.0, 0.3, np.nan])
    drawn = np.array([crossover(first, second, choices, rng) for _ in range(2000)])
    assert set(drawn[:, 0]) == {0.1, 0.9}
    assert abs((drawn[:, 0] == 0.1).mean() - 0.5) < 0.05
    assert ((drawn[:, 1] >= 0) & (drawn[:, 1] <= 1)).all()
    # Without a reflection, half of the children would be at the bounds.
    assert len(set(drawn[:, 1])) == 2000
    assert (drawn[:, 2] == 0.3).all()
    assert np.isnan(drawn[:, 3]).all()


def test_a_tournament_selects_by_rank() -> None:
    rng, n, k = np.random.default_rng(3), 6, TOURNAMENT
    costs = np.array([5.0, 1e300, -3.0, math.inf, 0.0, 7.0])
    drawn = np.bincount([tournament(costs, rng) for _ in range(20_000)], minlength=n)
    ranks = costs.argsort()
    expected = [((n - i) ** k - (n - i - 1) ** k) / n**k for i in range(n)]
    assert chisquare(drawn[ranks], 20_000 * np.array(expected)).pvalue > 1e-3


def test_mutation_changes_a_gene_in_d_by_the_size_of_its_steps() -> None:
    rng, d = np.random.default_rng(4), 4
    genes, levels = np.full(d, 0.5), np.full(d, np.inf)
    moves = np.array([mutate(genes, levels, np.zeros(d, bool), rng) for _ in range(20_000)]) - 0.5
    changed = moves != 0
    # Four standard errors of a share of 80,000.
    assert changed.mean() == pytest.approx(1 / d, abs=4 * math.sqrt(0.25 * 0.75 / 80_000))
    assert changed.any(axis=1).mean() == pytest.approx(1 - (1 - 1 / d) ** d, abs=0.015)
    # Of a log-uniform step s, E[s^2] = (b^2 - a^2) / (2 log(b / a)).
    low, high = STEPS
    variance = (high**2 - low**2) / (2 * math.log(high / low))
    assert moves[changed].var() == pytest.approx(variance, rel=0.1)
    assert moves[changed].mean() == pytest.approx(0, abs=4 * math.sqrt(variance / changed.sum()))


def test_mutation_of_a_choice_gives_each_other_value() -> None:
    rng = np.random.default_rng(5)
    middles = (np.arange(5) + 0.5) / 5
    drawn = [mutate(middles[[1]], np.array([5.0]), np.array([True]), rng)[0] for _ in range(8000)]
    counts = np.bincount((np.array(drawn) * 5).astype(int), minlength=5)
    assert counts[1] == 0
    assert chisquare(counts[[0, 2, 3, 4]]).pvalue > 1e-3


def test_mutation_reaches_the_next_integer() -> None:
    # A step of 0.0001 of the range would almost never leave one of five integers.
    rng = np.random.default_rng(6)
    drawn = [mutate(np.array([0.5]), np.array([5.0]), NO_CHOICES, rng)[0] for _ in range(2000)]
    assert (np.floor(np.array(drawn) * 5) != 2).mean() > 0.3


def test_the_first_generation_is_a_latin_hypercube() -> None:
    points = latin_hypercube(20, 3, np.random.default_rng(7))
    for axis in points.T:
        assert sorted((axis * 20).astype(int)) == list(range(20))
    # More even than most random designs.
    random = [qmc.discrepancy(np.random.default_rng(i).random((20, 3))) for i in range(40)]
    assert qmc.discrepancy(points) < np.median(random)
    genetic = Genetic({"x": Float(0, 20), "y": Float(0, 1)}, population=20, seed=1)
    assert sorted(int(genetic.ask()["x"]) for _ in range(20)) == list(range(20))


def test_the_best_survive() -> None:
    rng = np.random.default_rng(8)
    genetic = Genetic({"x": Float(0, 1), "c": Choice(["a", "b", "c"])}, population=10, seed=0)
    told: list[float] = []
    for _ in range(10 + 30 * 9):
        config = genetic.ask()
        told.append(float(rng.normal()))
        genetic.tell(config, told[-1])
        # The first generation is of 10, each later one of 9 and the best of the last.
        if len(told) >= 10 and len(told) % 9 == 1:
            costs = [parent.cost for parent in genetic.parents]
            assert costs == [min(told[:-9]), *told[-9:]] if len(told) > 10 else costs == told


def test_configs_repeat_only_when_the_space_is_exhausted() -> None:
    space: Space = {"a": Integer(0, 5), "b": Choice(["x", "y"])}
    genetic = Genetic(space, population=4, seed=0)
    configs = []
    for _ in range(12):
        config = genetic.ask()
        configs.append(tuple(config.values()))
        genetic.tell(config, float(config["a"]))
    # Ten attempts for a config find nearly all.
    assert len(set(configs)) >= 11


def test_the_population_grows_with_the_budget() -> None:
    assert [default_population(budget) for budget in (1, 50, 200, 1500, 10**6)] == [6, 10, 20, 30, 30]


@pytest.mark.parametrize("population", [1, 0, -3, 2.5, None])
def test_a_bad_population_is_refused(population: Any) -> None:
    with pytest.raises(ValueError, match=r"the population is .*; expected a whole number of at least 2"):
        Genetic({"x": Float(0, 1)}, population=population)


def test_the_smallest_population_works() -> None:
    genetic = Genetic({"x": Float(0, 1)}, population=2)
    for _ in range(30):
        config = genetic.ask()
        genetic.tell(config, config["x"])
    assert min(parent.cost for parent in genetic.parents) < 0.1
    assert 0 < CROSSOVER <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("function", "plain"), [(1, 0.003), (8, 4.98), (15, 12.3)])
def test_bbob_in_five_dimensions(function: int, plain: float) -> None:
    # Medians over five instances after 1,500 evaluations, at most those of a plain genetic search.
    errors = []
    for instance in range(1, 6):
        problem = cocoex.BareProblem("bbob", function, 5, instance)
        genetic = Genetic({f"x{i}": Float(-5, 5) for i in range(5)}, population=20, seed=instance)
        best = math.inf
        for _ in range(1500):
            config = genetic.ask()
            value = problem(list(config.values()))
            genetic.tell(config, value)
            best = min(best, value)
        errors.append(best - problem.best_value())
    assert np.median(errors) <= plain

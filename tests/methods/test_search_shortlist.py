"""A few measurements choose among many programs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from methods.search.shortlist import NOISE, PRIOR, choose, indicators, posterior, regret, searched, verify

PROGRAMS = np.array(list(product(range(3), range(3, 5), range(5, 9), range(9, 13))))


def additive(seed: int) -> np.ndarray:
    """Return CPU and wall costs whose logarithms add up over fragments."""
    effects = np.random.default_rng(seed).normal(0, 0.4, 13)
    cpu = np.exp(effects[PROGRAMS].sum(axis=1))
    return np.stack([cpu, 0.9 * cpu], axis=1)


def test_the_correction_is_bayesian_linear_regression():
    x = indicators(PROGRAMS)
    measured = [3, 50, 91, 7]
    residuals = np.random.default_rng(0).normal(size=(4, 2))
    precision = x[measured].T @ x[measured] / NOISE**2 + np.eye(x.shape[1]) / PRIOR**2
    covariance = np.linalg.inv(precision)
    expected = x @ covariance @ x[measured].T @ residuals / NOISE**2
    mean, deviation = posterior(x, measured, residuals)
    assert mean == pytest.approx(expected, abs=1e-9)
    assert deviation == pytest.approx(np.sqrt(np.einsum("ij,jk,ik->i", x, covariance, x)), abs=1e-9)


def test_indicators_name_each_fragment_and_each_pair_with_the_first():
    x = indicators(PROGRAMS)
    assert x.shape == (96, 3 + 2 + 4 + 4 + 3 * (2 + 4 + 4))
    assert (x.sum(axis=1) == 4 + 3).all()


@pytest.mark.parametrize("seed", range(8))
def test_without_a_prediction_an_additive_optimum_is_found_with_few_measurements(seed):
    costs = additive(seed)
    budget = 29
    choice = choose(PROGRAMS, np.zeros_like(costs), lambda program: costs[program], budget)
    assert len(choice.order) == len(choice.costs) == budget
    assert regret(costs)[choice.chosen] < 1.1


def test_a_wrong_prediction_is_overruled_by_measurements():
    costs = additive(0)
    choice = choose(PROGRAMS, -np.log(costs), lambda program: costs[program], 48)
    assert regret(costs)[choice.order[0]] == regret(costs).max() > 10
    assert regret(costs)[choice.chosen] < 2


def test_verification_undoes_a_lucky_measurement():
    truth = {0: 1.0, 1: 1.1, 2: 1.2, 3: 2.0}
    lucky = [np.array([0.9]), np.array([0.5]), np.array([1.2]), np.array([2.0])]
    choice = verify([0, 1, 2, 3], lucky, lambda program: np.array([truth[program]]), 34)
    assert choice.chosen == 0
    assert len(choice.order) == 34
    assert set(choice.order[4:]) == {0, 1, 2}


def test_regret_weighs_cpu_and_wall_alike():
    costs = np.array([[1.0, 2.0], [1.2, 1.0], [1.0, 1.5]])
    assert regret(costs) == pytest.approx([2.0, 1.2, 1.5])


def test_a_budget_has_measurements_for_both_parts():
    assert [searched(budget) for budget in (2, 10, 30)] == [1, 6, 18]
    with pytest.raises(ValueError, match="at least 2"):
        choose(PROGRAMS, np.zeros((96, 2)), lambda program: np.ones(2), 1)

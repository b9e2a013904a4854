"""The learners, against values that dynamic programming gives."""

from __future__ import annotations

import numpy as np
import pytest

from statewright.search.qlearning import Linear, Step, Table, choose, learn, run_episode


class Walk:
    """Steps left or right on 0..5 from 2; each costs 1, the left end 4 more."""

    actions = (-1, 1)

    def start(self, rng):
        return 2

    def step(self, state, action, rng):
        place = state + (self.actions[action] if rng.random() < 0.8 else -self.actions[action])
        if place in (0, 5):
            return Step(-1 if place else -5, None)
        return Step(-1, place)


def exact_values():
    """Return the values of the walk by value iteration, (states, actions)."""
    values = np.zeros((6, 2))
    for _ in range(500):
        best = values.max(1)
        best[[0, 5]] = -4, 0
        for state in range(1, 5):
            for action, (ahead, back) in enumerate([(-1, 1), (1, -1)]):
                values[state, action] = -1 + 0.8 * best[state + ahead] + 0.2 * best[state + back]
    return values


def one_hot(state):
    return np.eye(6)[state]


@pytest.mark.parametrize("learner", [Table(2, rate=0.8), Linear(one_hot, np.zeros((2, 6)))])
def test_the_values_converge_to_those_of_dynamic_programming(learner):
    rng = np.random.default_rng(0)
    for _ in range(6000):
        run_episode(Walk(), learner, epsilon=0.5, rng=rng)
    learned = np.array([learner.values(state) for state in range(1, 5)])
    np.testing.assert_allclose(learned, exact_values()[1:5], atol=0.25)
    assert (learned.argmax(1) == exact_values()[1:5].argmax(1)).all()


def test_one_update_is_the_equation():
    table = Table(2, rate=1.0)
    table.update("next", 1, 7.0)
    table.update("here", 0, 2.0)
    learn(table, "here", 0, Step(1.0, "next"), discount=0.5)
    # The second update of the pair has the step size 1/2: 2 + (1 + 0.5 * 7 - 2) / 2.
    assert table.values("here") == [pytest.approx(3.25), 0.0]
    learn(table, "next", 1, Step(-1.0, None))
    assert table.values("next")[1] == pytest.approx(3.0)


def test_a_step_of_a_linear_learner_reaches_its_target():
    linear = Linear(lambda state: np.array([1.0, state]), np.zeros((2, 2)))
    linear.update(3.0, 1, 5.0)
    assert linear.values(3.0) == [0.0, pytest.approx(5.0)]
    assert linear.values(-1 / 3)[1] == pytest.approx(0.0)


def test_the_least_step_size_follows_a_value_that_changes():
    follows, forgets_nothing = (
        Linear(lambda state: np.ones(1), np.zeros((1, 1)), rate=1.0, slowest=slowest)
        for slowest in (0.2, 0.0)
    )
    for target in [0.0] * 100 + [1.0] * 20:
        follows.update(None, 0, target)
        forgets_nothing.update(None, 0, target)
    assert follows.values(None)[0] == pytest.approx(1 - 0.8**20)
    assert forgets_nothing.values(None)[0] == pytest.approx(20 / 120)


def test_a_choice_is_greedy_or_uniform():
    rng = np.random.default_rng(0)
    assert {choose([0.0, 3.0, 1.0], 0.0, rng) for _ in range(20)} == {1}
    counts = np.bincount([choose([0.0, 3.0, 1.0], 0.3, rng) for _ in range(4000)])
    np.testing.assert_allclose(counts / 4000, [0.1, 0.8, 0.1], atol=0.02)

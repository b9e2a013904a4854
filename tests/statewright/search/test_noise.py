"""Search with noise: honest values, counts, and flat objectives."""

from __future__ import annotations

import numpy as np
import pytest

from statewright.search.noise import FLAT, minimise
from statewright.search.space import Choice, Float, Integer

PLANE = {"x": Float(0, 1), "y": Float(0, 1)}


class Counted:
    """An objective that counts its calls and seeds."""

    def __init__(self, mean, deviation):
        self.mean, self.deviation, self.seeds = mean, deviation, []

    def __call__(self, config, seed):
        self.seeds.append(seed)
        return self.mean(config) + self.deviation * np.random.default_rng(seed).standard_normal()


def bowl(config):
    return 10 * ((config["x"] - 0.3) ** 2 + (config["y"] - 0.8) ** 2)


def test_the_luckiest_draw_of_pure_noise_is_not_reported():
    outcomes = [
        minimise(Counted(lambda config: 0.0, 1.0), PLANE, budget=150, seed=seed, repeats=10)
        for seed in range(20)
    ]
    values = np.array([outcome.value for outcome in outcomes])
    # Unbiased: the mean of 20 means of 10 draws has the standard error 0.07. The least of
    # about 100 draws is near -2.5.
    assert abs(values.mean()) < 0.21
    assert np.mean([outcome.luckiest for outcome in outcomes]) < -2
    assert sum(outcome.found for outcome in outcomes) <= 2
    assert "nothing was found" in next(o for o in outcomes if not o.found).sentence


@pytest.mark.parametrize("sampler", ["hybrid", "random", "genetic"])
def test_an_optimum_is_found_through_noise(sampler):
    outcomes = [
        minimise(Counted(bowl, 0.3), PLANE, budget=300, seed=seed, sampler=sampler) for seed in range(5)
    ]
    assert all(outcome.found for outcome in outcomes)
    # The mean of the plane is 2.0; the deviation of a single value is 0.3.
    assert np.median([bowl(outcome.config) for outcome in outcomes]) < 0.3
    assert np.mean([abs(o.value - bowl(o.config)) for o in outcomes]) < 0.3


def test_all_calls_count_and_have_fresh_seeds():
    objective = Counted(bowl, 0.3)
    outcome = minimise(objective, PLANE, budget=100, seed=0)
    assert outcome.evaluations == len(objective.seeds) == len(set(objective.seeds)) == 100
    assert outcome == minimise(Counted(bowl, 0.3), PLANE, budget=100, seed=0)


def test_proposals_that_repeat_are_answered_from_the_cache():
    space = {"n": Integer(1, 4), "kind": Choice(["a", "b"])}
    objective = Counted(lambda config: config["n"] + (config["kind"] == "a"), 0.0)
    outcome = minimise(objective, space, budget=500, seed=0)
    assert outcome.config == {"n": 1, "kind": "b"}
    # One evaluation a config, and one that shows that there is no noise.
    assert outcome.evaluations == len(objective.seeds) == 9
    assert outcome.from_cache >= 100
    assert outcome.reason == "exhausted"
    assert (outcome.value, outcome.error, outcome.found) == (1, 0, True)
    assert "9 evaluations" in outcome.sentence


def test_a_flat_objective_ends_early_and_says_so():
    outcome = minimise(Counted(lambda config: 3.0, 0.0), PLANE, budget=1000, seed=0)
    assert outcome.evaluations <= FLAT + 1
    assert (outcome.found, outcome.reason) == (False, "flat")
    assert outcome.sentence.startswith("nothing was found: the objective is 3 everywhere")


def test_an_objective_that_always_fails_finds_nothing():
    outcome = minimise(lambda config, seed: None, PLANE, budget=30, seed=0)
    assert (outcome.config, outcome.found, outcome.evaluations) == (None, False, 25)
    assert "nothing was found" in outcome.sentence


@pytest.mark.parametrize(("budget", "repeats"), [(5, 5), (10, 1)])
def test_a_budget_without_room_for_the_repeats_is_refused(budget, repeats):
    with pytest.raises(ValueError, match="at least 2 repeats and a larger budget"):
        minimise(Counted(bowl, 0.3), PLANE, budget=budget, seed=0, repeats=repeats)

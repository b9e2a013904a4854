"""Samplers on problems with a known optimum, counted evaluation by evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from methods.search.space import check_space, sample
from tasks.rounds import Journal
from tasks.tuner import search as stage
from tasks.tuner.contracts.search import ValidationMetrics
from tasks.tuner.feedback import POPULATION, feedback
from tasks.tuner.params import FeedbackParams, SearchParams
from tasks.tuner.problems import PROBLEMS, problem
from tasks.tuner.search import _equivalent, run, search

PARAMS = SearchParams(
    problems=("sphere", "mixed"),
    samplers=("hybrid", "genetic", "random"),
    dimension=3,
    budget=80,
    population=10,
    checkpoints=(20, 80),
    instances=3,
    random_draws=2000,
    seed=0,
)


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_the_loss_of_single_configs_and_of_many_points_is_the_same(name):
    built = problem(name, 3, 7)
    check_space(built.space)
    rng = np.random.default_rng(0)
    singles = [built.loss(sample(built.space, rng)) for _ in range(1500)]
    many = built.values(np.random.default_rng(1), 1500)
    assert ks_2samp(singles, many).pvalue > 0.001
    assert min(*singles, *many) > 0


@pytest.mark.parametrize("name", ["sphere", "rosenbrock", "rastrigin"])
def test_the_optimum_is_0_inside_the_box_and_differs_between_instances(name):
    function = PROBLEMS[name]
    assert function(np.zeros((1, 3)))[0] == pytest.approx(0, abs=1e-12)
    assert function(np.full((1, 3), 0.3))[0] > 0.01
    middle = {f"x{i}": 0.0 for i in range(3)}
    assert len({problem(name, 3, instance).loss(middle) for instance in range(5)}) == 5


def test_every_ask_is_counted_and_the_curve_never_rises(monkeypatch):
    counted = []
    build = stage.make

    def make(*arguments):
        sampler = build(*arguments)
        ask = sampler.ask
        monkeypatch.setattr(sampler, "ask", lambda: counted.append(1) or ask(), raising=False)
        return sampler

    monkeypatch.setattr(stage, "make", make)
    for name in PARAMS.samplers:
        counted.clear()
        curve = run(name, problem("mixed", 3, 0), PARAMS, seed=0)
        assert len(counted) == len(curve) == PARAMS.budget
        assert (np.diff(curve) <= 0).all()


def test_scores_are_medians_over_instances_and_shares_of_the_way():
    outputs = search(params=PARAMS)
    again = search(params=PARAMS)
    assert outputs == again
    sphere = outputs.search.problems["sphere"].samplers
    assert sphere["hybrid"].median == pytest.approx(np.median(sphere["hybrid"].final))
    assert sphere["genetic"].median < sphere["random"].median
    assert sphere["genetic"].curve[80] == sphere["genetic"].median
    assert 0 < sphere["random"].shares[20] <= sphere["random"].shares[80] <= 1
    assert outputs.validation.loss == pytest.approx(
        np.mean(list(outputs.validation.by_problem.values())), abs=1e-4
    )


def test_the_evaluations_of_random_search_are_those_of_a_geometric_draw():
    probability = 0.02
    draws = [np.random.default_rng(seed).uniform(size=5000) for seed in range(400)]
    found = _equivalent(draws, probability, seed=0)
    assert found.reached == found.instances == 400
    expected = np.log(0.5) / np.log(1 - probability)
    assert found.low <= expected <= found.high
    assert found.low <= found.needed <= found.high
    never = _equivalent(draws, -1.0, seed=0)
    assert (never.reached, never.needed, never.low) == (0, None, None)


def test_a_comparison_needs_the_hybrid():
    with pytest.raises(ValueError, match="lacks hybrid"):
        SearchParams.model_validate({**PARAMS.model_dump(), "samplers": ("genetic",)})


def entry(number, score, was, now):
    patch = [{"key": POPULATION, "was": was, "now": now}]
    return {"round": number, "time": "t", "reason": "r", "score": score, "patch": patch}


def proposal(loss, rounds, population):
    return feedback(
        ValidationMetrics(loss=loss, by_problem={"sphere": loss, "mixed": loss - 1}),
        Journal(rounds),
        params=FeedbackParams(patience=2, least_gain=0.05),
        search=PARAMS.model_copy(update={"population": population}),
    )


def test_feedback_doubles_then_halves_and_stops_at_the_best():
    first = proposal(-2.0, [], 10)
    assert [(patch.key, patch.was, patch.now) for patch in first.patch] == [(POPULATION, 10, 20)]
    assert "sphere has the largest loss" in first.reason
    worse = proposal(-1.5, [entry(1, -2.0, 10, 20)], 20)
    assert [(patch.was, patch.now) for patch in worse.patch] == [(20, 5)]
    gain = proposal(-2.5, [entry(1, -2.0, 10, 20)], 20)
    assert "a gain: accepted" in gain.reason
    assert gain.patch[0].now == 40
    rounds = [entry(1, -2.0, 10, 20), entry(2, -1.5, 20, 5), entry(3, -1.4, 5, 10)]
    assert proposal(-2.0, rounds, 10).stop

"""Comparison of optimisers: budgets, draws, choice on validation rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from methods.sifa import comparison
from methods.sifa.comparison import Loss, Problem, Rows, Trial, choose, draw_trials, run_trial
from methods.sifa.problems import coulomb_spectrum, problem

NAMES = ("adamw", "sgd", "kfac", "leapfrog", "kfac-leapfrog")


@pytest.fixture
def regression() -> Problem:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 5))
    y = x @ rng.normal(size=5) + 0.1 * rng.normal(size=120)
    return problem(x, y, np.arange(80), np.arange(80, 120), hidden=0)


def test_every_optimiser_draws_the_same_uniform_numbers() -> None:
    drawn = {name: draw_trials(name, 7, seed=3) for name in NAMES}  # type: ignore[arg-type]
    for name in NAMES:
        assert [trial.momentum for trial in drawn[name]] == [trial.momentum for trial in drawn["sgd"]]
        low, high = comparison.RATES[name]
        shares = [math.log(trial.rate / low) / math.log(high / low) for trial in drawn[name]]
        expected = np.random.default_rng(3).uniform(size=(7, 3))[:, 0]
        assert shares == pytest.approx(expected.tolist(), abs=1e-12)
        assert all(0 <= trial.momentum <= 0.99 for trial in drawn[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_counts_every_backward_pass(name: str, regression: Problem, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    # Counted at the loss and at the measurement of K-FAC, not by the code under test.
    passes = {"loss": 0, "factors": 0}
    loss, factors = comparison.mean_loss, comparison.kronecker_factors

    def counted_loss(model: nn.Module, rows: Rows, kind: str) -> torch.Tensor:
        passes["loss"] += torch.is_grad_enabled()
        return loss(model, rows, kind)  # type: ignore[arg-type]

    def counted_factors(*arguments, **named):  # type: ignore[no-untyped-def]
        passes["factors"] += 1
        return factors(*arguments, **named)

    monkeypatch.setattr(comparison, "mean_loss", counted_loss)
    monkeypatch.setattr(comparison, "kronecker_factors", counted_factors)
    found = run_trial(regression, name, Trial(1e-3, 0.5, 0.1), (23, 57), seed=0)  # type: ignore[arg-type]
    assert [entry.budget for entry in found] == [23, 57]
    spent = passes["loss"] + passes["factors"]
    assert 56 <= spent <= 57
    assert passes["factors"] == (6 if "kfac" in name else 0)


@pytest.mark.parametrize("name", NAMES)
def test_every_optimiser_learns_a_linear_regression(name: str, regression: Problem) -> None:
    rates = {"adamw": 0.05, "sgd": 0.1, "kfac": 0.5, "leapfrog": 0.1, "kfac-leapfrog": 0.5}
    trial = Trial(rates[name], 0.5, 1e-3 if "kfac" in name else 1e-8 if name == "adamw" else 1.0)
    early, late = run_trial(regression, name, trial, (1, 300), seed=0)  # type: ignore[arg-type]
    rows = regression.train
    inputs = np.c_[rows.x.double().numpy(), np.ones(len(rows.x))]
    best = np.linalg.lstsq(inputs, rows.y.double().numpy(), rcond=None)[1][0] / len(inputs) / 2
    assert late.train == pytest.approx(best, rel=0.25)
    assert late.test < 0.1 * early.test


def test_the_leapfrog_has_the_rate_and_momentum_of_the_heavy_ball(regression: Problem) -> None:
    # With a large damping its metric is 1, and both are the same training.
    ours = run_trial(regression, "leapfrog", Trial(0.02, 0.8, 1e9), (90,), seed=0)
    theirs = run_trial(regression, "sgd", Trial(0.02, 0.8, 1.0), (90,), seed=0)
    assert ours[0].test == pytest.approx(theirs[0].test, rel=1e-4)


def test_a_training_that_diverges_is_infinitely_bad(regression: Problem) -> None:
    found = run_trial(regression, "sgd", Trial(1e6, 0.9, 1.0), (10, 200), seed=0)
    assert found[-1] == Loss(200, math.inf, math.inf, math.inf)


def test_the_choice_uses_validation_rows_only(regression: Problem) -> None:
    swapped = replace(regression, test=Rows(regression.test.x, -9 * regression.test.y))
    trials = draw_trials("sgd", 5, seed=0)
    chosen = []
    for task in (regression, swapped):
        searched = [run_trial(task, "sgd", trial, (20, 60), seed=0) for trial in trials]
        chosen.append([choose(searched, budget) for budget in (20, 60)])
    assert chosen[0] == chosen[1]
    losses = [[Loss(20, 0.0, value, 0.0)] for value in (3.0, 1.0, math.inf, 2.0)]
    assert choose(losses, 20) == 1
    assert choose([[Loss(20, 0.0, math.inf, 0.0)]], 20) is None


def test_a_seed_gives_the_same_training_and_another_seed_another(regression: Problem) -> None:
    mlp = replace(regression, build=lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1)))
    runs = [run_trial(mlp, "leapfrog", Trial(0.05, 0.5, 0.1), (50,), seed) for seed in (0, 0, 1)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_problem_standardises_by_its_training_rows() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(5, 3, size=(50, 2, 2)), rng.integers(3, size=50)
    task = problem(x, y, np.arange(40), np.arange(40, 50), hidden=4)
    assert (len(task.train.x), len(task.validation.x), len(task.test.x)) == (30, 10, 10)
    assert task.train.x.mean(dim=0).numpy() == pytest.approx(np.zeros(4), abs=1e-6)
    assert task.train.x.std(dim=0, correction=0).numpy() == pytest.approx(np.ones(4), abs=1e-5)
    assert task.kind == "classification"
    rows = {tuple(row) for part in (task.train, task.validation) for row in part.x.tolist()}
    assert not rows & {tuple(row) for row in task.test.x.tolist()}
    moved = x.copy()
    moved[40:] += 100
    assert torch.equal(problem(moved, y, np.arange(40), np.arange(40, 50)).train.x, task.train.x)


def test_the_coulomb_spectrum_is_that_of_its_definition_and_does_not_turn() -> None:
    rng = np.random.default_rng(2)
    x = np.zeros((3, 5, 4))
    x[:, :4, 0] = rng.integers(1, 9, size=(3, 4))
    x[:, :4, 1:] = rng.normal(size=(3, 4, 3))
    matrix = np.zeros((5, 5))
    for i in range(4):
        for j in range(4):
            z = x[0, [i, j], 0]
            distance = np.linalg.norm(x[0, i, 1:] - x[0, j, 1:])
            matrix[i, j] = 0.5 * z[0] ** 2.4 if i == j else z[0] * z[1] / distance
    expected = sorted(np.linalg.eigvalsh(matrix), key=abs, reverse=True)
    found = coulomb_spectrum(x)
    assert found[0] == pytest.approx(np.array(expected), abs=1e-9)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turned = x.copy()
    turned[:, :4, 1:] = x[:, :4, 1:] @ turn + 3
    assert coulomb_spectrum(turned[:, [2, 0, 3, 1, 4]]) == pytest.approx(found, abs=1e-9)

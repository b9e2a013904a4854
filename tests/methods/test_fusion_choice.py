"""Choice of an operator, intervals over resplits, calibrated decisions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from methods.fusion.blend import BLEND, combined, fit_weights
from methods.fusion.choice import Data, assign_folds, choose, sample
from methods.fusion.operators import Settings, fit, fit_all
from methods.fusion.resplits import random_splits, resplit_scores
from methods.fusion.scores import calibration, clustered_error, corrected_interval, decide, row_losses
from methods.fusion.views import Problem, take
from methods.fusion.workers import call_each

BINARY, VALUE = Problem("classification", 2), Problem("regression", 0)
NAMES = ("late-average", "early", "late-stacked")
NEW_PROCESS = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}


def simulated(rows: int, seed: int, groups: int | None = None) -> Data:
    rng = np.random.default_rng(seed)
    views = {"a": rng.normal(size=(rows, 2)), "b": rng.normal(size=(rows, 2))}
    y = (views["a"][:, 0] + views["b"][:, 0] + rng.normal(size=rows) > 0).astype(float)
    return Data(views, y, BINARY, None if groups is None else rng.integers(groups, size=rows))


def test_nested_scores_are_those_of_an_explicit_double_loop() -> None:
    data = simulated(60, 0)
    choice = choose(data, NAMES, Settings(), folds=3)

    def predicted(name: str, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        operator = fit(name, take(data.views, train), data.y[train], BINARY, Settings())
        return operator.predict(take(data.views, test))

    for outer in range(3):
        train, test = np.flatnonzero(choice.fold != outer), np.flatnonzero(choice.fold == outer)
        inner: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
        for name in NAMES:
            chance = predicted(name, train, test)
            correct = float((chance.argmax(axis=1) == data.y[test]).mean())
            assert choice.scores[name][outer] == pytest.approx(correct)
            np.testing.assert_allclose(choice.held_out[name][test], chance)
            for held in (fold for fold in range(3) if fold != outer):
                rows = np.flatnonzero(choice.fold == held)
                both = np.flatnonzero((choice.fold != outer) & (choice.fold != held))
                chance = predicted(name, both, rows)
                inner[name].append(chance)
        held = np.concatenate([np.flatnonzero(choice.fold == j) for j in range(3) if j != outer])
        joined = {name: np.concatenate(parts) for name, parts in inner.items()}
        weights = fit_weights(joined, data.y[held], BINARY)
        assert choice.picked[outer] == max(weights, key=lambda name: weights[name])
        chance = combined({name: choice.held_out[name][test] for name in NAMES}, weights)
        np.testing.assert_allclose(choice.held_out[BLEND][test], chance, atol=1e-6)
    truth = choice.held_out[BLEND].argmax(axis=1) == data.y
    assert choice.score == pytest.approx(truth.mean())
    assert choice.regret == pytest.approx(max(choice.means[name] for name in NAMES) - choice.score)
    assert choice.weights == fit_weights({name: choice.held_out[name] for name in NAMES}, data.y, BINARY)
    whole = fit("late-stacked", data.views, data.y, BINARY, Settings()).details
    assert choice.details["late-stacked"].importance == pytest.approx(whole.importance)
    assert choice.details["late-stacked"].parameters == pytest.approx(whole.parameters)


def test_the_weights_of_two_operators_have_a_closed_form() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=300)
    held_out = {"a": y + rng.normal(size=300), "b": y + 1.5 * rng.normal(size=300) + 0.1}
    slope = held_out["a"] - held_out["b"]
    share = float(slope @ (y - held_out["b"]) / (slope @ slope))
    assert 0.5 < share < 0.9
    weights = fit_weights(held_out, y, VALUE)
    assert weights == pytest.approx({"a": share, "b": 1 - share}, abs=1e-5)
    assert fit_weights({"a": y, "b": y + 1}, y, VALUE) == {"a": 1.0}


@pytest.mark.parametrize("problem", [Problem("classification", 3), VALUE], ids=["classes", "values"])
def test_the_weights_are_those_of_a_general_optimiser(problem: Problem) -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(2)
    y = rng.integers(3, size=150).astype(float)
    target = problem.targets(y)
    parts = {}
    for index in range(4):
        noisy = target + (0.5 + 0.2 * index) * rng.normal(size=target.shape)
        parts[f"o{index}"] = noisy if problem.classes else noisy[:, 0]
    design = np.stack([part.ravel() for part in parts.values()], axis=1)

    def loss(point: np.ndarray) -> float:
        return float(((target.ravel() - design @ point) ** 2).mean())

    unit = {"type": "eq", "fun": lambda point: point.sum() - 1}
    found = minimize(loss, np.full(4, 0.25), bounds=[(0, 1)] * 4, constraints=unit, tol=1e-12).x
    expected = {f"o{index}": weight for index, weight in enumerate(found)}
    assert min(found) > 0.05  # so that no operator is left out
    assert fit_weights(parts, y, problem) == pytest.approx(expected, abs=1e-4)


def test_a_blend_predicts_the_weighted_mean_of_its_operators() -> None:
    data, later = simulated(80, 3), simulated(20, 4).views
    weights = {"late-average": 0.7, "boosting": 0.3}
    fitted = fit_all([BLEND, "early"], data.views, data.y, BINARY, Settings(weights=weights))
    assert list(fitted) == [BLEND, "early"]
    alone = {name: fit(name, data.views, data.y, BINARY, Settings()) for name in weights}
    expected = 0.7 * alone["late-average"].predict(later) + 0.3 * alone["boosting"].predict(later)
    np.testing.assert_allclose(fitted[BLEND].predict(later), expected)
    assert fitted[BLEND].details.importance == alone["late-average"].details.importance


def test_a_blend_without_a_modality_is_that_of_the_operators_trained_for_it() -> None:
    data, later = simulated(80, 3), simulated(20, 4).views
    lost = {"a": later["a"], "b": np.where(np.arange(20)[:, None] < 8, np.nan, later["b"])}
    weights = {"late-average": 0.5, "late-stacked": 0.2, "early": 0.3}
    fitted = fit_all([BLEND, *weights], data.views, data.y, BINARY, Settings(weights=weights))
    values = {name: fitted[name].predict(lost) for name in weights}
    native = (0.5 * values["late-average"] + 0.2 * values["late-stacked"]) / 0.7
    every = 0.7 * native + 0.3 * values["early"]
    expected = np.where(np.arange(20)[:, None] < 8, native, every)
    np.testing.assert_allclose(fitted[BLEND].predict(lost), expected)
    often = take(data.views, slice(None))
    often["b"][:20] = np.nan  # a quarter of the training rows: every operator has seen the loss
    fitted = fit_all([BLEND, *weights], often, data.y, BINARY, Settings(weights=weights))
    every = combined({name: fitted[name].predict(lost) for name in weights}, weights)
    np.testing.assert_allclose(fitted[BLEND].predict(lost), every)


def test_a_blend_is_better_than_the_best_operator_where_they_err_on_different_rows() -> None:
    rng = np.random.default_rng(5)
    gains = []
    for _ in range(20):
        y = rng.normal(size=200)
        parts = {name: y + rng.normal(size=200) for name in ("a", "b", "c")}
        weights = fit_weights({name: part[:100] for name, part in parts.items()}, y[:100], VALUE)
        error = {name: float(((part - y)[100:] ** 2).mean()) for name, part in parts.items()}
        blended = float(((combined(parts, weights) - y)[100:] ** 2).mean())
        gains.append(min(error.values()) - blended)
    assert np.mean(gains) == pytest.approx(1 - 1 / 3, abs=0.15)  # three independent errors of variance 1


def test_a_group_is_never_divided() -> None:
    data = simulated(200, 2, groups=25)
    assert data.groups is not None
    fold = assign_folds(data, 4, seed=0)
    assert all(len(np.unique(fold[data.groups == group])) == 1 for group in np.unique(data.groups))
    for train, test in random_splits(data, 5, 0.25, seed=0):
        assert not set(data.groups[train]) & set(data.groups[test])
    rows = sample(data, 80, seed=0)
    assert 0 < len(rows) <= 80
    assert not set(data.groups[rows]) & set(np.delete(data.groups, rows))


def test_the_corrected_interval_without_overlap_is_that_of_the_t_test() -> None:
    from scipy.stats import t, ttest_1samp

    differences = np.random.default_rng(3).normal(0.1, 1, size=20)
    naive = corrected_interval(differences, 1e-12)
    expected = ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (naive.low, naive.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    wide = corrected_interval(differences, 0.25)
    half = t.ppf(0.975, 19) * np.sqrt((1 / 20 + 1 / 3) * differences.var(ddof=1))
    assert wide.high - wide.mean == pytest.approx(half)


def test_the_corrected_interval_covers_where_the_naive_one_does_not() -> None:
    rng = np.random.default_rng(4)
    covered = {0.2: 0, 1e-12: 0}
    for _ in range(200):
        gains = rng.choice([-1.0, 1.0], size=100)  # of rows, with the expectation 0
        means = np.array([gains[rng.permutation(100)[:20]].mean() for _ in range(20)])
        for share in covered:
            interval = corrected_interval(means, share)
            covered[share] += interval.low <= 0 <= interval.high
    assert covered[0.2] > 170
    assert covered[1e-12] < 150


def test_a_clustered_error_of_equal_rows_is_that_of_the_groups() -> None:
    values = np.random.default_rng(5).normal(size=30)
    repeated, groups = np.repeat(values, 4), np.repeat(np.arange(30), 4)
    assert clustered_error(repeated, groups) == pytest.approx(values.std(ddof=1) / np.sqrt(30))
    assert clustered_error(values, None) == pytest.approx(values.std(ddof=1) / np.sqrt(30))


def test_decisions_are_calibrated_and_cover() -> None:
    rng = np.random.default_rng(6)
    logits = rng.normal(size=(4000, 3))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.array([rng.choice(3, p=p) for p in truth])
    sharp = truth**3 / (truth**3).sum(axis=1, keepdims=True)
    decisions = decide(sharp[2000:], sharp[:2000], y[:2000], Problem("classification", 3), alpha=0.1)
    assert decisions.temperature == pytest.approx(3.0, abs=0.4)
    assert calibration(decisions.predicted, y[2000:]).error < 0.04
    assert calibration(sharp[2000:], y[2000:]).error > 0.1
    covered = decisions.predicted[np.arange(2000), y[2000:]] >= 1 - decisions.radius
    assert covered.mean() == pytest.approx(0.9, abs=0.02)
    noise = rng.normal(size=4000)
    value = decide(np.zeros(2000), np.zeros(2000), noise[:2000], VALUE, alpha=0.2)
    assert (np.abs(noise[2000:]) <= value.radius).mean() == pytest.approx(0.8, abs=0.03)


def test_the_scores_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import brier_score_loss, log_loss, r2_score

    rng = np.random.default_rng(7)
    chance, y = rng.random(200), rng.integers(2, size=200)
    figures = calibration(np.column_stack([1 - chance, chance]), y)
    assert figures.brier == pytest.approx(2 * brier_score_loss(y, chance))
    assert figures.log_loss == pytest.approx(log_loss(y, chance))
    values, predicted = rng.normal(size=50), rng.normal(size=50)
    losses = row_losses(predicted, values, VALUE, float(values.var()))
    assert 1 - losses.mean() == pytest.approx(r2_score(values, predicted))


def test_a_permuted_noise_modality_costs_nothing_and_a_needed_one_does() -> None:
    rng = np.random.default_rng(8)
    views = {"signal": rng.normal(size=(300, 2)), "noise": rng.normal(size=(300, 2))}
    data = Data(views, (views["signal"][:, 0] > 0).astype(float), BINARY)
    splits = random_splits(data, 4, 0.3, seed=0)
    parts = resplit_scores(data, ["late-stacked", "prior"], Settings(), splits, ["late-stacked"])
    drop = {m: np.mean([part.drops["late-stacked"].permuted[m] for part in parts]) for m in views}
    assert drop["signal"] > 0.3
    assert abs(drop["noise"]) < 0.05
    # Without the signal, the operator is no better than the shares of the classes.
    lost = np.mean([part.drops["late-stacked"].absent["signal"] for part in parts])
    gain = np.mean([part.scores["late-stacked"] - part.scores["prior"] for part in parts])
    assert lost == pytest.approx(gain, abs=0.1)


def test_the_number_of_processes_changes_no_byte() -> None:
    # In a new process: after other tests, the libraries of this one may use other kernels than its children.
    code = "import test_fusion_choice as tests; tests.compare_numbers_of_processes()"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, env=NEW_PROCESS, check=True)


def compare_numbers_of_processes() -> None:
    """Compare the results of one and of two processes."""
    data = simulated(60, 9)
    names = ["late-stacked", "early", "boosting"]
    alone, divided = (choose(data, names, Settings(), folds=3, processes=n) for n in (1, 2))
    assert {name: x.tobytes() for name, x in alone.held_out.items()} == {
        name: x.tobytes() for name, x in divided.held_out.items()
    }
    assert (alone.chosen, alone.picked, alone.regret) == (divided.chosen, divided.picked, divided.regret)
    splits = random_splits(data, 2, 0.3, seed=1)
    one, two = (resplit_scores(data, names, Settings(), splits, names, processes=n) for n in (1, 2))
    assert one == two


def _threads(_: int) -> set[int]:
    return {int(library["num_threads"]) for library in threadpool_info()}


@pytest.mark.parametrize("processes", [1, 2])
def test_a_call_has_one_thread_although_the_stage_has_two(
    monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with threadpool_limits(2):
        assert 2 in _threads(0)
        assert call_each(_threads, [(0,), (1,)], processes) == [{1}, {1}]

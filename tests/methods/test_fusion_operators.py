"""Operators of fusion: closed forms, absence, and what each of them must find."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from methods.fusion import context as sequences
from methods.fusion import neural
from methods.fusion.experts import fit_expert, fit_ridge
from methods.fusion.late import fit_experts, fit_late
from methods.fusion.networks import Dropout, NetworkOutput, Vectors
from methods.fusion.operators import NEURAL, OPERATORS, Settings, fit, fit_all
from methods.fusion.views import Problem, Scaler, patterns, present, take, without

BINARY, VALUE = Problem("classification", 2), Problem("regression", 0)


def simulated(rows: int, seed: int, noise: float = 0.5) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return two modalities whose first columns add up to the target."""
    rng = np.random.default_rng(seed)
    views = {"a": rng.normal(size=(rows, 3)), "b": rng.normal(size=(rows, 2))}
    return views, views["a"][:, 0] + views["b"][:, 0] + noise * rng.normal(size=rows)


def test_an_expert_is_the_gaussian_process_of_scikit_learn() -> None:
    views, y = simulated(40, 0)
    later = simulated(15, 1)[0]["a"]
    expert = fit_expert(views["a"], (y - y.mean())[:, None], seed=0)
    scaler = Scaler.fit(views["a"])
    scale = np.sqrt(expert.median / (2 * expert.width))
    oracle = GaussianProcessRegressor(
        ConstantKernel(1.0, "fixed") * RBF(scale, "fixed"), alpha=expert.noise, optimizer=None
    ).fit(scaler.apply(views["a"]) / np.sqrt(3), y - y.mean())
    expected = oracle.predict(scaler.apply(later) / np.sqrt(3))
    np.testing.assert_allclose(expert.deviation(later)[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize("grouped", [False, True])
def test_held_out_predictions_are_those_of_models_without_the_block(grouped: bool) -> None:
    rng = np.random.default_rng(2)
    features, targets = rng.normal(size=(30, 5)), rng.normal(size=(30, 2))
    groups = np.repeat(np.arange(10), 3) if grouped else None
    ridge = fit_ridge(features, targets, groups)
    blocks = groups if groups is not None else np.arange(30)
    for block in np.unique(blocks):
        out = blocks == block
        kept = features[~out]
        weights = np.linalg.solve(kept.T @ kept + ridge.noise * np.eye(5), kept.T @ targets[~out])
        np.testing.assert_allclose(ridge.held_out[out], features[out] @ weights, atol=1e-9)


def test_the_evidence_is_the_likelihood_at_the_best_scale() -> None:
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(3)
    features, target = rng.normal(size=(12, 20)), rng.normal(size=12)
    ridge = fit_ridge(features, target[:, None])
    covariance = features @ features.T + ridge.noise * np.eye(12)
    scale = float(target @ np.linalg.solve(covariance, target)) / 12
    likelihood = multivariate_normal(np.zeros(12), scale * covariance).logpdf(target)
    assert ridge.evidence == pytest.approx(likelihood + 6 * np.log(2 * np.pi) + 6, abs=1e-6)


def test_an_absent_modality_leaves_the_expert_of_the_other_one() -> None:
    views, y = simulated(120, 4)
    labels = (y > 0).astype(int)
    later = simulated(30, 5)[0]
    fitted = fit_all(["late-average", "late-stacked", "only:a"], views, labels, BINARY, Settings())
    lost = without(later, ["b"])
    for name in ("late-average", "late-stacked"):
        np.testing.assert_allclose(fitted[name].predict(lost), fitted["only:a"].predict(later), atol=1e-9)


def test_a_row_without_any_modality_gets_the_shares_of_the_classes() -> None:
    views, y = simulated(90, 6)
    labels = (y > 0.5).astype(int)
    nothing = without(take(views, slice(0, 4)), ["a", "b"])
    predicted = fit("late-average", views, labels, BINARY, Settings()).predict(nothing)
    np.testing.assert_allclose(predicted, np.tile(np.bincount(labels) / 90, (4, 1)))


def test_stacking_beats_the_average_where_one_modality_is_noise() -> None:
    rng = np.random.default_rng(7)
    views = {"signal": rng.normal(size=(400, 2)), "noise": rng.normal(size=(400, 2))}
    y = views["signal"][:, 0] + 0.3 * rng.normal(size=400)
    train, test = slice(0, 200), slice(200, None)
    experts = fit_experts(take(views, train), y[train], VALUE, seed=0)
    average, stack = (fit_late("late", experts, stacked=stacked) for stacked in (False, True))
    error = [float(((f.predict(take(views, test)) - y[test]) ** 2).mean()) for f in (average, stack)]
    assert error[1] < 0.6 * error[0]
    assert stack.details.importance["signal"] > 0.9


@pytest.mark.parametrize("problem", [BINARY, VALUE], ids=["classes", "values"])
@pytest.mark.parametrize("name", [name for name in OPERATORS if name not in NEURAL])
def test_operators_predict_with_missing_cells_rows_and_modalities(name: str, problem: Problem) -> None:
    assert_learns(name, problem)


@pytest.mark.slow
@pytest.mark.parametrize("name", NEURAL)
def test_networks_predict_with_missing_cells_rows_and_modalities(name: str) -> None:
    assert_learns(name, BINARY)


def assert_learns(name: str, problem: Problem) -> None:
    """Check the score, and that absent modalities give numbers."""
    views, y = simulated(300, 8, noise=0.2)
    y = (y > 0).astype(float) if problem.classes else y
    rng = np.random.default_rng(9)
    train = {k: x[:200].copy() for k, x in views.items()}
    train["a"][rng.random((200, 3)) < 0.05] = np.nan
    train["b"][:30] = np.nan
    later = take(views, slice(200, None))
    fitted = fit(name, train, y[:200], problem, Settings())
    predicted = fitted.predict(later)
    if problem.classes:
        np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-5)
        assert (predicted.argmax(axis=1) == y[200:]).mean() > 0.8
    else:
        assert np.corrcoef(predicted, y[200:])[0, 1] > 0.8
    assert np.isfinite(fitted.predict(without(later, ["a"]))).all()
    assert np.isfinite(fitted.predict(without(later, ["a", "b"]))).all()


def test_products_are_found_by_the_interaction_and_not_by_an_average() -> None:
    rng = np.random.default_rng(10)
    views = {"a": rng.normal(size=(900, 1)), "b": rng.normal(size=(900, 1))}
    labels = (views["a"][:, 0] * views["b"][:, 0] > 0).astype(int)
    train, test = slice(0, 600), slice(600, None)
    fitted = fit_all(["late-average", "interaction"], take(views, train), labels[train], BINARY, Settings())
    correct = {
        name: float((operator.predict(take(views, test)).argmax(axis=1) == labels[test]).mean())
        for name, operator in fitted.items()
    }
    assert correct["interaction"] > 0.9
    assert correct["late-average"] < 0.65


def test_dropout_keeps_the_mean_and_the_share_of_torch() -> None:
    x, dropout = torch.ones(200_000), Dropout(0.2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        dropped = dropout(x)
        oracle = torch.nn.Dropout(0.2)(x)
    assert dropped.unique().tolist() == oracle.unique().tolist() == [0.0, 1.25]
    # The standard error of either share is .0009.
    assert float((dropped == 0).float().mean()) == pytest.approx(0.2, abs=0.004)
    assert torch.equal(dropout.eval()(x), x)


def test_a_network_trains_and_predicts_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []

    class Watched(neural.InteractionNetwork):
        def forward(self, vectors: Vectors, present: torch.Tensor) -> NetworkOutput:
            counts.append(torch.get_num_threads())
            return super().forward(vectors, present)

    monkeypatch.setattr(neural, "InteractionNetwork", Watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        views, y = simulated(30, 14)
        fit("interaction", views, y, VALUE, Settings()).predict(views)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert len(counts) > 10
    assert set(counts) == {1}


def test_an_unknown_operator_or_modality_is_an_error_that_names_the_known_ones() -> None:
    views, y = simulated(20, 11)
    with pytest.raises(ValueError, match=r"no operator mixture; expected one of late-average.*only:b"):
        fit("mixture", views, y, VALUE, Settings())
    with pytest.raises(ValueError, match="only:c"):
        fit("only:c", views, y, VALUE, Settings())
    with pytest.raises(ValueError, match="the blend has no weights"):
        fit("blend", views, y, VALUE, Settings())


def test_patterns_partition_the_rows() -> None:
    views, _ = simulated(6, 12)
    views["a"][:2] = np.nan
    views["b"][1:3] = np.nan
    found = {tuple(map(bool, pattern)): rows.tolist() for pattern, rows in patterns(present(views))}
    # Row 2 lacks b, row 0 lacks a, row 1 lacks both.
    assert found == {
        (False, True): [0],
        (False, False): [1],
        (True, False): [2],
        (True, True): [3, 4, 5],
    }


def test_smoothing_is_the_posterior_mean_of_a_gaussian_process() -> None:
    context = sequences.Context(0.4, 0.8, 0.3)
    scores, sequence = np.array([1.0, -2.0, 0.5, 3.0]), np.zeros(4, int)
    smoothed = sequences.smooth(scores, sequence, context, 0.5)
    prior = sequences.correlation(4, context)
    oracle = np.sqrt(0.5) * prior @ np.linalg.inv(0.5 * prior + 0.5 * np.eye(4)) @ (scores / scores.std())
    np.testing.assert_allclose(smoothed, oracle, atol=1e-12)
    assert prior[0, 3] == pytest.approx(0.4 * 0.8**2)


def test_context_recovers_the_share_of_the_signal_and_helps() -> None:
    rng = np.random.default_rng(13)
    truth = sequences.Context(0.8, 0.9, 0.0)
    root = np.linalg.cholesky(sequences.correlation(40, truth))
    latent = (rng.normal(size=(600, 40)) @ root.T).ravel()
    sequence = np.repeat(np.arange(600), 40)
    scores = np.sqrt(0.3) * latent + np.sqrt(0.7) * rng.normal(size=24000)
    context = sequences.fit_context(latent[:12000], sequence[:12000])
    assert context.height == pytest.approx(0.8, abs=0.05)
    assert context.decay == pytest.approx(0.9, abs=0.05)
    share = sequences.share_of_signal(scores[12000:], sequence[12000:], context)
    assert share == pytest.approx(0.3, abs=0.06)
    smoothed = sequences.smooth(scores[12000:], sequence[12000:], context, share)
    alone, together = (float(((s > 0) == (latent[12000:] > 0)).mean()) for s in (scores[12000:], smoothed))
    assert together > alone + 0.08

"""Find products of modalities, and measure the importance of each modality.

In the simulated data each modality has three columns, and the class is the sign of the product of one column
of `left` and one of `right`: no modality alone says anything. Seeds are fixed; tolerances are those of the
specification.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch.nn.functional import binary_cross_entropy_with_logits

from methods.fusion.importance import Difference, paired_difference, permutation_drop
from methods.fusion.interaction import InteractionFusion
from methods.training import Objective, Settings, Validation, fit, seeded, shuffled

ROWS, TEST_ROWS, SEEDS = 2000, 4000, (0, 1)
PAIR, NOISE, COPY = ("left", "right"), ("left", "right", "noise"), ("left", "right", "copy")


@pytest.mark.parametrize("modalities", [1, 2, 3])
def test_the_product_is_a_contraction_of_the_outer_product(modalities):
    """Build the weights of the full outer product of ``[x_m; 1]`` by numpy."""
    widths, rank, out = (3, 2, 4)[:modalities], 2, 2
    with seeded(modalities):
        module = InteractionFusion(dict(zip("abc", widths, strict=False)), out, rank).double()
        torch.nn.init.normal_(module.bias)
        vectors = [torch.randn(5, width, dtype=torch.float64) for width in widths]
    part = {name: value.detach().numpy() for name, value in module.named_parameters()}
    axes = "ijk"[:modalities]
    factors = [
        np.concatenate([part[f"factors.{m}"], part["constants"][m][:, None]], axis=1)
        for m in range(modalities)
    ]
    full = np.einsum(f"{','.join(f'r{axis}o' for axis in axes)},ro->{axes}o", *factors, part["mixture"])
    extended = [np.hstack([vector.numpy(), np.ones((5, 1))]) for vector in vectors]
    outer = np.einsum(f"{','.join(f'n{axis}' for axis in axes)}->n{axes}", *extended)
    expected = np.einsum(f"n{axes},{axes}o->no", outer, full) + part["bias"]
    assert full.shape == (*(width + 1 for width in widths), out)
    fused = module(dict(zip("abc", vectors, strict=False)))
    assert fused.detach().numpy() == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(3)), st.integers(0, 2**31))
def test_the_order_of_the_modalities_has_no_effect(order, seed):
    columns = {"a": 2, "b": 1, "c": 3}
    with seeded(seed):
        module = InteractionFusion(columns, 2, 3).double()
        vectors = {name: torch.randn(4, width, dtype=torch.float64) for name, width in columns.items()}
        present = torch.rand(4, 3) < 0.6
    names = [list(columns)[index] for index in order]
    other = InteractionFusion({name: columns[name] for name in names}, 2, 3).double()
    with torch.no_grad():
        for factor, index in zip(other.factors, order, strict=True):
            factor.copy_(module.factors[index])
        other.constants.copy_(module.constants[list(order)])
        other.mixture.copy_(module.mixture)
        other.bias.copy_(module.bias)
    first, second = module(vectors, present), other(vectors, present[:, list(order)])
    assert torch.allclose(first, second, rtol=0, atol=1e-12)


def test_an_absent_modality_may_be_nan():
    with seeded(0):
        module = InteractionFusion({"a": 2, "b": 2}, 1, 2)
        vectors = {"a": torch.randn(2, 2), "b": torch.randn(2, 2)}
    present = torch.tensor([[True, True], [True, False]])
    gap = vectors | {"b": torch.stack([vectors["b"][0], torch.full((2,), torch.nan)])}
    zero = vectors | {"b": torch.stack([vectors["b"][0], torch.zeros(2)])}
    fused = module(gap, present)
    assert torch.equal(fused, module(zero))
    fused.sum().backward()
    assert all(weights.grad.isfinite().all() for weights in module.parameters())


def simulated(seed: int, rows: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return modalities and classes that only the product of two columns predicts."""
    rng = np.random.default_rng(seed)
    views = {name: rng.normal(size=(rows, 3)) for name in ("left", "right", "noise")}
    views["copy"] = views["left"]
    return views, (views["left"][:, 0] * views["right"][:, 1] > 0).astype(int)


def predicted(module: InteractionFusion, views: dict[str, np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        return module({name: torch.tensor(view).float() for name, view in views.items()})[:, 0].numpy()


@cache
def fitted(names: tuple[str, ...], seed: int) -> InteractionFusion:
    """Return the operator, trained on 1,600 rows and stopped on 400."""
    views, classes = simulated(seed, ROWS)
    inputs = {name: torch.tensor(views[name]).float() for name in names}
    target = torch.tensor(classes).float()
    training, validation = torch.arange(ROWS).split([1600, 400])
    with seeded(seed) as generator:
        module = InteractionFusion(dict.fromkeys(names, 3), 1, 4)

        def loss(rows):
            part = {name: tensor[rows] for name, tensor in inputs.items()}
            return binary_cross_entropy_with_logits(module(part)[:, 0], target[rows])

        fit(
            module,
            torch.optim.AdamW(module.parameters(), lr=0.03, weight_decay=0.01),
            Objective(
                shuffled(training, 100, generator), loss, lambda _: Validation(float(loss(validation)))
            ),
            Settings(epochs=30, patience=6, clip=1.0),
        )
    return module


def errors(names: tuple[str, ...], seed: int):
    """Return the test rows, and a function from them to 0 or 1 per row."""
    views, classes = simulated(1000 + seed, TEST_ROWS)
    module = fitted(names, seed)

    def losses(part):
        return ((predicted(module, part) > 0) != classes).astype(float)

    return {name: views[name] for name in names}, losses


def late_average(seed: int) -> float:
    """Return the AUC of the average of one logistic regression per modality."""
    views, classes = simulated(seed, ROWS)
    later, later_classes = simulated(1000 + seed, TEST_ROWS)
    parts = [("left", slice(0, 3)), ("right", slice(3, 6))]
    model = VotingClassifier(
        [
            (name, make_pipeline(FunctionTransformer(lambda x, c=columns: x[:, c]), LogisticRegression()))
            for name, columns in parts
        ],
        voting="soft",
    ).fit(np.hstack([views[name] for name in PAIR]), classes)
    scores = model.predict_proba(np.hstack([later[name] for name in PAIR]))[:, 1]
    return float(roc_auc_score(later_classes, scores))


@pytest.mark.parametrize("seed", SEEDS)
def test_modalities_whose_product_predicts_the_target_are_found(seed):
    """Require AUC >= .95 where averaging has .5, and importance above two errors."""
    later, classes = simulated(1000 + seed, TEST_ROWS)
    scores = predicted(fitted(PAIR, seed), {name: later[name] for name in PAIR})
    assert roc_auc_score(classes, scores) >= 0.95
    assert late_average(seed) == pytest.approx(0.5, abs=0.04)
    views, losses = errors(PAIR, seed)
    for name in PAIR:
        drop = permutation_drop(losses, views, [name], seed=seed)
        assert drop.mean > 2 * drop.error
        # Permuting one factor of the product leaves a coin toss.
        assert drop.mean == pytest.approx(0.5 - losses(views).mean(), abs=0.03)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_noise_modality_has_no_importance_and_costs_at_most_a_point(seed):
    views, losses = errors(NOISE, seed)
    drop = permutation_drop(losses, views, ["noise"], seed=seed)
    assert abs(drop.mean) <= 2 * drop.error
    without, losses_without = errors(PAIR, seed)
    assert losses(views).mean() - losses_without(without).mean() <= 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_a_copied_modality_earns_nothing(seed):
    """Add a copy of `left`: the gain is at most a point, in either direction.

    The model divides its attention between the copies, so that each has a drop of its own; permuted
    together they have that of the original.
    """
    views, losses = errors(COPY, seed)
    without, losses_without = errors(PAIR, seed)
    gain = paired_difference(losses_without(without), losses(views))
    assert gain.mean <= 2 * gain.error
    assert abs(gain.mean) <= 0.01
    alone = permutation_drop(losses_without, without, ["left"], seed=seed)
    together = permutation_drop(losses, views, ["left", "copy"], seed=seed)
    assert together.mean == pytest.approx(alone.mean, abs=0.03)


def test_the_drop_is_the_mean_over_all_pairs_of_rows():
    """Compare with the exact expectation ``mean_ij loss(x_i, z_j)``."""
    rng = np.random.default_rng(0)
    views = {"x": rng.normal(size=(30, 2)), "z": rng.normal(size=(30, 1))}

    def losses(part):
        return (part["x"][:, 0] * part["z"][:, 0] - 1) ** 2 + part["x"][:, 1]

    exact = np.mean(
        [losses({"x": views["x"], "z": np.repeat(views["z"][[j]], 30, axis=0)}) for j in range(30)]
    ) - np.mean(losses(views))
    drop = permutation_drop(losses, views, ["z"], seed=1, repeats=4000)
    assert drop.mean == pytest.approx(exact, abs=0.03 * abs(exact) + 0.01)
    both = permutation_drop(losses, views, ["x", "z"], seed=1, repeats=5)
    assert both.mean == pytest.approx(0, abs=1e-12)


def test_the_drop_equals_that_of_scikit_learn():
    """Compare one column with `permutation_importance`, over 600 permutations."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 2))
    y = x @ [1.0, 0.3] + 0.1 * rng.normal(size=60)
    model = Ridge().fit(x, y)
    oracle = permutation_importance(
        model, x, y, scoring="neg_mean_squared_error", n_repeats=600, random_state=0
    )

    def losses(views):
        return (model.predict(np.hstack([views["a"], views["b"]])) - y) ** 2

    for index, name in enumerate("ab"):
        drop = permutation_drop(losses, {"a": x[:, :1], "b": x[:, 1:]}, [name], seed=3, repeats=600)
        assert drop.mean == pytest.approx(oracle.importances_mean[index], rel=0.03)


def test_the_error_is_calibrated_for_a_model_that_fits_noise():
    """Draw 300 test sets of pure noise: at most 7.5 % are beyond two errors, not 0."""
    outside = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        views = {"x": rng.normal(size=(200, 1)), "z": rng.normal(size=(200, 1))}
        y = views["x"][:, 0] + rng.normal(size=200)

        def losses(part, y=y):
            return (part["x"][:, 0] + 0.5 * part["z"][:, 0] - y) ** 2

        drop = permutation_drop(losses, views, ["z"], seed=seed)
        outside += abs(drop.mean) > 2 * drop.error
    assert 0.02 * 300 <= outside <= 0.075 * 300


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=20))
def test_a_paired_difference_is_antisymmetric_and_that_of_statistics(pairs):
    first, second = np.array(pairs).T
    result, reverse = paired_difference(first, second), paired_difference(second, first)
    assert (result.mean, result.error) == pytest.approx((-reverse.mean, reverse.error), abs=1e-12)
    assert result.mean == pytest.approx(first.mean() - second.mean(), abs=1e-12)
    assert paired_difference(first, first) == Difference(0.0, 0.0)


def test_wrong_names_and_sizes_raise_an_error():
    views = {"a": np.zeros((3, 1))}
    with pytest.raises(ValueError, match="unknown modality b; expected some of a"):
        permutation_drop(lambda part: part["a"][:, 0], views, ["b"], seed=0)
    with pytest.raises(ValueError, match="expected the same two or more rows"):
        paired_difference(np.zeros(1), np.zeros(1))
    with pytest.raises(ValueError, match="expected 1 or more of each"):
        InteractionFusion({"a": 2}, 1, 0)

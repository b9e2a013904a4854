"""Compare attacks with exact programs, with foolbox, and with closed forms."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from methods.trust.attacks import Ball, accuracy, fgsm, margin, maximise, pgd
from methods.trust.hardening import Recipe, train
from methods.trust.relu import Layers, worst_margin


def row_cross_entropy(logits, y):
    return cross_entropy(logits, y, reduction="none")


def small_network(sizes, seed):
    torch.manual_seed(seed)
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def as_layers(model):
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    return Layers(
        tuple(layer.weight.detach().numpy().astype(float) for layer in linear),
        tuple(layer.bias.detach().numpy().astype(float) for layer in linear),
    )


def rings(n, seed):
    """Return three classes by distance from the origin, in three dimensions."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(-1, 1, size=(n, 3))
    y = np.digitize(np.linalg.norm(x, axis=1), [0.6, 0.9])
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


@pytest.fixture(scope="module")
def ring_network():
    model, (x, y) = small_network([3, 8, 6, 3], 0), rings(600, 0)
    train(model, x, y, row_cross_entropy, None, Recipe(epochs=40, learning_rate=0.02))
    return model


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x / 16, y, test_size=0.33, random_state=0, stratify=y)
    return [torch.tensor(part, dtype=torch.float32 if i < 2 else torch.int64) for i, part in enumerate(parts)]


@pytest.fixture(scope="module")
def digit_network(digits):
    model = small_network([64, 48, 10], 1)
    train(model, digits[0], digits[2], row_cross_entropy, None, Recipe(epochs=40))
    return model


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0.01, 0.5))
def test_the_exact_margin_bounds_and_is_met_by_a_dense_sample(seed, radius):
    layers = as_layers(small_network([2, 5, 3], seed))
    x = np.random.default_rng(seed).uniform(-1, 1, size=2)
    axis = np.linspace(-radius, radius, 81)
    box = np.clip(x + np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2), -1, 1)
    logits = layers(box)
    label = int(layers(x[None])[0].argmax())
    others = np.delete(logits, label, axis=1).max(axis=1) - logits[:, label]
    exact = worst_margin(layers, x, label, radius, (-1, 1))
    assert others.max() <= exact + 1e-6
    # The network is Lipschitz: half a grid step off the maximum.
    assert exact <= others.max() + 0.05 * radius + 1e-6


@pytest.mark.parametrize("radius", [0.05, 0.1, 0.2])
def test_robust_accuracy_is_within_two_points_of_the_exact_value(ring_network, radius):
    x, y = rings(120, 1)
    attacked = pgd(
        ring_network, x, y, radius=radius, steps=20, restarts=4, seed=0, bounds=(-1, 1)
    )  # fmt: skip
    layers = as_layers(ring_network)
    exact = [
        worst_margin(layers, row, int(label), radius, (-1, 1)) < 0
        for row, label in zip(x.numpy().astype(float), y, strict=True)
    ]
    robust = accuracy(ring_network, attacked, y)
    assert np.mean(exact) - 1e-9 <= robust <= np.mean(exact) + 0.02
    assert np.mean(exact) < accuracy(ring_network, x, y) - 0.03


@pytest.mark.parametrize(("norm", "radius"), [("inf", 0.08), ("2", 0.5)])
def test_robust_accuracy_is_within_a_point_of_foolbox_at_equal_budget(digits, digit_network, norm, radius):
    import foolbox

    x, y = digits[1], digits[3]
    peer = foolbox.PyTorchModel(digit_network.eval(), bounds=(0, 1), device="cpu")
    kind = foolbox.attacks.LinfPGD if norm == "inf" else foolbox.attacks.L2PGD
    torch.manual_seed(0)
    theirs = torch.ones(len(x), dtype=torch.bool)
    for _ in range(2):
        theirs &= ~kind(steps=20, rel_stepsize=0.1)(peer, x, y, epsilons=radius)[2]
    attacked = pgd(digit_network, x, y, radius=radius, steps=20, restarts=2, norm=norm, seed=0, bounds=(0, 1))
    ours = accuracy(digit_network, attacked, y)
    assert ours <= float(theirs.double().mean()) + 0.01
    assert 0.02 < ours < accuracy(digit_network, x, y) - 0.2
    # The budget is kept.
    change = (attacked - x).reshape(len(x), -1)
    size = change.abs().amax(dim=1) if norm == "inf" else change.norm(dim=1)
    assert float(size.max()) <= radius + 1e-6
    assert float(attacked.min()) >= 0 and float(attacked.max()) <= 1


def test_the_attack_survives_saturated_logits(digits, digit_network):
    x, y = digits[1][:200], digits[3][:200]
    loud = nn.Sequential(*digit_network)
    quiet = pgd(loud, x, y, radius=0.08, steps=20, restarts=1, seed=0)

    def scaled(point):
        return 1e4 * loud(point)

    attacked = pgd(scaled, x, y, radius=0.08, steps=20, restarts=1, seed=0)
    # Scaling the logits changes no decision, so the attack must be as strong.
    assert abs(accuracy(scaled, attacked, y) - accuracy(loud, quiet, y)) <= 0.01
    # Cross-entropy in the same ascent is blind there.
    blind = maximise(
        lambda point: row_cross_entropy(scaled(point), y), x, Ball(0.08), steps=20, restarts=1, seed=0
    )
    assert accuracy(scaled, blind, y) > accuracy(scaled, attacked, y) + 0.1


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.sampled_from(["inf", "2"]), st.floats(0, 2))
def test_linear_models_have_a_closed_form(seed, norm, radius):
    # Two classes: the margin grows by radius times the dual norm of the difference of slopes.
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    x = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    y = torch.randint(2, (7,), generator=generator)

    def model(point):
        return point @ weight.T

    attacked = pgd(model, x, y, radius=radius, steps=3, restarts=1, norm=norm, seed=seed)
    slope = (weight[1] - weight[0]).abs().sum() if norm == "inf" else (weight[1] - weight[0]).norm()
    torch.testing.assert_close(margin(model(attacked), y), margin(model(x), y) + radius * slope)
    if norm == "inf":
        step = fgsm(model, x, y, radius=radius)
        torch.testing.assert_close(margin(model(step), y), margin(model(attacked), y))


def test_a_radius_of_zero_returns_the_input_and_parameters_get_no_gradient(digits, digit_network):
    x, y = digits[1][:50], digits[3][:50]
    digit_network.train()
    same = pgd(digit_network, x, y, radius=0.0, steps=3, restarts=2, seed=0)
    assert digit_network.training
    torch.testing.assert_close(same, x, rtol=0, atol=0)
    for parameter in digit_network.parameters():
        parameter.grad = None
    pgd(digit_network, x, y, radius=0.1, steps=2, restarts=1, seed=0)
    assert all(parameter.grad is None for parameter in digit_network.parameters())
    digit_network.eval()


def test_more_restarts_and_steps_never_lower_the_margin(digits, digit_network):
    x, y = digits[1][:100], digits[3][:100]
    found = [
        margin(digit_network(pgd(digit_network, x, y, radius=0.05, steps=8, restarts=r, seed=3)), y).detach()
        for r in (1, 2, 4)
    ]
    assert bool((found[1] >= found[0]).all()) and bool((found[2] >= found[1]).all())
    assert float((found[2] - found[0]).max()) > 0


def test_a_flat_start_is_left_in_a_random_direction():
    # max(0, |x| - 1): the gradient at 0 is 0 in both directions.
    found = maximise(
        lambda point: torch.relu(point.abs() - 1).sum(dim=1), torch.zeros(20, 3), Ball(2.0),
        steps=5, restarts=1, seed=0,
    )  # fmt: skip
    assert float(torch.relu(found.abs() - 1).sum(dim=1).min()) > 1


def test_a_radius_per_feature_and_a_range_are_kept():
    ball = Ball(torch.tensor([0.1, 1.0, 0.0]), low=torch.tensor([0.0, 0.0, 0.0]), high=1.0)
    x = torch.tensor([[0.05, 0.5, 0.3], [0.5, 0.2, 1.0]])
    found = maximise(lambda point: point.sum(dim=1), x, ball, steps=5, restarts=3, seed=0)
    torch.testing.assert_close(found, torch.tensor([[0.15, 1.0, 0.3], [0.6, 1.0, 1.0]]))


def test_adversarial_training_gains_ten_points_for_at_most_two(digits):
    x, x_test, y, y_test = digits
    robust, clean = {}, {}
    for name, ball in (("plain", None), ("hardened", Ball(0.1, low=0.0, high=1.0))):
        model = small_network([64, 64, 10], 2)
        train(model, x, y, row_cross_entropy, ball, Recipe(epochs=40))
        attacked = pgd(
            model, x_test, y_test, radius=0.1, steps=20, restarts=3, seed=0, bounds=(0, 1)
        )  # fmt: skip
        robust[name], clean[name] = accuracy(model, attacked, y_test), accuracy(model, x_test, y_test)
    assert robust["hardened"] >= robust["plain"] + 0.10
    assert clean["hardened"] >= clean["plain"] - 0.02


def test_invalid_input_raises_an_error():
    x, y = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="norm"):
        Ball(0.1, norm="1")
    with pytest.raises(ValueError, match="radius"):
        Ball(-0.1)
    with pytest.raises(ValueError, match="at least 1"):
        maximise(lambda point: point.sum(dim=1), x, Ball(0.1), steps=0, restarts=1, seed=0)
    with pytest.raises(ValueError, match="logits"):
        margin(torch.zeros(2, 1), y)

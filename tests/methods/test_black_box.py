"""Compare the attack without gradients with closed forms and with gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from methods.trust.attacks import accuracy, margin, pgd
from methods.trust.black_box import Budget, random_search, robustness


def linear(classes: int, features: int, seed: int):
    """Return the weights of a linear model, random rows, and its classes of them."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(classes, features, generator=generator, dtype=torch.float64)
    x = torch.rand(60, features, generator=generator, dtype=torch.float64)
    return weight, x, (x @ weight.T).argmax(dim=1)


def sawtooth(point: torch.Tensor, teeth: float = 0.01) -> torch.Tensor:
    """Return nearly the input, by a function whose slope is -1 between jumps."""
    steps = torch.floor(point / teeth)
    return 2 * steps * teeth - point


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0, 0.3))
def test_two_linear_classes_have_a_closed_form(seed, radius):
    weight, x, y = linear(2, 4, seed)
    found = random_search(lambda point: point @ weight.T, x, y, radius=radius, queries=100, seed=seed)
    slope = (weight[1] - weight[0]).abs().sum()
    worst = margin(x @ weight.T, y) + radius * slope
    reached = margin(found @ weight.T, y)
    assert float((found - x).abs().max()) <= radius + 1e-12
    assert bool((reached <= worst + 1e-9).all())
    # 100 queries of 4 features reach every corner, so that all rows that can be broken are.
    clear = worst.abs() > 1e-6
    assert bool(((reached >= 0) == (worst >= 0))[clear].all())


@pytest.mark.parametrize("shape", [(16,), (4, 4), (2, 2, 4)])
def test_pictures_and_signals_are_attacked_within_their_range(shape):
    weight, flat, y = linear(3, 16, 0)
    x = flat.reshape(len(flat), *shape)

    def model(point):
        return point.flatten(1) @ weight.T

    found = random_search(model, x, y, radius=0.2, queries=100, seed=1, bounds=(0, 1))
    assert found.shape == x.shape
    assert float((found - x).abs().max()) <= 0.2 + 1e-12
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    gradient = pgd(model, x, y, radius=0.2, steps=10, restarts=2, seed=1, bounds=(0, 1))
    # On a linear model the gradient is good: both attacks break the same rows within five points.
    assert accuracy(model, found, y) == pytest.approx(accuracy(model, gradient, y), abs=0.05)
    assert accuracy(model, found, y) < 0.6


def test_more_queries_never_leave_more_rows_standing():
    weight, x, y = linear(3, 16, 2)

    def model(point):
        return point @ weight.T

    standing = []
    for queries in (1, 30, 300):
        found = random_search(model, x, y, radius=0.1, queries=queries, seed=0)
        standing.append(accuracy(model, found, y))
        repeated = random_search(model, x, y, radius=0.1, queries=queries, seed=0)
        torch.testing.assert_close(repeated, found, rtol=0, atol=0)
    assert standing[0] > standing[-1]
    assert standing[1] >= standing[-1]


def test_gradients_that_point_the_wrong_way_hide_nothing_from_the_random_search():
    weight, x, y = linear(2, 8, 3)
    plain = robustness(lambda p: p @ weight.T, x, y, radii=[0.0, 0.3], budget=Budget(), seed=0)
    y_masked = (sawtooth(x) @ weight.T).argmax(dim=1)
    masked = robustness(
        lambda p: sawtooth(p) @ weight.T, x, y_masked, radii=[0.0, 0.3], budget=Budget(), seed=0
    )
    # The two models decide alike up to the teeth, but ascent along the second gradient goes downhill.
    assert plain[1].gradient == plain[1].robust < 0.7
    assert masked[1].gradient > masked[1].black_box + 0.2
    assert masked[1].black_box == pytest.approx(plain[1].gradient, abs=0.1)
    assert masked[1].masked > 0.2 > 0.02 > plain[1].masked


def test_a_radius_of_zero_is_the_clean_accuracy_and_larger_ones_never_gain():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 3))
    x = torch.rand(80, 6)
    y = torch.randint(3, (80,))
    model.train()
    results = robustness(model, x, y, radii=[0.0, 0.05, 0.1, 0.3], budget=Budget(5, 2, 40), seed=0)
    assert model.training
    clean = accuracy(model, x, y)
    assert results[0].gradient == results[0].black_box == results[0].robust == clean
    for name in ("gradient", "black_box", "robust"):
        values = np.array([getattr(result, name) for result in results])
        assert (np.diff(values) <= 0).all() and values[-1] < values[0]
    assert all(result.robust <= min(result.gradient, result.black_box) for result in results)
    same = random_search(model, x, y, radius=0.0, queries=5, seed=0)
    torch.testing.assert_close(same, x, rtol=0, atol=0)


def test_an_example_is_robust_only_if_no_restart_breaks_it():
    # A flat model except for a small basin: a start at x alone does not find it, many random starts do.
    def model(point):
        inside = torch.relu(0.3 - (point - 0.6).abs()).sum(dim=1)
        return torch.stack([torch.full_like(inside, 0.05), inside], dim=1)

    x, y = torch.zeros(200, 1, dtype=torch.float64), torch.zeros(200, dtype=torch.int64)
    standing = [
        robustness(model, x, y, radii=[1.0], budget=Budget(1, restarts, 1), seed=0)[0].gradient
        for restarts in (1, 2, 8)
    ]
    assert standing[0] >= standing[1] >= standing[2]
    assert standing[2] < standing[0]


def test_invalid_input_raises_an_error():
    x, y = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="queries is 0"):
        random_search(lambda point: point, x, y, radius=0.1, queries=0, seed=0)
    with pytest.raises(ValueError, match="radius"):
        random_search(lambda point: point, x, y, radius=-0.1, queries=1, seed=0)
    with pytest.raises(ValueError, match="ascending"):
        robustness(lambda point: point, x, y, radii=[0.2, 0.1], budget=Budget(), seed=0)

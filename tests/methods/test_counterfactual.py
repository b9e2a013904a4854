"""Compare counterfactuals with closed forms, quadratic and integer programs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

from methods.trust.counterfactual import Box, linear, search
from methods.trust.relu import Layers, smallest_change


def random_layers(seed, sizes=(3, 6, 4, 1)):
    generator = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    return Layers(
        tuple(generator.normal(size=(o, i)) * np.sqrt(2 / i) for i, o in pairs),
        tuple(0.3 * generator.normal(size=o) for _, o in pairs),
    )


def gradient(layers):
    """Return the gradient of the first output, by the chain rule."""

    def slope(x):
        signs, value = [], x
        for weight, bias in zip(layers.weights[:-1], layers.biases[:-1], strict=True):
            value = weight @ value + bias
            signs.append(value > 0)
            value = np.maximum(value, 0)
        back = layers.weights[-1][0]
        for weight, sign in zip(layers.weights[-2::-1], signs[::-1], strict=True):
            back = (back * sign) @ weight
        return back

    return slope


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 1000), st.floats(0.01, 5))
def test_without_active_bounds_the_change_has_the_closed_form(p, seed, shortfall):
    slope = np.random.default_rng(seed).normal(size=p)
    change = linear(slope, shortfall, np.zeros(p), Box(np.full(p, -1e6), np.full(p, 1e6)))
    np.testing.assert_allclose(change, shortfall * slope / (slope @ slope), rtol=1e-8, atol=1e-8)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 8), st.integers(0, 10_000), st.floats(0.05, 1.2))
def test_with_bounds_the_change_meets_the_conditions_of_optimality(p, seed, share):
    generator = np.random.default_rng(seed)
    slope, x = generator.normal(size=(2, p))
    slope[generator.random(p) < 0.2] = 0
    least, most = generator.exponential(size=(2, p)) * (generator.random((2, p)) < 0.8)
    reachable = slope @ np.where(slope > 0, most, -least)
    box = Box(x - least, x + most)
    change = linear(slope, share * reachable, x, box)
    if share > 1 + 1e-9 and reachable > 0:
        assert change is None
        return
    if reachable == 0:
        np.testing.assert_array_equal(change, 0)
        return
    assert slope @ change == pytest.approx(share * reachable, abs=1e-8)
    assert (change >= -least - 1e-12).all() and (change <= most + 1e-12).all()
    # Karush, Kuhn and Tucker: one multiplier for all inputs between their bounds, none beyond it.
    free = (slope != 0) & (change > -least + 1e-9) & (change < most - 1e-9)
    multiplier = np.median(change[free] / slope[free]) if free.any() else None
    if multiplier is not None:
        np.testing.assert_allclose(change[free], multiplier * slope[free], atol=1e-8)
        stuck = (slope != 0) & ~free
        assert (np.abs(change[stuck]) <= np.abs(multiplier * slope[stuck]) + 1e-8).all()


def test_with_bounds_the_change_is_that_of_a_quadratic_program():
    generator = np.random.default_rng(2)
    for _ in range(5):
        slope, x = generator.normal(size=(2, 6))
        box = Box(x - generator.uniform(0.1, 1, 6), x + generator.uniform(0.1, 1, 6))
        shortfall = 0.8 * slope @ np.where(slope > 0, box.high - x, box.low - x)
        peer = minimize(
            lambda d: d @ d, np.zeros(6), jac=lambda d: 2 * d, method="SLSQP", tol=1e-15,
            bounds=list(zip(box.low - x, box.high - x, strict=True)),
            constraints=LinearConstraint(slope, shortfall, np.inf),
        )  # fmt: skip
        np.testing.assert_allclose(linear(slope, shortfall, x, box), peer.x, atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_the_change_of_a_network_is_within_5_percent_of_the_exact_optimum(seed):
    layers = random_layers(seed)
    low, high = np.full(3, -2.0), np.full(3, 2.0)
    grid = np.random.default_rng(1).uniform(low, high, size=(4000, 3))
    x = grid[np.argsort(layers(grid)[:, 0])[1000]]
    target = float((layers(x[None])[0, 0] + layers(grid).max()) / 2)
    exact = smallest_change(layers, x, target, low, high)

    def score(rows):
        return layers(rows)[:, 0]

    change = search(score, gradient(layers), x, target, Box(low, high), seed=seed)
    assert score((x + change)[None])[0] >= target
    assert np.linalg.norm(exact) > 0.1
    assert (x + change >= low - 1e-12).all() and (x + change <= high + 1e-12).all()
    assert np.linalg.norm(change) <= 1.05 * np.linalg.norm(exact) + 1e-9
    # The exact optimum is below every point of a dense sample that meets the target.
    met = grid[score(grid) >= target]
    assert np.linalg.norm(exact) <= 1.001 * np.linalg.norm(met - x, axis=1).min()


def test_a_target_that_is_met_needs_no_change_and_an_impossible_one_has_none():
    box = Box(np.zeros(2), np.ones(2))

    def score(rows):
        return rows.sum(axis=1)

    def slope(x):
        return np.ones(2)

    x = np.array([0.5, 0.25])
    np.testing.assert_array_equal(search(score, slope, x, 0.7, box), 0)
    assert search(score, slope, x, 2.1, box) is None
    np.testing.assert_allclose(search(score, slope, x, 1.5, box), [0.375, 0.375], atol=1e-8)
    # An input that cannot change.
    fixed = Box(np.array([0.5, 0.0]), np.array([0.5, 1.0]))
    np.testing.assert_allclose(search(score, slope, x, 1.2, fixed), [0, 0.45], atol=1e-8)
    with pytest.raises(ValueError, match="outside the box"):
        search(score, slope, x + 1, 1.0, box)
    with pytest.raises(ValueError, match="low"):
        Box(np.ones(2), np.zeros(2))

"""Terms of the fitness against their definitions, scipy and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from methods.search.fitness import Weights, alignment, balance, fitness, performance

UNIT = st.lists(st.floats(0, 1), min_size=1, max_size=8)
COUNTS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8)


def test_the_fitness_is_the_weighted_sum() -> None:
    assert fitness(0.5, 0.25, -2, Weights(0.2, 0.6, 0.3)) == pytest.approx(0.1 + 0.15 - 0.6, abs=1e-15)


@given(UNIT)
def test_the_balance_is_between_its_extremes(point: list[float]) -> None:
    assert -1e-12 <= balance(point) <= 1
    assert balance([point[0]] * 5) == pytest.approx(1, abs=1e-12)


def test_the_balance_of_extremes_is_zero() -> None:
    assert balance([0, 1, 0, 1]) == 0
    assert balance([0.2, 0.4]) == pytest.approx(1 - 4 * 0.01, abs=1e-12)


def test_the_performance_is_half_at_the_reference() -> None:
    assert performance(3, 3) == 0.5
    assert performance(0, 3) == 1
    assert performance(math.inf, 3) == 0
    assert performance(1, 3) == pytest.approx(0.75, abs=1e-15)


@given(COUNTS, st.floats(0.01, 10))
def test_the_alignment_is_minus_the_divergence_of_scipy(
    pairs: list[tuple[int, int]], smoothing: float
) -> None:
    output, target = np.array(pairs, float).T
    expected = -entropy(output + smoothing, target + smoothing)
    assert alignment(output, target, smoothing) == pytest.approx(expected, abs=1e-9)
    assert alignment(output, output, smoothing) == 0


def test_a_deterministic_output_has_a_finite_alignment() -> None:
    # Without smoothing, the divergence of (5, 0) from (0, 5) is infinite.
    assert entropy([5, 0], [0, 5]) == math.inf
    assert -math.inf < alignment([5, 0], [0, 5]) < alignment([5, 0], [4, 1]) < 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: Weights(balance=-1),
        lambda: Weights(alignment=math.nan),
        lambda: balance([]),
        lambda: balance([0.5, 1.5]),
        lambda: balance([math.nan]),
        lambda: performance(-1, 1),
        lambda: performance(math.nan, 1),
        lambda: performance(1, 0),
        lambda: alignment([1], [1, 2]),
        lambda: alignment([-1], [1]),
        lambda: alignment([1], [math.inf]),
        lambda: alignment([1], [1], 0),
    ],
)
def test_numbers_outside_their_range_are_refused(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="expected"):
        call()

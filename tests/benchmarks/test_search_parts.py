"""The runs and statistics of the benchmarks of the samplers."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from benchmarks.search._bbob import FUNCTIONS, PRECISION, Problem, gap_interval, trace
from benchmarks.search._figure import TARGETS, draw_ecdf, reached
from benchmarks.search.bbob import compare, holm
from benchmarks.search.random import evaluations

SPHERE = Problem(1, 2, 1)
TRACES = ("hybrid", "hybrid without attention", "genetic", "genetic then cmaes", "cmaes", "random")


def test_the_distance_of_the_sphere_is_a_squared_length():
    points = np.random.default_rng(0).random((50, 2))
    values = SPHERE.values(points)
    # Three points determine the centre of a sphere: |x|^2 - f is linear in x, with slope 2 * centre.
    x = 10 * points - 5
    system = np.column_stack([2 * x, -np.ones(50)])
    centre = np.linalg.lstsq(system, (x**2).sum(1) - values, rcond=None)[0][:2]
    np.testing.assert_allclose(values, ((x - centre) ** 2).sum(1), atol=1e-9)


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_is_the_least_value_so_far_and_repeats(name):
    values = trace(name, SPHERE, 90)
    assert values.shape == (90,)
    assert (np.diff(values) <= 0).all()
    assert values[-1] >= PRECISION
    assert (values == trace(name, SPHERE, 90)).all()
    if name != "random":
        assert values[-1] < 0.1 * values[0]


def test_all_functions_have_instances():
    for function in FUNCTIONS:
        assert (Problem(function, 5, 1).values(np.full((1, 5), 0.5)) > 0).all()


def test_random_search_stops_at_its_first_hit():
    points = np.random.default_rng([1, 1]).random((50_000, 2))
    first = np.flatnonzero(SPHERE.values(points) <= 0.01)[0] + 1
    assert evaluations(SPHERE, 0.01) == first
    assert evaluations(SPHERE, -1.0, limit=100_000) == 100_000


def test_the_correction_is_that_of_statsmodels():
    for seed in range(20):
        p = np.random.default_rng(seed).random(5) ** 3
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)


def test_a_comparison_counts_instances_and_tests_them():
    # All of 15 pairs on one side: the exact p of the signed rank test is 2 / 2^15.
    ours = np.logspace(-3, -1, 15)
    assert compare(ours, 10 * ours * np.linspace(1, 2, 15)) == (15, 0, pytest.approx(2**-14))
    assert compare(ours, ours) == (0, 0, 1.0)


def test_the_interval_contains_the_median():
    low, high = gap_interval(np.arange(15.0))
    assert 2 <= low < 7 < high <= 12


def test_the_share_of_targets_counts_runs_and_targets(tmp_path):
    never, at_once = np.full((2, 8), 1e3), np.full((2, 8), TARGETS[-1] / 2)
    late = np.where(np.arange(8) < 4, 1e3, 1.0) * np.ones((2, 1))
    np.testing.assert_allclose(reached([never, at_once], [1, 8]), 0.5)
    np.testing.assert_allclose(reached([late], [4, 5]), [0, 11 / 51])
    draw_ecdf({"one": [late]}, 5, tmp_path / "a.svg")
    draw_ecdf({"one": [late]}, 5, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()

"""NSGA-II against pymoo, fronts and volumes against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize
from pymoo.problems import get_problem

from methods.search.pareto import front, hypervolume, knee, nsga2, weighted

SETS = arrays(float, st.tuples(st.integers(1, 8), st.integers(1, 3)), elements=st.integers(0, 5).map(float))


def grid_volume(points: np.ndarray, reference: np.ndarray) -> float:
    """Count the dominated unit cells below a reference of whole numbers."""
    cells = product(*(range(int(high)) for high in reference))
    return sum(bool((points <= np.array(cell)).all(axis=1).any()) for cell in cells)


@settings(max_examples=60, deadline=None)
@given(points=SETS)
def test_hypervolume_counts_the_dominated_cells(points: np.ndarray) -> None:
    reference = np.full(points.shape[1], 5.0)
    assert hypervolume(points, reference) == pytest.approx(grid_volume(points, reference), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(points=SETS)
def test_front_has_the_points_that_nothing_dominates(points: np.ndarray) -> None:
    def dominated(f: np.ndarray) -> bool:
        return bool(((points <= f).all(axis=1) & (points < f).any(axis=1)).any())

    expected = {tuple(f) for f in points if not dominated(f)}
    kept = front(np.arange(len(points))[:, None], points)
    assert [tuple(f) for f in kept.f] == sorted(expected)
    assert (points[kept.x[:, 0].astype(int)] == kept.f).all()


def test_hypervolume_of_known_sets() -> None:
    assert hypervolume([[1, 2], [2, 1]], [3, 3]) == 3
    assert hypervolume([[4, 0]], [3, 3]) == 0
    assert hypervolume(np.empty((0, 2)), [3, 3]) == 0
    # points on the front of ZDT1 in steps of h: the volume tends to 1 - 1/3
    f1 = np.linspace(0, 1, 20_001)
    assert hypervolume(np.column_stack([f1, 1 - np.sqrt(f1)]), [1, 1]) == pytest.approx(2 / 3, abs=1e-4)
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        hypervolume([[1, 2, 3]], [3, 3])
    with pytest.raises(ValueError, match="not finite"):
        hypervolume([[1, np.nan]], [3, 3])


CORNERS = {"zdt1": 1.1, "zdt2": 1.1, "zdt3": 1.1, "zdt4": 200.0, "zdt6": 8.0, "dtlz1": 500.0, "dtlz2": 1.1}


@pytest.mark.slow
@pytest.mark.parametrize("name, corner", CORNERS.items())
def test_front_is_as_large_as_that_of_pymoo(name: str, corner: float) -> None:
    problem = get_problem(name, n_var=10, **({"n_obj": 3} if name.startswith("dtlz") else {}))
    generations = 60
    peer = minimize(problem, NSGA2(pop_size=52), ("n_gen", generations), seed=1)
    ours = nsga2(
        lambda x: problem.evaluate(x[:, :]),  # of many points
        np.column_stack([problem.xl, problem.xu]),
        evaluations=52 * generations,
        population=52,
        seed=1,
    )
    reference = np.full(problem.n_obj, corner)
    largest = corner**problem.n_obj
    assert hypervolume(ours.f, reference) / largest >= hypervolume(peer.F, reference) / largest - 1e-3
    assert hypervolume(ours.f, reference) > 0.2 * largest
    np.testing.assert_allclose(problem.evaluate(ours.x), ours.f, rtol=1e-12)


def convex(x: np.ndarray) -> np.ndarray:
    """Return squared distances from two corners: the front is the line between them."""
    return np.stack([(x**2).sum(axis=-1), ((x - 1) ** 2).sum(axis=-1)], axis=-1)


def test_the_three_forms_of_a_function_give_the_same_front() -> None:
    def of_one(x: np.ndarray) -> list[float]:
        return [x[0] ** 2 + x[1] ** 2, (x[0] - 1) ** 2 + (x[1] - 1) ** 2]

    def of_many(x: np.ndarray) -> np.ndarray:
        return np.column_stack([x[:, 0] ** 2 + x[:, 1] ** 2, (x[:, 0] - 1) ** 2 + (x[:, 1] - 1) ** 2])

    forms = [
        nsga2(f, [(-1, 2), (-1, 2)], evaluations=410, population=20, seed=2)
        for f in (of_one, of_many, convex)
    ]
    for other in forms[1:]:
        np.testing.assert_allclose(other.x, forms[0].x, atol=1e-12)
    # the front is the line between the corners
    assert np.median(np.abs(forms[0].x[:, 0] - forms[0].x[:, 1])) < 0.1
    assert len(forms[0].f) > 10


def test_evaluations_are_not_exceeded() -> None:
    calls = []

    def counted(x: np.ndarray) -> np.ndarray:
        calls.append(len(x[:, 0]))
        return convex(x)

    nsga2(counted, [(-1, 2)] * 3, evaluations=109, population=20, seed=0)
    assert sum(calls) == 100


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_weighted_sum_finds_its_point_of_the_front(share: float) -> None:
    one = nsga2(weighted(convex, [share, 1 - share]), [(-1, 2)] * 2, evaluations=1500, population=30, seed=1)
    # the minimum of share |x|^2 + (1 - share) |x - 1|^2
    np.testing.assert_allclose(one.x[0], 1 - share, atol=0.01)


def test_a_weighted_sum_misses_a_concave_front() -> None:
    """Weighted sums reach the ends of a quarter circle; NSGA-II spreads over it."""

    def circle(x: np.ndarray) -> np.ndarray:
        angle, radius = np.pi / 2 * x[..., 0], 1 + x[..., 1]
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)

    bounds = [(0, 1), (0, 1)]
    spread = nsga2(circle, bounds, evaluations=800, population=20, seed=0)
    ends = [
        nsga2(weighted(circle, [w, 1 - w]), bounds, evaluations=800, population=20, seed=0).x[0, 0]
        for w in (0.3, 0.6)
    ]
    assert np.ptp(spread.x[:, 0]) > 0.9
    assert np.diff(np.sort(spread.x[:, 0])).max() < 0.2
    # 0.3 cos + 0.7 sin is smallest at angle 0, 0.6 cos + 0.4 sin at a right angle
    assert [round(end) for end in ends] == [0, 1]
    assert np.abs(np.array(ends) - np.round(ends)).max() < 0.01


def test_knee_of_a_bent_front_and_of_degenerate_ones() -> None:
    bend = np.array([[0, 10], [1, 9], [2, 1], [6, 0.5], [10, 0.0]])
    assert knee(bend) == 2
    assert knee(bend * [1000, 1e-3]) == 2  # the units of an aim do not matter
    assert knee([[1.0, 2.0]]) == 0
    assert knee([[0, 3], [1, 1], [3, 0]]) == 1
    concave = [[0.0, 1.0], [0.8, 0.9], [0.95, 0.7], [1.0, 0.0]]
    assert knee(concave) in (0, 3)


def test_invalid_searches_are_refused() -> None:
    good = {"evaluations": 40, "population": 20, "seed": 0}
    with pytest.raises(ValueError, match="at least as many evaluations"):
        nsga2(convex, [(0, 1)] * 2, evaluations=10, population=20, seed=0)
    with pytest.raises(ValueError, match="below its highest"):
        nsga2(convex, [(0, 1), (2, 2)], **good)
    with pytest.raises(ValueError, match=r"expected \(d, 2\)"):
        nsga2(convex, [0, 1, 2], **good)
    with pytest.raises(ValueError, match="not finite"):
        nsga2(lambda x: convex(x) * np.nan, [(0, 1)] * 2, **good)
    with pytest.raises(ValueError, match="sum 1"):
        weighted(convex, [0.5, 0.6])

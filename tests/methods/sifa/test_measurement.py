"""Measured Fisher traces, their agreement, distances of classes and curvature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from methods.sifa.classes import class_distances, confusions, pairs
from methods.sifa.comparison import Problem, Rows, mean_loss
from methods.sifa.fisher import fisher_matrix
from methods.sifa.geodesic import curvature
from methods.sifa.manifold import fisher_rao_distance
from methods.sifa.measurement import agreement, measure, rank_correlation, trained_models, with_rows
from methods.sifa.problems import problem

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 4))
Y = (X[:, 0] + 0.5 * X[:, 1] > 0).astype(np.int64)


@pytest.fixture
def task() -> Problem:
    return problem(X, Y, np.arange(100), np.arange(100, 150), hidden=3)


def test_a_measurement_has_the_losses_and_traces_of_its_model(task: Problem) -> None:
    early, late = measure(task, 40, (5, 60), seed=1, measured=25)
    smaller = with_rows(task, 40, 1)
    *_, model = trained_models(smaller, (5, 60), 1)
    assert (late.rows, late.steps, late.seed) == (40, 60, 1)
    assert late.train == pytest.approx(mean_loss(model, smaller.train, "classification").item())
    assert late.test == pytest.approx(mean_loss(model, task.test, "classification").item())
    part = smaller.train.x[:25]
    assert late.exact == pytest.approx(float(fisher_matrix(model, part, "classification").trace()), rel=1e-5)
    found = fisher_matrix(model, part, "classification", "empirical", smaller.train.y[:25])
    assert late.empirical == pytest.approx(float(found.trace()), rel=1e-5)
    assert late.train < early.train


def test_training_further_equals_training_at_once(task: Problem) -> None:
    *_, stopped = trained_models(task, (3, 10, 20), 0)
    (once,) = trained_models(task, (20,), 0)
    for first, second in zip(stopped.parameters(), once.parameters(), strict=True):
        assert torch.equal(first, second)


def test_the_agreement_is_perfect_where_the_approximations_are_exact() -> None:
    # One linear layer and one row; the empirical matrix is that of the only label.
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3)).double()
    rows = Rows(torch.from_numpy(X[:1]), torch.tensor([1]))
    task = Problem(lambda: model, "classification", rows, rows, rows)
    found = agreement(model, rows, task, 0)
    assert found.kronecker == pytest.approx(0, abs=1e-12)
    assert found.blocks == pytest.approx(0, abs=1e-12)
    exact = fisher_matrix(model, rows.x, "classification")
    label = fisher_matrix(model, rows.x, "classification", "empirical", rows.y)
    assert found.empirical == pytest.approx(float((label - exact).norm() / exact.norm()))


def test_blocks_leave_out_what_joins_two_layers(task: Problem) -> None:
    (model,) = trained_models(task, (10,), 0)
    exact = fisher_matrix(model, task.train.x, "classification")
    found = agreement(model, task.train, task, 0)
    across = exact[:15, 15:]
    assert found.blocks == pytest.approx(math.sqrt(2) * float(across.norm() / exact.norm()), rel=1e-4)


def test_the_rank_correlation_knows_order_and_constants() -> None:
    a = np.array([1.0, 2.0, 5.0])
    assert rank_correlation(a, np.exp(a)) == pytest.approx(1)
    assert math.isnan(rank_correlation(a, np.ones(3)))


def test_distances_of_classes_are_those_of_their_members() -> None:
    x = np.random.default_rng(1).poisson(3.0, size=(300, 6)).astype(float)
    y = np.repeat([0, 1, 2], 100)
    x[y == 1] += 2
    found = class_distances(x, y)
    means = [x[y == label].mean(axis=0) for label in range(3)]
    deviations = [x[y == label].std(axis=0) for label in range(3)]
    assert found["poisson"][0, 1] == pytest.approx(fisher_rao_distance("poisson", means[0], means[1]))
    shares = [mean / mean.sum() for mean in means]
    assert found["categorical"][2, 1] == pytest.approx(
        fisher_rao_distance("categorical", shares[1], shares[2])
    )
    each = [
        fisher_rao_distance("normal", (means[0][k], deviations[0][k]), (means[1][k], deviations[1][k]))
        for k in range(6)
    ]
    assert found["normal"][0, 1] == pytest.approx(np.linalg.norm(each))
    for matrix in found.values():
        assert matrix == pytest.approx(matrix.T)
        assert np.diag(matrix) == pytest.approx(np.zeros(3))
        assert (pairs(matrix) > 0).all()
    assert found["poisson"][0, 2] < 0.2 * found["poisson"][0, 1]
    with pytest.raises(ValueError, match="at least 0"):
        class_distances(x - 10, y)


def test_confusions_are_mean_probabilities_of_the_other_class() -> None:
    shares = np.array([[0.7, 0.3], [0.5, 0.5], [0.2, 0.8]])
    assert confusions(shares, np.array([0, 0, 1]))[0, 1] == pytest.approx((0.4 + 0.2) / 2)


def sphere(latitude: float, longitude: float) -> np.ndarray:
    return np.array(
        [
            math.cos(latitude) * math.cos(longitude),
            math.cos(latitude) * math.sin(longitude),
            math.sin(latitude),
        ]
    )


@pytest.mark.parametrize("radius", [1.0, 2.0, 5.0])
def test_the_curvature_of_a_sphere(radius: float) -> None:
    a, b, c = sphere(0.1, 0.2), sphere(0.6, 0.5), sphere(0.2, 1.0)
    middle = (b + c) / np.linalg.norm(b + c)
    ends = ((a, b), (a, c), (b, c), (a, middle))
    sides = [radius * math.acos(float(first @ second)) for first, second in ends]
    assert curvature(*sides) == pytest.approx(1 / radius**2, rel=1e-6)


def test_the_curvature_of_a_plane_and_of_a_saddle() -> None:
    a, b, c = np.array([0.0, 0.0]), np.array([1.0, 0.3]), np.array([0.2, 1.5])
    plane = [float(np.linalg.norm(side)) for side in (a - b, a - c, b - c, a - (b + c) / 2)]
    assert curvature(*plane) == pytest.approx(0, abs=1e-9)

    def lift(point: np.ndarray) -> np.ndarray:
        return np.append(point, math.sqrt(1 + point @ point))

    def apart(first: np.ndarray, second: np.ndarray) -> float:
        return math.acosh(float(first[2] * second[2] - first[:2] @ second[:2]))

    first, second, third = lift(a), lift(b), lift(c)
    middle = second + third
    middle /= math.sqrt(middle[2] ** 2 - middle[:2] @ middle[:2])
    sides = [apart(first, second), apart(first, third), apart(second, third), apart(first, middle)]
    assert curvature(*sides) == pytest.approx(-1, rel=1e-6)


def test_distances_of_no_triangle_are_refused() -> None:
    with pytest.raises(ValueError, match="no curvature"):
        curvature(1.0, 1.0, 1.0, 5.0)

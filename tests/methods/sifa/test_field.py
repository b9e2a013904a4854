"""Check the Fisher metric of a field by differences, and what its parts do."""

import numpy as np
import pytest

from methods.sifa.evidence import Search
from methods.sifa.field import Options, Scale, fisher_metric, fit_field, root_of_unit_determinant
from methods.sifa.local_kernel import Tokens, local_kernels


def pairs(x):
    """Sets of three tokens of one kind: (n, 3, d)."""
    n, size, width = x.shape
    return Tokens(np.repeat(np.arange(n), size), np.ones(n * size, int), x.reshape(-1, width), n)


def test_the_metric_is_the_mean_square_of_the_gradient_of_the_field():
    rng = np.random.default_rng(0)
    stored, at = pairs(rng.normal(size=(6, 3, 2))), pairs(rng.normal(size=(4, 3, 2)))
    weights, coefficients = np.array([0.7, 0.2]), rng.normal(size=6)
    scale = Scale(pairs, 2, 1.5, 1)

    def of_token(features):
        token = Tokens(np.zeros(1, int), np.ones(1, int), features[None], 1)
        return (weights[:, None] * local_kernels(token, stored, 1.5, 1)[:, 0]).sum(0) @ coefficients

    metric = np.zeros((2, 2))
    for features in at.features:
        step = 1e-5
        gradient = [
            (of_token(features + step * axis) - of_token(features - step * axis)) / (2 * step)
            for axis in np.eye(2)
        ]
        metric += np.outer(gradient, gradient) / len(at.features)
    ours = fisher_metric(at, stored, scale, weights, coefficients[stored.owner])
    np.testing.assert_allclose(ours[1], metric, rtol=1e-6, atol=1e-9)


def test_the_root_has_unit_determinant_where_the_determinant_itself_overflows():
    rng = np.random.default_rng(1)
    factor = rng.normal(size=(400, 400))
    metric = 1e6 * factor @ factor.T
    with np.errstate(over="ignore"):
        assert np.isinf(np.linalg.det(metric))
    root = root_of_unit_determinant(metric)
    assert np.linalg.slogdet(root)[1] == pytest.approx(0, abs=1e-8)
    np.testing.assert_array_equal(root_of_unit_determinant(np.zeros((3, 3))), np.eye(3))


def problem(rows: int, seed: int):
    x = np.random.default_rng(seed).normal(size=(rows, 3, 8))
    return x, np.sin(2 * x[..., 0]).sum(1)


def error(options: Options) -> float:
    scale = Scale(pairs, 8, 4.0, 1)
    field = fit_field([scale], *problem(120, 0), options, seed=0)
    x, y = problem(200, 1)
    return float(np.sqrt(np.square(field.predict(x) - y).mean()) / y.std())


def test_the_metric_helps_where_one_direction_matters_and_the_symmetry_where_orders_do_not():
    search = Search(symplectic=False, rate=0.2, steps=20)
    plain, metric = error(Options(search=search)), error(Options(metric=True, search=search))
    assert metric < 0.8 * plain < 0.8
    assert error(Options(symmetry=False, search=search)) > plain


def test_the_order_of_tokens_matters_without_the_symmetry_only():
    x, y = problem(30, 0)
    new = problem(5, 1)[0]
    search = Search(symplectic=False, steps=2)
    for symmetry in (True, False):
        field = fit_field([Scale(pairs, 8, 4.0, 1)], x, y, Options(symmetry, search=search), seed=0)
        change = np.abs(field.predict(new[:, ::-1]) - field.predict(new)).max()
        assert change < 1e-9 if symmetry else change > 0.05


def test_a_feature_that_is_new_at_prediction_changes_nothing():
    x, y = problem(40, 0)
    x[..., 7] = 1.0
    field = fit_field(
        [Scale(pairs, 8, 4.0, 0, True)], x, y, Options(search=Search(symplectic=False, steps=2)), seed=0
    )
    moved = x.copy()
    moved[..., 7] = 50.0
    np.testing.assert_allclose(field.predict(moved), field.predict(x), atol=1e-9)

"""Attack and shift the test rows of a set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from methods.sifa.model import Trained
from tasks.sifa.params import TrainParams
from tasks.sifa.shifts import attacked_scores, shifted

PARAMS = TrainParams(
    effort=1.0, information=0.1, rate=1.0, friction=1.0, attacked=40, radii=(0.2, 0.05), steps=5,
    restarts=2, queries=40, validation=0.0, seed=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def linear() -> tuple[nn.Module, np.ndarray, np.ndarray]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    x = np.random.default_rng(0).uniform(size=(40, 4, 4))
    with torch.no_grad():
        y = module(torch.as_tensor(x, dtype=torch.float32)).argmax(1).numpy()
    return module, x, y


def trained(module: nn.Module, *, gradient: bool) -> Trained:
    def predict(x):
        with torch.no_grad():
            return module(torch.as_tensor(x, dtype=torch.float32)).double().softmax(1).numpy()

    return Trained(predict=predict, parameters=1, flops=1, module=module if gradient else None)


def test_a_radius_of_zero_is_the_clean_accuracy_and_larger_ones_break_more(linear):
    module, x, y = linear
    scores = attacked_scores("digits", trained(module, gradient=True), x, y, PARAMS)
    assert list(scores.robust) == ["0", "0.05", "0.2"]
    assert scores.robust["0"] == scores.gradient["0"] == 1.0
    assert scores.robust["0.2"] < scores.robust["0.05"] < 1
    assert all(scores.robust[radius] <= scores.gradient[radius] for radius in scores.robust)


def test_a_model_without_a_gradient_is_searched(linear):
    module, x, y = linear
    both = attacked_scores("digits", trained(module, gradient=True), x, y, PARAMS)
    alone = attacked_scores("digits", trained(module, gradient=False), x, y, PARAMS)
    assert alone.gradient == {}
    assert alone.robust["0"] == 1.0
    # The search alone is weaker than both attacks together, but it breaks rows.
    assert both.robust["0.2"] <= alone.robust["0.2"] < 1


def test_no_rows_give_no_scores(linear):
    module, x, y = linear
    scores = attacked_scores("signals", trained(module, gradient=True), x[:0], y[:0], PARAMS)
    assert (scores.robust, scores.gradient) == ({}, {})


def test_shifts_keep_shapes_distances_and_ranges():
    pictures = np.random.default_rng(0).uniform(size=(3, 8, 8))
    turned = shifted("digits", pictures, 0)["turned by 45 degrees"]
    assert turned.shape == pictures.shape and turned.min() >= 0 and turned.max() <= 1
    assert not np.allclose(turned, pictures)
    signals = np.random.default_rng(1).normal(size=(3, 40))
    moved = shifted("signals", signals, 0)["moved by 5 points"]
    np.testing.assert_array_equal(moved[:, 5:], signals[:, :-5])
    atoms = np.random.default_rng(2).normal(size=(3, 5, 4))
    rotated = shifted("molecules", atoms, 0)["rotated"]
    np.testing.assert_array_equal(rotated[..., 0], atoms[..., 0])
    distance = np.linalg.norm(atoms[:, 0, 1:] - atoms[:, 1, 1:], axis=-1)
    np.testing.assert_allclose(
        np.linalg.norm(rotated[:, 0, 1:] - rotated[:, 1, 1:], axis=-1), distance, atol=1e-12
    )
    assert not np.allclose(rotated[..., 1:], atoms[..., 1:])
    assert shifted("solubility", atoms, 0) == {}

"""Test that the model of pictures is invariant, and learns from few of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from methods.sifa.augmentation import SHIFT, STRETCH, jittered, turned
from methods.sifa.images import PictureField, Size, TurnedConvolution, train
from methods.sifa.model import ABLATIONS, Parts, Settings, Task

SMALL = Size(first=4, second=8)


def pictures(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(rows, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(parts: Parts, seed: int = 0) -> PictureField:
    torch.manual_seed(seed)
    model = PictureField(10, parts, SMALL).double()
    model.train()
    for step in range(3):  # statistics of the normalisation
        model(pictures(20, seed=step))
    return model.eval()


@pytest.mark.parametrize("parts", [Parts(), Parts(metric=False), Parts(renormalise=False)])
def test_logits_do_not_change_when_a_picture_is_turned(parts):
    model, x = network(parts), pictures(6)
    logits = model(x)
    assert logits.std(0).min() > 1e-4  # pictures differ
    for quarters in (1, 2, 3):
        assert torch.allclose(model(x.rot90(quarters, (1, 2))), logits, rtol=0, atol=1e-10)
    assert (model(x.flip(2)) - logits).abs().max() > 1e-3  # a mirror image is another picture


def test_without_the_symmetry_logits_change():
    model, x = network(Parts(symmetry=False)), pictures(6)
    assert (model(x.rot90(1, (1, 2))) - model(x)).abs().max() > 1e-2


def test_without_the_symmetry_there_are_as_many_parameters():
    def count(parts: Parts) -> int:
        return sum(p.numel() for p in PictureField(10, parts, Size()).parameters())

    assert abs(count(Parts(symmetry=False)) / count(Parts()) - 1) < 0.05


def test_convolution_turns_pixels_and_moves_elements():
    torch.manual_seed(0)
    lift, next_one = TurnedConvolution(1, 3, 4, lifts=True).double(), TurnedConvolution(3, 2, 4).double()
    x = pictures(2)[:, None]
    lifted = lift(x)
    moved = lift(x.rot90(1, (2, 3)))
    expected = lifted.rot90(1, (2, 3)).unflatten(1, (3, 4)).roll(1, 2).flatten(1, 2)
    assert torch.allclose(moved, expected, atol=1e-12)
    expected = next_one(lifted).rot90(1, (2, 3)).unflatten(1, (2, 4)).roll(1, 2).flatten(1, 2)
    assert torch.allclose(next_one(moved), expected, atol=1e-12)
    # element 0 is a plain convolution
    plain = torch.nn.functional.conv2d(x, lift.weight[:, :, 0], padding=1)
    assert torch.allclose(lifted.unflatten(1, (3, 4))[:, :, 0], plain, atol=1e-12)


def test_pictures_move_by_at_most_the_stated_shift():
    x = torch.zeros(400, 8, 8, dtype=torch.float64)
    x[:, 3:5, 3:5] = 1.0  # its centre is the centre of the picture, so that turning does not move it
    moved = jittered(x, torch.Generator().manual_seed(0))
    places = torch.arange(8.0, dtype=torch.float64)
    total = moved.sum((1, 2))
    down = (moved.sum(2) @ places) / total - 3.5
    right = (moved.sum(1) @ places) / total - 3.5
    # the shift is turned and scaled too
    assert torch.hypot(down, right).max() < 2**0.5 * SHIFT * math.exp(STRETCH) + 0.05
    for shift in (down, right):
        assert shift.std() == pytest.approx(SHIFT / 3**0.5, rel=0.15)
        assert abs(shift.mean()) < 0.12
    assert total.mean() == pytest.approx(4.0, rel=0.1)


def test_turned_pictures_are_the_four_turns_in_equal_parts():
    x = pictures(1).expand(2_000, 8, 8)
    result = turned(x, torch.Generator().manual_seed(0))
    images = torch.stack([x[0].rot90(k, (0, 1)) for k in range(4)])
    which = (result[:, None] == images).all((2, 3))
    assert which.sum(1).eq(1).all()
    assert (which.double().mean(0) - 0.25).abs().max() < 0.04  # four standard errors


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    x, y = load_digits(n_class=3, return_X_y=True)
    return (x / 16).reshape(-1, 8, 8), y


@pytest.mark.parametrize("variant", sorted(ABLATIONS))
def test_every_variant_learns_three_digits(digits, variant):
    x, y = digits
    task = Task("classification", 3)
    quick = Settings(effort=0.1)
    trained = train(variant, "sixnine", x[:60], y[:60], task, seed=0, settings=quick)
    probabilities = trained.predict(x[60:])
    assert np.allclose(probabilities.sum(1), 1) and probabilities.shape == (len(x) - 60, 3)
    assert (probabilities.argmax(1) == y[60:]).mean() > 0.7  # a third by chance
    assert trained.losses[-1] < trained.losses[0] and len(trained.losses) == 16
    assert trained.flops > 1e6 and 10_000 < trained.parameters < 100_000


def test_a_seed_decides_the_result(digits):
    x, y = digits
    quick = Settings(effort=0.02)
    first, same, other = (
        train("sifa", "digits", x[:40], y[:40], Task("classification", 3), seed=seed, settings=quick)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first.predict(x), same.predict(x))
    assert not np.allclose(first.predict(x), other.predict(x))

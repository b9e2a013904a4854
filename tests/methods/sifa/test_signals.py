"""Test that the model of signals is invariant under shifts by blocks, and learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from methods.sifa.model import ABLATIONS, Parts, Settings, Task
from methods.sifa.signals import SignalField, Size, train


def signals(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, 40, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(parts: Parts) -> SignalField:
    torch.manual_seed(0)
    model = SignalField(40, 10, parts, Size(first=4, second=8)).double()
    for step in range(3):
        model(signals(20, seed=step))
    return model.eval()


@pytest.mark.parametrize(("parts", "block"), [(Parts(), 4), (Parts(renormalise=False), 2)])
def test_logits_do_not_change_when_a_signal_is_shifted_by_blocks(parts, block):
    model, x = network(parts), signals(6)
    logits = model(x)
    assert logits.std(0).min() > 1e-3
    for shift in range(block, 40, block):
        assert torch.allclose(model(x.roll(shift, 1)), logits, rtol=0, atol=1e-10)
    assert (model(x.roll(1, 1)) - logits).abs().max() > 1e-4
    assert (model(x.flip(1)) - logits).abs().max() > 1e-3


def test_without_the_symmetry_logits_change():
    model, x = network(Parts(symmetry=False)), signals(6)
    assert (model(x.roll(4, 1)) - model(x)).abs().max() > 1e-2


def test_without_the_symmetry_there_are_about_as_many_parameters():
    def count(parts: Parts) -> int:
        return sum(p.numel() for p in SignalField(40, 10, parts, Size()).parameters())

    assert abs(count(Parts(symmetry=False)) / count(Parts()) - 1) < 0.1


@pytest.mark.parametrize("variant", sorted(ABLATIONS))
def test_every_variant_learns_where_a_bump_points(variant):
    """Tell apart a rising and a falling edge at a random place."""
    generator = np.random.default_rng(0)
    y = generator.integers(2, size=300)
    bump = np.array([[0.2, 0.6, 1.2, 2.0], [2.0, 1.2, 0.6, 0.2]])
    x = 0.2 * generator.standard_normal((300, 40))
    for row, (kind, place) in enumerate(zip(y, generator.integers(40, size=300), strict=True)):
        x[row, (place + np.arange(4)) % 40] += bump[kind]
    quick = Settings(effort=1.0)
    trained = train(variant, "signals", x[:200], y[:200], Task("classification", 2), seed=0, settings=quick)
    probabilities = trained.predict(x[200:])
    assert np.allclose(probabilities.sum(1), 1)
    assert (probabilities.argmax(1) == y[200:]).mean() > 0.8  # a half by chance
    assert trained.losses[-1] < trained.losses[0]

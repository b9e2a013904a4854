"""Compare gradients with and without checkpointing, and measure its memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from benchmarks.learning._memory import peak_bytes
from methods.training import recompute_layers

X = torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(0))


def transformer(layers: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        blocks = [
            nn.TransformerEncoderLayer(32, 4, 128, dropout=0.2, batch_first=True) for _ in range(layers)
        ]
        return nn.Sequential(*blocks)


def differentiate(model: nn.Module, *, bfloat16: bool = False) -> list[torch.Tensor]:
    """Return the gradients under fixed draws of dropout."""
    model.zero_grad()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = model(X).float().square().mean()
        loss.backward()
    return [weight.grad.clone() for weight in model.parameters()]


@pytest.mark.parametrize("bfloat16", [False, True])
def test_recomputed_layers_have_the_same_gradients_bit_by_bit(bfloat16: bool):
    plain, recomputed = transformer(3), transformer(3)
    recompute_layers(recomputed)
    assert list(plain.state_dict()) == list(recomputed.state_dict())
    pairs = zip(
        differentiate(plain, bfloat16=bfloat16), differentiate(recomputed, bfloat16=bfloat16), strict=True
    )
    assert all(torch.equal(first, second) for first, second in pairs)
    assert torch.equal(plain.eval()(X), recomputed.eval()(X))


def test_a_copy_of_a_recomputed_layer_uses_its_own_weights():
    model = transformer(2)
    recompute_layers(model)
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for weight in copied.parameters():
            weight.zero_()
    assert float(copied.train()(X).detach().abs().max()) == 0
    assert float(model.train()(X).detach().abs().max()) > 0


def test_peaks_are_counted_exactly():
    """Count by hand: two live tensors of 4,000 bytes, then three, then one."""
    x = torch.zeros(1000)

    def step() -> None:
        y = x + 1
        z = y * 2
        y = z.view(10, 100) - 1  # a view has no memory; the first tensor lives until the third exists
        del z
        y.add_(1)

    assert peak_bytes(step) == 12_000


def test_checkpointing_needs_at_most_0_6_of_the_memory_at_12_layers():
    peaks = []
    for again in (False, True):
        model = transformer(12)
        if again:
            recompute_layers(model)
        differentiate(model)
        peaks.append(peak_bytes(lambda model=model: differentiate(model)))
    assert peaks[1] <= 0.6 * peaks[0]

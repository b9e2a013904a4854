"""Check adapters: B starts at zero, sizes equal the formula, merging is exact."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from methods.language.lora import (
    TARGETS,
    adapter_arrays,
    adapter_size,
    add_adapter,
    merge_adapter,
    reduction_ratio,
)

IDS = torch.tensor([[5, 9, 20, 31, 7, 44, 12]])


def randomise_b(adapted, seed=1):
    """Fill the B of an adapter with random values."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data = 0.1 * torch.randn(weight.shape, generator=generator)
    return adapted.eval()


def test_the_reduction_of_the_specification_is_32():
    assert reduction_ratio(4096, 4096, 64) == 32.0
    assert 64 * (4096 + 4096) == 524_288


@pytest.mark.parametrize("rank", [1, 4, 8])
def test_sizes_equal_the_formula(tiny, rank):
    plain = tiny().model
    total = sum(weight.numel() for weight in plain.parameters())
    size = adapter_size(add_adapter(tiny().model, rank=rank, alpha=2 * rank))
    shapes = [
        layer.weight.shape for name, layer in plain.named_modules() if name.rpartition(".")[2] in TARGETS
    ]
    assert len(shapes) == size.matrices == 14
    assert size.trainable == size.adapter == sum(rank * (d + k) for d, k in shapes)
    assert size.total == total
    assert size.reduction == pytest.approx(sum(d * k for d, k in shapes) / size.trainable)
    assert size.reductions["k_proj"] == pytest.approx(16 * 32 / (rank * (16 + 32)))
    assert size.trainable_share == pytest.approx(size.trainable / (total + size.trainable))


def test_a_new_adapter_does_not_change_the_model(tiny):
    plain, adapted = tiny().model, add_adapter(tiny().model, rank=4).eval()
    torch.testing.assert_close(adapted(input_ids=IDS).logits, plain(input_ids=IDS).logits)
    assert all(not value.any() for name, value in adapter_arrays(adapted).items() if name.endswith(".B"))


def test_merged_weights_equal_the_adapter_and_peft(tiny):
    adapted = randomise_b(add_adapter(tiny().model, rank=4, alpha=8))
    plain = tiny().model
    before = plain(input_ids=IDS).logits
    merge_adapter(plain, adapter_arrays(adapted))
    adapted_logits = adapted(input_ids=IDS).logits
    torch.testing.assert_close(plain(input_ids=IDS).logits, adapted_logits, atol=1e-5, rtol=1e-5)
    assert (adapted_logits - before).abs().max() > 0.05
    merged = copy.deepcopy(adapted).merge_and_unload()
    for name, weight in merged.named_parameters():
        torch.testing.assert_close(plain.get_parameter(name), weight, atol=1e-6, rtol=1e-6)


def test_the_seed_determines_a(tiny):
    def first(seed):
        return adapter_arrays(add_adapter(tiny().model, rank=2, seed=seed))[
            "model.layers.0.self_attn.q_proj.A"
        ]

    np.testing.assert_array_equal(first(3), first(3))
    assert np.abs(first(3) - first(4)).max() > 0


def test_an_adapter_that_does_not_fit_raises_an_error(tiny):
    with pytest.raises(ValueError, match="no layer w_proj"):
        add_adapter(tiny().model, targets=("q_proj", "w_proj"))
    arrays = adapter_arrays(add_adapter(tiny().model, rank=2))
    name = "model.layers.1.mlp.up_proj"
    with pytest.raises(ValueError, match=r"lacks model.layers.1.mlp.up_proj.B"):
        merge_adapter(tiny().model, {key: value for key, value in arrays.items() if key != f"{name}.B"})
    with pytest.raises(ValueError, match="is not in this model"):
        merge_adapter(tiny().model, arrays | {f"{name}.A": np.zeros((2, 31), dtype=np.float32)})

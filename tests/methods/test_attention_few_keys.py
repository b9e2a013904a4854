"""Compare attention over a few keys with torch, gradients too."""

from __future__ import annotations

import pytest
import torch

from methods.attention import MultiHeadAttention
from methods.attention.few_keys import attend, attend_shared, softmax

ROWS, QUERIES, KEYS, WIDTH, HEADS = 7, 3, 5, 8, 2


def masked(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return queries, keys, and a mask; a row and a query have no key."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(ROWS, QUERIES, KEYS, generator=generator) < 0.6
    mask[torch.arange(ROWS), :, torch.randint(KEYS, (ROWS,), generator=generator)] = True
    mask[0], mask[1, 2] = False, False
    queries, keys = (
        torch.randn(ROWS, count, WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)
        for count in (QUERIES, KEYS)
    )
    return queries, keys, mask


def module(seed: int) -> MultiHeadAttention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        attention = MultiHeadAttention(WIDTH, HEADS).double()
        for part in (attention.query, attention.key, attention.value, attention.output):
            torch.nn.init.normal_(part.bias)
        return attention


def oracle_of(attention: MultiHeadAttention) -> torch.nn.MultiheadAttention:
    oracle = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double()
    parts = [attention.query, attention.key, attention.value]
    oracle.in_proj_weight.data = torch.cat([part.weight for part in parts]).data.clone()
    oracle.in_proj_bias.data = torch.cat([part.bias for part in parts]).data.clone()
    oracle.out_proj.load_state_dict(attention.output.state_dict())
    return oracle


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_results_and_gradients_equal_those_of_torch(shared: bool, seed: int) -> None:
    queries, keys, mask = masked(seed)
    attention = module(seed)
    if shared:
        queries = queries[0].detach().requires_grad_()
    attended, weights = (attend_shared if shared else attend)(attention, queries, keys, mask)
    oracle = oracle_of(attention)
    exists = mask.any(dim=-1)
    # Torch returns NaN for a query without a key: it gets all of them, and is left out.
    allowed = mask | ~exists[..., None]
    expected, expected_weights = oracle(
        queries.expand(ROWS, -1, -1),
        keys,
        keys,
        attn_mask=~allowed.repeat_interleave(HEADS, dim=0),
        average_attn_weights=False,
    )
    assert torch.allclose(attended[exists], expected[exists], rtol=0, atol=1e-12)
    by_query = weights.transpose(1, 2)
    assert torch.allclose(by_query[exists], expected_weights.transpose(1, 2)[exists], rtol=0, atol=1e-12)
    assert (attended[~exists] == 0).all() and (by_query[~exists] == 0).all()
    gradients = torch.autograd.grad(
        attended.sin().sum(), [queries, keys, attention.query.weight, attention.value.bias]
    )
    of_torch = torch.autograd.grad(
        expected[exists].sin().sum(), [queries, keys, oracle.in_proj_weight, oracle.in_proj_bias]
    )
    for mine, other in zip(gradients, of_torch, strict=True):
        part = other[:WIDTH] if other.shape[0] == 3 * WIDTH and other.ndim == 2 else other
        part = part[2 * WIDTH :] if part.ndim == 1 else part
        assert torch.allclose(mine, part, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_the_softmax_is_that_of_torch_and_ignores_absent_keys(scale: float) -> None:
    _, _, mask = masked(2)
    generator = torch.Generator().manual_seed(3)
    scores = scale * torch.randn(ROWS, HEADS, QUERIES, KEYS, generator=generator, dtype=torch.float64)
    exists = mask[:, None].expand_as(scores)
    gaps = scores.masked_fill(~exists, torch.nan).requires_grad_()
    weights = softmax(gaps, mask)
    known = exists.any(dim=-1)
    expected = scores.masked_fill(~exists, -torch.inf).softmax(dim=-1)
    assert torch.allclose(weights[known], expected[known], rtol=0, atol=1e-15)
    assert (weights[~exists] == 0).all()
    weights.square().sum().backward()
    assert gaps.grad is not None and gaps.grad.isfinite().all()

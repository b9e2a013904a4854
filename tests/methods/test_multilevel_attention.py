"""Compare attention over levels with a tree walk, and full attention."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.attention import multilevel_attention, scaled_dot_product


def inputs(length: int, seed: int, batch: int = 1):
    """Return queries, keys and values of two heads, and a mask, in float64."""
    generator = torch.Generator().manual_seed(seed)
    tensors = torch.randn(3, batch, 2, length, 4, generator=generator, dtype=torch.float64)
    mask = torch.rand(batch, length, generator=generator) < 0.7
    mask[:, 0] = True
    return *tensors, mask


def walk(query, keys, values, exists, position, block, points):
    """Attend for one query, by a walk from the root of a binary tree of blocks.

    A block that is no neighbour of the query's block on its level is read as means; another one is opened,
    down to single keys.
    """
    scores, read = [], []

    def visit(start, size):
        own = position // size
        if abs(start // size - own) > 1:
            step = size // points
            for low in range(start, start + size, step):
                rows = [row for row in range(low, low + step) if row < len(keys) and exists[row]]
                if rows:
                    scores.append(query @ keys[rows].mean(0) / np.sqrt(len(query)) + np.log(len(rows)))
                    read.append(values[rows].mean(0))
        elif size > block:
            visit(start, size // 2)
            visit(start + size // 2, size // 2)
        else:
            for row in range(start, min(start + size, len(keys))):
                if exists[row]:
                    scores.append(query @ keys[row] / np.sqrt(len(query)))
                    read.append(values[row])

    size = block
    while size < len(keys):
        size *= 2
    visit(0, size)
    weights = np.exp(np.array(scores) - max(scores))
    return weights / weights.sum() @ np.array(read)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 75), st.sampled_from([(4, 1), (4, 2), (4, 4), (6, 3)]), st.integers(0, 2**31))
def test_each_query_equals_a_walk_through_the_tree(length, sizes, seed):
    query, key, value, mask = inputs(length, seed)
    block, points = sizes
    attended = multilevel_attention(query, key, value, mask, block=block, points=points)
    for head in range(2):
        for position in {0, length // 3, length // 2, length - 1}:
            expected = walk(
                query[0, head, position].numpy(), key[0, head].numpy(), value[0, head].numpy(),
                mask[0].numpy(), position, block, points,
            )  # fmt: skip
            assert attended[0, head, position].numpy() == pytest.approx(expected, abs=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 16), st.integers(0, 2**31))
def test_two_blocks_or_four_of_single_points_equal_full_attention(length, seed):
    query, key, value, mask = inputs(length, seed, batch=2)
    full, _ = scaled_dot_product(query, key, value, mask)
    two = multilevel_attention(query, key, value, mask, block=8, points=1)
    four = multilevel_attention(query, key, value, mask, block=4, points=4)
    assert torch.allclose(two, full, rtol=0, atol=1e-12)
    assert torch.allclose(four, full, rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**31))
def test_every_key_is_read_exactly_once(length, seed):
    """Give all keys one vector: the result is the mean of the values that exist."""
    query, key, value, mask = inputs(length, seed)
    attended = multilevel_attention(query, key[:, :, :1].expand_as(key), value, mask, block=8, points=2)
    expected = value[:, :, mask[0]].mean(dim=2, keepdim=True).expand_as(value)
    assert torch.allclose(attended, expected, rtol=0, atol=1e-12)


def test_the_error_falls_with_the_number_of_points():
    tokens = torch.randn(1, 1, 300, 4, generator=torch.Generator().manual_seed(0)).double().cumsum(2) / 10
    full, _ = scaled_dot_product(tokens, tokens, tokens)
    errors = [
        float((multilevel_attention(tokens, tokens, tokens, block=16, points=points) - full).norm())
        for points in (1, 4, 16)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2] > 0


def test_gradients_equal_finite_differences_and_keys_that_do_not_exist_get_none():
    query, key, value, mask = (part[:, :1] if part.ndim == 4 else part for part in inputs(22, 1))
    query, key, value = (part.requires_grad_() for part in (query, key, value))

    def attend(*tensors):
        return multilevel_attention(*tensors, mask, block=4, points=2)

    assert torch.autograd.gradcheck(attend, (query, key, value))
    attend(query, key, value).square().sum().backward()
    for part in (key, value):
        assert (part.grad[:, :, ~mask[0]] == 0).all() and part.grad[:, :, mask[0]].abs().min() > 0


def test_an_item_without_a_key_is_zero_and_values_that_do_not_exist_may_be_nan():
    query, key, value, mask = inputs(50, 2, batch=2)
    before = multilevel_attention(query, key, value, mask, block=8, points=2)
    mask[1] = False
    value = value.masked_fill(~mask[:, None, :, None], torch.nan).requires_grad_()
    attended = multilevel_attention(query, key, value, mask, block=8, points=2)
    assert torch.equal(attended[0], before[0]) and (attended[1] == 0).all()
    attended.sum().backward()
    assert value.grad.isfinite().all()


def test_sizes_that_do_not_divide_raise_an_error():
    tokens = torch.zeros(1, 1, 4, 2)
    with pytest.raises(ValueError, match="block is 6; expected a multiple of points, which is 4"):
        multilevel_attention(tokens, tokens, tokens, block=6, points=4)

"""Compare coarse-graining with exact Ising chains, direct means and symmetries."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.sifa.renormalise import (
    coarse_coupling,
    coarsen_grid,
    coarsen_nodes,
    coarsen_tokens,
    coarsen_weights,
    coupling,
    decimate,
    ising_chains,
    multi_scale_tokens,
    paired_nodes,
    refine,
)


def chain_probabilities(length: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Return all states of an open Ising chain, and their probabilities."""
    states = np.array(list(product([-1, 1], repeat=length)))
    weights = np.exp(strength * (states[:, 1:] * states[:, :-1]).sum(axis=1))
    return states, weights / weights.sum()


@pytest.mark.parametrize(("length", "block"), [(9, 2), (10, 3), (7, 4), (6, 1)])
def test_the_distribution_of_kept_spins_is_that_of_a_chain_with_the_coarse_coupling(length, block):
    states, probability = chain_probabilities(length, 0.7)
    kept = decimate(states, block)
    assert kept.shape == (len(states), length // block)
    coarse, expected = chain_probabilities(length // block, coarse_coupling(0.7, block))
    for state, value in zip(coarse, expected, strict=True):
        share = probability[(kept == state).all(axis=1)].sum()
        assert share == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("strength", [-0.6, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("block", [2, 3, 5])
def test_coarse_couplings_are_within_three_standard_errors(strength, block):
    chains = ising_chains(200, 1_000, strength, seed=1)
    assert coupling(chains).value == pytest.approx(strength, abs=3 * coupling(chains).error)
    estimate = coupling(decimate(chains, block))
    expected = np.arctanh(np.tanh(strength) ** block)
    assert abs(estimate.value - expected) <= 3 * estimate.error
    if block == 2:
        # The rule is not met by chance: the coupling itself changed by many standard errors.
        assert abs(estimate.value - strength) > 10 * estimate.error


def test_drawn_chains_have_the_exact_probabilities():
    chains = ising_chains(40_000, 4, 0.4, seed=0)
    states, probability = chain_probabilities(4, 0.4)
    share = np.array([(chains == state).all(axis=1).mean() for state in states])
    error = np.sqrt(probability * (1 - probability) / len(chains))
    # 16 states: 4 standard errors are exceeded by chance once in 1,000 runs.
    assert (np.abs(share - probability) < 4 * error).all()


def test_the_standard_error_is_that_of_repetitions():
    estimates = [coupling(ising_chains(1, 400, 0.5, seed)) for seed in range(300)]
    spread = np.std([estimate.value for estimate in estimates])
    # The standard deviation of 300 repetitions has a standard error of 4 %.
    assert spread == pytest.approx(np.mean([estimate.error for estimate in estimates]), rel=0.15)


@pytest.mark.parametrize("block", [0, -2, 11, 2.0, 1.5, "2", None, True])
def test_a_bad_block_raises_an_error(block):
    with pytest.raises(ValueError, match=r"block is .*expected an integer of 1"):
        decimate(np.ones((3, 10)), block)
    with pytest.raises(ValueError, match="block is"):
        coarsen_tokens(torch.ones(2, 10, 3), block)
    with pytest.raises(ValueError, match="block is"):
        coarsen_grid(torch.ones(2, 10, 12, 3), block)


def test_input_without_an_estimate_raises_an_error():
    with pytest.raises(ValueError, match="chains have shape"):
        decimate(np.ones(10), 2)
    with pytest.raises(ValueError, match="bonds are equal"):
        coupling(np.ones((2, 3)))
    with pytest.raises(ValueError, match="length 2 or more"):
        coupling(np.ones((2, 1)))
    assert decimate(np.arange(20).reshape(2, 10), np.int64(4)).tolist() == [[0, 4], [10, 14]]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), tokens=st.integers(1, 9), block=st.integers(1, 9), masked=st.booleans())
def test_blocks_are_means_of_their_present_tokens(seed, tokens, block, masked):
    block = min(block, tokens)
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(2, tokens, 3))
    mask = generator.random((2, tokens)) < 0.6 if masked else np.ones((2, tokens), dtype=bool)
    # Absent tokens may have any value.
    given_x = torch.tensor(np.where(mask[..., None], x, np.nan))
    coarse = coarsen_tokens(given_x, block, torch.tensor(mask) if masked else None)
    starts = range(0, tokens, block)
    for row in range(2):
        for index, start in enumerate(starts):
            part = mask[row, start : start + block]
            assert bool(coarse.mask[row, index]) == part.any()
            expected = x[row, start : start + block][part].mean(axis=0) if part.any() else np.zeros(3)
            np.testing.assert_allclose(coarse.values[row, index], expected, atol=1e-12)
    assert coarse.values.shape == (2, len(starts), 3)


def test_gradients_reach_present_tokens_only():
    x = torch.randn(1, 5, 2, dtype=torch.float64)
    x[0, 1] = torch.inf
    x.requires_grad_()
    mask = torch.tensor([[True, False, True, True, True]])
    coarsen_tokens(x, 2, mask).values.sum().backward()
    # Blocks (0, -), (2, 3), (4): each value has weight 1 over the present members.
    assert x.grad[0, :, 0].tolist() == [1.0, 0.0, 0.5, 0.5, 1.0]
    assert torch.autograd.gradcheck(
        lambda values: coarsen_grid(values, 2).values,
        torch.randn(1, 3, 5, 2, dtype=torch.float64).requires_grad_(),
    )


def test_a_grid_agrees_with_average_pooling_and_has_smaller_blocks_at_its_edge():
    x = torch.randn(4, 6, 8, 3, dtype=torch.float64)
    expected = torch.nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    torch.testing.assert_close(coarsen_grid(x, 2).values, expected)
    ragged = torch.nn.functional.avg_pool2d(
        x[:, :5, :7].permute(0, 3, 1, 2), 2, ceil_mode=True, count_include_pad=False
    ).permute(0, 2, 3, 1)
    torch.testing.assert_close(coarsen_grid(x[:, :5, :7], 2).values, ragged)
    mask = torch.rand(4, 6, 8) < 0.5
    coarse = coarsen_grid(torch.where(mask[..., None], x, torch.nan), 3, mask)
    sums = coarsen_grid(torch.where(mask[..., None], x, 0.0), 3).values
    shares = coarsen_grid(mask[..., None].double(), 3).values
    assert bool((coarse.mask == (shares[..., 0] > 0)).all())
    # The right edge has blocks of two columns; means over cells cancel in the ratio.
    torch.testing.assert_close(coarse.values, torch.where(shares > 0, sums / shares, 0.0))


def test_turns_commute_with_blocks_that_divide_the_grid_and_only_then():
    x = torch.randn(2, 8, 8, 3, dtype=torch.float64)

    def turned(values):
        return torch.rot90(values, 1, dims=(1, 2))

    torch.testing.assert_close(coarsen_grid(turned(x), 2).values, turned(coarsen_grid(x, 2).values))
    small = x[:, :7, :7]
    gap = coarsen_grid(turned(small), 2).values - turned(coarsen_grid(small, 2).values)
    assert float(gap.abs().max()) > 0.1


def test_shifts_by_whole_blocks_commute_and_others_do_not():
    x = torch.randn(2, 12, 3, dtype=torch.float64)
    coarse = coarsen_tokens(x, 3).values
    torch.testing.assert_close(coarsen_tokens(x.roll(6, 1), 3).values, coarse.roll(2, 1))
    assert float((coarsen_tokens(x.roll(1, 1), 3).values - coarse).abs().max()) > 0.1


def test_group_axes_before_the_tokens_are_kept():
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    mask = torch.rand(2, 1, 6) < 0.7
    coarse = coarsen_tokens(x, 2, mask.expand(2, 4, 6))
    for element in range(4):
        alone = coarsen_tokens(x[:, element], 2, mask[:, 0])
        torch.testing.assert_close(coarse.values[:, element], alone.values)


def test_multi_scale_features_are_the_token_beside_its_blocks():
    x = torch.arange(8.0).reshape(1, 8, 1)
    features = multi_scale_tokens(x, 2, 2)
    assert features[0, 5].tolist() == [5.0, 4.5, 5.5]
    mask = torch.tensor([[True, False] * 4])
    assert multi_scale_tokens(torch.where(mask[..., None], x, torch.nan), 2, 1, mask)[0, 1].tolist() == [0, 0]
    assert multi_scale_tokens(x, 2, 0).equal(x)
    with pytest.raises(ValueError, match="block is 16"):
        multi_scale_tokens(x, 2, 4)


def test_nodes_are_averaged_by_group_in_any_order():
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    groups = torch.tensor([0, 1, 0, 2, 1, 2])
    coarse = coarsen_nodes(x, groups, 4)
    torch.testing.assert_close(coarse.values[:, 1], (x[:, 1] + x[:, 4]) / 2)
    assert coarse.mask.tolist() == [[True, True, True, False]] * 2
    order = torch.randperm(6)
    moved = coarsen_nodes(x[:, order], groups[order], 4)
    torch.testing.assert_close(moved.values, coarse.values)
    torch.testing.assert_close(refine(coarse.values, groups)[:, 4], coarse.values[:, 1])


def test_pairs_are_a_maximal_matching_by_weight():
    # A path 0-1-2-3-4 whose middle edge is the heaviest: 1 and 2 pair, then nothing joins 0, 3-4 pair.
    weights = np.zeros((5, 5))
    for a, b, value in [(0, 1, 2.0), (1, 2, 3.0), (2, 3, 2.0), (3, 4, 1.0)]:
        weights[a, b] = weights[b, a] = value
    groups = paired_nodes(weights)
    assert groups.tolist() == [0, 1, 1, 2, 2]
    coarse = coarsen_weights(weights, groups)
    assert coarse.tolist() == [[0, 2, 0], [2, 0, 2], [0, 2, 0]]
    with pytest.raises(ValueError, match="symmetric"):
        paired_nodes(np.triu(weights))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), nodes=st.integers(1, 12))
def test_pairs_of_distinct_weights_do_not_depend_on_the_numbers_of_nodes(seed, nodes):
    generator = np.random.default_rng(seed)
    weights = np.triu(generator.random((nodes, nodes)) * (generator.random((nodes, nodes)) < 0.4), 1)
    weights = weights + weights.T
    groups = paired_nodes(weights)
    assert np.bincount(groups).max() <= 2
    alone = np.bincount(groups)[groups] == 1
    # Maximal: no edge joins two nodes that are alone.
    assert not (weights[np.ix_(alone, alone)] > 0).any()
    order = generator.permutation(nodes)
    moved = paired_nodes(weights[np.ix_(order, order)])
    same = groups[order][:, None] == groups[order][None, :]
    assert np.array_equal(moved[:, None] == moved[None, :], same)

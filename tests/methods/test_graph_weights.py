"""Check weights, weighted layers and permuted ties against plain computations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.nn import SAGEConv

from methods.graph.weights import (
    genre_similarity,
    mean_weights,
    permute_ties,
    tie_weights,
    weighted_layer,
)


def test_genres_tied_to_the_same_genres_are_alike() -> None:
    # Genres 0 and 1 are each tied to genre 2 only, genre 3 to itself, genre 4 to nothing.
    genre = np.array([0, 1, 2, 2, 3, 3, 4])
    links = np.array([[0, 1, 4], [2, 3, 5]])
    similarity = genre_similarity(links, genre, 5)
    np.testing.assert_allclose(similarity, similarity.T)
    np.testing.assert_allclose(np.diag(similarity), 1)
    assert similarity[0, 1] == pytest.approx(1)
    assert similarity[0, 3] == similarity[0, 2] == similarity[4, 0] == 0


def test_the_cosine_is_that_of_logarithms_of_counts() -> None:
    genre = np.array([0, 0, 1, 1, 1])
    links = np.array([[0, 0, 0, 1, 2], [2, 3, 1, 4, 3]])  # 0-1: 3 ties, 0-0: 1, 1-1: 1
    rows = np.log1p(np.array([[2.0, 3.0], [3.0, 2.0]]))  # a tie within a genre counts in both directions
    expected = rows[0] @ rows[1] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1])
    assert genre_similarity(links, genre, 2)[0, 1] == pytest.approx(expected, rel=1e-12)


def test_a_weight_halves_in_a_half_life() -> None:
    weights = tie_weights(np.array([1.0, 0.5, 1.0]), np.array([20.0, -20.0, 0.0]), 20.0)
    np.testing.assert_allclose(weights, [0.5, 0.25, 1.0])
    with pytest.raises(ValueError, match="half-life is 0"):
        tie_weights(np.ones(1), np.ones(1), 0)


def test_the_weighted_mean_is_graphsage_where_weights_are_equal() -> None:
    edges = torch.tensor([[0, 1, 2, 3, 3], [1, 0, 1, 1, 2]])
    x = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    weighted, plain = weighted_layer("sage", 8, 4), SAGEConv(8, 4)
    plain.lin_l.load_state_dict(weighted.lin_rel.state_dict())
    plain.lin_r.load_state_dict({"weight": weighted.lin_root.weight})
    weight = mean_weights(edges, torch.full((5,), 0.3), 4)
    torch.testing.assert_close(weighted(x, edges, weight), plain(x, edges))


def test_unequal_weights_give_the_weighted_mean() -> None:
    edges = torch.tensor([[0, 1, 2], [3, 3, 0]])
    weight = mean_weights(edges, torch.tensor([3.0, 1.0, 0.2]), 4)
    torch.testing.assert_close(weight, torch.tensor([0.75, 0.25, 1.0]))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_permuted_ties_keep_degrees_and_blocks(seed: int, blocks: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = np.unique(rng.integers(0, 12, size=(50, 2)), axis=0)
    links = pairs[pairs[:, 0] != pairs[:, 1]].T
    kind = np.arange(12) % blocks  # kind of each target
    permuted = permute_ties(links, kind[links[1]], rng)
    assert len(np.unique(permuted, axis=1).T) == links.shape[1]
    assert (permuted[0] != permuted[1]).all()
    for side in (0, 1):
        np.testing.assert_array_equal(np.bincount(permuted[side]), np.bincount(links[side]))
    # Each source keeps the number of its ties with each kind.
    for source in np.unique(links[0]):
        before, after = (np.sort(kind[one[1][one[0] == source]]) for one in (links, permuted))
        np.testing.assert_array_equal(before, after)


def test_permutations_reach_every_network_about_equally_often() -> None:
    # Three sources and three targets with one tie each: 6 networks.
    links = np.array([[0, 1, 2], [3, 4, 5]])
    rng = np.random.default_rng(0)
    drawn = [tuple(permute_ties(links, np.zeros(3, int), rng)[1]) for _ in range(600)]
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == 6
    assert counts.min() > 60  # 100 expected, deviation 9


def test_a_full_block_cannot_change() -> None:
    links = np.array([[0, 0, 1, 1], [2, 3, 2, 3]])
    permuted = permute_ties(links, np.zeros(4, int), np.random.default_rng(0))
    assert set(map(tuple, permuted.T)) == set(map(tuple, links.T))


def test_an_unknown_layer_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown layer 'mean'"):
        weighted_layer("mean", 2, 4)

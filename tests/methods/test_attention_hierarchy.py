"""Check attention from level to level, and its graph against networkx."""

from __future__ import annotations

import io
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.attention import (
    AttentionGraph,
    HierarchicalAttention,
    from_json,
    mean_graph,
    positions,
    to_graphml,
    to_json,
    to_networkx,
)

PARENTS = [[0, 0, 0, 1, 1], [0, 0]]
NAMES = [["result"], ["sound", "words"], ["tempo", "key", "loudness", "joy", "fear"]]


@st.composite
def graphs(draw: st.DrawFn) -> AttentionGraph:
    """Draw levels of named nodes, some of them absent, and weights that sum to 1."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    adjacency = []
    for above, below in pairwise(sizes):
        weights = rng.dirichlet(np.full(below, 0.7), above)
        weights[rng.random(above) < 0.2] = 0
        adjacency.append(weights)
    levels = tuple(tuple(f"n {index} <&é>" for index in range(size)) for size in sizes)
    return AttentionGraph(levels, tuple(adjacency))


def module(seed: int = 0) -> HierarchicalAttention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HierarchicalAttention(8, 2, PARENTS).double()


def leaves(seed: int, rows: int = 6):
    """Return vectors and a mask of which the first row is complete, the second empty."""
    generator = torch.Generator().manual_seed(seed)
    present = torch.rand(rows, 5, generator=generator) < 0.6
    present[0], present[1] = True, False
    present[2] = torch.tensor([False, False, False, True, True])
    return torch.randn(rows, 5, 8, generator=generator, dtype=torch.float64), present


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_rows_sum_to_one_and_edges_lead_to_present_children_only(seed):
    tokens, present = leaves(seed)
    output = module(seed % 7)(tokens, present)
    children = [torch.tensor([[True, True]]), torch.tensor([[1, 1, 1, 0, 0], [0, 0, 0, 1, 1]]).bool()]
    exists = [None, torch.stack([present[:, :3].any(1), present[:, 3:].any(1)], 1), present]
    for number, level in enumerate(output.levels):
        allowed = children[number][None] & exists[number + 1][:, None, :]
        assert torch.equal(level.mask, allowed)
        adjacency = level.adjacency().detach()
        assert adjacency.shape == (6, len(NAMES[number]), len(NAMES[number + 1]))
        assert (adjacency[~allowed] == 0).all() and (adjacency[allowed] > 0).all()
        assert torch.allclose(adjacency.sum(-1), allowed.any(-1).double(), rtol=0, atol=1e-12)
    assert (output.tokens[1] == 0).all() and (output.tokens[0] != 0).any()


def test_each_level_is_torch_attention_over_the_children_of_a_node():
    """Compute node by node with `torch.nn.MultiheadAttention`, without any mask."""
    network = module()
    tokens, _ = leaves(3)
    output = network(tokens)
    values = tokens
    for layer, parents, level in zip(network.layers, PARENTS, reversed(output.levels), strict=True):
        oracle = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
        parts = [layer.attention.query, layer.attention.key, layer.attention.value]
        oracle.in_proj_weight.data = torch.cat([part.weight for part in parts]).data
        oracle.in_proj_bias.data = torch.cat([part.bias for part in parts]).data
        oracle.out_proj.load_state_dict(layer.attention.output.state_dict())
        nodes = []
        for node in range(max(parents) + 1):
            below = [index for index, parent in enumerate(parents) if parent == node]
            source = layer.norm(values[:, below])
            query = layer.queries[node].expand(len(tokens), 1, -1)
            attended, weights = oracle(query, source, source)
            assert torch.allclose(level.adjacency()[:, node, below], weights[:, 0], rtol=0, atol=1e-12)
            nodes.append(attended + layer.update(attended))
        values = torch.cat(nodes, dim=1)
    assert torch.allclose(output.tokens, values, rtol=0, atol=1e-12)


def test_values_of_absent_leaves_have_no_effect_and_gradients_are_finite():
    network = module()
    tokens, present = leaves(4)
    gaps = tokens.masked_fill(~present[..., None], torch.nan)
    output = network(gaps, present)
    assert torch.equal(output.tokens, network(tokens, present).tokens)
    output.tokens.square().sum().backward()
    assert all(weights.grad.isfinite().all() for weights in network.parameters())


def test_the_mean_graph_averages_the_rows_in_which_a_node_is_present():
    tokens, present = leaves(5)
    output = module()(tokens, present)
    graph = mean_graph(NAMES, output.levels)
    words = present[:, 3:].any(1)
    expected = output.levels[1].adjacency()[words, 1].mean(0).detach().numpy()
    assert graph.adjacency[1][1] == pytest.approx(expected, abs=1e-12)
    assert graph.rollout() == pytest.approx(graph.adjacency[0] @ graph.adjacency[1], abs=1e-12)
    assert graph.rollout().sum() == pytest.approx(1, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(graphs())
def test_a_graph_is_acyclic_and_survives_graphml_and_json(graph):
    directed = to_networkx(graph)
    assert nx.is_directed_acyclic_graph(directed)
    assert directed.number_of_nodes() == sum(map(len, graph.levels))
    for source, target in directed.edges:
        assert directed.nodes[target]["level"] == directed.nodes[source]["level"] + 1
    stored = nx.read_graphml(io.BytesIO(to_graphml(graph).encode()))
    assert dict(stored.nodes(data=True)) == dict(directed.nodes(data=True))
    assert nx.utils.edges_equal(stored.edges(data=True), directed.edges(data=True))
    loaded = from_json(to_json(graph))
    assert loaded.levels == graph.levels
    for first, second in zip(loaded.adjacency, graph.adjacency, strict=True):
        assert np.array_equal(first, second)


@settings(max_examples=30, deadline=None)
@given(graphs())
def test_shares_are_sums_over_paths(graph):
    """Compare the rollout with the products of weights along all paths of networkx."""
    directed = to_networkx(graph)
    last = len(graph.levels)
    for row, name in enumerate(graph.levels[0]):
        for column, leaf in enumerate(graph.levels[-1]):
            paths = nx.all_simple_edge_paths(directed, f"1/{name}", f"{last}/{leaf}")
            total = sum(np.prod([directed.edges[edge]["weight"] for edge in path]) for path in paths)
            assert graph.rollout()[row, column] == pytest.approx(total, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(graphs())
def test_nodes_of_a_level_have_distinct_heights(graph):
    for names, heights in zip(graph.levels, positions(graph), strict=True):
        assert sorted(heights) == pytest.approx((np.arange(len(names)) + 0.5) / len(names))


def test_edges_of_a_tree_do_not_cross():
    adjacency = (np.full((1, 2), 0.5), np.array([[0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5]]))
    graph = AttentionGraph((("r",), ("a", "b"), ("a1", "b1", "a2", "b2")), adjacency)
    _, middle, last = positions(graph)
    assert middle[0] < middle[1] and max(last[[0, 2]]) < min(last[[1, 3]])


@pytest.mark.parametrize(
    ("levels", "adjacency", "message"),
    [
        (
            (("a",), ("b", "b")),
            (np.ones((1, 2)) / 2,),
            "level 2 has .* expected one or more, unique",
        ),
        ((("a",), ("b",)), (), "2 levels have 0 matrices"),
        ((("a",), ("b",)), (np.ones((2, 1)),), r"level 1 is \(2, 1\); expected \(1, 1\)"),
        ((("a", "x"), ("b",)), (np.array([[1.0], [0.5]]),), "node 'x': the weights sum to 0.5"),
        ((("a",), ("b", "c")), (np.array([[1.5, -0.5]]),), "node 'a': the weights sum to 1"),
    ],
)
def test_a_graph_that_is_not_one_raises_an_error(levels, adjacency, message):
    with pytest.raises(ValueError, match=message):
        AttentionGraph(levels, adjacency)


def test_parents_without_a_child_raise_an_error():
    with pytest.raises(ValueError, match=r"level 3 are \[0, 0, 2\]; expected every number from 0 to 2"):
        HierarchicalAttention(4, 1, [[0, 0, 2], [0, 0, 0]])

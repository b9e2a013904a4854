"""Check networks of earlier ties, and values predicted from known ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from methods.graph.snapshots import JudgedPairs, SnapshotRecipe, fit_snapshots, snapshots
from methods.graph.values import ValueGraph, predict_values

NODES = 60


def test_a_moment_has_the_ties_strictly_before_it() -> None:
    links = np.array([[0, 1, 2], [1, 2, 3]])
    weight, time = np.array([0.1, 0.2, 0.3]), np.array([0.0, 1.0, 2.0])
    features = [np.full((4, 1), moment) for moment in (1.0, 2.0)]
    graph = snapshots(features, links, weight, time, np.array([1.0, 2.0]))
    found = {
        (int(a), int(b), round(float(w), 3)) for (a, b), w in zip(graph.edges.T, graph.weight, strict=True)
    }
    # Nodes of the second moment are rows 4 to 7.
    assert found == {(0, 1, 0.1), (1, 0, 0.1), (4, 5, 0.1), (5, 4, 0.1), (5, 6, 0.2), (6, 5, 0.2)}
    assert graph.x[:, 0].tolist() == [1.0] * 4 + [2.0] * 4


@pytest.mark.parametrize("layer", ["gcn", "sage", "gat"])
def test_later_ties_do_not_change_a_prediction(layer: str) -> None:
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(NODES, 4))]
    links = rng.integers(NODES, size=(2, 100))
    time = np.repeat([0.0, 5.0], 50)
    changed = links.copy()
    changed[:, 50:] = rng.integers(NODES, size=(2, 50))
    pairs = JudgedPairs(
        torch.arange(20), torch.arange(20, 40), torch.randn(20, 3), torch.tensor([0.0, 1.0] * 10)
    )
    graphs = [snapshots(features, one, np.ones(100), time, np.array([3.0])) for one in (links, changed)]
    recipe = SnapshotRecipe(layer, width=8, epochs=2)
    first, second = (fit_snapshots((graph, pairs), (graph, pairs), recipe) for graph in graphs)
    with torch.no_grad():
        assert torch.equal(first(graphs[0], pairs), second(graphs[1], pairs))


def test_ties_of_neighbours_predict_a_tie() -> None:
    # Nodes of one of two camps are tied to each other; only earlier ties show the camps.
    rng = np.random.default_rng(1)
    camp = np.arange(NODES) % 2
    source = rng.integers(NODES, size=400)
    target = 2 * rng.integers(NODES // 2, size=400) + camp[source]
    marked = np.arange(NODES) < 20  # the camp of these nodes is shown, the other nodes are all alike
    features = [np.column_stack([marked & (camp == 0), marked & (camp == 1)]).astype(float)]
    graph = snapshots(features, np.stack([source, target]), np.ones(400), np.zeros(400), np.ones(1))

    def pairs(seed: int) -> JudgedPairs:
        a, b = np.random.default_rng(seed).integers(20, NODES, size=(2, 200))
        same = torch.tensor(camp[a] == camp[b]).float()
        return JudgedPairs(torch.as_tensor(a), torch.as_tensor(b), torch.zeros(200, 1), same)

    recipe = SnapshotRecipe("sage", width=16, epochs=100, dropout=0.0, patience=100, learning_rate=0.03)
    judged = pairs(2)
    model = fit_snapshots((graph, pairs(0)), (graph, pairs(1)), recipe)
    with torch.no_grad():
        right = ((model(graph, judged) > 0).float() == judged.y).float().mean()
    assert right > 0.95  # 0.5 without the ties


def value_graph(seed: int = 0) -> ValueGraph:
    """Return a graph of groups of three that have one value in common."""
    rng = np.random.default_rng(seed)
    group = np.arange(3 * NODES) // 3
    y = rng.normal(size=NODES)[group][:, None] + 0.1 * rng.normal(size=(3 * NODES, 1))
    ends = [(a, b) for a in range(3 * NODES) for b in range(3 * NODES) if a != b and group[a] == group[b]]
    edges = torch.tensor(ends).T
    return ValueGraph(torch.ones(3 * NODES, 1), edges, torch.ones(edges.shape[1]), torch.tensor(y).float())


@pytest.mark.parametrize("layer", ["gcn", "sage", "gat"])
def test_values_of_neighbours_predict_a_value(layer: str) -> None:
    graph = value_graph()
    order = np.random.default_rng(0).permutation(3 * NODES)
    train, validation, test = np.split(order, [120, 150])
    recipe = SnapshotRecipe(layer, width=16, epochs=120, patience=120, dropout=0.0)
    values = predict_values(graph, train, validation, recipe).values
    error = ((values - graph.y.numpy())[test] ** 2).mean()
    assert error < 0.5 * graph.y[test].var()  # the mean alone has 1


def test_values_that_are_not_known_are_never_read() -> None:
    graph = value_graph()
    train, validation, test = np.split(np.random.default_rng(0).permutation(3 * NODES), [120, 150])
    hidden = graph.y.clone()
    hidden[test] = float("nan")
    recipe = SnapshotRecipe("gcn", width=8, epochs=3)
    whole, without = (
        predict_values(one, train, validation, recipe) for one in (graph, replace(graph, y=hidden))
    )
    np.testing.assert_array_equal(whole.values, without.values)
    assert np.isfinite(without.values).all()

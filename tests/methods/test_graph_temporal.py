"""Check features and negatives over time against plain loops."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.nn import SAGEConv

from methods.graph.encoders import NEGATIVE_SLOPE
from methods.graph.nodes import RECIPES, Graph, NodeClassifier, ProjectedSAGE, _dropout, classify_nodes
from methods.graph.temporal import Events, History, Pairs, negative_targets, pair_features
from methods.graph.temporal_attention import TOKEN, Inputs, LinkPredictor, Recipe, TemporalAttention, tokens


@st.composite
def some_events(draw: st.DrawFn) -> Events:
    """Return up to 30 events of five nodes, many of them simultaneous."""
    rows = draw(
        st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 8)), min_size=1, max_size=30)
    )
    table = np.array(sorted((t, a, b) for a, b, t in rows))
    return Events(table[:, 1], table[:, 2], table[:, 0].astype(float), 5)


def expected(events: Events, s: int, d: int, now: float) -> list[float]:
    """Return the features of a pair by loops over the earlier events."""
    earlier = [
        (a, b, t) for a, b, t in zip(events.source, events.target, events.time, strict=True) if t < now
    ]
    partners = [{b if a == node else a for a, b, _ in earlier if node in (a, b)} for node in range(5)]

    def recency(times: list[float]) -> float:
        return 1 / (1 + math.log1p(now - max(times))) if times else 0.0

    common = partners[s] & partners[d]
    counts = [
        sum(a == s for a, _, _ in earlier), sum(b == s for _, b, _ in earlier),
        sum(a == d for a, _, _ in earlier), sum(b == d for _, b, _ in earlier),
        len(partners[s]), len(partners[d]),
        sum((a, b) == (s, d) for a, b, _ in earlier), sum((a, b) == (d, s) for a, b, _ in earlier),
    ]  # fmt: skip
    return [
        *np.log1p(counts),
        recency([t for a, b, t in earlier if (a, b) == (s, d)]),
        recency([t for a, b, t in earlier if (a, b) == (d, s)]),
        recency([t for a, b, t in earlier if s in (a, b)]),
        recency([t for a, b, t in earlier if d in (a, b)]),
        np.log1p(len(common)),
        sum(1 / math.log(max(len(partners[node]), 2)) for node in common),
    ]


@settings(deadline=None, max_examples=60)
@given(some_events(), st.integers(0, 4), st.integers(0, 4), st.integers(0, 9))
def test_features_are_those_of_strictly_earlier_events(events: Events, s: int, d: int, now: int) -> None:
    # A second, later pair shows that the order of the question does not matter.
    asked = Pairs(np.array([0, s]), np.array([1, d]), np.array([9.0, float(now)]))
    np.testing.assert_allclose(pair_features(events, asked)[1], expected(events, s, d, now), atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(some_events(), st.integers(0, 4), st.integers(0, 9))
def test_recent_events_are_the_last_ones_strictly_before(events: Events, node: int, now: int) -> None:
    recent = History(events).recent(np.array([node]), np.array([float(now)]), 3)
    rows = zip(events.source, events.target, events.time, strict=True)
    ages = sorted(now - t for a, b, t in rows if t < now for end in (a, b) if end == node)[:3]
    assert recent.age[0][recent.partner[0] >= 0].tolist() == ages
    assert (recent.age[0][recent.partner[0] >= 0] > 0).all()


@settings(deadline=None, max_examples=30)
@given(some_events(), st.integers(0, 9))
def test_tokens_do_not_depend_on_later_events(events: Events, now: int) -> None:
    pairs = Pairs(np.array([0, 2]), np.array([1, 3]), np.array([float(now)] * 2))
    earlier = int(np.searchsorted(events.time, now, side="left"))
    of_all, of_past = (tokens(History(e), pairs, 4) for e in (events, events.part(slice(0, earlier))))
    np.testing.assert_array_equal(of_all[0], of_past[0])
    np.testing.assert_array_equal(of_all[1], of_past[1])


def messages(count: int = 1500) -> Events:
    """Return events in which nodes answer their last partner, or anybody."""
    rng = np.random.default_rng(0)
    last = {node: int(rng.integers(30)) for node in range(30)}
    rows = []
    for _ in range(count):
        a = int(rng.integers(30))
        b = last[a] if rng.random() < 0.8 else int(rng.integers(30))
        if a != b:
            rows.append((a, b))
            last[b] = a
    ends = np.array(rows)
    return Events(ends[:, 0], ends[:, 1], np.arange(len(ends), dtype=float), 30)


@pytest.mark.parametrize("kind", ["random", "historical", "inductive"])
def test_negatives_are_of_their_kind_and_no_event_of_their_time(kind: str) -> None:
    events = messages()
    train, rows = 200, slice(200, 400)
    pairs = negative_targets(events, train, rows, kind, np.random.default_rng(1), each=2)
    known = set(zip(events.source[:train].tolist(), events.target[:train].tolist(), strict=True))
    later = set(zip(events.source[train:].tolist(), events.target[train:].tolist(), strict=True))
    drawn = list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True))
    assert pairs.time.tolist() == np.repeat(events.time[rows], 2).tolist()
    happened = set(zip(events.time, events.source, events.target, strict=True))
    assert not {(t, *pair) for t, pair in zip(pairs.time, drawn, strict=True)} & happened
    if kind == "historical":
        assert set(drawn) <= known
    elif kind == "inductive":
        assert set(drawn) <= later - known
    else:
        assert pairs.source.tolist() == np.repeat(events.source[rows], 2).tolist()
        assert all(a != b for a, b in drawn)


def test_no_pair_of_a_kind_is_an_error() -> None:
    one = Events(np.array([0, 0]), np.array([1, 1]), np.array([0.0, 1.0]), 2)
    with pytest.raises(ValueError, match="no pair for inductive"):
        negative_targets(one, 1, slice(1, 2), "inductive", np.random.default_rng(0))
    with pytest.raises(ValueError, match="no random negative"):
        negative_targets(one, 1, slice(1, 2), "random", np.random.default_rng(0))


@pytest.mark.parametrize(
    ("source", "time", "message"),
    [
        ([0, 5], [0.0, 1.0], "expected 0 to 1"),
        ([0, 1], [1.0, 0.0], "sort the events"),
        ([0], [0.0], "length"),
    ],
)
def test_bad_events_are_an_error(source: list[int], time: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Events(np.array(source), np.array([1, 1]), np.array(time), 2)


def test_attention_finds_who_is_answered() -> None:
    events = messages()
    rng = np.random.default_rng(0)
    parts = [slice(0, 700), slice(700, 900), slice(900, len(events.time))]
    train, later, test = (
        (
            Pairs(events.source[rows], events.target[rows], events.time[rows]),
            negative_targets(events, 700, rows, "random", rng),
        )
        for rows in parts
    )
    recipe = Recipe(events=4, width=8, heads=2, with_features=False, epochs=6, batch_size=64)
    fitted = LinkPredictor(events, recipe).fit(train, later)
    positive, negative = fitted.predict(test[0]), fitted.predict(test[1])
    # 80 % of the events answer the last partner, whom a random other pair names once in 29
    assert (positive[:, None] > negative).mean() > 0.8
    again = LinkPredictor(events, recipe).fit(train, later)
    np.testing.assert_array_equal(again.predict(test[0]), positive)


def test_nodes_are_classified_from_two_labels_each() -> None:
    club = nx.karate_club_graph()
    y = torch.tensor([int(club.nodes[node]["club"] == "Officer") for node in club])
    edges = torch.tensor(list(club.edges)).T
    graph = Graph(torch.eye(34), torch.cat([edges, edges.flip(0)], 1), y, 2)
    train, validation = np.array([0, 1, 32, 33]), np.array([2, 3, 31, 30])
    logits = classify_nodes(graph, train, validation, RECIPES["gcn"], seed=0)
    assert float((logits.argmax(-1) == y).double().mean()) > 0.9
    again = classify_nodes(graph, train, validation, RECIPES["gcn"], seed=0)
    assert torch.equal(logits, again)
    unlabelled = Graph(graph.x, graph.edges, torch.full_like(y, -1), 2)
    with pytest.raises(ValueError, match="a node for training has no class"):
        classify_nodes(unlabelled, train, validation, RECIPES["gcn"], seed=0)


def citations() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(40, 30, generator=generator, dtype=torch.float64)
    return x * (x > 0.8), torch.randint(40, (2, 120), generator=generator)


def test_projecting_before_the_mean_is_the_layer_of_pyg() -> None:
    x, edges = citations()
    theirs, ours = SAGEConv(30, 4).double(), ProjectedSAGE(30, 4).double()
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(x, edges), theirs(x, edges), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["gcn", "sage", "gat"])
def test_sparse_features_give_the_outputs_and_gradients_of_dense_ones(name: str) -> None:
    x, edges = citations()
    model = NodeClassifier(30, 3, RECIPES[name]).double().eval()
    results = []
    for features in (x, x.to_sparse_coo().coalesce()):
        model.zero_grad()
        logits = model(features, edges)
        logits.square().sum().backward()
        results.append([logits.detach(), *(torch.clone(weight.grad) for weight in model.parameters())])
    for dense, sparse in zip(*results, strict=True):
        torch.testing.assert_close(sparse, dense, rtol=0, atol=1e-10)


def test_dropout_of_sparse_features_keeps_their_mean() -> None:
    x = torch.ones(200, 100).to_sparse_coo().coalesce()
    dropped = _dropout(x, 0.25, training=True).values()
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert float(dropped.mean()) == pytest.approx(1, abs=0.02)  # 5 standard errors
    assert torch.equal(_dropout(x, 0.25, training=False).values(), x.values())


def test_attention_is_the_equation() -> None:
    generator = torch.Generator().manual_seed(0)
    recipe = Recipe(events=3, width=8, heads=2, dropout=0.0)
    model = TemporalAttention(5, recipe).double().eval()
    with torch.no_grad():
        model.query.normal_(generator=generator)
    rows = torch.randn(4, 2, 3, TOKEN, generator=generator, dtype=torch.float64)
    exists = torch.tensor([[3, 2], [0, 1], [1, 0], [0, 0]])[..., None] > torch.arange(3)
    features = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    expected = []
    for pair in range(4):
        ends = []
        for side in (0, 1):
            tokens_of = rows[pair, side][exists[pair, side]]
            state = torch.zeros(2, 4, dtype=torch.float64)
            if len(tokens_of):
                h = model.project(torch.relu(model.embed[0](tokens_of))).view(-1, 2, 4)
                for head in (0, 1):
                    logit = h[:, head] @ model.key[head] + model.query[side, head]
                    share = torch.softmax(torch.where(logit > 0, logit, NEGATIVE_SLOPE * logit), 0)
                    state[head] = share @ h[:, head]
            ends.append(state.flatten())
        expected.append(model.score(torch.cat([*ends, features[pair]])).squeeze())
    ours = model(Inputs(rows, exists, features))
    torch.testing.assert_close(ours, torch.stack(expected), rtol=0, atol=1e-12)

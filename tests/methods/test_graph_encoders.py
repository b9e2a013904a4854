"""Compare layers with their formulas on four nodes, and check the training."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from methods.graph.encoders import ENCODERS, Encoder, InputLayer, layer, sample_neighbours
from methods.graph.links import both_directions, split_links, uniform_negatives
from methods.graph.scores import link_scores
from methods.graph.training import Recipe, dot, link_loss, message_edges, train_links

# 0 - 1, 0 - 2, 1 - 2, 2 - 3
LINKS = np.array([[0, 0, 1, 2], [1, 2, 2, 3]])
NEAR = {0: [1, 2], 1: [0, 2], 2: [0, 1, 3], 3: [2]}
EDGES = torch.from_numpy(both_directions(LINKS))
X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def build_layer(name: str, width: int = 4) -> torch.nn.Module:
    torch.manual_seed(1)
    return layer(name, 3, width)


def weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in module.named_parameters()}


def out(module: torch.nn.Module, edges: torch.Tensor = EDGES) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(X), edges).numpy()


def test_mean_aggregation_by_hand() -> None:
    sage = build_layer("sage-mean")
    w = weights(sage)
    # W [h_v || mean h_u] + b, with W split into its two halves.
    both = np.concatenate([w["lin_r.weight"], w["lin_l.weight"]], axis=1)
    expected = [both @ np.concatenate([X[v], X[NEAR[v]].mean(axis=0)]) + w["lin_l.bias"] for v in range(4)]
    np.testing.assert_allclose(out(sage), expected, atol=1e-6)


def test_max_pool_by_hand() -> None:
    sage = build_layer("sage-max")
    w = weights(sage)
    pooled = np.maximum(X @ w["lin.weight"].T + w["lin.bias"], 0)
    both = np.concatenate([w["lin_r.weight"], w["lin_l.weight"]], axis=1)
    expected = [
        both @ np.concatenate([X[v], pooled[NEAR[v]].max(axis=0)]) + w["lin_l.bias"] for v in range(4)
    ]
    np.testing.assert_allclose(out(sage), expected, atol=1e-6)


def test_lstm_by_hand_over_neighbours_of_equal_number() -> None:
    sage = build_layer("sage-lstm")
    edges = sample_neighbours(EDGES, 3, np.random.default_rng(0))
    w = weights(sage)
    order = [edges[0][edges[1] == v].tolist() for v in range(4)]
    assert all(len(read) == 3 and set(read) <= set(NEAR[v]) for v, read in enumerate(order))

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    expected = []
    for v in range(4):
        h, c = np.zeros(3), np.zeros(3)
        for u in order[v]:
            gates = w["aggr_module.lstm.weight_ih_l0"] @ X[u] + w["aggr_module.lstm.weight_hh_l0"] @ h
            gates += w["aggr_module.lstm.bias_ih_l0"] + w["aggr_module.lstm.bias_hh_l0"]
            i, f, g, o = np.split(gates, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        expected.append(w["lin_l.weight"] @ h + w["lin_l.bias"] + w["lin_r.weight"] @ X[v])
    np.testing.assert_allclose(out(sage, edges), expected, atol=1e-6)


def test_attention_by_hand() -> None:
    gat = build_layer("gat", 8)
    w = weights(gat)
    wh = (X @ w["lin.weight"].T).reshape(4, 4, 2)
    a_target, a_source = w["att_dst"][0], w["att_src"][0]
    expected = np.zeros((4, 8), dtype=np.float32)
    for i in range(4):
        near = [*NEAR[i], i]
        for head in range(4):
            e = np.array([a_target[head] @ wh[i, head] + a_source[head] @ wh[j, head] for j in near])
            e = np.where(e > 0, e, 0.2 * e)
            alpha = np.exp(e) / np.exp(e).sum()
            expected[i, 2 * head : 2 * head + 2] = alpha @ wh[near, head]
    np.testing.assert_allclose(out(gat), expected + w["bias"], atol=1e-6)


def test_gcn_by_hand() -> None:
    gcn = build_layer("gcn")
    w = weights(gcn)
    a = np.eye(4)
    a[LINKS[0], LINKS[1]] = a[LINKS[1], LINKS[0]] = 1
    root = np.diag(a.sum(axis=1) ** -0.5)
    np.testing.assert_allclose(out(gcn), root @ a @ root @ X @ w["lin.weight"].T + w["bias"], atol=1e-6)


def encoder(name: str, nodes: int, given: int, *, learnt: bool = False) -> Encoder:
    return Encoder(name, InputLayer(nodes, given, 8, learnt=learnt), (8, 16, 8))


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "sage-lstm"])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_renumbering_the_nodes_renumbers_the_embeddings(name: str, data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(9))))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.normal(size=(9, 5)).astype(np.float32)
    links = np.array([(i, j) for i in range(9) for j in range(i) if rng.random() < 0.4] or [(0, 1)]).T
    torch.manual_seed(0)
    model = encoder(name, 9, 5).eval()
    with torch.no_grad():
        plain = model(torch.from_numpy(x), torch.from_numpy(both_directions(links)))
        renamed = np.empty(9, dtype=np.int64)
        renamed[order] = np.arange(9)
        moved = model(torch.from_numpy(x[order]), torch.from_numpy(both_directions(renamed[links])))
    assert plain.std() > 1e-3
    torch.testing.assert_close(moved, plain[order], atol=1e-5, rtol=1e-4)


def test_the_last_layer_is_linear_so_that_a_pair_can_be_predicted_absent() -> None:
    torch.manual_seed(0)
    z = encoder("sage-mean", 4, 3).eval()(torch.from_numpy(X), EDGES)
    assert (z < 0).any()


def test_the_loss_equals_the_specification_and_does_not_overflow() -> None:
    z = torch.tensor([[1.0, 0.5], [0.3, -2.0], [1.5, 1.0]])
    positive, negative = torch.tensor([[0, 0], [1, 2]]), torch.tensor([[1], [2]])
    p = [1 / (1 + math.exp(-s)) for s in (0.3 - 1.0, 1.5 + 0.5)]
    q = 1 / (1 + math.exp(-(0.45 - 2.0)))
    assert float(link_loss(z, positive, negative)) == pytest.approx(
        -np.log(p).mean() - math.log(1 - q), rel=1e-6
    )
    huge = link_loss(torch.tensor([[1e3], [-1e3]]), torch.tensor([[0], [1]]), torch.tensor([[0], [0]]))
    assert float(huge) == pytest.approx(2e6)


@pytest.fixture(scope="module")
def blocks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sixty nodes in four groups with links inside the groups, and noisy features."""
    rng = np.random.default_rng(0)
    group = np.arange(60) % 4
    chance = np.where(group[:, None] == group[None], 0.8, 0.01)
    links = np.argwhere(np.triu(rng.random((60, 60)) < chance, 1)).T
    x = np.eye(4)[group] + rng.normal(0, 0.7, size=(60, 4))
    return links, x.astype(np.float32), group


def fitted(blocks: tuple, name: str, *, variational: bool = False, **recipe: object) -> tuple:
    links, x, group = blocks
    split = split_links(links, 60, 0, validation=0.1, test=0.2)
    negative = uniform_negatives(60, len(split.validation) + len(split.test), links, np.random.default_rng(1))
    held_out = links[:, split.validation], negative[:, : len(split.validation)]
    settings_ = {"epochs": 40, "learning_rate": 0.02, "patience": 40, "neighbours": 4} | recipe
    trained = train_links(
        lambda: Encoder(name, InputLayer(60, 4, 8, learnt=False), (8, 16, 8), variational=variational),
        x, links[:, split.train], held_out, Recipe(**settings_), types=group % 2,
    )  # fmt: skip
    z = torch.from_numpy(trained.embeddings)
    test = [
        dot(z, torch.from_numpy(part)).numpy()
        for part in (links[:, split.test], negative[:, len(split.validation) :])
    ]
    return trained, link_scores(*test).auc


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_learns_groups_and_is_reproducible(blocks: tuple, name: str) -> None:
    assert fitted(blocks, name, hidden=0.3)[1] > 0.85
    first, second, other = (fitted(blocks, name, hidden=0.3, epochs=4, seed=seed)[0] for seed in (0, 0, 1))
    assert first.history == second.history != other.history
    np.testing.assert_array_equal(first.embeddings, second.embeddings)


def test_the_learning_rate_rises_then_falls_along_a_cosine(blocks: tuple) -> None:
    history = fitted(blocks, "gcn", epochs=13, learning_rate=1.0, warmup=3)[0].history
    rates = [row["learning_rate"] for row in history]
    assert rates[:4] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert rates[8] == pytest.approx(0.5)
    assert rates[12] == pytest.approx((1 + math.cos(0.9 * math.pi)) / 2)


def test_vgae_learns_groups_too(blocks: tuple) -> None:
    trained, auc = fitted(blocks, "gcn", variational=True)
    assert auc > 0.85
    assert any(key.startswith("encoder.spread") for key in trained.weights)


@pytest.mark.parametrize("negatives", ["same type", "both"])
def test_training_with_negatives_of_the_same_type(blocks: tuple, negatives: str) -> None:
    assert fitted(blocks, "sage-mean", negatives=negatives)[1] > 0.85


def test_training_stops_when_the_best_loss_is_old_and_restores_its_weights(blocks: tuple) -> None:
    trained, _ = fitted(blocks, "sage-mean", epochs=400, patience=5, learning_rate=0.05)
    losses = [row["validation_loss"] for row in trained.history]
    assert len(losses) < 400
    assert len(losses) == trained.best_epoch + 5
    assert min(losses) == losses[trained.best_epoch - 1]
    # The embeddings come from the restored weights, so their loss is the best one.
    links, _, _ = blocks
    split = split_links(links, 60, 0, validation=0.1, test=0.2)
    negative = uniform_negatives(60, len(split.validation) + len(split.test), links, np.random.default_rng(1))
    held_out = (
        torch.from_numpy(part) for part in (links[:, split.validation], negative[:, : len(split.validation)])
    )
    assert float(link_loss(torch.from_numpy(trained.embeddings), *held_out)) == pytest.approx(min(losses))


def test_embeddings_do_not_depend_on_test_links(blocks: tuple) -> None:
    links, _, _ = blocks
    recipe = Recipe()
    model = torch.nn.Module()
    model.encoder = encoder("gcn", 60, 4)
    split = split_links(links, 60, 0)
    edges = message_edges(model, links[:, split.train], recipe, np.random.default_rng(0))
    pairs = set(map(tuple, edges.T.tolist()))
    assert len(pairs) == 2 * len(split.train)
    for source, target in links[:, split.test].T.tolist():
        assert not {(source, target), (target, source)} & pairs


def test_sparse_and_dense_features_give_equal_embeddings(blocks: tuple) -> None:
    links, x, _ = blocks
    words = np.where(x > 0.8, x, 0).astype(np.float32)

    def trained(features: object) -> np.ndarray:
        encoder = partial(Encoder, "gcn", torch.nn.Identity(), (4, 8, 8), dropout=0.0, normalise=False)
        return train_links(
            encoder, features, links, (links, links[:, ::-1].copy()), Recipe(epochs=3)
        ).embeddings

    np.testing.assert_allclose(trained(sparse.csr_matrix(words)), trained(words), atol=1e-5)


def test_invalid_input_raises_an_error(blocks: tuple) -> None:
    links, x, _ = blocks
    with pytest.raises(ValueError, match="expected one of sage-mean"):
        layer("sage-median", 3, 4)
    with pytest.raises(ValueError, match="expected a multiple of the 4 heads"):
        layer("gat", 3, 6)
    with pytest.raises(ValueError, match="neither given features"):
        InputLayer(4, 0, 8, learnt=False)
    with pytest.raises(ValueError, match="two widths or more"):
        Encoder("gcn", torch.nn.Identity(), (3,))
    with pytest.raises(ValueError, match="needs the types"):
        train_links(lambda: encoder("gcn", 60, 4), x, links, (links, links), Recipe(negatives="both"))
    with pytest.raises(ValueError, match="lower the learning rate"):
        train_links(lambda: encoder("gcn", 60, 4), x * np.nan, links, (links, links), Recipe())

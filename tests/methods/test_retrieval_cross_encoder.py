"""Compare loss, scores and rates of a tiny cross-encoder with plain formulas."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.retrieval.cross_encoder import build_scorer
from methods.retrieval.cross_encoder_training import Group, Recipe, mine, train
from methods.retrieval.fusion import min_max
from methods.retrieval.rerank import blend, rerank

WORDS = [f"word{at}" for at in range(20)]
GROUPS = [
    Group(f"word{at}", f"{WORDS[at % 7]} yes", (f"{WORDS[at % 5]} no", f"no {WORDS[at % 3]}")[: 1 + at % 2])
    for at in range(20)
]
RECIPE = Recipe(negatives=2, epochs=12, batch=4, learning_rate=2e-3, head_rate=2e-2, tokens=16, seed=1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of an untrained encoder with two narrow layers, without dropout."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "yes", "no", *WORDS]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=32, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return str(folder)


def logits(tiny: str, weights: dict[str, np.ndarray], pairs: list[tuple[str, str]]) -> np.ndarray:
    """Compute logits by transformers, pair by pair."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, body = AutoTokenizer.from_pretrained(tiny), AutoModel.from_pretrained(tiny).eval()
    names = {
        name.removeprefix("body."): torch.tensor(w) for name, w in weights.items() if name.startswith("body.")
    }
    assert not body.load_state_dict(names, strict=False).unexpected_keys
    head, bias = weights["head.weight"][0], weights["head.bias"][0]
    with torch.no_grad():
        first = [
            body(**tokenizer(*pair, return_tensors="pt")).last_hidden_state[0, 0].numpy() for pair in pairs
        ]
    return np.stack(first) @ head + bias


def test_scores_are_the_sigmoid_of_a_linear_head_on_the_first_token(tiny: str) -> None:
    weights, _ = train(tiny, GROUPS, replace(RECIPE, epochs=1))
    pairs = [("word3", "yes word1 word2"), ("word3 word4", "no"), ("word9", "word1"), ("", "no")]
    expected = 1 / (1 + np.exp(-logits(tiny, weights, pairs)))
    np.testing.assert_allclose(build_scorer(tiny, weights)(pairs), expected, atol=1e-6)
    np.testing.assert_allclose(build_scorer(tiny, weights, batch=1)(pairs), expected, atol=1e-6)
    assert np.ptp(expected) > 1e-3


def test_the_loss_is_a_softmax_over_the_group(tiny: str) -> None:
    """Train with a rate of 0, so that the epoch has the loss of its weights."""
    weights, losses = train(tiny, GROUPS, replace(RECIPE, epochs=1, learning_rate=0.0, head_rate=0.0))
    expected = []
    for group in GROUPS:
        z = logits(tiny, weights, [(group.query, text) for text in (group.relevant, *group.irrelevant)])
        expected.append(-math.log(np.exp(z[0]) / np.exp(z).sum()))
    assert losses[0] == pytest.approx(np.mean(expected), abs=1e-5)


def test_training_separates_the_documents_and_keeps_the_embeddings(tiny: str) -> None:
    weights, losses = train(tiny, GROUPS, RECIPE)
    assert losses[-1] < 0.1 < losses[0]
    score = build_scorer(tiny, weights)
    relevant, irrelevant = score([("word17", "word15 yes")]), score([("word17", "word15 no")])
    assert relevant > irrelevant + 0.3
    assert not any("embeddings" in name for name in weights)


def test_the_same_seed_gives_the_same_weights(tiny: str) -> None:
    one, two, other = (train(tiny, GROUPS, replace(RECIPE, epochs=2, seed=seed))[0] for seed in (3, 3, 4))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert any(not np.array_equal(one[name], other[name]) for name in one)


def test_missing_groups_and_foreign_weights_raise_an_error(tiny: str) -> None:
    with pytest.raises(ValueError, match="there is no group to train on"):
        train(tiny, [], RECIPE)
    with pytest.raises(ValueError, match="text model 'no/such'"):
        build_scorer("no/such", {})
    with pytest.raises(ValueError, match=r"weights do not fit .*, first 'body\.encoder.*expected \(32,\)"):
        build_scorer(tiny, {"head.weight": np.zeros((1, 32)), "head.bias": np.zeros(1)})


def test_groups_computed_by_hand() -> None:
    scores = np.array([[0.1, 0.9, 0.5, 0.7, -np.inf], [0.1, 0.2, 0.3, 0.4, 0.5], [1, 2, 3, 4, 5]])
    relevance = np.array([[1, 0, 2, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 1]])
    queries, documents = ["p", "q", "r"], list("abcde")
    assert mine(queries, documents, scores, relevance, depth=5) == [
        Group("p", "c", ("b", "d")), Group("p", "a", ("b", "d")),
        Group("r", "e", ("c", "b", "a")), Group("r", "d", ("c", "b", "a")),
    ]  # fmt: skip
    assert mine(queries, documents, scores, relevance, depth=2, positives=1) == [Group("p", "c", ("b", "d"))]


def test_blends_computed_by_hand() -> None:
    scores = np.array([[4.0, 2.0, 0.0, -np.inf]])
    pairs = np.array([[0.2, 0.9, np.nan, np.nan]])
    np.testing.assert_allclose(blend(scores, pairs, 0.25)[0, :3], [0.8, 0.6, -2.0])
    np.testing.assert_allclose(blend(scores, pairs, 1.0)[0, :3], [0.2, 0.9, -2.0])
    assert blend(scores, pairs, 0.5)[0, 3] == -np.inf
    with pytest.raises(ValueError, match=r"weight is 1\.5"):
        blend(scores, pairs, 1.5)


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=8, unique=True).map(np.array),
    st.integers(1, 8), st.floats(0, 1), st.integers(0, 99),
)  # fmt: skip
def test_documents_that_are_not_scored_follow_in_their_order(
    row: np.ndarray, top: int, weight: float, seed: int
) -> None:
    given_scores = np.random.default_rng(seed).random(8)
    result = rerank(
        ["q"],
        list("abcdefgh")[: len(row)],
        row[None],
        lambda pairs: given_scores[: len(pairs)],
        top=top,
        weight=weight,
    )[0]
    order = np.argsort(-row, kind="stable")
    scored, rest = order[:top], order[top:]
    assert result[scored].min() >= 0
    assert (result[rest] < 0).all()
    np.testing.assert_allclose(result[rest], min_max(row[None])[0][rest] - 2)
    if weight == 0:
        np.testing.assert_array_equal(result[scored], min_max(row[None])[0][scored])

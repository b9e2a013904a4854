"""Stages releaf-index and releaf-retrieve on a few passages, with a toy encoder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from methods.retrieval.sparse import bm25_scores, fit_bm25, from_arrays, query_weights
from statewright.contracts import ContractError, Table, check
from tasks.releaf.contracts.tables import Bm25Arrays, Vectors
from tasks.releaf.index import IndexOutputs, index
from tasks.releaf.params import IndexParams, RetrieveParams
from tasks.releaf.passages.judging import ask, best_passage, card_streams, commonest_stream, right_stream
from tasks.releaf.passages.vector_store import fill, nearest, open_store
from tasks.releaf.retrieve import RetrieveOutputs, retrieve

WIDTH = 64
INDEX = shipped_params(IndexParams, "releaf.index")
PARAMS = shipped_params(RetrieveParams, "releaf.retrieve", grid=(0.0, 0.5, 1.0), draws=100)
CARDS = {
    "jar": ("Glass jars", ["Here: Blue", "There: Glass"], ["here:jar", "there:jar"]),
    "pan": ("Frying pans", ["Here: Metal", "Here: Depot"], ["here:pan"]),
    "leaf": ("Leaves and grass", ["Here: Green"], []),
}


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts that the encoder received; their vectors are sums of word vectors."""
    received: list[str] = []

    def word(text: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        return np.random.default_rng(seed).normal(size=WIDTH)

    def encode(texts: list[str]) -> np.ndarray:
        received.extend(texts)
        vectors = np.stack([np.sum([word(w) for w in [*text.lower().split(), ""]], axis=0) for text in texts])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).round(6)

    monkeypatch.setattr("methods.retrieval.dense.load_encoder", lambda model, batch: encode)
    monkeypatch.setattr("methods.retrieval.dense.model_digest", lambda model: model)
    return received


@pytest.fixture
def passages() -> pd.DataFrame:
    rows = [
        (f"{card}#{part}", card, part, title, f"{title}. {part} of {title.lower()}")
        for card, (title, _, _) in CARDS.items()
        for part in ("what", "where")
    ]
    return pd.DataFrame(rows, columns=["passage_id", "card_id", "part", "title", "text"])


@pytest.fixture
def cards() -> pd.DataFrame:
    rows = [(card, streams, ids) for card, (_, streams, ids) in CARDS.items()]
    return pd.DataFrame(rows, columns=["card_id", "streams", "item_ids"])


@pytest.fixture
def items() -> pd.DataFrame:
    rows = [
        ("here:jar", "Glass jar", "Here", "Blue", "test"),
        ("there:jar", "Jar", "There", "Glass", "test"),
        ("here:pan", "Pan", "Here", "Metal", "test"),
        ("here:grass", "Grass", "Here", "Green", "test"),
        ("here:rock", "Rock", "Here", "Blue", "train"),
        ("here:stone", "Stone", "Here", "Blue", "train"),
        ("here:jars", "Jars", "Here", "Blue", "train"),
        ("here:pot", "Pan", "Here", "Depot", "test"),
    ]
    return pd.DataFrame(rows, columns=["item_id", "name", "city", "stream", "split"])


def run(
    passages: pd.DataFrame, items: pd.DataFrame, cards: pd.DataFrame, made: IndexOutputs, **changes: object
) -> RetrieveOutputs:
    return retrieve(
        passages, items, cards, made,
        params=PARAMS.model_copy(update=changes), index=INDEX,
    )  # fmt: skip


def test_the_index_contains_the_passages(passages: pd.DataFrame, encoded: list[str]) -> None:
    made = index(passages, None, params=INDEX)
    check(made.bm25, Bm25Arrays, "bm25")
    check(made.vectors, Table[Vectors], "vectors")
    fitted = fit_bm25(passages["text"].tolist())
    back = from_arrays(made.bm25, made.vocabulary.terms)
    for one, two in ((back.matrix, fitted.matrix), (back.counts, fitted.counts)):
        np.testing.assert_array_equal(one.toarray(), two.toarray())
    query = ["grass and a jar"]
    np.testing.assert_array_equal(
        bm25_scores(back, query_weights(back, query)), bm25_scores(fitted, query_weights(fitted, query))
    )
    assert encoded == passages["text"].tolist()
    assert np.stack(list(made.vectors["vector"])).dtype == np.float32


def test_only_changed_passages_are_encoded_again(passages: pd.DataFrame, encoded: list[str]) -> None:
    before = index(passages, None, params=INDEX).vectors
    changed = passages.copy()
    changed.loc[1, "text"] = "Jars of glass. Now elsewhere"
    new = ("sock#what", "sock", "what", "Socks", "Socks. For feet")
    changed = pd.concat(
        [changed.drop(index=3), pd.DataFrame([new], columns=passages.columns)], ignore_index=True
    )
    encoded.clear()
    after = index(changed, before, params=INDEX).vectors
    assert encoded == ["Jars of glass. Now elsewhere", "Socks. For feet"]
    # The previous vectors decide which texts are encoded, but do not change the result.
    pd.testing.assert_frame_equal(after, index(changed, None, params=INDEX).vectors)
    encoded.clear()
    pd.testing.assert_frame_equal(index(changed, after, params=INDEX).vectors, after)
    assert encoded == []


def test_another_model_encodes_everything(passages: pd.DataFrame, encoded: list[str]) -> None:
    before = index(passages, None, params=INDEX).vectors
    encoded.clear()
    index(passages, before, params=shipped_params(IndexParams, "releaf.index", model="another"))
    assert len(encoded) == len(passages)


def test_no_passages_and_a_foreign_index_are_errors(
    passages: pd.DataFrame, items: pd.DataFrame, cards: pd.DataFrame, encoded: list[str]
) -> None:
    with pytest.raises(ContractError, match=r"passages\.parquet has no rows"):
        index(passages.iloc[:0], None, params=INDEX)
    made = index(passages, None, params=INDEX)
    with pytest.raises(ContractError, match="does not have the rows of passages"):
        run(passages.iloc[1:], items, cards, made)


def test_the_error_names_a_missing_model(passages: pd.DataFrame) -> None:
    with pytest.raises(ContractError, match=r"releaf\.index\.model: text model 'no/such'"):
        index(passages, None, params=shipped_params(IndexParams, "releaf.index", model="no/such"))


def test_questions_are_names_with_their_cards_and_streams(items: pd.DataFrame, cards: pd.DataFrame) -> None:
    asked = ask(items, cards).of("test")
    table = asked.table.set_index(["city", "name"])
    assert table.loc[("Here", "Pan"), "streams"] == {"Metal", "Depot"}
    cited = dict(zip(asked.table["name"], asked.relevance.tolist(), strict=True))
    assert cited == {"Glass jar": [1, 0, 0], "Grass": [0, 0, 0], "Pan": [0, 1, 0], "Jar": [1, 0, 0]}
    assert commonest_stream(asked, ask(items, cards).of("train")).tolist() == [1, 0, 0, 0]


def test_right_streams_by_hand(items: pd.DataFrame, cards: pd.DataFrame) -> None:
    asked = ask(items, cards).of("test")
    assert asked.table["name"].tolist() == ["Glass jar", "Grass", "Pan", "Jar"]
    inf = np.inf
    # jar first; pan first (two streams, none right); pan first (both right); no card of There
    scores = np.array([[2, 1, 0], [1, 2, 0], [0, 3, 1], [-inf, 2, 1]], dtype=float)
    assert right_stream(scores, asked, card_streams(cards)).tolist() == [1, 0, 1, 0]
    # pan's card names two streams; a question with one right stream gets half
    one = asked.table.assign(streams=[{"Depot"}] * 4)
    first = np.tile([0.0, 1.0, 0.0], (4, 1))
    named = right_stream(first, type(asked)(one, asked.relevance), card_streams(cards))
    assert named.tolist() == [0.5, 0.5, 0.5, 0]


def test_a_card_has_the_score_of_its_best_passage() -> None:
    scores = np.array([[1.0, 5.0, -np.inf]])
    assert best_passage(scores, np.array([1, 1, 2]), 3).tolist() == [[-np.inf, 5.0, -np.inf]]


def test_names_retrieve_their_cards_and_bins(
    passages: pd.DataFrame, items: pd.DataFrame, cards: pd.DataFrame, encoded: list[str]
) -> None:
    made = index(passages, None, params=INDEX)
    table, metrics = run(passages, items, cards, made)
    bm25 = metrics.systems["bm25"]
    # each of three cited names shares a stem with its own card only
    assert (metrics.questions, metrics.questions_cited) == (4, 3)
    assert (bm25.ndcg_10, bm25.ap, bm25.rr_10, bm25.recall_100) == (1, 1, 1, 1)
    assert bm25.right_stream == 1
    assert metrics.commonest_stream == 0.25
    assert metrics.shipped == "weighted + feedback"
    assert len(metrics.systems) == 8
    assert metrics.systems[metrics.best_single].p_holm is None
    assert metrics.reranker.startswith("off")
    assert metrics.store_agrees == 1
    assert [(point.w_dense, point.feedback) for point in metrics.grid] == [
        (w, feedback) for feedback in (0, 3) for w in (0, 0.5, 1)
    ]
    assert sum(level.questions for level in metrics.confidence.values()) == 4
    assert table.loc[~table["cited"], "ndcg_10"].isna().all()
    again = run(passages, items, cards, made)
    pd.testing.assert_frame_equal(again.retrieval_scores, table)
    assert again.retrieve == metrics


def test_the_store_writes_only_differences(passages: pd.DataFrame, encoded: list[str]) -> None:
    vectors = index(passages, None, params=INDEX).vectors
    client = open_store(None)
    assert fill(client, vectors) == 6
    assert fill(client, vectors) == 0
    changed = passages.assign(text=["Other. Words", *passages["text"][1:]])
    after = index(changed, vectors, params=INDEX).vectors.iloc[:5]
    assert fill(client, after) == 1
    asked = np.stack(list(after["vector"]))
    found = nearest(client, asked, 10)
    assert [answer[0][0] for answer in found] == after["passage_id"].tolist()
    cosines = asked @ asked.T
    for row, answer in enumerate(found):
        assert len(answer) == 5
        places = [after["passage_id"].tolist().index(passage) for passage, _ in answer]
        np.testing.assert_allclose([score for _, score in answer], cosines[row, places], atol=1e-5)
    narrow = after.assign(vector=[row[:8] for row in after["vector"]])
    assert fill(client, narrow) == 5


def test_the_error_names_a_server_that_does_not_answer() -> None:
    with pytest.raises(ContractError, match=r"Qdrant does not answer at http://127\.0\.0\.1:9"):
        open_store("http://127.0.0.1:9", timeout_s=1)


def test_the_error_names_a_missing_reranker(
    passages: pd.DataFrame, items: pd.DataFrame, cards: pd.DataFrame, encoded: list[str]
) -> None:
    made = index(passages, None, params=INDEX)
    with pytest.raises(ContractError, match=r"releaf\.retrieve\.reranker: re-ranker 'no/such'"):
        run(passages, items, cards, made, reranker="no/such")


@pytest.mark.slow
def test_a_reranker_is_one_more_system_with_its_depth_and_weight(
    passages: pd.DataFrame, items: pd.DataFrame, cards: pd.DataFrame, encoded: list[str],
    cross_encoder_folder: Path,
) -> None:  # fmt: skip
    made = index(passages, None, params=INDEX)
    how = {"reranker": str(cross_encoder_folder), "rerank_depth": 4, "rerank_weight": 1.0}
    table, metrics = run(passages, items, cards, made, **how)
    assert (metrics.shipped, metrics.reranker) == ("weighted + feedback + re-ranking", how["reranker"])
    plain, _ = run(passages, items, cards, made)
    without = table[table["system"] != metrics.shipped].reset_index(drop=True)
    pd.testing.assert_frame_equal(without, plain)
    _, nothing = run(passages, items, cards, made, **{**how, "rerank_weight": 0.0})
    changed, same = metrics.systems[metrics.shipped], nothing.systems[metrics.shipped]
    as_before = metrics.systems["weighted + feedback"]
    assert (same.ndcg_10, same.right_stream) == (as_before.ndcg_10, as_before.right_stream)
    assert (changed.ndcg_10, changed.right_stream) != (as_before.ndcg_10, as_before.right_stream)


@pytest.mark.slow
def test_the_packaged_encoder_gives_a_text_one_vector_in_any_batch(
    passages: pd.DataFrame,
) -> None:
    whole = index(passages, None, params=INDEX).vectors
    part = index(passages.iloc[[4]], None, params=INDEX).vectors
    np.testing.assert_array_equal(part["vector"].iloc[0], whole["vector"].iloc[4])
    vectors = np.stack(list(whole["vector"]))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    alike = vectors @ vectors.T
    # two passages of one card are nearer than those of others
    assert all(alike[i, i ^ 1] == np.delete(alike[i], i).max() for i in range(6))
    long = index(
        passages.assign(text=["glass " * 20_000, "", *passages["text"][2:]]),
        whole,
        params=INDEX,
    )
    assert np.isfinite(np.stack(list(long.vectors["vector"]))).all()

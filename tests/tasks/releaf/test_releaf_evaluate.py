"""Stages releaf-streams and releaf-evaluate on a few names, with a toy encoder."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from methods.retrieval.sparse import fit_bm25, to_arrays
from releaf.bins import BINS
from statewright.contracts import ContractError, Table, check
from tasks.releaf.contracts.tables import Vocabulary
from tasks.releaf.evaluate import Answers, EvaluateOutputs, accuracy, evaluate
from tasks.releaf.index import IndexOutputs
from tasks.releaf.params import EvaluateParams, IndexParams, RetrieveParams, StreamsParams
from tasks.releaf.streams import Names, StreamsOutputs, streams

WIDTH = 48
SPLITS = ("train", "train", "train", "dev", "test")
KINDS = {"Blue": "jar", "Metal": "pan", "Green": "leaf"}
ADJECTIVES = ("old", "small", "green", "broken", "heavy")
INDEX = shipped_params(IndexParams, "releaf.index")
SEARCH = shipped_params(RetrieveParams, "releaf.retrieve", feedback=0)


def encode(texts: list[str]) -> np.ndarray:
    def word(text: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        return np.random.default_rng(seed).normal(size=WIDTH)

    vectors = np.stack([np.sum([word(w) for w in text.lower().split()], axis=0) for text in texts])
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).round(6)


@pytest.fixture
def items() -> pd.DataFrame:
    """Five names of each kind in one city; the cards cover jars and pans only."""
    rows = [
        (f"here:{adjective}-{noun}", f"{adjective} {noun}", "Here", stream, split, noun != "leaf")
        for stream, noun in KINDS.items()
        for adjective, split in zip(ADJECTIVES, SPLITS, strict=True)
    ]
    return pd.DataFrame(rows, columns=["item_id", "name", "city", "stream", "split", "cited"])


@pytest.fixture
def trained(items: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> StreamsOutputs:
    monkeypatch.setattr("methods.retrieval.dense.load_encoder", lambda model, batch: encode)
    return streams(
        items,
        params=shipped_params(StreamsParams, "releaf.streams"),
        index=INDEX,
    )


@pytest.fixture
def evaluated(items: pd.DataFrame, trained: StreamsOutputs) -> EvaluateOutputs:
    return run_evaluate(items, trained, SEARCH)


def run_evaluate(items: pd.DataFrame, trained: StreamsOutputs, search: RetrieveParams) -> EvaluateOutputs:
    cards = pd.DataFrame(
        [
            (
                "jar",
                "jars",
                "a jar of glass",
                "",
                "",
                "",
                ["Here: Blue"],
                [f"here:{a}-jar" for a in ADJECTIVES],
            ),
            (
                "pan",
                "pans",
                "a pan of steel",
                "",
                "",
                "",
                ["Here: Metal"],
                [f"here:{a}-pan" for a in ADJECTIVES],
            ),
        ],
        columns=["card_id", "title", "what", "where", "prepare", "reuse", "streams", "item_ids"],
    )
    passages = pd.DataFrame(
        {
            "passage_id": ["jar#what", "pan#what"],
            "card_id": ["jar", "pan"],
            "part": "what",
            "text": cards["what"],
        }
    )
    index = fit_bm25(passages["text"].tolist())
    vectors = passages[["passage_id"]].assign(vector=list(encode(passages["text"].tolist())))
    rng = np.random.default_rng(0)
    labels = rng.choice(sorted(BINS["Toronto"]), 60)
    labels[:6] = "glass"
    photographs = pd.DataFrame({"photo_id": range(60), "split": "test", "label": labels})
    for material in BINS["Toronto"]:
        photographs[f"p_{material}"] = (labels == material).astype(float)
    photographs.loc[:5, ["p_trash", "p_glass", "p_metal"]] = [0.4, 0.3, 0.3]
    vocabulary = Vocabulary(terms=list(index.vocabulary), k1=1.5, b=0.75, passages=2)
    return evaluate(
        items, cards, passages, IndexOutputs(to_arrays(index), vocabulary, vectors), trained, photographs,
        params=shipped_params(EvaluateParams, "releaf.evaluate", draws=100), retrieve=search,
    )  # fmt: skip


def test_the_model_learns_the_streams_of_words(trained: StreamsOutputs) -> None:
    assert trained.streams.streams == {"Here": ["Blue", "Green", "Metal"]}
    assert (trained.streams.test.names, trained.streams.test.model) == (3, 1.0)
    assert trained.streams.test.commonest_stream == pytest.approx(1 / 3, abs=1e-6)
    assert trained.streams.test_by_city["Here"] == trained.streams.test
    check(trained.names, Table[Names], "names")


def test_the_strength_is_the_best_on_dev(trained: StreamsOutputs) -> None:
    by_strength = trained.streams.dev_by_strength
    assert (
        by_strength[f"{trained.streams.strength:g}"] == max(by_strength.values()) == trained.streams.dev.model
    )


def test_a_city_with_one_stream_is_an_error(items: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methods.retrieval.dense.load_encoder", lambda model, batch: encode)
    with pytest.raises(ContractError, match=r"city Here, split train: .* expected two or more"):
        streams(
            items.assign(stream="Blue"),
            params=shipped_params(StreamsParams, "releaf.streams"),
            index=INDEX,
        )


def test_every_test_name_is_predicted_once(evaluated: EvaluateOutputs, items: pd.DataFrame) -> None:
    check(evaluated.answers, Table[Answers], "answers")
    assert sorted(evaluated.answers["name"]) == sorted(items[items["split"] == "test"]["name"])
    assert (evaluated.answers["probability"] < 1).all()


def test_the_list_covers_names_that_are_on_no_card(evaluated: EvaluateOutputs) -> None:
    table = evaluated.answers.set_index("name")
    assert not table.loc["heavy leaf", "by_cards"]
    assert table.loc["heavy leaf", "by_list"]
    summary = evaluated.evaluate
    assert summary.by_cards.right == pytest.approx(table["by_cards"].mean(), abs=1e-6)
    assert summary.names.right == pytest.approx(table["by_assistant"].mean(), abs=1e-6)
    assert (summary.names_cited.questions, summary.names_uncited.questions) == (2, 1)
    assert sum(level.questions for level in summary.by_level.values()) == 3
    assert summary.dev_by_weight["0"] == 1.0


def test_a_reranker_orders_the_cards(
    evaluated: EvaluateOutputs, items: pd.DataFrame, trained: StreamsOutputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Use a re-ranker that prefers the wrong card; the answers of the cards change."""

    def wrong(pairs: list[tuple[str, str]]) -> np.ndarray:
        return np.array([float(name.split()[-1] not in text) for name, text in pairs])

    monkeypatch.setattr("methods.retrieval.rerank.load_cross_encoder", lambda model, batch: wrong)
    turned = run_evaluate(
        items, trained, SEARCH.model_copy(update={"reranker": "wrong", "rerank_weight": 1.0})
    )
    cited = ["heavy jar", "heavy pan"]
    assert evaluated.answers.set_index("name").loc[cited, "by_cards"].all()
    assert not turned.answers.set_index("name").loc[cited, "by_cards"].any()
    kept = run_evaluate(items, trained, SEARCH.model_copy(update={"reranker": "wrong", "rerank_weight": 0.0}))
    assert kept.answers["stream"].tolist() == evaluated.answers["stream"].tolist()


def test_the_error_names_a_missing_reranker(items: pd.DataFrame, trained: StreamsOutputs) -> None:
    with pytest.raises(ContractError, match=r"releaf\.retrieve\.reranker: re-ranker 'no/such' was not found"):
        run_evaluate(items, trained, SEARCH.model_copy(update={"reranker": "no/such"}))


def test_a_photograph_is_right_if_its_bin_is_right(evaluated: EvaluateOutputs) -> None:
    """Use six photos between trash, glass and metal.

    Glass and metal share a bin in Toronto, but not in Nagai.
    """
    assert evaluated.evaluate.photographs["Toronto"].right == 1.0
    assert evaluated.evaluate.photographs["Nagai"].right == pytest.approx(54 / 60)


def test_intervals_equal_wilsons() -> None:
    from statsmodels.stats.proportion import proportion_confint

    found = accuracy(np.array([1.0] * 9 + [0.0] * 4))
    low, high = proportion_confint(9, 13, method="wilson")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)
    assert accuracy(np.array([])).questions == 0

"""releaf-streams and releaf-evaluate on a few names, with an encoder of words."""

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
    """Five names of each kind in one city; the cards speak of jars and pans only."""
    rows = [
        (f"here:{adjective}-{thing}", f"{adjective} {thing}", "Here", stream, split, thing != "leaf")
        for stream, thing in KINDS.items()
        for adjective, split in zip(ADJECTIVES, SPLITS, strict=True)
    ]
    return pd.DataFrame(rows, columns=["item_id", "name", "city", "stream", "split", "cited"])


@pytest.fixture
def learnt(items: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> StreamsOutputs:
    monkeypatch.setattr("methods.retrieval.dense.load_encoder", lambda model, batch: encode)
    return streams(
        items,
        params=shipped_params(StreamsParams, "releaf.streams"),
        index=INDEX,
    )


@pytest.fixture
def judged(items: pd.DataFrame, learnt: StreamsOutputs) -> EvaluateOutputs:
    return judge(items, learnt, SEARCH)


def judge(items: pd.DataFrame, learnt: StreamsOutputs, search: RetrieveParams) -> EvaluateOutputs:
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
        items, cards, passages, to_arrays(index), vocabulary, vectors, *learnt, photographs,
        params=shipped_params(EvaluateParams, "releaf.evaluate", draws=100), retrieve=search,
    )  # fmt: skip


def test_the_model_learns_what_the_words_say(learnt: StreamsOutputs) -> None:
    assert learnt.streams.streams == {"Here": ["Blue", "Green", "Metal"]}
    assert (learnt.streams.test.names, learnt.streams.test.model) == (3, 1.0)
    assert learnt.streams.test.commonest_stream == pytest.approx(1 / 3, abs=1e-6)
    assert learnt.streams.test_by_city["Here"] == learnt.streams.test
    check(learnt.names, Table[Names], "names")


def test_the_strength_is_the_best_on_dev(learnt: StreamsOutputs) -> None:
    by_strength = learnt.streams.dev_by_strength
    assert (
        by_strength[f"{learnt.streams.strength:g}"] == max(by_strength.values()) == learnt.streams.dev.model
    )


def test_a_city_of_one_stream_is_refused(items: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methods.retrieval.dense.load_encoder", lambda model, batch: encode)
    with pytest.raises(ContractError, match=r"city Here, split train: .* expected two or more"):
        streams(
            items.assign(stream="Blue"),
            params=shipped_params(StreamsParams, "releaf.streams"),
            index=INDEX,
        )


def test_every_test_name_is_asked_once_and_none_is_looked_up(
    judged: EvaluateOutputs, items: pd.DataFrame
) -> None:
    check(judged.answers, Table[Answers], "answers")
    assert sorted(judged.answers["name"]) == sorted(items[items["split"] == "test"]["name"])
    assert (judged.answers["probability"] < 1).all()


def test_the_cards_alone_cannot_know_leaves_and_both_together_do(judged: EvaluateOutputs) -> None:
    table = judged.answers.set_index("name")
    assert not table.loc["heavy leaf", "by_cards"]
    assert table.loc["heavy leaf", "by_list"]
    summary = judged.evaluate
    assert summary.by_cards.right == pytest.approx(table["by_cards"].mean(), abs=1e-6)
    assert summary.names.right == pytest.approx(table["by_assistant"].mean(), abs=1e-6)
    assert (summary.names_cited.questions, summary.names_uncited.questions) == (2, 1)
    assert sum(level.questions for level in summary.by_level.values()) == 3
    assert summary.dev_by_weight["0"] == 1.0


def test_a_reranker_that_is_named_orders_the_cards(
    judged: EvaluateOutputs, items: pd.DataFrame, learnt: StreamsOutputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that reads the wrong card as the right one turns what the cards alone answer."""

    def wrong(pairs: list[tuple[str, str]]) -> np.ndarray:
        return np.array([float(name.split()[-1] not in text) for name, text in pairs])

    monkeypatch.setattr("methods.retrieval.rerank.load_cross_encoder", lambda model, batch: wrong)
    turned = judge(items, learnt, SEARCH.model_copy(update={"reranker": "wrong", "rerank_weight": 1.0}))
    cited = ["heavy jar", "heavy pan"]
    assert judged.answers.set_index("name").loc[cited, "by_cards"].all()
    assert not turned.answers.set_index("name").loc[cited, "by_cards"].any()
    kept = judge(items, learnt, SEARCH.model_copy(update={"reranker": "wrong", "rerank_weight": 0.0}))
    assert kept.answers["stream"].tolist() == judged.answers["stream"].tolist()


def test_a_reranker_that_is_not_there_is_named(items: pd.DataFrame, learnt: StreamsOutputs) -> None:
    with pytest.raises(ContractError, match=r"releaf\.retrieve\.reranker: re-ranker 'no/such' is not here"):
        judge(items, learnt, SEARCH.model_copy(update={"reranker": "no/such"}))


def test_photographs_are_right_where_the_bin_is(judged: EvaluateOutputs) -> None:
    """Glass that might be trash, and might be metal: both go to Toronto's blue bin, to two bins in Nagai."""
    assert judged.evaluate.photographs["Toronto"].right == 1.0
    assert judged.evaluate.photographs["Nagai"].right == pytest.approx(54 / 60)


def test_intervals_are_wilsons() -> None:
    from statsmodels.stats.proportion import proportion_confint

    found = accuracy(np.array([1.0] * 9 + [0.0] * 4))
    low, high = proportion_confint(9, 13, method="wilson")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)
    assert accuracy(np.array([])).questions == 0

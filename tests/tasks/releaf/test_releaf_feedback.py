"""Logged ratings: read from files and a database, and used to improve the search."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from methods.retrieval.sparse import fit_bm25, to_arrays
from statewright import files
from statewright.contracts import ContractError, Table, check
from tasks.checked import Quarantine
from tasks.releaf.contracts.tables import Ratings, Vocabulary
from tasks.releaf.feedback import FeedbackOutputs, HardNegatives, card_ratings, feedback, hard_negatives
from tasks.releaf.index import IndexOutputs
from tasks.releaf.params import FeedbackParams, IndexParams, RatingsParams, RetrieveParams
from tasks.releaf.ratings import ratings

ROW = {
    "answer_id": "a1", "asked_at": "2026-11-25T20:00:00Z", "question": "where does a jar go",
    "city": "Toronto", "card_id": "jar", "passage_id": "jar#where", "stream": "Blue Bin",
    "confidence": 0.5, "level": "high", "rating": 1, "model": "templates",
}  # fmt: skip


def log(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame([ROW | {"answer_id": f"a{at}"} | row for at, row in enumerate(rows)])


def as_parquet(frame: pd.DataFrame, folder: Path) -> str:
    frame.to_parquet(folder / "log.parquet")
    return str(folder / "log.parquet")


def as_csv(frame: pd.DataFrame, folder: Path) -> str:
    frame.to_csv(folder / "log.csv", index=False)
    return str(folder / "log.csv")


def as_sqlite(frame: pd.DataFrame, folder: Path) -> str:
    with sqlite3.connect(folder / "log.db") as database:
        frame.to_sql("ratings", database, index=False)
    return f"sqlite:///{folder / 'log.db'}"


KINDS = [as_parquet, as_csv, as_sqlite]


@pytest.mark.parametrize("write", KINDS)
def test_a_log_is_read_and_broken_rows_are_quarantined(
    write: Callable[[pd.DataFrame, Path], str], tmp_path: Path
) -> None:
    frame = log(
        {},
        {"rating": -1, "city": "", "stream": None},
        {"rating": 2},
        {"asked_at": "yesterday"},
        {"rating": 0},
    )
    made = ratings(params=shipped_params(RatingsParams, "releaf.ratings", log=write(frame, tmp_path)))
    check(made.ratings, Table[Ratings], "ratings")
    check(made.ratings_quarantine, Table[Quarantine], "quarantine")
    assert made.ratings["answer_id"].tolist() == ["a0", "a1", "a4"]
    assert made.ratings["city"].isna().tolist() == [False, True, False]
    assert made.ratings["rating"].tolist() == [1, -1, 0]
    assert made.ratings_quarantine[["row", "column"]].to_numpy().tolist() == [[2, "rating"], [3, "asked_at"]]
    report = made.ratings_report
    assert (report.rows.rows_read, report.rows.rows_kept, report.up, report.down) == (5, 3, 1, 1)


def test_no_log_and_an_empty_log_give_an_empty_table(tmp_path: Path) -> None:
    for name in (None, as_sqlite(log({}).iloc[:0], tmp_path)):
        made = ratings(params=shipped_params(RatingsParams, "releaf.ratings", log=name))
        assert check(made.ratings, Table[Ratings], "ratings").empty
        check(made.ratings_quarantine, Table[Quarantine], "quarantine")
    assert (
        ratings(params=shipped_params(RatingsParams, "releaf.ratings")).ratings_report.log
        == "off (releaf.ratings.log is null)"
    )


def test_the_error_names_a_missing_log(tmp_path: Path) -> None:
    for name in (str(tmp_path / "no.csv"), f"sqlite:///{tmp_path}/no.db"):
        with pytest.raises(ContractError, match=r"no\.(csv|db)"):
            ratings(params=shipped_params(RatingsParams, "releaf.ratings", log=name))


def test_pairs_with_a_negative_sum_are_hard_negatives() -> None:
    passages = pd.DataFrame(
        [("jar#where", "jar", "Jars."), ("pan#where", "pan", "Pans.")],
        columns=["passage_id", "card_id", "text"],
    )
    frame = log(
        {"rating": -1}, {"rating": -1, "question": " Where does a  jar go"}, {"rating": 1},
        {"rating": -1, "passage_id": "pan#where"}, {"rating": 1, "passage_id": "pan#where"},
        {"rating": -1, "passage_id": "gone#where"}, {"rating": -1, "passage_id": None},
        {"rating": 0, "question": "pan"},
    )  # fmt: skip
    found = check(hard_negatives(frame, passages), Table[HardNegatives], "hard negatives")
    assert found.to_dict("records") == [
        {
            "question": "where does a jar go",
            "passage_id": "jar#where",
            "card_id": "jar",
            "text": "Jars.",
            "rating_sum": -1,
        }
    ]


def test_an_answer_rates_its_card_once_and_ties_are_left_out() -> None:
    frame = log(
        {"rating": -1, "answer_id": "x", "passage_id": "jar#what"}, {"rating": -1, "answer_id": "x"},
        {"rating": 1}, {"rating": 1},
        {"rating": 1, "card_id": "pan"}, {"rating": -1, "card_id": "pan"},
        {"rating": -1, "question": "pan"}, {"rating": 0, "question": "leaf"}, {"card_id": None},
    )  # fmt: skip
    assert card_ratings(frame) == {("where does a jar go", "jar"): 1, ("pan", "jar"): -1}


# Each object has two cards: BM25 finds the one with its name, the vectors find the one with its direction.
OBJECTS = [f"object{at}" for at in range(12)]
WIDTH = len(OBJECTS)
PARAMS = shipped_params(FeedbackParams, "releaf.feedback", least_questions=12, draws=1000)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FeedbackOutputs]:
    """Function that runs `feedback` on the toy cards with given ratings and params."""
    names = [(f"{name} word", f"other{at}") for at, name in enumerate(OBJECTS)]
    rows = [(f"{kind}{at}#what", f"{kind}{at}", "what", "", text)
            for at, pair in enumerate(names) for kind, text in zip("wv", pair, strict=True)]  # fmt: skip
    passages = pd.DataFrame(rows, columns=["passage_id", "card_id", "part", "title", "text"])
    axes = np.eye(WIDTH)
    # the card with the name has another direction than the object
    vectors = [part for at in range(WIDTH) for part in (axes[(at + 1) % WIDTH] * -1, axes[at])]
    table = pd.DataFrame({"passage_id": passages["passage_id"], "key": "", "vector": vectors})
    fitted = fit_bm25(passages["text"].tolist())
    vocabulary = Vocabulary(terms=list(fitted.vocabulary), k1=1.5, b=0.75, passages=len(passages))
    monkeypatch.setattr(
        "methods.retrieval.dense.load_encoder",
        lambda model, batch: lambda texts: np.stack([axes[OBJECTS.index(text)] for text in texts]),
    )

    def run(
        frame: pd.DataFrame,
        *,
        right: str = "v",
        w_dense: float = 0.2,
        fusion: str = "weighted",
        **changes: object,
    ) -> FeedbackOutputs:
        items = pd.DataFrame(
            [(f"i{at}", name, "Here", "Blue", "train") for at, name in enumerate(OBJECTS)],
            columns=["item_id", "name", "city", "stream", "split"],
        )
        ids = {f"{right}{at}": [f"i{at}"] for at in range(WIDTH)}
        cards = pd.DataFrame(
            {"card_id": passages["card_id"], "item_ids": [ids.get(c, []) for c in passages["card_id"]]}
        )
        retrieve = shipped_params(
            RetrieveParams,
            "releaf.retrieve",
            w_dense=w_dense,
            feedback=0,
            grid=(0.0, 0.2, 0.8, 1.0),
            fusion=fusion,
        )
        return feedback(
            frame, passages, items, cards, IndexOutputs(to_arrays(fitted), vocabulary, table),
            params=PARAMS.model_copy(update=changes), retrieve=retrieve,
            index=shipped_params(IndexParams, "releaf.index"),
        )  # fmt: skip

    return run


def rated(first: str, second: str, names: list[str] = OBJECTS) -> pd.DataFrame:
    """Return a log with one rating for word cards and another for vector cards."""
    return log(*(
        {"question": name, "card_id": f"{kind}{at}", "passage_id": f"{kind}{at}#what", "rating": rating}
        for at, name in enumerate(names) for kind, rating in (("w", int(first)), ("v", int(second)))
    ))  # fmt: skip


def test_a_significantly_better_weight_is_proposed_once(world: Callable[..., FeedbackOutputs]) -> None:
    before = world(rated("-1", "1")).feedback
    assert [(patch.key, patch.was, patch.now) for patch in before.patch] == [
        ("releaf.retrieve.w_dense", 0.2, 0.8)
    ]
    assert (before.stop, before.score) == (False, 1.0)
    after = world(rated("-1", "1"), w_dense=0.8).feedback
    assert (after.stop, after.patch, after.score) == (True, [], 0.0)
    assert "no weight of the grid is significantly better" in after.reason


def test_a_smaller_weight_is_proposed_too(world: Callable[..., FeedbackOutputs]) -> None:
    proposal = world(rated("1", "-1"), right="w", w_dense=0.8).feedback
    assert [patch.now for patch in proposal.patch] == [0.2]


def test_a_weight_that_costs_ndcg_is_not_proposed(world: Callable[..., FeedbackOutputs]) -> None:
    proposal = world(rated("-1", "0"), right="w").feedback
    assert proposal.stop
    assert "of nDCG@10 on the names of items" in proposal.reason
    assert world(rated("-1", "0"), right="w", most_loss=1.0).feedback.patch


def test_few_questions_chance_and_another_fusion_propose_nothing(
    world: Callable[..., FeedbackOutputs],
) -> None:
    few = world(rated("-1", "1", OBJECTS[:11])).feedback
    assert few.stop
    assert few.score == 0.5
    assert few.reason.startswith("11 rated questions, at least 12 are needed")
    chance = world(rated("-1", "1", OBJECTS[:3]), least_questions=3).feedback
    assert chance.stop
    assert "significantly" in chance.reason
    assert "has no weight" in world(rated("-1", "1"), fusion="rrf").feedback.reason


def test_an_empty_log_read_from_a_file_proposes_nothing(
    world: Callable[..., FeedbackOutputs], tmp_path: Path
) -> None:
    empty = files.load(
        Path(as_parquet(ratings(params=shipped_params(RatingsParams, "releaf.ratings")).ratings, tmp_path))
    )
    made = world(empty)
    assert check(made.hard_negatives, Table[HardNegatives], "hard negatives").empty
    assert (made.feedback.stop, made.feedback.score) == (True, 0.5)


def test_hard_negatives_are_kept_without_a_proposal(world: Callable[..., FeedbackOutputs]) -> None:
    found = check(world(rated("-1", "1", OBJECTS[:2])).hard_negatives, Table[HardNegatives], "hard negatives")
    assert found["passage_id"].tolist() == ["w0#what", "w1#what"]

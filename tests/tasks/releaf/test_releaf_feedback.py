"""Logged thumbs: read from files and a database, and what they teach the search."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from methods.retrieval.sparse import fit_bm25, to_arrays
from statewright import files
from statewright.contracts import ContractError, Table, check
from tasks.checked import Quarantine
from tasks.releaf.contracts.tables import Thumbs, Vocabulary
from tasks.releaf.feedback import HardNegatives, Learnt, card_thumbs, feedback, hard_negatives
from tasks.releaf.params import FeedbackParams, IndexParams, RetrieveParams, ThumbsParams
from tasks.releaf.thumbs import thumbs

ROW = {
    "answer_id": "a1", "asked_at": "2026-11-25T20:00:00Z", "question": "where does a jar go",
    "city": "Toronto", "card_id": "jar", "passage_id": "jar#where", "stream": "Blue Bin",
    "confidence": 0.5, "level": "high", "thumb": 1, "model": "templates",
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
        frame.to_sql("thumbs", database, index=False)
    return f"sqlite:///{folder / 'log.db'}"


KINDS = [as_parquet, as_csv, as_sqlite]


@pytest.mark.parametrize("write", KINDS)
def test_a_log_is_read_and_broken_rows_are_set_aside(
    write: Callable[[pd.DataFrame, Path], str], tmp_path: Path
) -> None:
    frame = log(
        {}, {"thumb": -1, "city": "", "stream": None}, {"thumb": 2}, {"asked_at": "yesterday"}, {"thumb": 0}
    )
    made = thumbs(params=ThumbsParams(log=write(frame, tmp_path)))
    check(made.thumbs, Table[Thumbs], "thumbs")
    check(made.thumbs_quarantine, Table[Quarantine], "quarantine")
    assert made.thumbs["answer_id"].tolist() == ["a0", "a1", "a4"]
    assert made.thumbs["city"].isna().tolist() == [False, True, False]
    assert made.thumbs["thumb"].tolist() == [1, -1, 0]
    assert made.thumbs_quarantine[["row", "column"]].to_numpy().tolist() == [[2, "thumb"], [3, "asked_at"]]
    report = made.thumbs_report
    assert (report.rows.rows_read, report.rows.rows_kept, report.up, report.down) == (5, 3, 1, 1)


def test_no_log_and_an_empty_log_give_an_empty_table(tmp_path: Path) -> None:
    for name in (None, as_sqlite(log({}).iloc[:0], tmp_path)):
        made = thumbs(params=ThumbsParams(log=name))
        assert check(made.thumbs, Table[Thumbs], "thumbs").empty
        check(made.thumbs_quarantine, Table[Quarantine], "quarantine")
    assert thumbs(params=ThumbsParams()).thumbs_report.log == "off: releaf.thumbs.log is null"


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in (str(tmp_path / "no.csv"), f"sqlite:///{tmp_path}/no.db"):
        with pytest.raises(ContractError, match=r"no\.(csv|db)"):
            thumbs(params=ThumbsParams(log=name))


def test_pairs_that_more_turned_down_are_hard_negatives() -> None:
    passages = pd.DataFrame(
        [("jar#where", "jar", "Jars."), ("pan#where", "pan", "Pans.")],
        columns=["passage_id", "card_id", "text"],
    )
    frame = log(
        {"thumb": -1}, {"thumb": -1, "question": " Where does a  jar go"}, {"thumb": 1},
        {"thumb": -1, "passage_id": "pan#where"}, {"thumb": 1, "passage_id": "pan#where"},
        {"thumb": -1, "passage_id": "gone#where"}, {"thumb": -1, "passage_id": None},
        {"thumb": 0, "question": "pan"},
    )  # fmt: skip
    found = check(hard_negatives(frame, passages), Table[HardNegatives], "hard negatives")
    assert found.to_dict("records") == [
        {
            "question": "where does a jar go",
            "passage_id": "jar#where",
            "card_id": "jar",
            "text": "Jars.",
            "thumbs": -1,
        }
    ]


def test_an_answer_judges_its_card_once_and_the_divided_say_nothing() -> None:
    frame = log(
        {"thumb": -1, "answer_id": "x", "passage_id": "jar#what"}, {"thumb": -1, "answer_id": "x"},
        {"thumb": 1}, {"thumb": 1},
        {"thumb": 1, "card_id": "pan"}, {"thumb": -1, "card_id": "pan"},
        {"thumb": -1, "question": "pan"}, {"thumb": 0, "question": "leaf"}, {"card_id": None},
    )  # fmt: skip
    assert card_thumbs(frame) == {("where does a jar go", "jar"): 1, ("pan", "jar"): -1}


# Each thing has two cards: one shares its name and is found by BM25, one its direction and by vectors.
THINGS = [f"thing{at}" for at in range(12)]
WIDTH = len(THINGS)
PARAMS = FeedbackParams(least_questions=12, draws=1000)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Learnt]:
    """`feedback` over the toy cards, given thumbs and params."""
    names = [(f"{thing} word", f"other{at}") for at, thing in enumerate(THINGS)]
    rows = [(f"{kind}{at}#what", f"{kind}{at}", "what", "", text)
            for at, pair in enumerate(names) for kind, text in zip("wv", pair, strict=True)]  # fmt: skip
    passages = pd.DataFrame(rows, columns=["passage_id", "card_id", "part", "title", "text"])
    axes = np.eye(WIDTH)
    # a word's card points elsewhere than its thing
    vectors = [part for at in range(WIDTH) for part in (axes[(at + 1) % WIDTH] * -1, axes[at])]
    table = pd.DataFrame({"passage_id": passages["passage_id"], "key": "", "vector": vectors})
    fitted = fit_bm25(passages["text"].tolist())
    vocabulary = Vocabulary(terms=list(fitted.vocabulary), k1=1.5, b=0.75, passages=len(passages))
    monkeypatch.setattr(
        "methods.retrieval.dense.load_encoder",
        lambda model, batch: lambda texts: np.stack([axes[THINGS.index(text)] for text in texts]),
    )

    def run(
        frame: pd.DataFrame,
        *,
        right: str = "v",
        w_dense: float = 0.2,
        fusion: str = "weighted",
        **changes: object,
    ) -> Learnt:
        items = pd.DataFrame(
            [(f"i{at}", thing, "Here", "Blue", "train") for at, thing in enumerate(THINGS)],
            columns=["item_id", "name", "city", "stream", "split"],
        )
        ids = {f"{right}{at}": [f"i{at}"] for at in range(WIDTH)}
        cards = pd.DataFrame(
            {"card_id": passages["card_id"], "item_ids": [ids.get(c, []) for c in passages["card_id"]]}
        )
        retrieve = RetrieveParams(w_dense=w_dense, feedback=0, grid=(0.0, 0.2, 0.8, 1.0), fusion=fusion)
        return feedback(
            frame, passages, items, cards, to_arrays(fitted), vocabulary, table,
            params=PARAMS.model_copy(update=changes), retrieve=retrieve, index=IndexParams(),
        )  # fmt: skip

    return run


def judged(first: str, second: str, things: list[str] = THINGS) -> pd.DataFrame:
    """Every thing's word card has the first thumb, its vector card the second."""
    return log(*(
        {"question": thing, "card_id": f"{kind}{at}", "passage_id": f"{kind}{at}#what", "thumb": thumb}
        for at, thing in enumerate(things) for kind, thumb in (("w", int(first)), ("v", int(second)))
    ))  # fmt: skip


def test_a_weight_that_surely_pleases_more_is_proposed_and_then_rests(world: Callable[..., Learnt]) -> None:
    said = world(judged("-1", "1")).feedback
    assert [(one.key, one.was, one.now) for one in said.patch] == [("releaf.retrieve.w_dense", 0.2, 0.8)]
    assert (said.stop, said.score) == (False, 1.0)
    after = world(judged("-1", "1"), w_dense=0.8).feedback
    assert (after.stop, after.patch, after.score) == (True, [], 0.0)
    assert "no weight of the grid is surely better" in after.reason


def test_the_other_way_round_too(world: Callable[..., Learnt]) -> None:
    said = world(judged("1", "-1"), right="w", w_dense=0.8).feedback
    assert [one.now for one in said.patch] == [0.2]


def test_a_weight_that_costs_the_own_questions_is_not_proposed(world: Callable[..., Learnt]) -> None:
    said = world(judged("-1", "0"), right="w").feedback
    assert said.stop
    assert "of nDCG@10 on the names of items" in said.reason
    assert world(judged("-1", "0"), right="w", most_loss=1.0).feedback.patch


def test_few_questions_luck_and_another_fusion_propose_nothing(world: Callable[..., Learnt]) -> None:
    few = world(judged("-1", "1", THINGS[:11])).feedback
    assert few.stop
    assert few.score == 0.5
    assert few.reason.startswith("11 judged questions, at least 12 are needed")
    luck = world(judged("-1", "1", THINGS[:3]), least_questions=3).feedback
    assert luck.stop
    assert "surely" in luck.reason
    assert "has no weight" in world(judged("-1", "1"), fusion="rrf").feedback.reason


def test_an_empty_log_off_the_disk_teaches_nothing(world: Callable[..., Learnt], tmp_path: Path) -> None:
    empty = files.load(Path(as_parquet(thumbs(params=ThumbsParams()).thumbs, tmp_path)))
    made = world(empty)
    assert check(made.hard_negatives, Table[HardNegatives], "hard negatives").empty
    assert (made.feedback.stop, made.feedback.score) == (True, 0.5)


def test_wrong_passages_are_kept_whatever_becomes_of_the_weight(world: Callable[..., Learnt]) -> None:
    found = check(world(judged("-1", "1", THINGS[:2])).hard_negatives, Table[HardNegatives], "hard negatives")
    assert found["passage_id"].tolist() == ["w0#what", "w1#what"]

"""The feedback stage reads the log that the service writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from shipped import shipped_params

from releaf.answers import Answer, Citation
from service.ratings import RatingLog
from tasks.releaf.params import RatingsParams
from tasks.releaf.ratings import ratings


def answer(*reasons: Citation) -> Answer:
    return Answer("Toronto", "Garbage", 0.5, {"Garbage": 0.5}, None, 0.25, "medium", reasons, (), (), ())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "ratings.db"


def test_the_stage_reads_the_log_of_the_service(path: Path) -> None:
    log = RatingLog(path)
    cited = Citation("pan#where", "pan", "Pans", "where", "To the garbage.")
    log.record_answer("a" * 32, "old pan; DROP TABLE ratings", answer(cited), "model-1")
    log.record_answer("b" * 32, "what is this", answer(), "model-1")
    log.record_answer("d" * 32, "soda cans", answer(cited), "model-1", from_text=False)
    assert log.rate("a" * 32, -1)
    assert not log.rate("c" * 32, 1)
    log.close()
    read = ratings(params=shipped_params(RatingsParams, "releaf.ratings", log=f"sqlite:///{path}"))
    rows = read.ratings.set_index("answer_id")
    assert rows.loc["a" * 32, ["question", "passage_id", "stream", "rating"]].tolist() == [
        "old pan; DROP TABLE ratings", "pan#where", "Garbage", -1,
    ]  # fmt: skip
    assert rows["passage_id"].isna().to_dict() == {"a" * 32: False, "b" * 32: True, "d" * 32: True}
    assert (read.ratings_report.rows.rows_kept, read.ratings_report.up, read.ratings_report.down) == (3, 0, 1)


def test_a_log_is_continued_after_a_restart(path: Path) -> None:
    for answer_id in ("a" * 32, "b" * 32):
        log = RatingLog(path)
        log.record_answer(answer_id, "pan", answer(), "model-1")
        log.close()
    assert (
        len(ratings(params=shipped_params(RatingsParams, "releaf.ratings", log=f"sqlite:///{path}")).ratings)
        == 2
    )

"""What the service writes is what the feedback stage reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from shipped import shipped_params

from releaf.answers import Answer, Citation
from service.ratings import ThumbLog
from tasks.releaf.params import RatingsParams
from tasks.releaf.ratings import ratings


def found(*reasons: Citation) -> Answer:
    return Answer("Toronto", "Garbage", 0.5, {"Garbage": 0.5}, None, 0.25, "medium", reasons, (), (), ())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "thumbs.db"


def test_the_stage_reads_the_service_s_log(path: Path) -> None:
    log = ThumbLog(path)
    cited = Citation("pan#where", "pan", "Pans", "where", "To the garbage.")
    log.answered("a" * 32, "old pan; DROP TABLE thumbs", found(cited), "model-1")
    log.answered("b" * 32, "what is this", found(), "model-1")
    log.answered("d" * 32, "soda cans", found(cited), "model-1", by_words=False)
    assert log.judged("a" * 32, -1)
    assert not log.judged("c" * 32, 1)
    log.close()
    read = ratings(params=shipped_params(RatingsParams, "releaf.ratings", log=f"sqlite:///{path}"))
    rows = read.ratings.set_index("answer_id")
    assert rows.loc["a" * 32, ["question", "passage_id", "stream", "rating"]].tolist() == [
        "old pan; DROP TABLE thumbs", "pan#where", "Garbage", -1,
    ]  # fmt: skip
    assert rows["passage_id"].isna().to_dict() == {"a" * 32: False, "b" * 32: True, "d" * 32: True}
    assert (read.ratings_report.rows.rows_kept, read.ratings_report.up, read.ratings_report.down) == (3, 0, 1)


def test_a_log_goes_on_where_it_was_left(path: Path) -> None:
    for answer_id in ("a" * 32, "b" * 32):
        log = ThumbLog(path)
        log.answered(answer_id, "pan", found(), "model-1")
        log.close()
    assert (
        len(ratings(params=shipped_params(RatingsParams, "releaf.ratings", log=f"sqlite:///{path}")).ratings)
        == 2
    )

"""The feedback stage reads the log that the service writes."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from shipped import shipped_params

from releaf.answers import Answer, Citation
from service.ratings import RETRY_S, LogError, RatingLog
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


def rows_of(path: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(path) as database:
        return database.execute("SELECT question, rating FROM ratings ORDER BY question").fetchall()


def test_only_the_user_of_the_service_can_read_the_files(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch(mode=0o644)  # as an earlier version left it
    log = RatingLog(path)
    log.record_answer("a" * 32, "pan", answer(), "model-1")
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    log.close()
    assert modes == dict.fromkeys(("ratings.db", "ratings.db-wal", "ratings.db-shm"), 0o600)
    other = path.parent.parent / "other" / "ratings.db"
    log = RatingLog(other)
    log.record_answer("a" * 32, "pan", answer(), "model-1")
    log.close()
    assert other.parent.stat().st_mode & 0o777 == 0o700


def test_old_rows_and_surplus_rows_are_deleted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.ratings.PRUNE_EVERY", 2)
    log = RatingLog(path, max_rows=3)
    for number in range(6):
        log.record_answer(f"{number:032x}", f"item {number}", answer(), "model-1")
        if number == 0:
            log.rate(f"{number:032x}", 1)
    # The oldest rows without a rating are gone; after the last answer, the log was bounded to three rows.
    assert rows_of(path) == [("item 0", 1), ("item 4", 0), ("item 5", 0)]
    log.close()
    with sqlite3.connect(path) as database:
        database.execute(
            "UPDATE ratings SET asked_at = '2001-01-01T00:00:00+00:00' WHERE question = 'item 0'"
        )
    log = RatingLog(path, keep_days=30)
    log.record_answer("f" * 32, "new", answer(), "model-1")
    log.close()
    assert [question for question, _ in rows_of(path)] == ["item 4", "item 5", "new"]


def lock(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    return database


def test_a_locked_database_is_an_error_that_delays_one_answer_only(path: Path) -> None:
    now = [0.0]
    log = RatingLog(path, clock=lambda: now[0])
    log.record_answer("a" * 32, "first", answer(), "model-1")
    other = lock(path)
    with pytest.raises(LogError, match="locked"):
        log.record_answer("b" * 32, "second", answer(), "model-1")
    with pytest.raises(LogError, match="not tried"):  # at once: the database is not opened
        log.record_answer("c" * 32, "third", answer(), "model-1")
    other.execute("ROLLBACK")
    other.close()
    now[0] += RETRY_S
    log.record_answer("d" * 32, "fourth", answer(), "model-1")
    log.close()
    assert [question for question, _ in rows_of(path)] == ["first", "fourth"]


def test_a_database_that_cannot_be_opened_is_an_error_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(b"not a database" * 100)
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "damaged.db", tmp_path / "folder.db", tmp_path / "file" / "ratings.db"):
        log = RatingLog(path)
        with pytest.raises(LogError, match=re.escape(str(path))):
            log.record_answer("a" * 32, "pan", answer(), "model-1")
        log.close()


def test_a_full_database_is_an_error_of_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RatingLog(path)
    log.record_answer("a" * 32, "pan", answer(), "model-1")
    assert log._database is not None
    log._database.execute("PRAGMA max_page_count = 1")  # as if the disk were full
    with pytest.raises(LogError, match="full"):
        for number in range(1000):
            log.record_answer(f"{number:032x}", "x" * 500, answer(), "model-1")
    log.close()

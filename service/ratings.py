"""Log of answers and ratings in SQLite, the input of the feedback stage.

The log is bounded: rows older than `KEEP_DAYS` are deleted, and the oldest of more than `MAX_ROWS`. Only the
user of the service may read its files. A log that cannot be written is an error of the log alone, `LogError`:
the service then answers without an identifier.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from releaf.answers import Answer

Result = TypeVar("Result")

KEEP_DAYS = 365
MAX_ROWS = 200_000
"""About 60 MB."""
PRUNE_EVERY = 1_000
"""Answers after which the old rows are deleted; also done when the log is opened."""
BUSY_TIMEOUT_S = 0.2
"""Seconds to wait for another process that holds the lock of the database."""
RETRY_S = 5.0
"""Seconds after a failure in which the log is not tried, so that its answers do not wait."""

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS ratings (
    answer_id TEXT NOT NULL, asked_at TEXT NOT NULL, question TEXT NOT NULL, city TEXT, card_id TEXT,
    passage_id TEXT, stream TEXT, confidence REAL NOT NULL, level TEXT NOT NULL, rating INTEGER NOT NULL,
    model TEXT, PRIMARY KEY (answer_id, passage_id)
)
"""
_DELETE_OLDEST = """
DELETE FROM ratings WHERE rowid IN (
    SELECT rowid FROM ratings ORDER BY rating != 0, asked_at
    LIMIT max(0, (SELECT count(*) FROM ratings) - ?)
)
"""


class LogError(Exception):
    """The log cannot be read or written; the message gives the reason."""


class RatingLog:
    """The table ``ratings`` of an SQLite database; safe to use from several threads.

    Parameters
    ----------
    path : Path
        The database. It is created with the first answer if it does not exist.
    keep_days : float
        Rows older than this are deleted.
    max_rows : int
        Largest number of rows; rows without a rating are deleted first.
    clock : callable
        A monotonic clock in seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        keep_days: float = KEEP_DAYS,
        max_rows: int = MAX_ROWS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._path, self._keep_days, self._max_rows, self._clock = path, keep_days, max_rows, clock
        self._lock = Lock()
        self._database: sqlite3.Connection | None = None
        self._answers, self._retry_at = 0, -float("inf")

    def record_answer(
        self, answer_id: str, question: str, answer: Answer, model: str, *, from_text: bool = True
    ) -> None:
        """Log an answer without a rating, with the first passage that it cites.

        The row has no passage if the answer cites none, or if it answers a photograph without text: a rating
        of such an answer is not a rating of the search.

        Raises
        ------
        LogError
            If the database is locked, full, damaged or not writable.
        """
        passage = next(iter(answer.reasons), None) if from_text else None
        row = (
            answer_id,
            datetime.now(UTC).isoformat(timespec="seconds"),
            question,
            answer.city,
            passage.card_id if passage else None,
            passage.passage_id if passage else None,
            answer.bin,
            answer.confidence,
            answer.level,
            0,
            model,
        )

        def insert(database: sqlite3.Connection) -> None:
            database.execute(f"INSERT INTO ratings VALUES ({', '.join('?' * len(row))})", row)
            self._answers += 1
            if self._answers % PRUNE_EVERY == 0:
                self._prune(database)

        self._run(insert)

    def rate(self, answer_id: str, rating: int) -> bool:
        """Set the rating of an answer; return False if the log does not contain it.

        Raises
        ------
        LogError
            If the database is locked, full, damaged or not writable.
        """
        statement = "UPDATE ratings SET rating = ? WHERE answer_id = ?"
        return self._run(lambda database: database.execute(statement, (rating, answer_id)).rowcount > 0)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._close()

    def _run(self, action: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._lock:
            if self._clock() < self._retry_at:
                raise LogError(f"{self._path}: not tried again yet after an error")
            try:
                if self._database is None:
                    self._database = self._open()
                return action(self._database)
            except (sqlite3.Error, OSError) as error:
                self._retry_at = self._clock() + RETRY_S
                self._close()
                raise LogError(f"{self._path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # SQLite gives its other files (-wal, -shm) the permissions of the database.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        self._path.chmod(0o600)
        database = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None
        )
        try:
            # WAL lets a reader work at the same time as the writer. A killed writer loses at most its last
            # rows.
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            database.execute("PRAGMA secure_delete=ON")
            database.execute(_CREATE_TABLE)
            self._prune(database)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _prune(self, database: sqlite3.Connection) -> None:
        oldest = datetime.now(UTC) - timedelta(days=self._keep_days)
        database.execute("DELETE FROM ratings WHERE asked_at < ?", (oldest.isoformat(timespec="seconds"),))
        database.execute(_DELETE_OLDEST, (self._max_rows,))

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

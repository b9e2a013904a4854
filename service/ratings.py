"""Log of answers and ratings in SQLite, the input of the feedback stage."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from releaf.answers import Answer

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS ratings (
    answer_id TEXT NOT NULL, asked_at TEXT NOT NULL, question TEXT NOT NULL, city TEXT, card_id TEXT,
    passage_id TEXT, stream TEXT, confidence REAL NOT NULL, level TEXT NOT NULL, rating INTEGER NOT NULL,
    model TEXT, PRIMARY KEY (answer_id, passage_id)
)
"""


class RatingLog:
    """The table ``ratings`` of an SQLite database; safe to use from several threads.

    Parameters
    ----------
    path : Path
        The database. It is created if it does not exist.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # WAL lets a reader work at the same time as the writer. A killed writer loses at most its last rows.
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(_CREATE_TABLE)

    def record_answer(
        self, answer_id: str, question: str, answer: Answer, model: str, *, from_text: bool = True
    ) -> None:
        """Log an answer without a rating, with the first passage that it cites.

        The row has no passage if the answer cites none, or if it answers a photograph without text: a rating
        of such an answer is not a rating of the search.
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
        with self._lock:
            self._database.execute(f"INSERT INTO ratings VALUES ({', '.join('?' * len(row))})", row)

    def rate(self, answer_id: str, rating: int) -> bool:
        """Set the rating of an answer; return False if the log does not contain it."""
        with self._lock:
            update = self._database.execute(
                "UPDATE ratings SET rating = ? WHERE answer_id = ?", (rating, answer_id)
            )
        return update.rowcount > 0

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

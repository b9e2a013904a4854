"""Answers and the thumbs they got, in SQLite: what the feedback stage learns from."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from releaf.answers import Answer

_TABLE = """
CREATE TABLE IF NOT EXISTS thumbs (
    answer_id TEXT NOT NULL, asked_at TEXT NOT NULL, question TEXT NOT NULL, city TEXT, card_id TEXT,
    passage_id TEXT, stream TEXT, confidence REAL NOT NULL, level TEXT NOT NULL, thumb INTEGER NOT NULL,
    model TEXT, PRIMARY KEY (answer_id, passage_id)
)
"""


class ThumbLog:
    """The table ``thumbs`` of a database, made where there is none; safe between threads.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # A reader need not wait, and a killed writer loses at most its last rows, never the file.
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(_TABLE)

    def answered(
        self, answer_id: str, question: str, found: Answer, model: str, *, by_words: bool = True
    ) -> None:
        """Keep an answer, which has no thumb yet, with the first passage that it cites.

        Without a citation, or where a photograph and no word was asked about, there is no passage: a thumb
        would say nothing of the search.
        """
        cited = next(iter(found.reasons), None) if by_words else None
        row = (
            answer_id,
            datetime.now(UTC).isoformat(timespec="seconds"),
            question,
            found.city,
            cited.card_id if cited else None,
            cited.passage_id if cited else None,
            found.stream,
            found.confidence,
            found.level,
            0,
            model,
        )
        with self._lock:
            self._database.execute(f"INSERT INTO thumbs VALUES ({', '.join('?' * len(row))})", row)

    def judged(self, answer_id: str, thumb: int) -> bool:
        """Set the thumb of an answer; False if there is no such answer."""
        with self._lock:
            done = self._database.execute(
                "UPDATE thumbs SET thumb = ? WHERE answer_id = ?", (thumb, answer_id)
            )
        return done.rowcount > 0

    def close(self) -> None:
        """Write what is not written yet."""
        with self._lock:
            self._database.close()

"""Output of a stage's command: lines for the display, and a log of limited size.

The work for a byte of output is constant: a long unfinished line is not scanned again, and neither
memory nor the log grows without limit.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import TracebackType

from statewright.terminal.words import printable

HEAD_BYTES = TAIL_BYTES = 4 * 2**20
"""Bytes of a log that are kept: its beginning, and at least this much of its end."""

LINE_BYTES = 4096
"""Maximum number of bytes of a line that the display gets; the log has the whole line."""

KEPT_RUNS = 20
"""Number of runs whose logs are kept."""

_SEARCHED = 65536
"""Distance in which a cut of the log looks for the end of a line."""


class LineReader:
    """Split output into lines as a terminal shows them.

    A carriage return starts the line again, so of a progress bar only the last state remains.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._returned = False

    def feed(self, chunk: bytes) -> list[str]:
        """Add output and return the lines that it finishes, without control characters."""
        *ends, rest = chunk.split(b"\n")
        finished = []
        # Without a carriage return, only the first line is joined with what was there before.
        simple = b"\r" not in chunk
        for piece in ends[:1] if simple else ends:
            self._add(piece)
            finished.append(bytes(self._line))
            self._line.clear()
            self._returned = False
        if simple:
            finished += [piece[:LINE_BYTES] for piece in ends[1:]]
        self._add(rest)
        return printable(b"\n".join(finished).decode("utf-8", "replace")).split("\n") if finished else []

    @property
    def unfinished(self) -> str:
        """Text of the line that has not ended yet."""
        return printable(self._line.decode("utf-8", "replace"))

    def _add(self, piece: bytes) -> None:
        text = piece.rstrip(b"\r")
        if text:
            start = text.rfind(b"\r") + 1
            if start or self._returned:
                self._line.clear()
            self._line += text[start : start + LINE_BYTES - len(self._line)]
            self._returned = False
        self._returned = self._returned or len(text) < len(piece)


class BoundedLog:
    """Log file that keeps the beginning and the end of a long output.

    A line between them says how many bytes are left out. The file has at most
    ``HEAD_BYTES + 2 * TAIL_BYTES`` bytes and the length of this line.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w+b", buffering=0)
        self._size = 0
        self._head: int | None = None
        self._marker = 0
        self._dropped = 0

    def write(self, chunk: bytes) -> None:
        """Append output; shorten the file when it gets too long."""
        left = memoryview(chunk)
        while left:
            left = left[self._file.write(left) or 0 :]
        self._size += len(chunk)
        if self._size > HEAD_BYTES + self._marker + 2 * TAIL_BYTES:
            self._shorten()

    def _shorten(self) -> None:
        if self._head is None:
            self._file.seek(HEAD_BYTES - _SEARCHED)
            self._head = HEAD_BYTES - _SEARCHED + self._file.read(_SEARCHED).rfind(b"\n") + 1
        start = self._size - TAIL_BYTES
        self._file.seek(start)
        tail = self._file.read(TAIL_BYTES)
        cut = tail.find(b"\n", 0, _SEARCHED) + 1
        self._dropped += start + cut - self._head - self._marker
        marker = f"\n[statewright: {self._dropped:,} bytes of output are left out here]\n".encode()
        self._file.seek(self._head)
        self._file.truncate()
        self._size, self._marker = self._head, len(marker)
        for part in (marker, tail[cut:]):
            self._size += self._file.write(part) or 0

    def __enter__(self) -> BoundedLog:
        """Return the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()


def end_of_log(log: Path, most: int = 2**18) -> list[str]:
    """Return the last lines of a log, without control characters."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - most))
        text = stream.read().decode("utf-8", "replace").replace("\r", "\n")
    return printable(text).strip().split("\n")


def remove_old_logs(folder: Path, keep: int = KEPT_RUNS) -> None:
    """Remove the log folders of all but the last `keep` runs."""
    named = re.compile(r"\d{8}-\d{6}-\d{6}")
    runs = sorted(path for path in folder.glob("*") if named.fullmatch(path.name) and path.is_dir())
    for path in runs[: max(0, len(runs) - keep)]:
        shutil.rmtree(path, ignore_errors=True)

"""The output of a running stage, sent to the coordinator in bounded pieces.

Dask's scheduler keeps every message in its memory, so a stage may send `BURST_BYTES`, and after them
`BYTES_PER_S`. What is left out is counted and said. The whole log, as long as a log on one machine may be,
follows with the answer of the worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from statewright.masking import mask_text
from statewright.terminal.words import counted

BURST_BYTES = 32768
BYTES_PER_S = 1024.0
LONGEST_LINE = 2000
INTERVAL_S = 0.3
"""Seconds between two messages of a stage."""


@dataclass
class OutputStream:
    """Lines of one stage.

    Parameters
    ----------
    send : callable
        Takes finished lines and the text of the unfinished line.
    secrets : collection of str
        Texts that are masked.
    """

    send: Callable[[list[str], str], None]
    secrets: Collection[str] = ()
    _lines: list[str] = field(default_factory=list)
    _unfinished: str = ""
    _shown: str = ""
    _left_out: int = 0
    _allowance: float = BURST_BYTES
    _sent: float = 0.0
    _refilled: float = field(default_factory=time.monotonic)

    def output(self, lines: Sequence[str], unfinished: str) -> None:
        """Take finished lines and the text of the unfinished line."""
        self._refill()
        for line in lines:
            line = line[:LONGEST_LINE]
            size = len(line.encode()) + 1
            if size <= self._allowance:
                self._allowance -= size
                if self._left_out:
                    self._say_left_out()
                self._lines.append(line)
            else:
                self._left_out += 1
        self._unfinished = unfinished[:LONGEST_LINE]
        self.flush()

    def flush(self, *, last: bool = False) -> None:
        """Send what there is, unless the last message is younger than `INTERVAL_S`."""
        if last and self._left_out:
            self._say_left_out()
        if not last and time.monotonic() - self._sent < INTERVAL_S:
            return
        if self._lines or (self._unfinished and self._unfinished != self._shown and self._allowance > 0):
            masked = mask_text("\n".join(self._lines), self.secrets).split("\n") if self._lines else []
            self.send(masked, mask_text(self._unfinished, self.secrets))
            self._allowance -= len(self._unfinished)
            self._shown, self._lines, self._sent = self._unfinished, [], time.monotonic()

    def _refill(self) -> None:
        now = time.monotonic()
        self._allowance = min(BURST_BYTES, self._allowance + (now - self._refilled) * BYTES_PER_S)
        self._refilled = now

    def _say_left_out(self) -> None:
        self._lines.append(f"[statewright: {counted(self._left_out, 'line')} left out here; the log has all]")
        self._left_out = 0

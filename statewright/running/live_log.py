"""Output of running stages for a page in a browser, at a bounded rate.

A server stores every line as a row of a database. So the first lines of a stage are passed on as they
come, and after them `LINES_PER_S`. What is left out is counted and said. After a failure, the last
lines of the log follow as one message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from statewright.running.output import end_of_log
from statewright.terminal.words import counted

BURST = 500
"""Number of lines that a stage may print at once."""
LINES_PER_S = 2.0
"""Number of further lines that are passed on in a second."""
LAST_LINES = 20
"""Number of lines of a failed stage that are repeated."""
LONGEST_LINE = 2000

Send = Callable[[str, Sequence[str], bool], None]
"""Takes the address of a stage, lines, and whether they are of a failure."""


@dataclass
class _Allowance:
    """Number of lines that a stage may still print, at a time."""

    left: float = BURST
    since: float = field(default_factory=lambda: time.monotonic())
    left_out: int = 0

    def take(self, wanted: int) -> int:
        """Return how many of `wanted` lines are passed on now."""
        now = time.monotonic()
        self.left = min(BURST, self.left + (now - self.since) * LINES_PER_S)
        self.since = now
        taken = min(wanted, int(self.left))
        self.left -= taken
        return taken


class LiveLog:
    """Lines of the stages of a run.

    Parameters
    ----------
    send : callable
        See `Send`; called in the thread of the stage.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._allowances: dict[str, _Allowance] = {}
        self._mutex = threading.Lock()

    def output(self, address: str, lines: Sequence[str]) -> None:
        """Take finished lines of a stage, without secrets."""
        lines = [line[:LONGEST_LINE] for line in lines if line.strip()]
        if not lines:
            return
        with self._mutex:
            allowance = self._allowances.setdefault(address, _Allowance())
            taken = allowance.take(len(lines))
            # The number stands where the lines would stand.
            before = _left_out(allowance.left_out) if taken else []
            allowance.left_out = len(lines) - taken + (0 if taken else allowance.left_out)
        if taken:
            self._send(address, [*before, *lines[:taken]], False)

    def end(self, address: str, log: Path, *, failed: bool) -> None:
        """Take the log of an attempt that has ended; it must be free of secrets."""
        with self._mutex:
            allowance = self._allowances.pop(address, _Allowance())
        if allowance.left_out:
            self._send(address, [f"{_left_out(allowance.left_out)[0]}; all are in {log}"], False)
        if failed and (lines := last_lines(log)):
            self._send(address, ["\n".join([f"the last lines of {log}:", *lines])], True)


def last_lines(log: Path) -> list[str]:
    """Return the last `LAST_LINES` lines of a log that are not empty."""
    if not log.is_file() or not log.stat().st_size:
        return []
    lines = [line[:LONGEST_LINE] for line in end_of_log(log) if line.strip()]
    return lines[-LAST_LINES:]


def _left_out(number: int) -> list[str]:
    return [f"[statewright: {counted(number, 'line')} left out here]"] if number else []

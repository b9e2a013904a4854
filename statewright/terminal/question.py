"""Questions to the user while a run is in progress."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable

ANSWERS = {"y": True, "yes": True, "n": False, "no": False}
PAUSE_S = 0.1


def confirm(question: str, stopped: Callable[[], bool]) -> bool:
    """Ask a question on the terminal and return whether the answer is yes.

    The end of the input, or a run that was stopped, counts as no.

    Parameters
    ----------
    stopped : callable
        Returns whether the run was stopped. A thread that waits in `input` could not be ended.
    """
    while not stopped():
        print(f"{question} [y/n] ", end="", file=sys.stderr, flush=True)
        line = _next_line(stopped)
        if not line:
            return False
        if line.strip().lower() in ANSWERS:
            return ANSWERS[line.strip().lower()]
        print("expected one of y, yes, n, no", file=sys.stderr)
    return False


def _next_line(stopped: Callable[[], bool]) -> str:
    """Return the next line; empty at the end, or once the run is stopped."""
    while not stopped():
        # A pipe may have delivered several lines at once, of which Python keeps the rest.
        if select.select([sys.stdin], [], [], PAUSE_S)[0]:
            return sys.stdin.readline()
    return ""

"""Files that this process itself opens, which are no reads of a stage.

The engine hashes and links outputs while other stages run. Python tells an audit hook about each open,
before the kernel reports it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

REPORTED_S = 2.0
"""Seconds after which the kernel must have reported an open."""

_observers: list[Callable[[str], None]] = []


class OwnOpens:
    """Opens of this process.

    Parameters
    ----------
    name : callable
        Returns the name under which a path will be asked for, or None if it will not.
    """

    def __init__(self, name: Callable[[str], str | None]) -> None:
        self._name = name
        self._times: dict[str, list[float]] = {}
        # An audit hook cannot be removed, so the process gets one for all runs.
        if not getattr(sys, "_statewright_own_opens", False):
            sys.addaudithook(_audit)
            sys._statewright_own_opens = True  # type: ignore[attr-defined]
        _observers.append(self._note)

    def take(self, name: str) -> bool:
        """Return whether this process opened the path a moment ago, once for each open."""
        times = self._times.get(name)
        now = time.monotonic()
        while times:
            if now - times.pop(0) < REPORTED_S:
                return True
        return False

    def close(self) -> None:
        """End the observation."""
        with suppress(ValueError):
            _observers.remove(self._note)

    def _note(self, path: str) -> None:
        name = self._name(path)
        if name is not None:
            self._times.setdefault(name, []).append(time.monotonic())


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _observers and event in ("open", "os.scandir", "os.listdir"):
        path = arguments[0]
        if isinstance(path, str | os.PathLike):
            text = os.fspath(path)
            if isinstance(text, str):
                for observer in _observers:
                    observer(text)

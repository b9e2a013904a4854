"""Dependencies that change while the command of their stage runs."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from statewright.reads.undeclared import declaration_of
from statewright.repository.declaration import Repository
from statewright.workflow import Stage

LONGEST_REPLAY_S = 300.0
"""Seconds of a command that may run once more to find out whether it changes a dependency."""
Replay = Callable[[Repository, Stage, Mapping[str, Any], Callable[[], bool]], bool]
"""Runs a stage in a copy; returns whether it makes the same changes, see `verify/replay.py`."""


def signatures(root: Path, stage: Stage) -> list[tuple[int, ...] | None]:
    """Return inode, size and time of the dependencies; of a folder the inode.

    Python adds bytecode to a folder that it imports from, which changes the time of the folder.
    """
    signatures: list[tuple[int, ...] | None] = []
    for path in stage.deps:
        try:
            status = (root / path).stat()
        except OSError:
            signatures.append(None)
            continue
        state = () if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_mtime_ns)
        signatures.append((status.st_ino, *state))
    return signatures


def error_text(stage: Stage, changed: str) -> str:
    """Return the error of a stage whose dependency somebody may have edited."""
    return (
        f"stage '{stage.address}': {changed} changed while the command ran, so its outputs may come from "
        "either version; nothing was recorded; run again. If the command itself changes that file, add "
        f"{_declaration(stage, [changed])}"
    )


def own_change_text(stage: Stage, changed: Iterable[str]) -> str:
    """Return a notice about a stage that changes its dependencies itself."""
    return (
        f"{stage.address} itself changes {', '.join(changed)}: a second run, in a scratch copy, ended with "
        f"the same bytes. {_declaration(stage, changed)} saves the second run"
    )


def _declaration(stage: Stage, files: Iterable[str]) -> str:
    """Return the line that declares that a stage changes its dependencies."""
    file, _, name = declaration_of(stage.address).rpartition(":")
    return f"`meta: {{rewrites: [{', '.join(files)}]}}` in stage {name} of {file}"

"""Runs of a repository in this process, without Prefect and MLflow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from toys import HERE, dvc

import statewright.transition
from statewright.request import Request
from statewright.running.limits import Limits
from statewright.session import open_session
from statewright.terminal.display import new_board
from statewright.transition import Result, transition
from statewright.verify.replay import repeats_changes

LOCAL = "[tool.statewright]\nprefect = 'never'\n"


class NoRecorder:
    """Recorder that records nothing."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __getattr__(self, name: str) -> Any:
        """Return a function that does nothing."""
        return lambda *_, **__: None

    def noting_problems(self) -> AbstractContextManager[None]:
        """Return a block in which nothing is recorded."""
        return nullcontext()

    def close(self) -> tuple[None, None]:
        """Return that nothing is missing."""
        return None, None


def run_local(
    root: Path, workers: int | str, wanted: Request | Sequence[str] = (), *, cores: int = 4
) -> Result:
    """Carry out the plan of a repository; ``auto`` sees `cores` cores."""
    (root / "pyproject.toml").write_text(LOCAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statewright.transition, "Recorder", NoRecorder)
        patch.setattr(os, "cpu_count", lambda: cores)
        try:
            session = open_session(root, wanted)
            board = new_board(session.plan)
            board.console.quiet = True
            return transition(
                session.repository,
                session.workflow,
                session.state,
                session.plan,
                Limits(workers=workers, ram_gb=64),
                board=board,
                replay=repeats_changes,
            )
        finally:
            os.chdir(HERE)


def files_of(root: Path) -> dict[str, bytes]:
    """Return all files of a repository except those of git, DVC and the engine.

    DVC adds a line to a `.gitignore` when an output is saved, so its order is that of the run.
    """
    left_out = {".git", ".dvc", ".statewright", "pyproject.toml"}
    contents = {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] not in left_out
    }
    return {
        name: b"\n".join(sorted(content.split())) if name.endswith(".gitignore") else content
        for name, content in contents.items()
    }


@contextmanager
def counting(folder: Path) -> Iterator[dict[str, int]]:
    """Count how often each stage appends its name to the file of RAN."""
    log = folder / "ran"
    log.write_text("")
    counts: dict[str, int] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAN", str(log))
        yield counts
    for name in log.read_text().split():
        counts[name] = counts.get(name, 0) + 1


def reproduce(root: Path, *options: str) -> int:
    """Run a serial ``dvc repro``."""
    return dvc(root, "repro", "--quiet", *options)

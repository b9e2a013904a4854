"""The answer to `statewright` without a command: what to type first."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from statewright.unchanged import find_root

NO_COMMAND = 2
"""Exit status without a command, as of other tools whose arguments are missing."""

Line = tuple[str, str]
"""A command, and what it does."""

LOOK: tuple[Line, ...] = (
    ("statewright plan", "show which stages would run, and why"),
    ("statewright run", "run them"),
)
AFTERWARDS: tuple[Line, ...] = (
    ("statewright history", "list the runs; `show` and `diff` have the details"),
    ("statewright graph --html -o .statewright/graph.html", "draw the stages, to search and zoom"),
    ("statewright ui", "see the runs in a browser"),
)


def start(options: argparse.Namespace) -> int:
    """Print what to type first in this folder."""
    from statewright.terminal.words import terminal

    here = Path.cwd()
    found = find_root(os.path.realpath(here))
    headline, commands = _advice(here, Path(found) if found else None)
    width = max(len(command) for command, _ in commands)
    lines = [headline, "", *(f"  {command:{width}}  {meaning}" for command, meaning in commands), ""]
    console = terminal()
    lines.append("All commands: statewright --help. Options of one: statewright COMMAND --help")
    console.print("\n".join(lines), soft_wrap=True)
    return NO_COMMAND


def _advice(here: Path, root: Path | None) -> tuple[str, Sequence[Line]]:
    """Return one line about the folder, and the commands that come first in it."""
    if root is None:
        return f"{here} is not in a DVC repository.", (
            ("git init && dvc init", "make this folder one"),
            ("statewright init churn", "write a pipeline of two stages, named churn, to begin with"),
            ("statewright run", "run it"),
        )
    below = sorted(path.relative_to(root) for path in root.glob("*/dvc.yaml"))
    declared = [path for path in (here / "dvc.yaml", root / "dvc.yaml") if path.is_file()]
    if not declared and not below:
        return f"{root} declares no stages yet: it has no dvc.yaml.", (
            ("statewright init churn", "write a pipeline of two stages, named churn, to begin with"),
            ("dvc stage add --help", "declare a command of your own as a stage"),
            ("statewright run", "run the stages"),
        )
    if last := _last_run(root):
        return last, (*LOOK, *AFTERWARDS)
    where = declared[0].parent if declared else root / below[0].parent
    advice = LOOK if declared else tuple((f"{command} -P", meaning) for command, meaning in LOOK)
    return f"{where} has stages, and no run is recorded yet.", (*advice, AFTERWARDS[1])


def _last_run(root: Path) -> str | None:
    """Return a sentence about the last recorded run, if a local store has one."""
    from statewright.comparison.causes import cause, outcome, when
    from statewright.record.store import database_path, tracking_uri
    from statewright.record.transitions.lookup import open_transitions

    with suppress(OSError, ValueError):  # a start page must not fail because of a damaged record
        if database_path(tracking_uri(root)) is None:
            return None
        store = open_transitions(root)
        for run in store.with_stages(store.newest()[:1]):
            return f"Last run here: {run.id}, {when(run.run.started)}, {outcome(run)}: {cause(run)}"
    return None

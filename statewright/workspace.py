"""The control folder `.statewright` of a repository: locks, logs, what earlier runs left."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from statewright.files import replacing

WORKING_LOCK = "working.lock"
"""Below `.statewright`: shared by all that works for a run, so that a new one waits for a killed one."""


def control_folder(folder: Path, kept: Iterable[str] = ()) -> Path:
    """Make a folder that git ignores, but for the files `kept`."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        with replacing(ignore) as temporary:
            temporary.write_text("".join(["*\n", *(f"!{name}\n" for name in (".gitignore", *kept))]))
    return folder

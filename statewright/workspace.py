"""The control folder `.statewright` of a repository: locks, logs and caches."""

from __future__ import annotations

from pathlib import Path

from statewright.files import replacing

WORKING_LOCK = "working.lock"
"""Lock below `.statewright` that all processes of a run share: a new run waits for a killed one."""


def control_folder(folder: Path) -> Path:
    """Create a folder that git ignores, its `.gitignore` included."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        with replacing(ignore) as temporary:
            temporary.write_text("*\n")
    return folder

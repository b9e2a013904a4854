"""Name the file that a stage needs and that a scratch checkout lacks.

A checkout has the files that git lists and those that the stages declare. A stage that opens another file,
ignored by git, works in the user's tree and fails in a trial.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from statewright.workflow import Stage

_NAMES = re.compile(r"""[^\s'"`,;:()\[\]{}<>=]+""")
MOST_BYTES = 1_000_000
"""Part of a log that is searched: its end."""


def lacking_file(log: Path, stage: Stage, root: Path, copied: Path) -> str | None:
    """Return a file that a log names and that a checkout lacks.

    The path is relative to the repository.

    Parameters
    ----------
    log : Path
        Output of the failed stage.
    root, copied : Path
        The repository, where the file exists, and the checkout, where it does not.
    """
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - MOST_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return None
    outputs = {out.path for out in stage.outs}
    for name in dict.fromkeys(reversed(_NAMES.findall(text))):
        path = _relative(name, stage.wdir, copied)
        if path is None or path in outputs or path.startswith((".git/", ".dvc/", ".statewright/")):
            continue
        if (root / path).exists() and not (copied / path).exists():
            return path
    return None


def _relative(name: str, wdir: str, copied: Path) -> str | None:
    """Return a printed name as a path in the repository; None if it is not one."""
    if name.startswith(str(copied)):
        return os.path.relpath(name, copied)
    path = os.path.normpath(Path(wdir, name.rstrip(".")))
    return None if path in (".", "..") or path.startswith(("../", "/")) else path


def advice(stage: str, path: str) -> str:
    """Return the sentence about an undeclared file, with what to change."""
    return (
        f"stage '{stage}' needs {path}, which git ignores and no stage declares, so a trial lacks it; "
        f"add {path} under deps of '{stage}' in dvc.yaml"
    )

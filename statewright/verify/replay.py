"""Decide by a second run who changed a dependency while its stage ran.

A command may rewrite a file that it declares as a dependency: it sorts it, or appends to it. ``dvc repro``
records the new hash. An edit by somebody else at the same time must not be recorded, because the outputs
may come from the old file. No system call tells without side effects which process has written. So the
command runs once more, in a scratch copy that holds the dependency as it was. If the copy ends with the
same bytes in the dependency and in every output, the command itself made the change, and what it left
here is what one undisturbed run leaves.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from statewright.files import file_name
from statewright.git import git
from statewright.masking import secret_values
from statewright.repository.contents import copy_from_cache
from statewright.repository.declaration import Repository
from statewright.running.process import StageFailedError
from statewright.verify.reproduction import copy_stage, find_obstacle, run_stage
from statewright.verify.scratch import content_hashes, dvc_hash
from statewright.workflow import Stage, WorkflowError
from statewright.workspace import control_folder


def repeats_changes(
    repository: Repository, stage: Stage, before: Mapping[str, str | None], cancelled: Callable[[], bool]
) -> bool:
    """Return whether a stage ends in a copy with the bytes with which it ended here.

    The answer is False if a changed dependency is outside of the repository, or if its earlier content is
    neither in DVC's cache nor in the last commit.

    Parameters
    ----------
    before : mapping of str to (str or None)
        The changed dependencies, with their hashes before the command ran.
    cancelled : callable
        Returns whether the run was stopped.
    """
    root = repository.root
    outside = any(Path(path).is_absolute() or path.startswith("../") or "://" in path for path in before)
    # A command that names the folder of the repository would change the originals a second time.
    fixed = any(str(root) in command for command in stage.cmd) or any(out.persist for out in stage.outs)
    if outside or fixed or find_obstacle(stage):
        return False
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    log = (
        control_folder(root / ".statewright") / "logs" / f"replay-{stamp}" / file_name(stage.address, ".log")
    )
    with tempfile.TemporaryDirectory(prefix="statewright-replay-") as scratch:
        try:
            copied = copy_stage(repository, stage, Path(scratch))
            if not all(_restore(repository, copied, path, value) for path, value in before.items()):
                return False
            run_stage(repository, stage, copied, log, secret_values(os.environ), cancelled)
        except (OSError, WorkflowError, StageFailedError):
            return False
        paths = (*before, *(out.path for out in stage.outs))
        return all(_same(content_hashes(root / path), content_hashes(copied / path)) for path in paths)


def _same(here: Mapping[str, str] | None, there: Mapping[str, str] | None) -> bool:
    return here is not None and here == there


def _restore(repository: Repository, copied: Path, path: str, value: str | None) -> bool:
    """Put the earlier content of a dependency into a copy, if it is known."""
    target = copied / path
    if value is None:
        return False
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    if not copy_from_cache(repository, value, target):
        git(copied, "checkout", "--quiet", "HEAD", "--", path)
    return dvc_hash(content_hashes(target)) == value

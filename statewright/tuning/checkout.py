"""The scratch checkout of a worker, in which its trials run.

::

    the user's tree  -- copied once, uncommitted changes included -->  checkout of worker 1, 2, ...
    DVC's cache and run cache  -- shared ----------------------------------^

A checkout is used for one trial after the other: what a trial did not change is up to date in the next.
The outputs come from the cache. A file that the stages declare and git ignores is copied.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from statewright.files import file_name
from statewright.planning.absent import AbsentData, absent_data, advice
from statewright.repository.declaration import relative
from statewright.repository.sharing import outside, restorable, share_cache
from statewright.session import Session
from statewright.verify.scratch import copy_checkout, copy_ignored, environment_files
from statewright.workflow import WorkflowError
from statewright.workspace import control_folder


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout for one worker.

    Parameters
    ----------
    root : Path
        The DVC repository in the copy.
    outputs : tuple of str
        Recorded outputs that the copy gets from the cache.
    """

    root: Path
    outputs: tuple[str, ...]


def make_checkout(session: Session, folder: Path) -> Checkout:
    """Copy the checkout of a session, as it is on disk, into `folder`.

    Raises
    ------
    WorkflowError
        If data that the stages need is missing, or the disk is full; the message says what to do.
    """
    if missing := _missing(session):
        raise WorkflowError("\n".join(advice(missing)))
    try:
        return _copy(session, folder)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise WorkflowError(
            f"no space for scratch checkouts in {folder.parent}; free some, or use fewer --workers"
        ) from error


def _copy(session: Session, folder: Path) -> Checkout:
    repository, root = session.repository, session.repository.root
    if folder.exists():
        shutil.rmtree(folder)
    cached = [out.path for stage in session.workflow.stages.values() for out in stage.outs if out.cached]
    outputs = _from_cache(session)
    needed = list(dict.fromkeys(_needed(session, outputs)))
    dropped = [path for path in cached if path not in needed]
    copied = copy_checkout(root, folder, needed, dropped)
    written = [relative(out, root) for stage in repository.stages.values() for out in stage.outs]
    for address in session.plan.decisions:
        files = environment_files(root, session.workflow.stages[address], written)
        copy_ignored(root, copied, files)
    share_cache(repository, copied)
    control = control_folder(copied / ".statewright")
    if (reads := root / ".statewright" / "reads.json").is_file():
        shutil.copyfile(reads, control / "reads.json")
    return Checkout(copied, outputs)


def _missing(session: Session) -> list[AbsentData]:
    """Return the missing data that no stage writes."""
    stages = session.workflow.stages.values()
    data = {out.path for stage in stages if stage.records_only for out in stage.outs}
    absent = absent_data(session.workflow, session.state, session.plan)
    return [item for item in absent if item.path in data and not item.cached]


def _from_cache(session: Session) -> tuple[str, ...]:
    """Return the outputs that the cache gives to a copy."""
    paths: list[str] = []
    for address in session.plan.decisions:
        stage = session.workflow.stages[address]
        if stage.records_only:
            paths += restorable(session.repository, address)
        else:
            paths += [out.path for out in stage.outs if not out.persist]
    return tuple(paths)


def _needed(session: Session, restored: tuple[str, ...]) -> Iterator[str]:
    """Yield the files that a copy must hold although git may ignore them."""
    root = session.repository.root
    stages = [session.workflow.stages[address] for address in session.plan.decisions]
    written = {out.path for stage in session.workflow.stages.values() for out in stage.outs}
    for stage in stages:
        yield from outside(session.repository, stage.address).values()
        for path in (*stage.deps, *stage.params):
            local = "://" not in path and not Path(path).is_absolute()
            if local and not _is_written(path, written):
                yield path
        for out in stage.outs:
            kept = out.persist or stage.records_only
            if kept and out.path not in restored and (root / out.path).exists():
                yield out.path


def _is_written(path: str, written: set[str]) -> bool:
    """Return whether a stage writes a path, a part of it, or a folder around it."""
    parents = {path, *(parent.as_posix() for parent in Path(path).parents)}
    return bool(parents & written) or any(out.startswith(f"{path}/") for out in written)


def folder_of(root: Path, name: str) -> Path:
    """Return the folder of the checkouts and logs of a study."""
    return root / ".statewright" / "tune" / file_name(name, "")

"""Fetch the result of a stage from the remote, and push it there.

Before a stage runs, either of these on the remote can make its command unnecessary, by the rules of DVC:

- the recorded outputs, if the stage's inputs are those in `dvc.lock`;
- otherwise a run under the key of its inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage

from statewright.repository.cached_files import CachedFile, files_of_run, local_run, recorded_files
from statewright.repository.lock_writer import LockWriter, is_changed
from statewright.repository.pulling import pull_inputs
from statewright.repository.remote_sharing import (
    Moved,
    Remote,
    absent_files,
    fetch_objects,
    files_on_remote,
    push_objects,
    push_run,
    read_run,
    store_run,
)


@dataclass(frozen=True)
class Wanted:
    """Results that can make the command of a stage unnecessary.

    Parameters
    ----------
    files : tuple of CachedFile
        The recorded outputs; empty if the inputs have changed since.
    key : str or None
        The key of the run; None if DVC does not cache runs of the stage.
    names : mapping of str to (str or None)
        Path of an output as declared -> name of its remote.
    """

    files: tuple[CachedFile, ...]
    key: str | None
    names: Mapping[str, str | None]


@dataclass(frozen=True)
class Made:
    """Outputs of a finished stage, and its run in the run cache."""

    address: str
    files: tuple[CachedFile, ...]
    run: tuple[str, str] | None


def wanted(writer: LockWriter, address: str) -> Wanted | None:
    """Return the results that a stage can use; None if it is up to date.

    It is the same look at the stage that `begin` takes later, and leaves the stage as it was.
    """
    from dvc.stage.cache import _can_hash, _get_stage_hash

    repository, stage = writer.repository, writer.stages[address]
    upstream = repository.needed_by(stage)
    with repository.locked(stage):
        if isinstance(stage, PipelineStage):
            writer.locks.update_stage(stage)
        if not is_changed(stage, upstream, repository.request.allow_missing):
            return None
        names = {out.def_path: out.remote for out in stage.outs}
        recorded = recorded_files(stage)
        if not is_changed(stage, upstream, allow_missing=True):
            return Wanted(recorded, None, names)
        if not isinstance(stage, PipelineStage) or stage.frozen:
            return Wanted((), None, names)
        if any(not dep.exists for dep in stage.deps if dep.protocol == "local"):
            pull_inputs(stage)
        saved = [(dep, dep.hash_info, dep.meta, dep.hash_name) for dep in stage.deps]
        try:
            same = (
                not stage.changed_stage() and stage.deps_cached() and all(out.hash_info for out in stage.outs)
            )
            stage.save_deps(allow_missing=True)
            key = _get_stage_hash(stage) if _can_hash(stage) and _are_known(stage) else None
        except TypeError:
            key = None  # JSON cannot represent a parameter (such as a date), so DVC cannot cache the run
        finally:
            for dep, *was in saved:
                dep.hash_info, dep.meta, dep.hash_name = was
        return Wanted(recorded if same else (), key, names)


def _are_known(stage: DvcStage) -> bool:
    return all(dep.exists for dep in stage.deps if dep.protocol == "local")


def fetch_result(remote: Remote, writer: LockWriter, need: Wanted) -> Moved | None:
    """Fetch what makes the command of a stage unnecessary.

    The result is None if the remote does not have all of it.
    """
    if need.files:
        return _fetch_all(remote, need.files)
    if need.key is None or not writer.repository.request.run_cache:
        return None
    if local := local_run(remote.repo, need.key):
        moved = _fetch_all(remote, files_of_run(local, need.names))
        if moved is not None:
            return moved
    entry = read_run(remote, need.key)
    moved = _fetch_all(remote, files_of_run(entry, need.names)) if entry else None
    if entry and moved is not None:
        store_run(remote, need.key, entry)
    return moved


def _fetch_all(remote: Remote, files: Iterable[CachedFile]) -> Moved | None:
    absent = absent_files(remote, files)
    if absent and len(files_on_remote(remote, absent)) < len(absent):
        return None
    return fetch_objects(remote, absent)


def made(writer: LockWriter, address: str) -> Made | None:
    """Return what a finished stage has to share; None if it has nothing.

    An output with ``push: false`` stays here, and with it the run, which nobody could restore.
    """
    from dvc.stage.cache import _can_hash, _get_cache_hash
    from dvc.stage.serialize import to_single_stage_lockfile

    stage = writer.stages[address]
    with writer.repository.locked():
        run = None
        private = any(not out.can_push for out in stage.outs)
        if isinstance(stage, PipelineStage) and not private and _can_hash(stage):
            entry = to_single_stage_lockfile(stage)
            value, key = _get_cache_hash(dict(entry)), _get_cache_hash(dict(entry), key=True)
            if Path(stage.repo.stage_cache._get_cache_path(key, value)).is_file():
                run = (key, value)
                names = {out.def_path: out.remote for out in stage.outs}
                return Made(address, files_of_run(entry, names), run)
        shared = {out.hash_info.value for out in stage.outs if out.can_push and out.hash_info}
        files = tuple(file for file in recorded_files(stage) if file.value in shared)
    return Made(address, files, run) if files else None


def push_result(remote: Remote, result: Made) -> Moved:
    """Send the outputs of a stage and, if the remote has all of them, its run."""
    moved = push_objects(remote, result.files)
    if result.run and not moved.errors:
        moved.add(push_run(remote, *result.run))
    return moved

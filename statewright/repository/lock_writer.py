"""DVC's steps around the command of a stage: look the cache up, save, commit, record.

The repository is left as ``dvc repro`` would leave it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage

from statewright.repository.declaration import Repository, relative
from statewright.repository.lockfile import LockFiles, lock_files
from statewright.repository.locks import path_locks

HALF_COPY = re.compile(r"\.[A-Za-z0-9_-]{22}\.tmp")


@dataclass
class LockWriter:
    """A repository that is being written to: its stages by address, and its lock files.

    `begun`: by address the files of a stage, each with the hash, meta and kind of hash that were recorded.
    """

    repository: Repository
    stages: Mapping[str, DvcStage]
    locks: LockFiles
    begun: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)


def open_lock_writer(repository: Repository, order: Sequence[str]) -> LockWriter:
    """Open a repository for writing; `order` is that in which new entries of `dvc.lock` shall stand."""
    stages = dict(repository.stages)
    ours = [stages[address] for address in order]
    with repository.locked():
        _remove_half_copies(ours)
    return LockWriter(repository, stages, lock_files([s for s in ours if isinstance(s, PipelineStage)]))


def _remove_half_copies(stages: Sequence[DvcStage]) -> None:
    """Remove what DVC leaves beside an output when it is killed within a copy.

    It copies under a name of its own (`dvc_objects.fs.utils.tmp_fname`), and only with the repository's lock,
    which is held here: none of these is being written.
    """
    folders = {Path(out.fs_path).parent for stage in stages for out in stage.outs if out.protocol == "local"}
    for folder in folders:
        for path in folder.glob(".*.tmp"):
            if HALF_COPY.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)


@contextmanager
def hold_paths(writer: LockWriter, address: str) -> Iterator[None]:
    """Hold DVC's read-write locks on the paths of a stage, as DVC does while a command runs."""
    repository = writer.repository
    with path_locks(repository.repo, repository.mutex, writer.stages[address]):
        yield


def begin(writer: LockWriter, address: str, *, force: bool = False) -> str:
    """Make a stage ready for its command, if it needs one.

    Returns
    -------
    str
        ``skipped`` (unchanged after all), ``restored`` (from the run cache), ``done`` (DVC
        itself brought it up to date: frozen, import, data source) or ``ready``.
    """
    stage = writer.stages[address]
    with writer.repository.locked(stage):
        if isinstance(stage, PipelineStage):
            writer.locks.take_foreign(stage)
        writer.begun[address] = [
            (part, part.hash_info, part.meta, part.hash_name) for part in (*stage.deps, *stage.outs)
        ]
        if not force and not _bare(stage.changed)():
            return "skipped"
        if not isinstance(stage, PipelineStage) or stage.frozen:
            stage.reproduce()
            _record(writer, stage)
            return "done"
        stage.remove_outs(ignore_remove=False, force=False)
        if not force and _restores(stage):
            _save(writer, stage)
            return "restored"
        stage.save_deps()
        return "ready"


def _restores(stage: PipelineStage) -> bool:
    """Whether the run cache held the stage, whose outputs then lie there."""
    from dvc.stage.cache import RunCacheNotFoundError, _get_stage_hash

    runs = stage.repo.stage_cache
    try:
        runs.restore(stage)
    except RunCacheNotFoundError:
        return False
    except TypeError:
        # A killed process, or a full disk, left the folder without an entry, and DVC wants the newest in it.
        folder = Path(runs._get_cache_dir(_get_stage_hash(stage)))
        if not folder.is_dir() or any(folder.iterdir()):
            raise
        folder.rmdir()
        return False
    return True


def finish(writer: LockWriter, address: str) -> None:
    """Take the outputs of a finished command into the cache and record the stage."""
    with writer.repository.locked():
        _save(writer, writer.stages[address])


def abandon(writer: LockWriter, address: str) -> None:
    """After a failure: the stage stands again as it was recorded.

    DVC has noted the hashes of the new inputs. The next attempt would take them for those that led to the
    recorded outputs, and bring these back.
    """
    for part, *was in writer.begun.pop(address, ()):
        part.hash_info, part.meta, part.hash_name = was


def _save(writer: LockWriter, stage: DvcStage) -> None:
    uncached = any(not out.use_cache for out in stage.outs if not (out.is_metric or out.is_plot))
    stage.save(run_cache=not uncached)
    with _taking_in(stage):
        _bare(stage.commit)()
    _record(writer, stage)


@contextmanager
def _taking_in(stage: DvcStage) -> Iterator[None]:
    """Raise `OSError` unless the cache holds all outputs after the block.

    DVC logs a file that it could not copy there, to a full disk say, and goes on.
    """
    failures: list[BaseException] = []

    def gather(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1]:
            failures.append(record.exc_info[1])
        return not record.exc_info

    log = logging.getLogger("dvc_data.hashfile.transfer")
    log.addFilter(gather)
    try:
        yield
    finally:
        log.removeFilter(gather)
    missing = [str(out) for out in stage.outs if out.use_cache and out.changed_cache()]
    if missing:
        cause = failures[0] if failures else None
        raise OSError(f"{', '.join(missing)} could not be taken into DVC's cache") from cause


def _bare(method: Any) -> Any:
    """A method of DVC's stage without the locks on paths around it, which are free or ours here.

    Writing them down and taking them back costs more than many a stage.
    """
    return partial(method.__func__.__wrapped__, method.__self__)


def _record(writer: LockWriter, stage: DvcStage) -> None:
    if isinstance(stage, PipelineStage):
        writer.locks.record(stage)
        stage.cmd_changed = False
    else:
        stage.dump(update_pipeline=False)


def recorded_hashes(
    writer: LockWriter, address: str
) -> tuple[dict[str, str | None], dict[str, str | None], dict[str, Any]]:
    """Hashes of the inputs, hashes of the outputs, and params, as the stage now stands recorded."""
    stage, root = writer.stages[address], writer.repository.root
    params = {key: value for dep in stage.params for key, value in (dep.hash_info.value or {}).items()}
    return (
        {relative(dep, root): dep.hash_info.value for dep in stage.deps if dep not in stage.params},
        {relative(out, root): out.hash_info.value for out in stage.outs},
        params,
    )


def command_lines(repository: Repository, address: str) -> Iterator[tuple[list[str] | str, dict[str, Any]]]:
    """The commands of a stage as DVC would start them: arguments and keywords of `Popen`."""
    from dvc.stage.run import _enforce_cmd_list, _make_cmd, get_executable, prepare_kwargs

    stage = repository.stages[address]
    for command in _enforce_cmd_list(stage.cmd):
        yield _make_cmd(get_executable(), command), prepare_kwargs(stage)

"""DVC's steps around the command of a stage: look up, save, commit, record.

The result is the same repository that ``dvc repro`` leaves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage

from statewright.files import replacing
from statewright.repository.declaration import Repository, relative
from statewright.repository.errors import collecting_transfer_errors, unusable_command
from statewright.repository.lockfile import LockFiles, lock_files
from statewright.repository.locks import path_locks
from statewright.repository.pulling import pull_inputs, pull_outputs
from statewright.repository.runcache import save_run
from statewright.request import Request
from statewright.workflow import WorkflowError, digest
from statewright.workspace import control_folder


class DependencyChangedError(RuntimeError):
    """A dependency that was changed while the command ran; the message names it.

    Parameters
    ----------
    before : mapping of str to object
        The changed dependencies, with their hashes before the command ran.
    """

    def __init__(self, before: Mapping[str, Any]) -> None:
        super().__init__(", ".join(before))
        self.before = before


Announce = Callable[[str], None]
"""Called with the status of a stage when its hashes are final, before its lock file records it."""

UNFINISHED = "unfinished.json"
"""File below `.statewright`: the entries of `dvc.lock` that a running or killed run may have added."""
PARTIAL_COPY = re.compile(r"\.[A-Za-z0-9_-]{22}\.tmp")


@dataclass
class LockWriter:
    """A repository open for writing, with its stages by address and its lock files.

    Parameters
    ----------
    begun : dict
        Maps the address of a stage to its files, each with the recorded hash, meta and hash name.
    """

    repository: Repository
    stages: Mapping[str, DvcStage]
    locks: LockFiles
    begun: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)


def open_lock_writer(repository: Repository, order: Sequence[str]) -> LockWriter:
    """Open a repository for writing.

    Parameters
    ----------
    order : sequence of str
        Addresses of the stages, in the order of new entries in `dvc.lock`.
    """
    stages = dict(repository.stages)
    ordered = [stages[address] for address in order]
    with repository.locked():
        _remove_partial_copies(ordered)
    pipeline = [stage for stage in ordered if isinstance(stage, PipelineStage)]
    return LockWriter(repository, stages, lock_files(pipeline, _read_unfinished(repository.root)))


def begin_run(writer: LockWriter) -> None:
    """Note which entries of `dvc.lock` the run may add, until `end_run`.

    A killed run leaves the note. The next run then orders the entries of both runs as one ``dvc repro``
    does, instead of adding its own at the end.
    """
    root = writer.repository.root
    names = {
        str(path): [name for name in writer.locks.order[path] if name not in (file.known or ())]
        for path, file in writer.locks.files.items()
    }
    if any(names.values()):
        path = control_folder(root / ".statewright") / UNFINISHED
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(names), encoding="utf-8")


def end_run(writer: LockWriter) -> None:
    """Remove the note of `begin_run`, because the run has ended by itself."""
    (writer.repository.root / ".statewright" / UNFINISHED).unlink(missing_ok=True)


def _read_unfinished(root: Path) -> Mapping[str, Sequence[str]]:
    try:
        names: dict[str, list[str]] = json.loads((root / ".statewright" / UNFINISHED).read_bytes())
    except (OSError, ValueError):
        return {}
    return names


def _remove_partial_copies(stages: Sequence[DvcStage]) -> None:
    """Remove the temporary files that a killed DVC left in the folder of an output.

    DVC copies to a temporary name (`dvc_objects.fs.utils.tmp_fname`), and only while it holds the
    repository's lock. The caller holds that lock, so no process is writing these files.
    """
    folders = {Path(out.fs_path).parent for stage in stages for out in stage.outs if out.protocol == "local"}
    for folder in folders:
        for path in folder.glob(".*.tmp"):
            if PARTIAL_COPY.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)


@contextmanager
def hold_paths(writer: LockWriter, address: str) -> Iterator[None]:
    """Hold DVC's read-write locks on the paths of a stage while its command runs."""
    repository = writer.repository
    with path_locks(repository.repo, repository.mutex, repository.stopped, writer.stages[address]):
        yield


def begin(
    writer: LockWriter,
    address: str,
    *,
    force: bool = False,
    announce: Announce = lambda _: None,
    confirm: Callable[[], None] = lambda: None,
) -> str:
    """Prepare a stage for its command, unless it needs none.

    Parameters
    ----------
    confirm : callable
        Called before anything of a changed stage is changed; its error stops the stage.

    Returns
    -------
    str
        ``skipped`` (the stage is unchanged), ``restored`` (from the run cache or the remote), ``done`` (DVC
        itself updated the stage: frozen, import or data source) or ``ready``.
    """
    stage = writer.stages[address]
    with writer.repository.locked(stage):
        if isinstance(stage, PipelineStage):
            writer.locks.update_stage(stage)
        writer.begun[address] = [
            (part, part.hash_info, part.meta, part.hash_name) for part in (*stage.deps, *stage.outs)
        ]
        request = writer.repository.request
        changed = partial(_is_changed, stage, writer.repository.needed_by(stage))
        if not force and not changed(request.allow_missing):
            return "skipped"
        if not force and request.pull and not changed(True) and pull_outputs(stage):
            announce("restored")
            return "restored"
        confirm()
        if not isinstance(stage, PipelineStage) or stage.frozen:
            stage.reproduce(force=force, allow_missing=request.allow_missing, no_commit=not request.commit)
            announce("done")
            _record(writer, stage)
            return "done"
        _without_path_locks(stage.remove_outs)(ignore_remove=False, force=False)
        if not force and request.pull:
            pull_inputs(stage)
        if not force and _restores(stage, request):
            stage.save_deps(allow_missing=request.allow_missing)
            _save(writer, stage, partial(announce, "restored"))
            return "restored"
        stage.save_deps()
        return "ready"


def _is_changed(stage: DvcStage, upstream: Sequence[DvcStage], allow_missing: bool) -> bool:
    """Return the answer of DVC's `Stage.changed`, without its path locks."""
    if stage.changed_stage():
        return True
    if not stage.frozen:
        if stage.is_callback or stage.always_changed:
            return True
        changed_deps = _without_path_locks(stage._changed_deps)
        if changed_deps(allow_missing=allow_missing, upstream=list(upstream)):
            return True
    return bool(stage.changed_outs(allow_missing=allow_missing))


def _restores(stage: PipelineStage, request: Request) -> bool:
    """Restore the outputs from the run cache; return whether it held the stage."""
    from dvc.stage.cache import RunCacheNotFoundError, _get_stage_hash

    runs = stage.repo.stage_cache
    try:
        runs.restore(stage, run_cache=request.run_cache, pull=request.pull)
    except RunCacheNotFoundError:
        return False
    except TypeError:
        # A killed process or a full disk left an empty folder, in which DVC expects at least one entry.
        folder = Path(runs._get_cache_dir(_get_stage_hash(stage)))
        if not folder.is_dir() or any(folder.iterdir()):
            raise
        folder.rmdir()
        return False
    return True


def finish(
    writer: LockWriter,
    address: str,
    rewritten: Collection[str] = (),
    *,
    announce: Announce = lambda _: None,
) -> None:
    """Save the outputs of a finished command in the cache and record the stage.

    Parameters
    ----------
    rewritten : collection of str
        Dependencies that the command itself may change.

    Raises
    ------
    DependencyChangedError
        If another dependency has changed since the command started; DVC would record its new hash.
    """
    stage = writer.stages[address]
    with writer.repository.locked():
        before = {dep: (dep.hash_info, dep.obj) for dep in stage.deps}
        stage.save_deps()
        root = writer.repository.root
        changed = {
            relative(dep, root): before[dep][0].value for dep in stage.deps if _differs(dep, *before[dep])
        }
        if changed := {path: value for path, value in changed.items() if path not in rewritten}:
            raise DependencyChangedError(changed)
        _save(writer, stage, partial(announce, "ran"))


def _differs(dep: Any, hash_info: Any, tree: Any) -> bool:
    """Return whether a local dependency has changed since its hash was computed."""
    if dep.protocol != "local" or hasattr(dep, "def_repo") or hash_info is None:
        return False
    was, now = hash_info.value, dep.hash_info.value
    if isinstance(was, Mapping) or isinstance(now, Mapping):
        return digest(was) != digest(now)  # params; as text, because NaN differs from itself
    if was == now or dep.obj is None or tree is None or not (hash_info.isdir and dep.hash_info.isdir):
        return bool(was != now)
    entries = [{key: value for key, _, value in part if not _is_by_product(key)} for part in (tree, dep.obj)]
    return bool(entries[0] != entries[1])


def _is_by_product(key: Sequence[str]) -> bool:
    """Return whether a file is a by-product of using its folder, as bytecode is."""
    return key[-1].endswith(".pyc") or any(part.startswith(".") or part == "__pycache__" for part in key)


def track_changes(repository: Repository) -> None:
    """Add the files that DVC has changed to git, if `core.autostage` is set."""
    with repository.locked(), repository.repo.scm_context(quiet=True):
        pass  # DVC adds the files that the run has written at the end of the block


def abandon(writer: LockWriter, address: str) -> None:
    """Reset a stage to its recorded hashes after a failure.

    DVC has stored the hashes of the new inputs in the stage. Without the reset, the next attempt
    would restore the recorded outputs as if those inputs had produced them.
    """
    for part, *recorded in writer.begun.pop(address, ()):
        part.hash_info, part.meta, part.hash_name = recorded


def _save(writer: LockWriter, stage: DvcStage, announce: Callable[[], None]) -> None:
    """Save outputs and run, as `Stage.save` of DVC, and record the stage.

    The hashes of the dependencies are those that the caller has saved and compared.
    """
    uncached = any(not out.use_cache for out in stage.outs if not (out.is_metric or out.is_plot))
    request = writer.repository.request
    stage.save_outs(allow_missing=request.allow_missing)
    stage.md5 = stage.compute_md5()
    if request.commit:
        if not uncached:
            save_run(stage)
        with _require_cached(stage, request.allow_missing):
            _without_path_locks(stage.commit)(allow_missing=request.allow_missing)
    announce()
    _record(writer, stage)


@contextmanager
def _require_cached(stage: DvcStage, allow_missing: bool) -> Iterator[None]:
    """Raise `OSError` unless the cache holds all outputs after the block."""
    with collecting_transfer_errors() as failures:
        yield
    outs = [out for out in stage.outs if out.use_cache and (out.exists or not allow_missing)]
    if missing := [str(out) for out in outs if out.changed_cache()]:
        cause = failures[0] if failures else None
        raise OSError(f"{', '.join(missing)} could not be copied into DVC's cache") from cause


def _without_path_locks(method: Any) -> Any:
    """Return a method of DVC's stage without the path locks around it.

    Here the locks are free or already held. To write and remove them takes longer than many stages.
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
    """Return the recorded input hashes, output hashes and params of a stage."""
    stage, root = writer.stages[address], writer.repository.root
    params = {key: value for dep in stage.params for key, value in (dep.hash_info.value or {}).items()}
    return (
        {relative(dep, root): dep.hash_info.value for dep in stage.deps if dep not in stage.params},
        {relative(out, root): out.hash_info.value for out in stage.outs},
        params,
    )


def command_lines(repository: Repository, address: str) -> Iterator[tuple[list[str] | str, dict[str, Any]]]:
    """Yield arguments and keywords of `Popen` for each command, as DVC does.

    Raises
    ------
    WorkflowError
        Before the first command, if one of them is not a text.
    """
    from dvc.stage.run import _enforce_cmd_list, _make_cmd, get_executable, prepare_kwargs

    stage = repository.stages[address]
    if problem := unusable_command(stage):
        raise WorkflowError(problem)
    for command in _enforce_cmd_list(stage.cmd):
        yield _make_cmd(get_executable(), command), prepare_kwargs(stage)

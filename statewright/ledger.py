"""DVC's steps around the command of a stage: look the cache up, save, commit, record.

The repository is left as ``dvc repro`` would leave it; `dvc.lock` is replaced, never written in place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage

from statewright.files import replacing
from statewright.repository import Repository, lock_entries, relative


@contextmanager
def holding_paths(repository: Repository, address: str) -> Iterator[None]:
    """Hold DVC's read-write locks on the paths of a stage, as DVC does while a command runs."""
    from dvc.rwlock import rwlock

    repo, stage = repository.repo, repository.stages[address]
    with repository.mutex:
        lock = rwlock(
            repo.tmp_dir,
            repo.fs,
            " ".join(sys.argv),
            [dep.fs_path for dep in stage.deps],
            [out.fs_path for out in stage.outs],
            repo.config["core"].get("hardlink_lock", False),
        )
        lock.__enter__()
    try:
        yield
    finally:
        with repository.mutex:
            lock.__exit__(None, None, None)


def begin(repository: Repository, address: str, *, force: bool = False) -> str:
    """Make a stage ready for its command, if it needs one.

    Returns
    -------
    str
        ``skipped`` (unchanged after all), ``restored`` (from the run cache), ``done`` (DVC
        itself brought it up to date: frozen, import, data source) or ``ready``.
    """
    from dvc.stage.cache import RunCacheNotFoundError

    with repository.locked():
        stage = repository.stages[address]
        if not force and not stage.changed():
            return "skipped"
        if not isinstance(stage, PipelineStage) or stage.frozen:
            stage.reproduce()
            _record(repository, stage)
            return "done"
        stage.remove_outs(ignore_remove=False, force=False)
        if not force:
            try:
                repository.repo.stage_cache.restore(stage)
            except RunCacheNotFoundError:
                pass
            else:
                _save(repository, stage)
                return "restored"
        stage.save_deps()
        return "ready"


def finish(repository: Repository, address: str) -> None:
    """Take the outputs of a finished command into the cache and record the stage."""
    with repository.locked():
        _save(repository, repository.stages[address])


def _save(repository: Repository, stage: DvcStage) -> None:
    uncached = any(not out.use_cache for out in stage.outs if not (out.is_metric or out.is_plot))
    stage.save(run_cache=not uncached)
    stage.commit()
    _record(repository, stage)


def _record(repository: Repository, stage: DvcStage) -> None:
    if isinstance(stage, PipelineStage):
        _rewrite_lock(stage, lambda entries: entries.update(_entry(stage)))
        stage.cmd_changed = False
    else:
        stage.dump(update_pipeline=False)


def _entry(stage: PipelineStage) -> dict[str, Any]:
    from dvc.stage.serialize import to_lockfile

    return to_lockfile(stage)


def _rewrite_lock(stage: PipelineStage, change: Callable[[Any], Any]) -> None:
    """Change the entries of the stage's lock file; a kill leaves the old file or the new one."""
    from dvc.utils.serialize import dump_yaml
    from dvc.utils.serialize._yaml import parse_yaml_for_update

    path = Path(stage.dvcfile._lockfile.path)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    data = parse_yaml_for_update(text, str(path)) if text else {}
    if not data:
        data["schema"] = "2.0"
    data["stages"] = data.get("stages", {})
    change(data["stages"])
    with replacing(path) as temporary:
        dump_yaml(str(temporary), data)
    stage.repo.scm_context.track_file(os.path.relpath(path))


def settle_lock(repository: Repository, order: Sequence[str], known_before: Sequence[str]) -> None:
    """Put new entries of `dvc.lock` into plan order, as a serial run would have written them."""

    def sort(stages: Sequence[PipelineStage], entries: Any) -> None:
        for stage in stages:
            if stage.name in entries and stage.addressing not in known_before:
                entries[stage.name] = entries.pop(stage.name)

    with repository.locked():
        by_file: dict[Path, list[PipelineStage]] = {}
        for address in order:
            stage = repository.stages[address]
            if isinstance(stage, PipelineStage):
                by_file.setdefault(Path(stage.dvcfile._lockfile.path), []).append(stage)
        for path, stages in by_file.items():
            if path.exists():
                _rewrite_lock(stages[0], partial(sort, stages))


def recorded_names(repository: Repository) -> list[str]:
    """Addresses of the stages that the lock files hold now."""
    return list(lock_entries(repository.stages.values()))


def recorded_hashes(
    repository: Repository, address: str
) -> tuple[dict[str, str | None], dict[str, str | None], dict[str, Any]]:
    """Hashes of the inputs, hashes of the outputs, and params, as the stage now stands recorded."""
    stage, root = repository.stages[address], repository.root
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

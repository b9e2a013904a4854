"""Predict whether ``dvc repro`` will restore a stage from DVC's run cache.

DVC's own look-up hashes the files on disk. A plan needs the answer for inputs that do not exist
yet, so this module uses the hashes that the plan expects. It follows the rules of DVC:

- If command and inputs are as `dvc.lock` recorded them, DVC checks out the recorded outputs if the
  cache has them. It does not ask the run cache at all, even if that could help.
- Otherwise only the newest entry under the stage's key counts.
- The key holds the names relative to the stage's folder, and whether a file is executable. It does
  not hold the name of the stage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage

from statewright.repository.declaration import Repository, as_commands, relative
from statewright.repository.plain_yaml import plain_yaml
from statewright.repository.remote_runs import Query
from statewright.state import Hashes, MayRecall, ParamKey, Recall


def run_cache_queries(repository: Repository, stages: Mapping[str, DvcStage]) -> tuple[Recall, MayRecall]:
    """Return the two queries that a plan sends to the run cache, see `State`."""
    executable: dict[str, bool] = {}

    def recall(address: str, deps: Hashes, params: Mapping[ParamKey, Any]) -> Hashes | None:
        stage = stages[address]
        if stage.frozen or not isinstance(stage, PipelineStage):
            return None
        with repository.locked(), _expected_inputs(repository, stage, deps, params, executable) as unchanged:
            outs = _cached_outputs(repository, stage, address, unchanged)
        if outs is None:
            return None
        executable.update({relative(out, repository.root): bool(out.meta.isexec) for out in outs})
        return {relative(out, repository.root): out.hash_info.value for out in outs}

    @cache
    def entries() -> Sequence[str]:
        return _entries(Path(repository.repo.stage_cache.cache_dir))

    def may_recall(address: str, deps: Hashes, params: Mapping[ParamKey, Any]) -> bool:
        stage = stages[address]
        if not isinstance(stage, PipelineStage) or not _uses_run_cache(stage):
            return False
        request = repository.request
        if repository.remote and request.pull:
            # With all inputs known, `recall` has asked the cache and the remote.
            return request.run_cache and not _are_known(repository, stage, deps)
        if request.pull and request.run_cache and not repository.run_cache_fetched:
            return True  # a remote with versions of its own has no run cache that could be asked
        with repository.locked():
            return _lock_matches(repository, stage, deps, params) or (
                request.run_cache and _any_entry_matches(repository, stage, deps, params, entries())
            )

    return recall, may_recall


@contextmanager
def _expected_inputs(
    repository: Repository,
    stage: DvcStage,
    deps: Hashes,
    params: Mapping[ParamKey, Any],
    executable: Mapping[str, bool],
) -> Iterator[bool]:
    """Give the stage's dependencies the expected hashes for the length of the block.

    Yields whether they equal the recorded hashes. The record is also in `meta`, which has priority
    when DVC serializes a dependency, so `meta` is replaced too.
    """
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta

    saved = [(dep, dep.hash_info, dep.meta, dep.hash_name) for dep in stage.deps]
    unchanged = True
    try:
        for dep in stage.deps:
            path = relative(dep, repository.root)
            was = dep.hash_info.value if dep.hash_info else None
            if dep in stage.params:
                value: Any = {key: value for (file, key), value in params.items() if file == path}
                unchanged &= was == value
            else:
                value = deps.get(path)
                unchanged &= was == value
                if was != value and dep.hash_name == "md5-dos2unix":
                    dep.hash_name = "md5"  # DVC saves every new hash under this name
                dep.meta = Meta(isexec=executable.get(path, _is_executable(repository.root / path)))
            dep.hash_info = HashInfo(dep.hash_name, value)
        yield unchanged
    finally:
        for dep, *was in saved:
            dep.hash_info, dep.meta, dep.hash_name = was


def _is_executable(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_mode & 0o100)


def _are_known(repository: Repository, stage: DvcStage, deps: Hashes) -> bool:
    files = [relative(dep, repository.root) for dep in stage.deps if dep not in stage.params]
    return all(deps.get(path) is not None for path in files)


def _cached_outputs(
    repository: Repository, stage: Any, address: str, unchanged: bool
) -> Sequence[Any] | None:
    """Return the outputs that cache or remote can restore for the current hashes."""
    from dvc.stage.cache import _get_cache_hash
    from dvc.stage.serialize import to_single_stage_lockfile

    if not may_be_cached(stage):
        return None
    runs = repository.repo.stage_cache
    key: str | None
    entry: Any
    if unchanged and not stage.cmd_changed and all(out.hash_info for out in stage.outs):
        key, entry = None, to_single_stage_lockfile(stage)
    elif not repository.request.run_cache:
        return None
    else:
        try:
            key = _get_cache_hash(to_single_stage_lockfile(stage), key=True)
        except TypeError:
            return None  # JSON cannot represent a parameter (such as a date), so DVC cannot cache the run
        folder = Path(runs._get_cache_dir(key))
        newest = (
            max(folder.iterdir(), key=lambda p: p.stat().st_mtime, default=None) if folder.is_dir() else None
        )
        entry = runs._load_cache(key, newest.name) if newest else None
    outs = _restorable_outputs(repository, stage, entry) if entry else None
    if outs is not None or repository.remote is None or not repository.request.pull:
        return outs
    names = tuple((out.def_path, out.remote) for out in stage.outs)
    known = repository.remote.find(address, Query(key, entry if key is None else None, names))
    return list(runs._create_stage(known, wdir=stage.wdir).outs) if known else None


def _restorable_outputs(repository: Repository, stage: Any, entry: Any) -> Sequence[Any] | None:
    """Return the outputs of a cached run if the cache has all of them.

    These include outputs declared ``cache: false``.
    """
    cached_stage = repository.repo.stage_cache._create_stage(entry, wdir=stage.wdir)
    return list(cached_stage.outs) if cached_stage.outs_cached() else None


def _uses_run_cache(stage: DvcStage) -> bool:
    """Return whether DVC looks for a cached run of the stage in general."""
    if stage.frozen or stage.always_changed or not (stage.deps and stage.outs):
        return False
    return all(d.protocol == "local" for d in stage.deps) and all(
        o.protocol == "local" and not o.persist and o.is_in_repo for o in stage.outs
    )


def _lock_matches(repository: Repository, stage: Any, deps: Hashes, params: Mapping[ParamKey, Any]) -> bool:
    """Return whether the inputs may equal those in `dvc.lock`, with cached outputs."""
    from dvc.stage.serialize import to_single_stage_lockfile

    if stage.cmd_changed or not all(out.hash_info for out in stage.outs):
        return False
    for dep in stage.deps:
        path = relative(dep, repository.root)
        was = dep.hash_info.value
        if dep in stage.params:
            now = {key: value for (file, key), value in params.items() if file == path}
            if any((was or {}).get(key) != value for key, value in now.items()):
                return False
        elif was is None or deps.get(path, was) != was:
            return False
    if repository.request.pull:
        return True
    return _restorable_outputs(repository, stage, to_single_stage_lockfile(stage)) is not None


def _entries(folder: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in folder.glob("*/*/*") if path.is_file()]


def _any_entry_matches(
    repository: Repository,
    stage: Any,
    deps: Hashes,
    params: Mapping[ParamKey, Any],
    entries: Sequence[str],
) -> bool:
    """Return whether a cached run has the stage's command, names and known inputs."""
    from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
    from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml
    from voluptuous import Invalid

    names = {dep.def_path: relative(dep, repository.root) for dep in stage.deps}
    known = {name: deps[path] for name, path in names.items() if path in deps}
    files = {dep.def_path for dep in stage.deps if dep not in stage.params}
    outs = {out.def_path for out in stage.outs}
    # Parsing YAML is slow, so entries are not parsed whose text lacks a known hash or a word of the command.
    # YAML quotes and folds a command, but never within such a word.
    words = re.findall(r"[A-Za-z0-9@./_-]{3,}", " ".join(as_commands(stage.cmd)))
    needed = [*words, *(str(value) for value in known.values())]
    for text in entries:
        if not all(value in text for value in needed):
            continue
        try:
            entry = COMPILED_LOCK_FILE_STAGE_SCHEMA(parse_yaml(text, "run cache"))
        except (YAMLFileCorruptedError, Invalid):
            continue  # a killed process left the entry incomplete
        was = {dep["path"]: dep.get("md5") for dep in entry.get("deps", ())}
        values = entry.get("params", {})
        if (
            entry["cmd"] == stage.cmd
            and {out["path"] for out in entry.get("outs", ())} == outs
            and was.keys() == files
            and all(was[name] == value for name, value in known.items())
            and all(
                values.get(name, {}).get(key) == value
                for name, path in names.items()
                for (file, key), value in params.items()
                if file == path
            )
        ):
            return True
    return False


def save_run(stage: PipelineStage) -> None:
    """Save a finished run in the run cache, as `StageCache.save` of DVC does."""
    from dvc.stage.cache import _can_hash, _get_cache_hash
    from dvc.stage.serialize import to_single_stage_lockfile
    from dvc.utils.serialize._yaml import dumps_yaml
    from dvc_objects.fs.utils import tmp_fname

    if not _can_hash(stage):
        return
    runs, store = stage.repo.stage_cache, stage.repo.cache.legacy
    entry = to_single_stage_lockfile(stage)
    value = _get_cache_hash(entry)
    key = _get_cache_hash({**entry}, key=True)
    known = runs._load_cache(key, value)
    for out in runs._uncached_outs(stage, known or entry):
        out.commit()
    if known:
        return
    path = Path(runs._get_cache_path(key, value))
    store.makedirs(str(path.parent))
    temporary = path.parent / tmp_fname()
    temporary.write_text(plain_yaml(entry) or dumps_yaml(entry), encoding="utf-8")
    store.move(str(temporary), str(path))


def may_be_cached(stage: DvcStage) -> bool:
    """Return whether DVC caches runs of the stage with its current hashes.

    DVC does so if all inputs and outputs are local files with known hashes.
    """
    if stage.is_callback or stage.always_changed or not (stage.cmd and stage.deps and stage.outs):
        return False
    return all(d.protocol == "local" and d.def_path and d.hash_info for d in stage.deps) and all(
        o.protocol == "local" and o.def_path and not o.persist and o.is_in_repo for o in stage.outs
    )

"""What DVC's run cache remembers: would ``dvc repro`` restore a stage, given inputs as they will be?

DVC's own look-up hashes the files that lie there now. Here the hashes that the plan expects count.
What DVC does, and so what is done here:

- if command and inputs are as `dvc.lock` recorded them, the outputs recorded there are checked out if
  the cache has them, and the run cache is not asked at all, even if it could help;
- otherwise the newest entry under the stage's key counts, and no older one;
- the key holds the names as seen from the stage's folder, and whether a file is executable;
  it does not hold the stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage

from statewright.repository.declaration import Repository, relative
from statewright.state import Hashes, MayRecall, ParamKey, Recall


def recalls(repository: Repository, stages: Mapping[str, DvcStage]) -> tuple[Recall, MayRecall]:
    """The two questions that a plan asks of the run cache, see `State`."""
    executable: dict[str, bool] = {}

    def recall(address: str, deps: Hashes, params: Mapping[ParamKey, Any]) -> Hashes | None:
        stage = stages[address]
        if stage.frozen or not isinstance(stage, PipelineStage):
            return None
        with repository.locked(), _as_if(repository, stage, deps, params, executable) as unchanged:
            outs = _held(repository, stage, unchanged)
        if outs is None:
            return None
        executable.update({relative(out, repository.root): bool(out.meta.isexec) for out in outs})
        return {relative(out, repository.root): out.hash_info.value for out in outs}

    @cache
    def entries() -> Sequence[str]:
        return _entries(Path(repository.repo.stage_cache.cache_dir))

    def may_recall(address: str, deps: Hashes, params: Mapping[ParamKey, Any]) -> bool:
        stage = stages[address]
        if not isinstance(stage, PipelineStage) or not _keeps(stage):
            return False
        with repository.locked():
            return _lock_agrees(repository, stage, deps, params) or _any_agrees(
                repository, stage, deps, params, entries()
            )

    return recall, may_recall


@contextmanager
def _as_if(
    repository: Repository,
    stage: DvcStage,
    deps: Hashes,
    params: Mapping[ParamKey, Any],
    executable: Mapping[str, bool],
) -> Iterator[bool]:
    """Give the stage's dependencies other hashes for the length of the block; were they the recorded ones?

    What was read from the lock file stands in `meta` too, and would win when it is written out.
    """
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta

    kept = [(dep, dep.hash_info, dep.meta, dep.hash_name) for dep in stage.deps]
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
                    dep.hash_name = "md5"  # as DVC does with whatever it saves anew
                dep.meta = Meta(isexec=executable.get(path, _is_executable(repository.root / path)))
            dep.hash_info = HashInfo(dep.hash_name, value)
        yield unchanged
    finally:
        for dep, *was in kept:
            dep.hash_info, dep.meta, dep.hash_name = was


def _is_executable(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_mode & 0o100)


def _held(repository: Repository, stage: Any, unchanged: bool) -> Sequence[Any] | None:
    """The outputs that the cache can bring back for the stage as it stands."""
    from dvc.stage.cache import _get_cache_hash
    from dvc.stage.serialize import to_single_stage_lockfile

    if not may_be_cached(stage):
        return None
    runs = repository.repo.stage_cache
    if unchanged and not stage.cmd_changed and all(out.hash_info for out in stage.outs):
        entry: Any = to_single_stage_lockfile(stage)
    else:
        try:
            key = _get_cache_hash(to_single_stage_lockfile(stage), key=True)
        except TypeError:
            return None  # a parameter that JSON has no word for, a date say: DVC can remember no such run
        folder = Path(runs._get_cache_dir(key))
        newest = (
            max(folder.iterdir(), key=lambda p: p.stat().st_mtime, default=None) if folder.is_dir() else None
        )
        entry = runs._load_cache(key, newest.name) if newest else None
    return _brought_back(repository, stage, entry) if entry else None


def _brought_back(repository: Repository, stage: Any, entry: Any) -> Sequence[Any] | None:
    """The outputs of a remembered run, if the cache has them all, also those not kept there as outputs."""
    remembered = repository.repo.stage_cache._create_stage(entry, wdir=stage.wdir)
    return list(remembered.outs) if remembered.outs_cached() else None


def _keeps(stage: DvcStage) -> bool:
    """Whether DVC would look for a run of the stage, were its inputs known."""
    if stage.frozen or stage.always_changed or not (stage.deps and stage.outs):
        return False
    return all(d.protocol == "local" for d in stage.deps) and all(
        o.protocol == "local" and not o.persist and o.is_in_repo for o in stage.outs
    )


def _lock_agrees(repository: Repository, stage: Any, deps: Hashes, params: Mapping[ParamKey, Any]) -> bool:
    """Whether inputs may turn out as `dvc.lock` recorded them, the outputs being in the cache."""
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
    return _brought_back(repository, stage, to_single_stage_lockfile(stage)) is not None


def _entries(folder: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in folder.glob("*/*/*") if path.is_file()]


def _any_agrees(
    repository: Repository,
    stage: Any,
    deps: Hashes,
    params: Mapping[ParamKey, Any],
    entries: Sequence[str],
) -> bool:
    """Whether a remembered run has the stage's command and names, and what is known of its inputs."""
    from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
    from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml
    from voluptuous import Invalid

    names = {dep.def_path: relative(dep, repository.root) for dep in stage.deps}
    known = {name: deps[path] for name, path in names.items() if path in deps}
    files = {dep.def_path for dep in stage.deps if dep not in stage.params}
    outs = {out.def_path for out in stage.outs}
    # Reading YAML is slow: what lacks a known hash or a name as text needs no reading.
    words = [str(value) for value in known.values()]
    for text in entries:
        if not all(word in text for word in words):
            continue
        try:
            entry = COMPILED_LOCK_FILE_STAGE_SCHEMA(parse_yaml(text, "run cache"))
        except (YAMLFileCorruptedError, Invalid):
            continue  # left half-written by a process that was killed
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


def may_be_cached(stage: DvcStage) -> bool:
    """Whether DVC keeps runs of such a stage: local files on both sides, all of them known."""
    if stage.is_callback or stage.always_changed or not (stage.cmd and stage.deps and stage.outs):
        return False
    return all(d.protocol == "local" and d.def_path and d.hash_info for d in stage.deps) and all(
        o.protocol == "local" and o.def_path and not o.persist and o.is_in_repo for o in stage.outs
    )

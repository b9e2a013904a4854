"""Read a DVC repository: its stages, what was recorded, what lies there, what the cache holds.

This file and `ledger.py`, which writes, are the two that touch DVC's Python API.
Of DVC only ``dvc.api`` is public; what is used here beyond it is pinned in ``pyproject.toml``
and held by tests that compare `dvc.lock`, byte for byte, with what ``dvc repro`` writes.

One `Repo` is shared by all threads of a process, behind a mutex and DVC's own repository lock;
while a stage's command runs neither is held, only DVC's read-write locks on its paths.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage

from statewright.files import dump_json
from statewright.fingerprint import fingerprints
from statewright.state import Hashes, Observed, ParamKey, State
from statewright.workflow import Output, Stage, Workflow, WorkflowError


@dataclass
class Repository:
    """An open DVC repository: the shared `Repo` and the mutex around it."""

    repo: Repo
    root: Path
    mutex: threading.RLock = field(default_factory=threading.RLock)

    @property
    def stages(self) -> dict[str, DvcStage]:
        """DVC's stages by address, in no particular order."""
        return {stage.addressing: stage for stage in self.repo.index.stages}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the mutex and DVC's repository lock, waiting for whoever has it."""
        with self.mutex, self.repo.lock:
            yield


def open_repository(directory: Path) -> Repository:
    """Open the DVC repository around `directory` and make its root the working directory.

    Raises
    ------
    WorkflowError
        If there is none, with the command that makes one.
    """
    logging.getLogger("dvc").setLevel(logging.ERROR)
    try:
        repo = Repo(str(directory), _wait_for_lock=True)
    except DvcException as error:
        raise WorkflowError(f"{directory}: {error}; `dvc init` makes a DVC repository") from error
    os.chdir(repo.root_dir)
    return Repository(repo, Path(repo.root_dir))


def declare(repository: Repository) -> Workflow:
    """Read the stages as DVC resolves them.

    Raises
    ------
    WorkflowError
        With DVC's own complaint, if `dvc.yaml` or a params file is broken.
    """
    import networkx
    from dvc.repo.reproduce import get_active_graph

    try:
        graph = get_active_graph(repository.repo.index.graph)
    except DvcException as error:
        raise WorkflowError(explain(error)) from error
    order = list(networkx.dfs_postorder_nodes(graph))
    stages = {stage.addressing: _stage(stage, repository.root) for stage in order}
    upstream = {
        stage.addressing: tuple(sorted(other.addressing for other in graph.successors(stage)))
        for stage in order
    }
    params: dict[str, dict[str, Any]] = {}
    for stage in order:
        for dep in stage.params:
            params.setdefault(relative(dep, repository.root), {}).update(dep.read_params())
    return Workflow(stages, upstream, params)


def explain(error: BaseException) -> str:
    """An error of DVC with its causes, as one text."""
    parts = []
    cause: BaseException | None = error
    while cause is not None:
        if str(cause) and str(cause) not in parts:
            parts.append(str(cause))
        cause = cause.__cause__
    return ": ".join(parts)


def relative(item: Any, root: Path) -> str:
    """The path of a dependency or output, relative to the repository where it lies inside."""
    path = Path(item.fs_path)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(item)


def _stage(stage: DvcStage, root: Path) -> Stage:
    params = {relative(dep, root): tuple(dep.params) for dep in stage.params}
    return Stage(
        address=stage.addressing,
        cmd=_as_commands(stage.cmd),
        deps=tuple(relative(dep, root) for dep in stage.deps if dep not in stage.params),
        params=params,
        outs=tuple(_output(out, root) for out in stage.outs),
        wdir=os.path.relpath(stage.wdir, root),
        desc=stage.desc or "",
        frozen=bool(stage.frozen),
        always_changed=bool(stage.always_changed or stage.is_callback),
        plain=isinstance(stage, PipelineStage) and not stage.frozen,
        meta=dict(stage.meta) if isinstance(stage.meta, Mapping) else {},
    )


def _as_commands(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else (value,) if value else ()


def _output(out: Any, root: Path) -> Output:
    role = "metric" if out.metric else "plot" if out.plot else "out"
    x = out.plot.get("x") if isinstance(out.plot, Mapping) else None
    return Output(relative(out, root), role, bool(out.use_cache), x if isinstance(x, str) else None)


def observe(repository: Repository, workflow: Workflow) -> State:
    """Look at every stage: what was recorded, what lies there, what the run cache holds."""
    with repository.locked():
        stages = repository.stages
        entries = lock_entries(stages.values())
        seen = {
            address: _observe(repository.root, stages[address], declared, entries.get(address))
            for address, declared in workflow.stages.items()
        }
        return State(seen, read_metrics(repository.root, workflow), _recall(repository, stages))


def lock_entries(stages: Iterable[DvcStage]) -> dict[str, Mapping[str, Any]]:
    """What the lock files record, by address; `.dvc` files are their own record."""
    files: dict[str, Mapping[str, Any]] = {}
    found: dict[str, Mapping[str, Any]] = {}
    for stage in stages:
        if not isinstance(stage, PipelineStage):
            found[stage.addressing] = {"cmd": stage.cmd}
            continue
        if stage.path not in files:
            files[stage.path] = stage.dvcfile._lockfile.load().get("stages") or {}
        if stage.name in files[stage.path]:
            found[stage.addressing] = files[stage.path][stage.name]
    return found


def _observe(root: Path, stage: DvcStage, declared: Stage, entry: Mapping[str, Any] | None) -> Observed:
    files = [dep for dep in stage.deps if dep not in stage.params]
    predicted = _predict(root, declared)
    return Observed(
        recorded=entry is not None,
        cmd_was=_as_commands(entry.get("cmd")) if entry else None,
        deps_was={relative(dep, root): dep.hash_info.value for dep in files},
        deps_now={relative(dep, root): _current_hash(dep) for dep in files},
        params_was={
            (relative(dep, root), key): value
            for dep in stage.params
            for key, value in (dep.hash_info.value or {}).items()
        },
        params_now=_current_params(stage, root),
        outs_was={relative(out, root): out.hash_info.value for out in stage.outs},
        outs={relative(out, root): _out_status(out) for out in stage.outs},
        predicted=predicted,
        predicted_hashes={path: _text_hash(dump_json(value)) for path, value in predicted.items()},
    )


def _current_hash(dep: Any) -> str | None:
    if not dep.exists:
        return None
    value = dep.get_hash()
    return value.value if value else None


def _current_params(stage: DvcStage, root: Path) -> dict[ParamKey, Any]:
    found: dict[ParamKey, Any] = {}
    for dep in stage.params:
        values = dep.read_params()
        keys = dep.params or [*values, *(key for key in (dep.hash_info.value or {}) if key not in values)]
        found.update({(relative(dep, root), key): values.get(key) for key in keys})
    return found


def _out_status(out: Any) -> str:
    status = out.status()
    return next(iter(status.values())) if status else "ok"


def _predict(root: Path, stage: Stage) -> dict[str, dict[str, Any]]:
    """What the engine's own fingerprint command will write, since that can be known beforehand."""
    for command in stage.cmd:
        words = shlex.split(command)
        if words[1:4] == ["-m", "statewright", "fingerprint"] and "--out" in words:
            return {words[words.index("--out") + 1]: fingerprints(root)}
    return {}


def _text_hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _recall(
    repository: Repository, stages: Mapping[str, DvcStage]
) -> Callable[[str, Hashes, Mapping[ParamKey, Any]], Hashes | None]:
    def recall(address: str, deps: Hashes, params: Mapping[ParamKey, Any]) -> Hashes | None:
        with repository.locked(), _as_if(repository, stages[address], deps, params) as stage:
            return _held(repository, stage)

    return recall


@contextmanager
def _as_if(
    repository: Repository, stage: DvcStage, deps: Hashes, params: Mapping[ParamKey, Any]
) -> Iterator[DvcStage]:
    """Give the stage's dependencies other hashes for the length of the block.

    What was read from the lock file stands in `meta` too, and would win when it is written out.
    """
    from attrs import evolve
    from dvc_data.hashfile.hash_info import HashInfo

    kept = [(dep, dep.hash_info, dep.meta) for dep in stage.deps]
    try:
        for dep in stage.deps:
            path = relative(dep, repository.root)
            if dep in stage.params:
                values = {key: value for (file, key), value in params.items() if file == path}
                dep.hash_info = HashInfo(dep.hash_name, values)  # type: ignore[arg-type]
            else:
                dep.hash_info = HashInfo(dep.hash_name, deps.get(path))
                dep.meta = evolve(dep.meta, md5=None)
        yield stage
    finally:
        for dep, hash_info, meta in kept:
            dep.hash_info, dep.meta = hash_info, meta


def _held(repository: Repository, stage: DvcStage) -> Hashes | None:
    """Hashes of the outputs that the run cache can bring back for the stage as it stands.

    DVC's own look-up hashes the files that lie there now; here the hashes that the stage's
    dependencies were given count, since the plan looks ahead.
    """
    from dvc.stage.cache import _get_cache_hash
    from dvc.stage.serialize import to_single_stage_lockfile

    if stage.frozen or not _may_be_held(stage):
        return None
    cache = repository.repo.stage_cache
    key = _get_cache_hash(to_single_stage_lockfile(stage), key=True)
    folder = Path(cache._get_cache_dir(key))
    if not folder.is_dir():
        return None
    newest = max(folder.iterdir(), key=lambda path: path.stat().st_mtime, default=None)
    entry = cache._load_cache(key, newest.name) if newest else None
    if not entry:
        return None
    remembered = cache._create_stage(entry, wdir=stage.wdir)
    if not remembered.outs_cached():
        return None
    return {relative(out, repository.root): out.hash_info.value for out in remembered.outs}


def _may_be_held(stage: DvcStage) -> bool:
    """Whether DVC keeps runs of such a stage: local files on both sides, all of them known."""
    if stage.is_callback or stage.always_changed or not (stage.cmd and stage.deps and stage.outs):
        return False
    return all(d.protocol == "local" and d.def_path and d.hash_info for d in stage.deps) and all(
        o.protocol == "local" and o.def_path and not o.persist and o.is_in_repo for o in stage.outs
    )


def read_metrics(root: Path, workflow: Workflow) -> dict[str, float]:
    """Numbers in the JSON metric files that lie there, as ``file:key.key`` -> number."""
    found: dict[str, float] = {}
    for stage in workflow.stages.values():
        for out in stage.outs:
            path = root / out.path
            if out.role == "metric" and path.suffix == ".json" and path.is_file():
                # A file that a killed command left half-written has no metrics; it is made again.
                with suppress(ValueError):
                    found.update(_numbers(f"{out.path}:", json.loads(path.read_text(encoding="utf-8"))))
    return found


def _numbers(prefix: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(f"{prefix}{'' if prefix.endswith(':') else '.'}{key}", item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield prefix, float(value)


def targets(repository: Repository, names: Sequence[str]) -> tuple[str, ...]:
    """Addresses of the stages that `names` mean: a stage, a file that one makes, a folder's dvc.yaml.

    Raises
    ------
    WorkflowError
        If a name means nothing here; it lists names that look alike.
    """
    import difflib

    found: list[str] = []
    for name in names:
        try:
            found += [info.stage.addressing for info in repository.repo.stage.collect_granular(name)]
        except DvcException as error:
            close = difflib.get_close_matches(name, list(repository.stages), n=3)
            hint = (
                f"; did you mean {' or '.join(close)}?" if close else "; `statewright plan` lists the stages"
            )
            raise WorkflowError(f"'{name}' is no stage here: {explain(error)}{hint}") from error
    return tuple(dict.fromkeys(found))

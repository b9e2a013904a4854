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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage

from statewright.files import dump_json
from statewright.fingerprint import fingerprints
from statewright.repository.complaints import complaining, explain
from statewright.repository.locks import repository_lock
from statewright.repository.remotes import stand_in_for_missing
from statewright.state import Observed, ParamKey, State
from statewright.workflow import Output, Stage, Workflow, WorkflowError, digest


@dataclass
class Repository:
    """An open DVC repository: the shared `Repo` and the mutex around it."""

    repo: Repo
    root: Path
    mutex: threading.RLock = field(default_factory=threading.RLock)
    below: str = "."
    """Where in the repository the person stands."""
    _stages: tuple[Any, dict[str, DvcStage]] = (None, {})

    @property
    def stages(self) -> Mapping[str, DvcStage]:
        """DVC's stages by address, in no particular order."""
        index = self.repo.index
        if self._stages[0] is not index:
            self._stages = (index, {stage.addressing: stage for stage in index.stages})
        return self._stages[1]

    @contextmanager
    def locked(self, stage: DvcStage | None = None) -> Iterator[None]:
        """Hold the mutex and DVC's repository lock, waiting for whoever has it, or the stage's paths."""
        with repository_lock(self.repo, self.mutex, stage):
            yield


def open_repository(directory: Path) -> Repository:
    """Open the DVC repository around `directory` and make its root the working directory.

    Raises
    ------
    WorkflowError
        If there is none, with the command that makes one.
    """
    logging.getLogger("dvc").setLevel(logging.ERROR)
    here = os.path.realpath(directory)
    stand_in_for_missing()
    with complaining(str(directory)):
        try:
            repo = Repo(here, _wait_for_lock=True)
        except NotDvcRepoError as error:
            raise WorkflowError(f"{directory}: {error}; `dvc init` makes a DVC repository") from error
    os.chdir(repo.root_dir)
    return Repository(repo, Path(repo.root_dir), below=os.path.relpath(here, repo.root_dir))


def declare(repository: Repository) -> Workflow:
    """Read the stages as DVC resolves them.

    Raises
    ------
    WorkflowError
        With DVC's own complaint, if `dvc.yaml` or a params file is broken.
    """
    with complaining():
        graph, order = _ordered(repository)
    stages = {stage.addressing: _stage(stage, repository.root) for stage in order}
    upstream = {
        stage.addressing: tuple(sorted(other.addressing for other in graph.successors(stage)))
        for stage in order
    }
    params: dict[str, dict[str, Any]] = {}
    files: dict[str, Any] = {}
    for stage in order:
        with complaining(f"stage '{stage.addressing}'"):
            for dep in stage.params:
                params.setdefault(relative(dep, repository.root), {}).update(_read_params(dep, files))
    return Workflow(stages, upstream, params)


def _ordered(repository: Repository) -> tuple[Any, list[DvcStage]]:
    """DVC's graph without what frozen stages depend on, and its stages as ``dvc repro`` visits them."""
    import networkx
    from dvc.repo.reproduce import get_active_graph

    graph = get_active_graph(repository.repo.index.graph)
    return graph, list(networkx.dfs_postorder_nodes(graph))


def describe(repository: Repository) -> dict[str, Any]:
    """The graph as DVC has it: every entry of its index, all edges, and an order that can be run.

    Paths are relative to the repository; what lies outside stands as DVC prints it. `cmd` is a text
    or a list, as declared; `params` maps a file to the keys read from it, or to None for all of it.
    The edges into a frozen stage are among `edges`; `order` does not heed them, nor does DVC.
    """
    with complaining():
        graph, order = repository.repo.index.graph, _ordered(repository)[1]
    return {
        "stages": [_described(stage, repository.root) for stage in order],
        "edges": sorted([up.addressing, stage.addressing] for stage, up in graph.edges),
        "order": [stage.addressing for stage in order],
    }


def _described(stage: DvcStage, root: Path) -> dict[str, Any]:
    return {
        "address": stage.addressing,
        "cmd": stage.cmd,
        "deps": [_plain_path(dep, root) for dep in stage.deps if dep not in stage.params],
        "params": {relative(dep, root): list(dep.params) or None for dep in stage.params},
        "outs": [_plain_path(out, root) for out in stage.outs],
        "frozen": bool(stage.frozen),
        "always_changed": bool(stage.always_changed),
        "meta": stage.meta,
    }


def _plain_path(item: Any, root: Path) -> str:
    """The path alone, for a file in another repository too; `relative` names that repository besides."""
    return str(item.def_path) if hasattr(item, "def_repo") else relative(item, root)


def relative(item: Any, root: Path) -> str:
    """The path of a dependency or output, relative to the repository where it lies inside."""
    if item.fs_path is None or item.protocol != "local":
        return str(item)
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
    from statewright.repository.runcache import recalls

    with repository.locked():
        stages = repository.stages
        entries = lock_entries(stages.values())
        contents: dict[str, Any] = {}
        seen = {}
        for address, declared in workflow.stages.items():
            with complaining(f"stage '{address}'"):
                stage, entry = stages[address], entries.get(address)
                seen[address] = _observe(repository.root, stage, declared, entry, contents)
        return State(seen, read_metrics(repository.root, workflow), *recalls(repository, stages))


def lock_entries(stages: Iterable[DvcStage]) -> dict[str, Mapping[str, Any]]:
    """What the lock files record, by address; `.dvc` files are their own record."""
    files: dict[str, Mapping[str, Any]] = {}
    found: dict[str, Mapping[str, Any]] = {}
    for stage in stages:
        if not isinstance(stage, PipelineStage):
            found[stage.addressing] = {"cmd": stage.cmd}
            continue
        if stage.path not in files:
            files[stage.path] = _lock_file(stage.dvcfile._lockfile)
        if stage.name in files[stage.path]:
            found[stage.addressing] = files[stage.path][stage.name]
    return found


def _lock_file(file: Any) -> Mapping[str, Any]:
    """The entries of a lock file that DVC has validated when it read the stages."""
    from dvc.utils.serialize import parse_yaml

    if not file.exists():
        return {}
    with file.repo.fs.open(file.path, encoding="utf-8") as text:
        return parse_yaml(text.read(), file.path).get("stages") or {}


def _observe(
    root: Path,
    stage: DvcStage,
    declared: Stage,
    entry: Mapping[str, Any] | None,
    contents: dict[str, Any],
) -> Observed:
    files = [dep for dep in stage.deps if dep not in stage.params]
    near = [dep for dep in files if not _is_remote(dep)]
    states = {relative(out, root): _out_states(out) for out in stage.outs if not _is_remote(out)}
    far = [item for item in (*(() if stage.frozen else files), *stage.outs) if _is_remote(item)]
    predicted = _predict(root, declared)
    return Observed(
        recorded=entry is not None,
        cmd_was=_as_commands(entry.get("cmd")) if entry else None,
        cmd_changed=bool(getattr(stage, "cmd_changed", False)),
        deps_was={relative(dep, root): _recorded_hash(dep) for dep in files},
        deps_now={relative(dep, root): _current_hash(dep) for dep in near},
        params_was={
            (relative(dep, root), key): value
            for dep in stage.params
            for key, value in (dep.hash_info.value or {}).items()
        },
        params_now=_current_params(stage, root, contents),
        outs_was={relative(out, root): out.hash_info.value for out in stage.outs},
        outs={path: status for path, (status, _) in states.items()},
        outs_only_uncached=frozenset(path for path, (_, only) in states.items() if only),
        params_gone=frozenset(relative(dep, root) for dep in stage.params if not dep.exists),
        unseen=frozenset(relative(item, root) for item in far),
        predicted=predicted,
        predicted_hashes={path: _text_hash(dump_json(value)) for path, value in predicted.items()},
    )


def _is_remote(item: Any) -> bool:
    """Whether looking at it could mean going to the network: a store, a database, another repository."""
    if item.fs is None:
        return not hasattr(item, "name")  # a database; a dataset has a name, and is recorded in dvc.lock
    return item.protocol != "local" or hasattr(item, "def_repo")


def _recorded_hash(item: Any) -> str | None:
    value = item.hash_info.value if getattr(item, "hash_info", None) else None
    return digest(value) if isinstance(value, Mapping) else value


def _current_hash(dep: Any) -> str | None:
    if dep.fs is None:
        # A dataset: DVC compares what `dvc.lock` holds of it, without going there.
        changed = dep.status()
        return str(changed) if changed else _recorded_hash(dep)
    if not dep.exists:
        return None
    value = dep.get_hash()
    if dep.hash_name == "md5-dos2unix" and value != dep.hash_info:
        # DVC gives a dependency new to a recorded stage the hash of old, and saves it by the new one.
        value = type(dep)(dep.stage, dep.def_path, hash_name="md5").get_hash()
    return value.value if value else None


def _read_params(dep: Any, files: dict[str, Any]) -> Mapping[str, Any]:
    """What DVC reads of a params file for one stage; each file is parsed once for all of them."""
    import dpath
    from dvc.dependency.param import read_param_file

    if dep.fs_path not in files:
        if dep.exists and not dep.isdir():
            files[dep.fs_path] = read_param_file(dep.repo.fs, dep.fs_path)
        else:
            files[dep.fs_path] = dep.read_params()
    contents, found = files[dep.fs_path], {}
    for key in dep.params:
        with suppress(KeyError):
            found[key] = dpath.get(contents, key, separator=".")
    return found if dep.params else contents


def _current_params(stage: DvcStage, root: Path, contents: dict[str, Any]) -> dict[ParamKey, Any]:
    found: dict[ParamKey, Any] = {}
    for dep in stage.params:
        values = _read_params(dep, contents)
        found.update({(relative(dep, root), key): value for key, value in values.items()})
    return found


def _out_states(out: Any) -> tuple[str, bool]:
    """What DVC says of an output, and whether it lies there as recorded and the cache has lost it."""
    status = next(iter(out.status().values()), "ok")
    return status, status == "not in cache" and not out.workspace_status()


def _predict(root: Path, stage: Stage) -> dict[str, dict[str, Any]]:
    """What the engine's own fingerprint command will write, since that can be known beforehand."""
    for command in stage.cmd:
        words = shlex.split(command)
        if words[1:4] == ["-m", "statewright", "fingerprint"] and "--out" in words:
            return {words[words.index("--out") + 1]: fingerprints(root)}
    return {}


def _text_hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def may_be_held(stage: DvcStage) -> bool:
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


def _collect(repository: Repository, name: str) -> list[str]:
    below = repository.below
    nearer = (
        [] if below == "." or Path(name).is_absolute() else [f"{below}/dvc.yaml:{name}", f"{below}/{name}"]
    )
    for candidate in nearer:
        with suppress(DvcException):
            return [info.stage.addressing for info in repository.repo.stage.collect_granular(candidate)]
    return [info.stage.addressing for info in repository.repo.stage.collect_granular(name)]


def targets(repository: Repository, names: Sequence[str]) -> tuple[str, ...]:
    """Addresses of the stages that `names` mean: a stage, a file that one makes, a folder's dvc.yaml.

    As for DVC, a name is first looked for in the folder in which the person stands.

    Raises
    ------
    WorkflowError
        If a name means nothing here; it lists names that look alike.
    """
    import difflib

    found: list[str] = []
    for name in names:
        try:
            found += _collect(repository, name)
        except DvcException as error:
            close = difflib.get_close_matches(name, list(repository.stages), n=3)
            hint = (
                f"; did you mean {' or '.join(close)}?" if close else "; `statewright plan` lists the stages"
            )
            raise WorkflowError(f"'{name}' is no stage here: {explain(error)}{hint}") from error
    return tuple(dict.fromkeys(found))

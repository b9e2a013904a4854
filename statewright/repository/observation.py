"""The observed state of a repository: records, files on disk and the run cache."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage

from statewright.files import dump_json
from statewright.fingerprint import fingerprints
from statewright.repository.declaration import Repository, as_commands, read_params, relative
from statewright.repository.errors import translate_errors
from statewright.repository.metrics import read_metrics
from statewright.state import LOST, UNCACHED, ParamKey, StageState, State
from statewright.workflow import Stage, Workflow, digest


def observe(repository: Repository, workflow: Workflow, addresses: Collection[str] | None = None) -> State:
    """Observe the record and the files of stages, and the run cache.

    Parameters
    ----------
    addresses : collection of str, optional
        Stages whose files are read and hashed (default: all). Of the others, only the record is read.
    """
    from statewright.repository.runcache import run_cache_queries

    with repository.locked():
        stages = repository.stages
        entries = lock_entries(stages.values())
        contents: dict[Any, Any] = {}
        observed = {}
        for address, declared in workflow.stages.items():
            with translate_errors(f"stage '{address}'"):
                stage, entry = stages[address], entries.get(address)
                if addresses is None or address in addresses:
                    observed[address] = _observe(repository.root, stage, declared, entry, contents)
                else:
                    observed[address] = _observe_record(repository.root, stage, declared, entry)
        metrics = read_metrics(repository, workflow)
        return State(observed, metrics, *run_cache_queries(repository, stages), repository.request)


def lock_entries(stages: Iterable[DvcStage]) -> dict[str, Mapping[str, Any]]:
    """Read the entries of the lock files by address.

    A `.dvc` file is its own record.
    """
    files: dict[str, Mapping[str, Any]] = {}
    entries: dict[str, Mapping[str, Any]] = {}
    for stage in stages:
        if not isinstance(stage, PipelineStage):
            entries[stage.addressing] = {"cmd": stage.cmd}
            continue
        if stage.path not in files:
            files[stage.path] = _lock_file(stage.dvcfile._lockfile)
        if stage.name in files[stage.path]:
            entries[stage.addressing] = files[stage.path][stage.name]
    return entries


def _lock_file(file: Any) -> Mapping[str, Any]:
    """Read the entries of a lock file, which DVC validated when it read the stages."""
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
    contents: dict[Any, Any],
) -> StageState:
    inputs = observe_inputs(root, stage, declared, entry, contents)
    states = {relative(out, root): _out_states(out) for out in stage.outs if not _is_remote(out)}
    gone = {
        relative(out, root): out
        for out in stage.outs
        if states.get(relative(out, root), ("ok",))[0] in LOST and not out.exists
    }
    predicted = _predict(root, declared)
    return replace(
        inputs,
        not_on_disk=frozenset(gone),
        not_cached={path: _remote_of(out) for path, out in gone.items() if _is_lost(out)},
        outs={path: status for path, (status, _) in states.items()},
        outs_only_uncached=frozenset(path for path, (_, only) in states.items() if only),
        predicted=predicted,
        predicted_hashes={path: _text_hash(dump_json(value)) for path, value in predicted.items()},
    )


def _observe_record(
    root: Path, stage: DvcStage, declared: Stage, entry: Mapping[str, Any] | None
) -> StageState:
    predicted = _predict(root, declared)
    return StageState(
        recorded=entry is not None,
        outs_was={relative(out, root): out.hash_info.value for out in stage.outs},
        predicted=predicted,
        predicted_hashes={path: _text_hash(dump_json(value)) for path, value in predicted.items()},
    )


def observe_inputs(
    root: Path,
    stage: DvcStage,
    declared: Stage,
    entry: Mapping[str, Any] | None,
    contents: dict[Any, Any],
) -> StageState:
    """Observe the record of a stage and its inputs, but not its outputs.

    Parameters
    ----------
    entry : mapping or None
        The entry of the stage in its lock file.
    contents : dict
        Cache of parsed params files.
    """
    files = [dep for dep in stage.deps if dep not in stage.params]
    local = [dep for dep in files if not _is_remote(dep)]
    remote = [item for item in (*(() if declared.frozen else files), *stage.outs) if _is_remote(item)]
    return StageState(
        recorded=entry is not None,
        cmd_was=as_commands(entry.get("cmd")) if entry else None,
        cmd_changed=bool(getattr(stage, "cmd_changed", False)),
        deps_was={relative(dep, root): _recorded_hash(dep) for dep in files},
        deps_now={relative(dep, root): _current_hash(dep) for dep in local},
        params_was={
            (relative(dep, root), key): value
            for dep in stage.params
            for key, value in (dep.hash_info.value or {}).items()
        },
        params_now=_current_params(stage, root, contents),
        outs_was={relative(out, root): out.hash_info.value for out in stage.outs},
        missing_params=frozenset(relative(dep, root) for dep in stage.params if not dep.exists),
        remote=frozenset(relative(item, root) for item in remote),
    )


def _is_lost(out: Any) -> bool:
    """Return whether the cache lacks an output that it should have."""
    return bool(out.use_cache and out.hash_info and out.changed_cache())


def _remote_of(out: Any) -> str | None:
    """Return the name of an output's remote storage, without using the network."""
    name = out.remote or out.repo.config["core"].get("remote")
    return str(name) if name else None


def _is_remote(item: Any) -> bool:
    """Return whether access may need the network.

    That is so for an object store, a database and another repository.
    """
    if item.fs is None:
        return not hasattr(item, "name")  # a database; a dataset has a name, and is recorded in dvc.lock
    return item.protocol != "local" or hasattr(item, "def_repo")


def _recorded_hash(item: Any) -> str | None:
    value = item.hash_info.value if getattr(item, "hash_info", None) else None
    return digest(value) if isinstance(value, Mapping) else value


def _current_hash(dep: Any) -> str | None:
    if dep.fs is None:
        # A dataset: DVC compares it with its entry in `dvc.lock`, without access to the network.
        changed = dep.status()
        return str(changed) if changed else _recorded_hash(dep)
    if not dep.exists:
        return None
    value = dep.get_hash()
    if dep.hash_name == "md5-dos2unix" and value != dep.hash_info:
        # DVC computes the old kind of hash for a dependency that is new to a recorded stage, and
        # saves it with the new kind.
        value = type(dep)(dep.stage, dep.def_path, hash_name="md5").get_hash()
    return value.value if value else None


def _current_params(stage: DvcStage, root: Path, contents: dict[Any, Any]) -> dict[ParamKey, Any]:
    params: dict[ParamKey, Any] = {}
    for dep in stage.params:
        values = read_params(dep, contents)
        params.update({(relative(dep, root), key): value for key, value in values.items()})
    return params


def _out_states(out: Any) -> tuple[str, bool]:
    """Return DVC's status of an output, and whether only the cache lacks it.

    DVC reports an output that both the folder and the cache lack as "not in cache". For a person who
    has just cloned, it is missing.
    """
    status = next(iter(out.status().values()), "ok")
    if status != UNCACHED:
        return status, False
    here = next(iter(out.workspace_status().values()), None)
    return ("deleted" if here == "deleted" else status), here is None


def _predict(root: Path, stage: Stage) -> dict[str, dict[str, Any]]:
    """Return the output of the engine's fingerprint command before it runs."""
    file = fingerprint_file(stage)
    return {file: fingerprints(root)} if file else {}


def fingerprint_file(stage: Stage) -> str | None:
    """Return the file that the engine's fingerprint command writes, if any."""
    for command in stage.cmd:
        try:
            words = shlex.split(command)
        except ValueError:  # a shell accepts more than words, such as an apostrophe in a here-document
            continue
        if words[1:4] == ["-m", "statewright", "fingerprint"] and "--out" in words:
            return words[words.index("--out") + 1]
    return None


def _text_hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

"""The command that rebuilds a traced version.

The command uses the current files if they equal those of the version, and resets params that differ
with `--set`. If a source, a command or code differs, the command first checks out the commit of the
version.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statewright.git import git
from statewright.lineage.walk import Step, walk
from statewright.masking import mask_command, mask_value
from statewright.parameters import DEFAULT_FILE, parse_assignment
from statewright.state import StageState, State
from statewright.verify.scratch import dvc_hash
from statewright.workflow import Workflow, flatten

SETTABLE = frozenset({".yaml", ".yml", ".toml", ".json"})
"""Kinds of params files that `statewright run --set` changes, unless a stage writes them."""

MAX_FILES = 200
"""Maximum number of files of a folder for a comparison with a version in git."""


@dataclass(frozen=True)
class RebuildCommand:
    """The command that rebuilds a version, with the version's commit and notes."""

    commit: str | None = None
    command: str | None = None
    notes: tuple[str, ...] = ()


def find_rebuild_command(
    root: Path, workflow: Workflow, state: State, code_files: Collection[str], steps: Sequence[Step]
) -> RebuildCommand:
    """Find the command that rebuilds the outputs of `steps`.

    Parameters
    ----------
    code_files : collection of str
        Params files that hold fingerprints of code. They are compared, but `--set` cannot change them.
    """
    chain = list(walk(steps))
    names = " ".join(dict.fromkeys(shlex.quote(step.stage) for step in steps))
    commit = _commit(root, steps[0])
    settings: dict[str, str] = {}
    changes: dict[str, None] = {}
    outs = {out.path for stage in workflow.stages.values() for out in stage.outs}
    for step in chain:
        if step.stage not in workflow.stages:
            changes[f"stage {step.stage}"] = None
            continue
        cmd, observed = workflow.stages[step.stage].cmd, state.stages[step.stage]
        changes |= dict.fromkeys(_changed_sources(step, cmd, observed))
        _compare_params(step, observed, code_files, outs, settings, changes)
    if not changes:
        force = "" if settings or not all(step.recorded for step in chain) else " --force --single-item"
        return RebuildCommand(commit, f"statewright run{_set(settings)}{force} {names}")
    notes = [f"changed since then: {_abbreviate(list(changes))}"]
    if commit is None:
        notes.append("its commit is not recorded, so there may be no way to rebuild it")
        return RebuildCommand(None, None, tuple(notes))
    if any(step.run is not None and step.run.dirty for step in chain):
        notes.append(f"the checkout had uncommitted changes, which commit {commit[:7]} may lack")
    if different := _different_in_git(root, chain, commit):
        notes.append(f"commit {commit[:7]} holds another version of {_abbreviate(different)}")
    keepers = dict.fromkeys(source.keeper for step in chain for source in step.sources if source.keeper)
    fetch = f"dvc checkout {' '.join(shlex.quote(keeper) for keeper in keepers)} && " if keepers else ""
    sets = _set(_different_params(root, chain, commit))
    return RebuildCommand(
        commit, f"git checkout {commit[:12]} && {fetch}statewright run{sets} {names}", tuple(notes)
    )


def _abbreviate(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _set(settings: Mapping[str, str]) -> str:
    shown = {key: mask_value(key.rpartition(":")[2], value) for key, value in settings.items()}
    return "".join(f" --set {shlex.quote(f'{key}={value}')}" for key, value in shown.items())


def _changed_sources(step: Step, cmd: tuple[str, ...], observed: StageState) -> list[str]:
    """Return the changes since a step that `--set` cannot revert."""
    if not step.known:
        return [f"{step.stage} (no record of the run that wrote {', '.join(step.outputs)})"]
    # A record in MLflow holds the command without its secrets.
    masked = tuple(mask_command(line) for line in cmd)
    changed = [] if step.cmd in (cmd, masked) else [f"the command of {step.stage}"]
    return [*changed, *(s.path for s in step.sources if observed.deps_now.get(s.path) != s.hash)]


def _compare_params(
    step: Step,
    observed: StageState,
    code_files: Collection[str],
    outs: Collection[str],
    settings: dict[str, str],
    changes: dict[str, None],
) -> None:
    """Compare the params of a step with the current ones.

    Params that differ go to `settings` if `--set` can reset them, and to `changes` otherwise.
    """
    now: dict[str, Any] = {}
    files: dict[str, str] = {}
    code: dict[str, str] = {}
    for (file, key), block in observed.params_now.items():
        if file in code_files and isinstance(block, Mapping):
            code |= {definition: str(value) for definition, value in block.items()}
            continue
        for dotted, value in flatten(block, key):
            name = dotted if file == DEFAULT_FILE or not step.recorded else f"{file}:{dotted}"
            now[name], files[name] = value, file
    changes |= dict.fromkeys(name for name in {**step.code, **code} if step.code.get(name) != code.get(name))
    changes |= dict.fromkeys(f"param {key}" for key in now if key not in step.params)
    for key, was in step.params.items():
        if key in now and _equal(key, was, now[key]):
            continue
        if key in now and files[key] not in outs and Path(files[key]).suffix in SETTABLE:
            file, dotted = files[key], key.removeprefix(f"{files[key]}:")
            settings[dotted if file == DEFAULT_FILE else f"{file}:{dotted}"] = _as_text(
                was, typed=step.recorded
            )
        else:
            changes[f"param {key}"] = None


def _equal(key: str, was: Any, now: Any) -> bool:
    """Return whether a recorded value may equal a current one.

    MLflow holds values as text, and secrets as ``***``.
    """
    return str(was) in (str(now), str(mask_value(key.rpartition(":")[2], now)))


def _as_text(value: Any, *, typed: bool) -> str:
    """Return a value in the syntax of `--set`.

    An untyped value is the text that Python printed.
    """
    if not typed and value == "None":
        return "null"
    if isinstance(value, str) and (not typed or parse_assignment(f"key={value}")[1] == value):
        return value
    return json.dumps(value)


def _commit(root: Path, step: Step) -> str | None:
    """Return the commit of the run, or the first whose `dvc.lock` has the outputs."""
    if step.run is not None and step.run.commit:
        return step.run.commit
    version = next((value for value in step.outputs.values() if value), None)
    if version is None:
        return None
    commits = git(root, "log", "--format=%H", f"-S{version}", "--", "*dvc.lock", timeout_s=20).split()
    return commits[-1] if commits else None


def _different_in_git(root: Path, chain: Sequence[Step], commit: str) -> list[str]:
    """Return the source files that `commit` holds in another version than was read."""
    wanted = {s.path: s.hash for step in chain for s in step.sources if s.kind == "git" and s.hash}
    return [path for path, version in wanted.items() if _hash_in_git(root, commit, path) not in (version, "")]


def _hash_in_git(root: Path, commit: str, path: str) -> str | None:
    """Return DVC's hash of a file or folder in a commit; empty for too many files."""
    listed = git(root, "ls-tree", "-r", "-z", "--name-only", commit, "--", path)
    names = [name for name in listed.split("\0") if name]
    if len(names) > MAX_FILES:
        return ""
    contents = {name.removeprefix(path).lstrip("/"): _md5_in_git(root, commit, name) for name in names}
    return dvc_hash(contents or None)


def _md5_in_git(root: Path, commit: str, name: str) -> str:
    content = git(root, "show", f"{commit}:./{name}").encode("utf-8", "surrogateescape")
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _different_params(root: Path, chain: Sequence[Step], commit: str) -> dict[str, str]:
    """Return the params of a run whose values differ in the commit.

    That is so if the checkout had uncommitted changes.
    """
    from ruamel.yaml import YAML, YAMLError

    try:
        committed = dict(
            flatten(YAML(typ="safe").load(git(root, "show", f"{commit}:./{DEFAULT_FILE}")) or {})
        )
    except YAMLError:
        return {}
    return {
        key: _as_text(was, typed=step.recorded)
        for step in chain
        for key, was in step.params.items()
        if key in committed and not _equal(key, was, committed[key])
    }

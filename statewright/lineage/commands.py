"""The one command that makes a traced version again.

What lies here now is used where it is what the version was made from; params that differ are set
back; where a source, a command or code differs, it is made from the commit that it was made from.
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
from statewright.parameters import DEFAULT_FILE, parse_assignment
from statewright.state import Observed, State
from statewright.verify.scratch import dvc_hash
from statewright.workflow import Workflow, flatten

SETTABLE = frozenset({".yaml", ".yml", ".toml", ".json"})
"""Kinds of params files that `statewright run --set` changes, unless a stage makes them."""

MOST_FILES = 200
"""How many files of a folder are looked at in git to compare it with what a run read."""


@dataclass(frozen=True)
class Again:
    """The commit that something was made from, the command that makes it again, and what to know of it."""

    commit: str | None = None
    command: str | None = None
    notes: tuple[str, ...] = ()


def again(
    root: Path, workflow: Workflow, state: State, code_files: Collection[str], steps: Sequence[Step]
) -> Again:
    """Find the command that makes the outputs of `steps` again.

    Parameters
    ----------
    code_files : collection of str
        Params files that hold fingerprints of code: not to be set, only to be compared.
    """
    chain = list(walk(steps))
    names = " ".join(dict.fromkeys(shlex.quote(made.stage) for made in steps))
    commit = _commit(root, steps[0])
    settings: dict[str, str] = {}
    others: dict[str, None] = {}
    outs = {out.path for stage in workflow.stages.values() for out in stage.outs}
    for made in chain:
        if made.stage not in workflow.stages:
            others[f"stage {made.stage}"] = None
            continue
        cmd, seen = workflow.stages[made.stage].cmd, state.stages[made.stage]
        others |= dict.fromkeys(_changed_sources(made, cmd, seen))
        _compare_params(made, seen, code_files, outs, settings, others)
    if not others:
        force = "" if settings or not all(made.recorded for made in chain) else " --force"
        return Again(commit, f"statewright run{_set(settings)}{force} {names}")
    notes = [f"since then changed: {_few(list(others))}"]
    if commit is None:
        notes.append("no commit is known that it was made from: it may not be possible to make it again")
        return Again(None, None, tuple(notes))
    if any(made.run is not None and made.run.dirty for made in chain):
        notes.append(f"the checkout had changes then that commit {commit[:7]} may not hold")
    if unlike := _unlike_in_git(root, chain, commit):
        notes.append(f"commit {commit[:7]} holds another version of {_few(unlike)}")
    keepers = dict.fromkeys(source.keeper for made in chain for source in made.sources if source.keeper)
    fetch = f"dvc checkout {' '.join(shlex.quote(keeper) for keeper in keepers)} && " if keepers else ""
    sets = _set(_unlike_params(root, chain, commit))
    return Again(commit, f"git checkout {commit[:12]} && {fetch}statewright run{sets} {names}", tuple(notes))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _set(settings: Mapping[str, str]) -> str:
    return "".join(f" --set {shlex.quote(f'{key}={value}')}" for key, value in settings.items())


def _changed_sources(made: Step, cmd: tuple[str, ...], seen: Observed) -> list[str]:
    """What a step was made from and that `--set` cannot bring back."""
    if not made.known:
        return [f"{made.stage} (no record of how it made {', '.join(made.outputs)})"]
    changed = [] if made.cmd == cmd else [f"the command of {made.stage}"]
    return [*changed, *(s.path for s in made.sources if seen.deps_now.get(s.path) != s.hash)]


def _compare_params(
    made: Step,
    seen: Observed,
    code_files: Collection[str],
    outs: Collection[str],
    settings: dict[str, str],
    others: dict[str, None],
) -> None:
    """Sort params that differ now into those that `--set` sets back, with their values, and the rest."""
    now: dict[str, Any] = {}
    files: dict[str, str] = {}
    code: dict[str, str] = {}
    for (file, key), block in seen.params_now.items():
        if file in code_files and isinstance(block, Mapping):
            code |= {place: str(value) for place, value in block.items()}
            continue
        for place, value in flatten(block, key):
            name = place if file == DEFAULT_FILE or not made.recorded else f"{file}:{place}"
            now[name], files[name] = value, file
    others |= dict.fromkeys(name for name in {**made.code, **code} if made.code.get(name) != code.get(name))
    others |= dict.fromkeys(f"param {key}" for key in now if key not in made.params)
    for key, was in made.params.items():
        if key in now and str(now[key]) == str(was):
            continue
        if key in now and files[key] not in outs and Path(files[key]).suffix in SETTABLE:
            file, place = files[key], key.removeprefix(f"{files[key]}:")
            settings[place if file == DEFAULT_FILE else f"{file}:{place}"] = _as_text(
                was, typed=made.recorded
            )
        else:
            others[f"param {key}"] = None


def _as_text(value: Any, *, typed: bool) -> str:
    """A value as `--set` takes it; of an untyped one the text that Python printed is known."""
    if not typed and value == "None":
        return "null"
    if isinstance(value, str) and (not typed or parse_assignment(f"key={value}")[1] == value):
        return value
    return json.dumps(value)


def _commit(root: Path, made: Step) -> str | None:
    """The commit of the run, else the first one whose `dvc.lock` holds the outputs."""
    if made.run is not None and made.run.commit:
        return made.run.commit
    version = next((value for value in made.outputs.values() if value), None)
    if version is None:
        return None
    found = git(root, "log", "--format=%H", f"-S{version}", "--", "*dvc.lock", timeout_s=20).split()
    return found[-1] if found else None


def _unlike_in_git(root: Path, chain: Sequence[Step], commit: str) -> list[str]:
    """Source files of which `commit` holds another version than the steps read."""
    wanted = {s.path: s.hash for made in chain for s in made.sources if s.kind == "git" and s.hash}
    return [path for path, version in wanted.items() if _hash_in_git(root, commit, path) not in (version, "")]


def _hash_in_git(root: Path, commit: str, path: str) -> str | None:
    """The hash that DVC would give a file or folder of a commit; empty for one with too many files."""
    listed = git(root, "ls-tree", "-r", "-z", "--name-only", commit, "--", path)
    names = [name for name in listed.split("\0") if name]
    if len(names) > MOST_FILES:
        return ""
    contents = {name.removeprefix(path).lstrip("/"): _md5_in_git(root, commit, name) for name in names}
    return dvc_hash(contents or None)


def _md5_in_git(root: Path, commit: str, name: str) -> str:
    content = git(root, "show", f"{commit}:./{name}").encode("utf-8", "surrogateescape")
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _unlike_params(root: Path, chain: Sequence[Step], commit: str) -> dict[str, str]:
    """Params that a run was given and the commit does not hold: the checkout had changes."""
    from ruamel.yaml import YAML, YAMLError

    try:
        there = dict(flatten(YAML(typ="safe").load(git(root, "show", f"{commit}:./{DEFAULT_FILE}")) or {}))
    except YAMLError:
        return {}
    return {
        key: _as_text(was, typed=made.recorded)
        for made in chain
        for key, was in made.params.items()
        if key in there and str(there[key]) != str(was)
    }

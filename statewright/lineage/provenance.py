"""The whole answer of `statewright trace`: standing, history, command and dependents of a subject."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from statewright.git import git
from statewright.lineage.commands import Again, again
from statewright.lineage.records import Record, maker, open_past
from statewright.lineage.subject import Subject, resolve
from statewright.lineage.walk import (
    Dependent,
    History,
    Step,
    dependents,
    makers,
    makers_of_code,
    remember_recorded,
    step,
    walk,
)
from statewright.planning.reasons import show
from statewright.repository.declaration import declare, open_repository
from statewright.repository.observation import observe
from statewright.state import State
from statewright.verify.scratch import content_hashes, dvc_hash
from statewright.workflow import Stage, Workflow


@dataclass(frozen=True)
class Trace:
    """Where something comes from and what depends on it.

    Parameters
    ----------
    version : str, optional
        Hash of the version that is traced.
    standing : str
        How what lies there compares with what was recorded.
    steps : tuple of Step
        The stages that made it: one, or several for a folder that several write to.
    commit : str, optional
        The git commit that it was made from, or that first recorded it.
    command : str, optional
        What makes it again.
    """

    subject: Subject
    version: str | None
    standing: str
    steps: tuple[Step, ...] = ()
    commit: str | None = None
    command: str | None = None
    notes: tuple[str, ...] = ()
    dependents: tuple[Dependent, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON; `before` of a step names others by their place in `steps`."""
        chain = list(walk(self.steps))
        return {
            "subject": asdict(self.subject),
            "hash": self.version,
            "standing": self.standing,
            "made_by": [made.stage for made in self.steps],
            "commit": self.commit,
            "command": self.command,
            "notes": list(self.notes),
            "steps": [_step_dict(made, chain) for made in chain],
            "dependents": [asdict(dependent) for dependent in self.dependents],
        }


def _step_dict(made: Step, chain: Sequence[Step]) -> dict[str, Any]:
    places = {id(other): number for number, other in enumerate(chain)}
    return {
        "stage": made.stage,
        "command": list(made.cmd),
        "run": made.run.as_dict() if made.run else None,
        "restored_by": made.restored.as_dict() if made.restored else None,
        "in_dvc_lock": made.recorded,
        "inputs": dict(made.inputs),
        "outputs": dict(made.outputs),
        "params": dict(made.params),
        "code": dict(made.code),
        "sources": [asdict(source) for source in made.sources],
        "before": [{"step": places[id(other)], "paths": list(paths)} for other, paths in made.before],
    }


@dataclass
class _Look:
    """What a trace looks at."""

    root: Path
    workflow: Workflow
    state: State
    record: Record
    history: History
    notes: list[str] = field(default_factory=list)


def trace(directory: Path, name: str) -> Trace:
    """Trace what `name` means, as seen from `directory`.

    Raises
    ------
    WorkflowError
        If it means nothing here, or several things.
    """
    here = directory.resolve()
    repository = open_repository(directory)
    workflow = declare(repository)
    state = observe(repository, workflow)
    record = open_past(repository.root)
    code_files = makers_of_code(workflow)
    tracked = cache(lambda: _tracked(repository.root))
    history = History(workflow, state, record, lambda path: _source_kind(path, tracked()), code_files)
    look = _Look(repository.root, workflow, state, record, history)
    subject = resolve(name, here, repository.root, workflow, state, record)
    remember_recorded(history)
    version, standing, steps = _back(look, subject)
    if subject.copies:
        look.notes.append(f"the same content was recorded as {', '.join(subject.copies)}")
    answer = again(repository.root, workflow, state, code_files, steps) if steps else Again()
    look.notes += answer.notes
    if record.absent and steps:
        look.notes.append(f"MLflow does not tell of any run: {record.absent}")
    forward = _forward(look, subject)
    return Trace(
        subject,
        version,
        standing,
        tuple(steps),
        answer.commit,
        answer.command,
        tuple(look.notes),
        tuple(forward),
    )


def _tracked(root: Path) -> frozenset[str]:
    """Files that git tracks, and the folders that hold them."""
    files = [PurePosixPath(name) for name in git(root, "ls-files", "-z").split("\0") if name]
    return frozenset(str(path) for file in files for path in (file, *file.parents))


def _source_kind(path: str, tracked: frozenset[str]) -> str:
    if path.startswith("../") or "://" in path or Path(path).is_absolute():
        return "outside"
    return "git" if path in tracked else "unversioned"


def _back(look: _Look, subject: Subject) -> tuple[str | None, str, list[Step]]:
    """Version, standing and history of the subject."""
    if subject.stage is not None:
        stage = look.workflow.stages[subject.stage]
        if not stage.outs:
            return None, "a stage without outputs", []
        version, standing = _standing(look, stage, stage.outs[0].path)
        kinds = dict.fromkeys(_standing(look, stage, out.path)[1] for out in stage.outs)
        return None, "; ".join(kinds), [step(look.history, stage, stage.outs[0].path, version)]
    assert subject.path is not None
    made = [(stage, out) for stage, out in makers(look.workflow, subject.path) if stage.cmd]
    if not made:
        return _kept(look, subject)
    steps: list[Step] = []
    version, standings = None, []
    for stage, out in made:
        found, standing = (subject.version, "as recorded") if subject.version else _standing(look, stage, out)
        standings.append(standing)
        made_here = step(look.history, stage, out, found)
        steps += [made_here] if made_here not in steps else []
        version = found if out == subject.path else version
    if len(made) == 1 and subject.path.startswith(f"{made[0][1]}/"):
        version, standings = _inside(look, subject.path, made[0][1], standings)
    return version, "; ".join(dict.fromkeys(standings)), steps


def _kept(look: _Look, subject: Subject) -> tuple[str | None, str, list[Step]]:
    """A file that no command makes."""
    assert subject.path is not None
    tracked = makers(look.workflow, subject.path)
    kind = (
        f"tracked by {tracked[0][0].address}"
        if tracked
        else {
            "git": "in git",
            "outside": "outside of the repository",
            "unversioned": "in no version control",
        }[look.history.source_kind(subject.path)]
    )
    version = subject.version or dvc_hash(content_hashes(look.root / subject.path))
    there = "" if version else "; it does not exist"
    return version, f"a source: no stage makes it; {kind}{there}", []


def _inside(look: _Look, path: str, folder: str, standings: list[str]) -> tuple[str | None, list[str]]:
    """A file in the folder that a stage writes: its own hash is that of what lies there."""
    file = look.root / path
    if not file.exists():
        return None, [f"nothing lies there now; the stage writes the folder {folder}"]
    return dvc_hash(content_hashes(file)), [
        f"in the folder {folder}, which is {standing}" for standing in standings
    ]


def _standing(look: _Look, stage: Stage, out: str) -> tuple[str | None, str]:
    """The version of an output to trace, and how it compares with what `dvc.lock` records."""
    seen = look.state.stages[stage.address]
    was, status = seen.outs_was.get(out) if seen.recorded else None, seen.outs.get(out, "new")
    if status == "deleted" or not (look.root / out).exists():
        if was is None:
            return None, "never made"
        return was, f"not there; `statewright run {shlex.quote(stage.address)}` brings it back"
    if was is not None and status in ("ok", "not in cache"):
        return was, "as dvc.lock records it"
    now = dvc_hash(content_hashes(look.root / out))
    if now == was:
        return was, "as dvc.lock records it"
    made, _ = maker(look.record, stage.address, {out: now})
    lock = f"dvc.lock records {show(was)}" if was else "dvc.lock does not record it"
    if made is not None or was is None:
        return now, f"another version than recorded: {lock}" if was else lock
    look.notes.append(
        f"{out} changed since: what lies there ({show(now)}) was written by no recorded run; "
        f"below is the history of {show(was)}, which dvc.lock records"
    )
    return was, f"changed since it was recorded: is {show(now)}, was {show(was)}"


def _forward(look: _Look, subject: Subject) -> list[Dependent]:
    """What depends on the subject."""
    if subject.stage is not None:
        return dependents(look.workflow, [out.path for out in look.workflow.stages[subject.stage].outs])
    assert subject.path is not None
    return dependents(look.workflow, [subject.path], _reached(look, subject.path))


def _reached(look: _Look, path: str) -> Mapping[str, Sequence[str]] | None:
    """Of a file of code that fingerprints know: for each stage the definitions in it that it reaches."""
    if not path.endswith(".py"):
        return None
    module = f"{path.removesuffix('.py').removesuffix('/__init__')}:"
    known, found = False, {}
    for address, seen in look.state.stages.items():
        blocks = [value for (file, _), value in seen.params_now.items() if file in look.history.code_files]
        names = [name for block in blocks if isinstance(block, Mapping) for name in block]
        known |= bool(names)
        if mine := [name for name in names if name.startswith(module)]:
            found[address] = mine
    return found if known else None

"""The result of `statewright trace`: status, history, command and dependents."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from statewright.git import git
from statewright.lineage.commands import RebuildCommand, find_rebuild_command
from statewright.lineage.params import current_params
from statewright.lineage.subject import Subject, resolve
from statewright.lineage.walk import (
    Dependent,
    History,
    Step,
    add_recorded_steps,
    dependents,
    find_step,
    fingerprint_files,
    makers,
    walk,
)
from statewright.masking import mask_command, mask_value
from statewright.planning.reasons import show
from statewright.record.runs import RunHistory, maker, open_run_history
from statewright.repository.declaration import declare, open_repository
from statewright.repository.observation import observe
from statewright.running.recorder import wait_until_recorded
from statewright.state import State
from statewright.verify.scratch import content_hashes, dvc_hash
from statewright.workflow import Stage, Workflow


@dataclass(frozen=True)
class Trace:
    """The history and the dependents of a subject.

    Parameters
    ----------
    version : str, optional
        Hash of the traced version.
    standing : str
        Comparison of the version on disk with the recorded one.
    steps : tuple of Step
        The runs that wrote the subject: one, or several for a folder that several stages write to.
    commit : str, optional
        The git commit of the run, or the commit that first recorded the version.
    command : str, optional
        The command that rebuilds the version.
    current : mapping of str to object
        Params files as they are now, with keys as in the steps.
    """

    subject: Subject
    version: str | None
    standing: str
    steps: tuple[Step, ...] = ()
    commit: str | None = None
    command: str | None = None
    notes: tuple[str, ...] = ()
    dependents: tuple[Dependent, ...] = ()
    current: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return all values, for JSON; `before` of a step holds indices into `steps`."""
        chain = list(walk(self.steps))
        return {
            "subject": asdict(self.subject),
            "hash": self.version,
            "standing": self.standing,
            "made_by": [step.stage for step in self.steps],
            "commit": self.commit,
            "command": self.command,
            "notes": list(self.notes),
            "steps": [_step_dict(step, chain) for step in chain],
            "dependents": [asdict(dependent) for dependent in self.dependents],
        }


def _step_dict(step: Step, chain: Sequence[Step]) -> dict[str, Any]:
    indices = {id(other): number for number, other in enumerate(chain)}
    return {
        "stage": step.stage,
        "command": [mask_command(line) for line in step.cmd],
        "run": step.run.as_dict() if step.run else None,
        "restored_by": step.restored.as_dict() if step.restored else None,
        "in_dvc_lock": step.recorded,
        "inputs": dict(step.inputs),
        "outputs": dict(step.outputs),
        "params": {key: mask_value(key, value) for key, value in step.params.items()},
        "code": dict(step.code),
        "sources": [asdict(source) for source in step.sources],
        "before": [{"step": indices[id(other)], "paths": list(paths)} for other, paths in step.before],
    }


@dataclass
class _Context:
    """The repository, state and records of a trace, and the notes on it."""

    root: Path
    workflow: Workflow
    state: State
    record: RunHistory
    history: History
    notes: list[str] = field(default_factory=list)


def trace(directory: Path, name: str) -> Trace:
    """Trace the subject `name`, with paths relative to `directory`.

    Raises
    ------
    WorkflowError
        If the name is unknown or ambiguous.
    """
    here = directory.resolve()
    repository = open_repository(directory)
    workflow = declare(repository)
    state = observe(repository, workflow)
    unrecorded = wait_until_recorded(repository.root)
    record = open_run_history(repository.root)
    code_files = fingerprint_files(workflow)
    tracked = cache(lambda: _tracked(repository.root))
    history = History(workflow, state, record, lambda path: _source_kind(path, tracked()), code_files)
    context = _Context(repository.root, workflow, state, record, history)
    subject = resolve(name, here, repository.root, workflow, state, record)
    add_recorded_steps(history)
    version, standing, steps = _trace_history(context, subject)
    if subject.copies:
        context.notes.append(f"the same content was recorded as {', '.join(subject.copies)}")
    rebuild = RebuildCommand()
    if steps:
        rebuild = find_rebuild_command(repository.root, workflow, state, code_files, steps)
    context.notes += rebuild.notes
    if unrecorded:
        context.notes.append(f"MLflow record is incomplete: {unrecorded}")
    if record.absent and steps:
        context.notes.append(f"there are no records of MLflow: {record.absent}")
    dependent_stages = _find_dependents(context, subject)
    return Trace(
        subject,
        version,
        standing,
        tuple(steps),
        rebuild.commit,
        rebuild.command,
        tuple(context.notes),
        tuple(dependent_stages),
        current_params(workflow),
    )


def _tracked(root: Path) -> frozenset[str]:
    """Return the files that git tracks, and their folders."""
    files = [PurePosixPath(name) for name in git(root, "ls-files", "-z").split("\0") if name]
    return frozenset(str(path) for file in files for path in (file, *file.parents))


def _source_kind(path: str, tracked: frozenset[str]) -> str:
    if path.startswith("../") or "://" in path or Path(path).is_absolute():
        return "outside"
    return "git" if path in tracked else "unversioned"


def _trace_history(context: _Context, subject: Subject) -> tuple[str | None, str, list[Step]]:
    """Return version, status and history of the subject."""
    if subject.stage is not None:
        stage = context.workflow.stages[subject.stage]
        if not stage.outs:
            return None, "a stage without outputs", []
        version, standing = _compare_with_record(context, stage, stage.outs[0].path)
        kinds = dict.fromkeys(_compare_with_record(context, stage, out.path)[1] for out in stage.outs)
        return None, "; ".join(kinds), [find_step(context.history, stage, stage.outs[0].path, version)]
    assert subject.path is not None
    writers = [(stage, out) for stage, out in makers(context.workflow, subject.path) if stage.cmd]
    if not writers:
        return _describe_source(context, subject)
    steps: list[Step] = []
    version, standings = None, []
    for stage, out in writers:
        current, standing = (
            (subject.version, "as recorded") if subject.version else _compare_with_record(context, stage, out)
        )
        standings.append(standing)
        writing_step = find_step(context.history, stage, out, current)
        steps += [writing_step] if writing_step not in steps else []
        version = current if out == subject.path else version
    if len(writers) == 1 and subject.path.startswith(f"{writers[0][1]}/"):
        version, standings = _inside(context, subject.path, writers[0][1], standings)
    return version, "; ".join(dict.fromkeys(standings)), steps


def _describe_source(context: _Context, subject: Subject) -> tuple[str | None, str, list[Step]]:
    """Return version and status of a file that no command writes."""
    assert subject.path is not None
    tracked = makers(context.workflow, subject.path)
    kind = (
        f"tracked by {tracked[0][0].address}"
        if tracked
        else {
            "git": "in git",
            "outside": "outside of the repository",
            "unversioned": "in no version control",
        }[context.history.source_kind(subject.path)]
    )
    version = subject.version or dvc_hash(content_hashes(context.root / subject.path))
    missing = "" if version else "; it does not exist"
    return version, f"a source: no stage writes it; {kind}{missing}", []


def _inside(context: _Context, path: str, folder: str, standings: list[str]) -> tuple[str | None, list[str]]:
    """Return version and status of a file in a folder that a stage writes.

    Only the folder is recorded, so the version is the hash of the file on disk.
    """
    file = context.root / path
    if not file.exists():
        return None, [f"the file does not exist; the stage writes the folder {folder}"]
    return dvc_hash(content_hashes(file)), [
        f"in the folder {folder}, which is {standing}" for standing in standings
    ]


def _compare_with_record(context: _Context, stage: Stage, out: str) -> tuple[str | None, str]:
    """Return the version of an output to trace, and its comparison with `dvc.lock`."""
    observed = context.state.stages[stage.address]
    was = observed.outs_was.get(out) if observed.recorded else None
    status = observed.outs.get(out, "new")
    if status == "deleted" or not (context.root / out).exists():
        if was is None:
            return None, "not written yet"
        return was, f"missing; `statewright run {shlex.quote(stage.address)}` restores it"
    if was is not None and status in ("ok", "not in cache"):
        return was, "as dvc.lock records it"
    now = dvc_hash(content_hashes(context.root / out))
    if now == was:
        return was, "as dvc.lock records it"
    run, _ = maker(context.record, stage.address, {out: now})
    lock = f"dvc.lock records {show(was)}" if was else "dvc.lock does not record it"
    if run is not None or was is None:
        return now, f"another version than recorded: {lock}" if was else lock
    context.notes.append(
        f"{out} changed since: no recorded run wrote the version on disk ({show(now)}); "
        f"the history is that of {show(was)}, which dvc.lock records"
    )
    return was, f"changed since it was recorded: is {show(now)}, was {show(was)}"


def _find_dependents(context: _Context, subject: Subject) -> list[Dependent]:
    """Return the stages that depend on the subject."""
    if subject.stage is not None:
        return dependents(context.workflow, [out.path for out in context.workflow.stages[subject.stage].outs])
    assert subject.path is not None
    return dependents(context.workflow, [subject.path], _reached(context, subject.path))


def _reached(context: _Context, path: str) -> Mapping[str, Sequence[str]] | None:
    """Return, for each stage, the definitions of a source file that it reaches.

    The result is None if the path is not a Python file, or if there are no fingerprints.
    """
    if not path.endswith(".py"):
        return None
    module = f"{path.removesuffix('.py').removesuffix('/__init__')}:"
    has_fingerprints, reached = False, {}
    for address, observed in context.state.stages.items():
        params = observed.params_now.items()
        blocks = [value for (file, _), value in params if file in context.history.code_files]
        names = [name for block in blocks if isinstance(block, Mapping) for name in block]
        has_fingerprints |= bool(names)
        if definitions := [name for name in names if name.startswith(module)]:
            reached[address] = definitions
    return reached if has_fingerprints else None

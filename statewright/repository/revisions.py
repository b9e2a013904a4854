"""A revision of the repository, read from git's objects without a checkout.

DVC reads declarations, params and `dvc.lock` of a commit through a file system over git's objects.
Nothing in the working tree changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage

from statewright.repository.declaration import Repository, declare, relative
from statewright.repository.errors import translate_errors
from statewright.repository.lock_writer import command_lines
from statewright.repository.observation import lock_entries, observe, observe_inputs
from statewright.state import StageState, State
from statewright.workflow import Stage, Workflow, WorkflowError

WORKSPACE = "workspace"
Command = tuple[list[str] | str, Mapping[str, Any]]


@dataclass(frozen=True)
class Revision:
    """Declarations and records of the repository at one commit, or of the workspace.

    Parameters
    ----------
    commit : str or None
        Hash of the commit; None for the workspace.
    state : State
        Records in `dvc.lock`, and the files that the revision holds.
    sizes : mapping of str to int
        Path of each output -> bytes, where `dvc.lock` or a `.dvc` file records them.
    commands : mapping of str to sequence
        Address -> arguments and keywords of `Popen` of each command; `cwd` is relative to the root.
    """

    name: str
    commit: str | None
    workflow: Workflow
    state: State
    sizes: Mapping[str, int] = field(default_factory=dict)
    commands: Mapping[str, Sequence[Command]] = field(default_factory=dict)


def read_revision(repository: Repository, name: str) -> Revision:
    """Read a commit, branch or tag, or ``workspace``.

    Raises
    ------
    WorkflowError
        If git knows no such revision, or its declarations are broken.
    """
    if name == WORKSPACE:
        workflow = declare(repository)
        state = observe(repository, workflow)
        return Revision(name, None, workflow, state, _sizes(repository.stages.values(), repository.root))
    commit = resolve(repository, name)
    with at_revision(repository, commit) as earlier, translate_errors(f"revision {name}"):
        declared = declare(earlier)
        stages, root = dict(earlier.stages), earlier.root
        entries, contents = lock_entries(stages.values()), dict[str, Any]()
        observed = {}
        for address, stage in declared.stages.items():
            inputs = observe_inputs(root, stages[address], stage, entries.get(address), contents)
            observed[address] = _with_outputs(stage, inputs)
        sizes = _sizes(stages.values(), root)
        names = {address: _address(stage, root) for address, stage in stages.items()}
        commands = {names[a]: _commands(earlier, a, names[a]) for a, stage in stages.items() if stage.cmd}
    workflow = _renamed(declared, names)
    state = State({names[address]: value for address, value in observed.items()})
    return Revision(name, commit, workflow, state, sizes, commands)


def resolve(repository: Repository, name: str) -> str:
    """Return the hash of the commit that `name` stands for."""
    from dvc.scm import NoSCM, resolve_rev

    scm = repository.repo.scm
    if isinstance(scm, NoSCM) or scm.no_commits:
        raise WorkflowError(f"{name}: this repository has no commit to read; `git commit` makes one")
    with translate_errors(f"'{name}' is not a revision of this repository"):
        return str(resolve_rev(scm, name))


@contextmanager
def at_revision(repository: Repository, commit: str) -> Iterator[Repository]:
    """Read files of `commit` instead of those on disk for the block."""
    with repository.mutex, translate_errors(f"revision {commit[:7]}"), repository.repo.switch(commit):
        yield Repository(repository.repo, Path(repository.repo.root_dir), repository.mutex)


def value_changes(repository: Repository, kind: str, old: Revision, new: Revision) -> dict[str, Any]:
    """Return the changes of ``params`` or ``metrics`` as DVC prints them.

    The key ``errors`` of the result names the files that cannot be read.
    """
    before, after = old.commit or WORKSPACE, new.commit or WORKSPACE
    if before == after:
        return {}
    command = repository.repo.params if kind == "params" else repository.repo.metrics
    with repository.mutex, translate_errors(kind):
        result: dict[str, Any] = command.diff(a_rev=before, b_rev=after)
    return result


def _commands(repository: Repository, address: str, name: str) -> list[Command]:
    return [
        (
            arguments,
            {
                **keywords,
                "cwd": os.path.relpath(keywords["cwd"], repository.root),
                "env": {**keywords["env"], "DVC_STAGE": name},
            },
        )
        for arguments, keywords in command_lines(repository, address)
    ]


def _with_outputs(stage: Stage, inputs: StageState) -> StageState:
    """Add the state of the outputs; one without a record is missing."""
    outs = {out.path: "ok" if inputs.outs_was.get(out.path) else "not in dvc.lock" for out in stage.outs}
    return replace(inputs, outs=outs)


def _sizes(stages: Any, root: Path) -> dict[str, int]:
    return {
        relative(out, root): out.meta.size
        for stage in stages
        for out in stage.outs
        if out.meta and out.meta.size is not None
    }


def _address(stage: DvcStage, root: Path) -> str:
    """Return the address of a stage from the root, not from the current folder."""
    file = os.path.relpath(stage.path, root)
    if not isinstance(stage, PipelineStage):
        return file
    return str(stage.name) if file == "dvc.yaml" else f"{file}:{stage.name}"


def _renamed(workflow: Workflow, names: Mapping[str, str]) -> Workflow:
    return Workflow(
        {names[a]: replace(stage, address=names[a]) for a, stage in workflow.stages.items()},
        {names[a]: tuple(sorted(names[up] for up in ups)) for a, ups in workflow.upstream.items()},
        workflow.params,
    )

"""Walk from a file back to its sources, and forward to its dependents.

The history follows versions, not names. A file with hash ``h`` was written by the newest run that
wrote ``h`` to its path, from inputs whose hashes that run recorded, and so on down to files that no
stage writes. If MLflow has no record of such a run, `dvc.lock` is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from statewright.parameters import DEFAULT_FILE
from statewright.record.runs import PastRun, RunHistory, maker
from statewright.state import Hashes, State
from statewright.workflow import Stage, Workflow, flatten, overlaps


@dataclass(frozen=True)
class Source:
    """An input that no command writes.

    Parameters
    ----------
    kind : str
        Its version control: ``git``, ``dvc``, ``outside`` of the repository, or ``unversioned``.
    keeper : str, optional
        The ``.dvc`` file that tracks it.
    """

    path: str
    hash: str | None
    kind: str
    keeper: str | None = None


@dataclass(frozen=True)
class Step:
    """One run of a stage in the history of a file.

    Parameters
    ----------
    run, restored : PastRun, optional
        The run that wrote the outputs, and a later one that restored them from the run cache.
    recorded : bool
        Whether `dvc.lock` holds this version.
    params, code : mapping
        Values by dotted key, and hashes of the definitions that the stage's code reached.
    before : tuple of (Step, tuple of str)
        The steps that wrote the inputs, each with the paths of these inputs.
    """

    stage: str
    cmd: tuple[str, ...]
    run: PastRun | None
    restored: PastRun | None
    recorded: bool
    inputs: Hashes
    outputs: Hashes
    params: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    before: tuple[tuple[Step, tuple[str, ...]], ...] = ()

    @property
    def known(self) -> bool:
        """True if there is a record of the run that wrote this version."""
        return self.recorded or self.run is not None


@dataclass(frozen=True)
class Dependent:
    """A stage that depends on a subject.

    Parameters
    ----------
    reads : tuple of str
        The inputs through which it depends: paths, or definitions of code.
    after : tuple of str
        Stages through which it depends; empty for a direct dependency.
    """

    stage: str
    reads: tuple[str, ...]
    after: tuple[str, ...]
    outs: tuple[str, ...]
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """The records from which histories are built, and the steps built so far."""

    workflow: Workflow
    state: State
    record: RunHistory
    source_kind: Callable[[str], str]
    code_files: frozenset[str] = frozenset()
    steps: dict[tuple[str, str], Step] = field(default_factory=dict)


def makers(workflow: Workflow, path: str) -> list[tuple[Stage, str]]:
    """Return the stages with an output that is, contains or is inside of `path`."""
    return [(s, out.path) for s in workflow.stages.values() for out in s.outs if overlaps(out.path, path)]


def find_step(history: History, stage: Stage, out: str, version: str | None) -> Step:
    """Return the step in which `stage` wrote a version of `out`, with its history.

    All outputs of one run share one step.
    """
    observed = history.state.stages[stage.address]
    if observed.recorded and version is not None and observed.outs_was.get(out) == version:
        return _cached_step(history, (stage.address, "dvc.lock"), lambda: _from_lock(history, stage))
    run, restored = maker(history.record, stage.address, {out: version} if version else {})
    if run is not None:
        return _cached_step(
            history, (stage.address, run.run_id), lambda: _from_run(history, stage, run, restored)
        )
    unknown = Step(stage.address, stage.cmd, None, None, False, {}, {out: version})
    return _cached_step(history, (stage.address, f"{out}:{version}"), lambda: unknown)


def add_recorded_steps(history: History) -> None:
    """Build the steps that `dvc.lock` records, in the order of the workflow.

    For a chain of hundreds of stages, a recursion from its end would be too deep.
    """
    for stage in history.workflow.stages.values():
        versions = history.state.stages[stage.address].outs_was
        if stage.cmd and stage.outs and (version := versions.get(stage.outs[0].path)):
            find_step(history, stage, stage.outs[0].path, version)


def _cached_step(history: History, key: tuple[str, str], make: Callable[[], Step]) -> Step:
    if key not in history.steps:
        history.steps[key] = make()
    return history.steps[key]


def _from_lock(history: History, stage: Stage) -> Step:
    observed = history.state.stages[stage.address]
    outputs = {path: value for path, value in observed.outs_was.items() if value}
    run, restored = maker(history.record, stage.address, outputs, observed.deps_was)
    params: dict[str, Any] = {}
    code: dict[str, str] = {}
    for (file, key), block in observed.params_was.items():
        if file in history.code_files and isinstance(block, Mapping):
            code |= {definition: str(value) for definition, value in block.items()}
        else:
            prefix = "" if file == DEFAULT_FILE else f"{file}:"
            params |= {f"{prefix}{dotted}": value for dotted, value in flatten(block, key)}
    sources, before = _inputs(history, stage, observed.deps_was)
    return Step(
        stage.address,
        observed.cmd_was or stage.cmd,
        run,
        restored,
        True,
        observed.deps_was,
        observed.outs_was,
        params,
        code,
        sources,
        before,
    )


def _from_run(history: History, stage: Stage, run: PastRun, restored: PastRun | None) -> Step:
    past, prefix = run.params(), f"{stage.address}."
    code = {k.removeprefix(prefix): v for k, v in past.items() if k.startswith(prefix) and ":" in k}
    params = {key: value for key, value in past.items() if key.removeprefix(prefix) not in code}
    sources, before = _inputs(history, stage, run.inputs)
    cmd = tuple(filter(None, run.tags.get("statewright.stage.command", "").split("\n"))) or stage.cmd
    return Step(
        stage.address, cmd, run, restored, False, run.inputs, run.outputs, params, code, sources, before
    )


def _inputs(
    history: History, stage: Stage, inputs: Hashes
) -> tuple[tuple[Source, ...], tuple[tuple[Step, tuple[str, ...]], ...]]:
    """Return the inputs that no command writes, and the steps that wrote the others."""
    sources: list[Source] = []
    before: dict[int, tuple[Step, list[str]]] = {}
    for path, version in inputs.items():
        writers = [(s, out) for s, out in makers(history.workflow, path) if s.address != stage.address]
        commands = [(s, out) for s, out in writers if s.cmd]
        for other, out in commands:
            was = version if out == path else history.state.stages[other.address].outs_was.get(out)
            step = find_step(history, other, out, was)
            before.setdefault(id(step), (step, []))[1].append(path)
        if not commands:
            keeper = next((s.address for s, _ in writers), None)
            kind = "dvc" if keeper else history.source_kind(path)
            sources.append(Source(path, version, kind, keeper))
    return tuple(sources), tuple((step, tuple(paths)) for step, paths in before.values())


def walk(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield every step of a history once, the latest first."""
    visited: set[int] = set()
    queue = list(steps)
    while queue:
        step = queue.pop(0)
        if id(step) not in visited:
            visited.add(id(step))
            yield step
            queue += [earlier for earlier, _ in step.before]


def dependents(
    workflow: Workflow, paths: Sequence[str], code: Mapping[str, Sequence[str]] | None = None
) -> list[Dependent]:
    """Return the stages that depend on any of `paths`, directly or not, in run order.

    Parameters
    ----------
    code : mapping of str to sequence of str, optional
        For a source file with fingerprints: maps a stage to the definitions of the file that it
        reaches. A stage that reaches none does not depend on the file through its fingerprint.
    """
    made_by: dict[str, str] = {}
    result: list[Dependent] = []
    hashed = fingerprint_files(workflow) if code is not None else frozenset[str]()
    for stage in workflow.stages.values():
        own = {out.path for out in stage.outs}
        declared = [*stage.deps, *(path for path in stage.params if path not in hashed)]
        direct = [d for d in declared if any(overlaps(d, path) for path in paths) and d not in own]
        through = [d for d in declared for out in made_by if overlaps(d, out)]
        reads = [*direct, *(code or {}).get(stage.address, ())]
        if not reads and not through:
            continue
        after = dict.fromkeys(made_by[out] for d in through for out in made_by if overlaps(d, out))
        metrics = tuple(out.path for out in stage.outs if out.role == "metric")
        outs = tuple(out.path for out in stage.outs)
        result.append(
            Dependent(stage.address, tuple(dict.fromkeys([*reads, *through])), tuple(after), outs, metrics)
        )
        made_by |= dict.fromkeys(outs, stage.address)
    return result


def fingerprint_files(workflow: Workflow) -> frozenset[str]:
    """Return the params files that the engine's own fingerprint command writes."""
    stages = [s for s in workflow.stages.values() if any("statewright fingerprint" in c for c in s.cmd)]
    return frozenset(out.path for stage in stages for out in stage.outs)

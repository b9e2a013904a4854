"""Trace a file, a metric or a stage: back to what made it, and forward to what depends on it.

Back, the chain is followed by version, not by name: a file of hash ``h`` was made by the newest run
that wrote ``h`` there, from inputs whose hashes that run recorded, and so on down to files that no
stage makes. Where MLflow remembers no such run, `dvc.lock` answers as far as it can.
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
    """An input that no command makes: `kind` says who keeps it.

    ``git``, ``dvc`` (tracked by a ``.dvc`` file, `keeper`), ``outside`` of the repository, or
    ``unversioned``.
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
        The run that made the outputs, and a later one that brought them back from the run cache.
    recorded : bool
        Whether `dvc.lock` holds this version.
    params, code : mapping
        Values by dotted key, and hashes of the definitions that the stage's code reached.
    before : tuple of (Step, tuple of str)
        What made the inputs, and which of them.
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
        """Whether anything tells how this version was made."""
        return self.recorded or self.run is not None


@dataclass(frozen=True)
class Dependent:
    """A stage that reads something, or something made from it.

    Parameters
    ----------
    reads : tuple of str
        What it reads of it: paths, or the definitions of its code.
    after : tuple of str
        Stages through which it depends; none if directly.
    """

    stage: str
    reads: tuple[str, ...]
    after: tuple[str, ...]
    outs: tuple[str, ...]
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """All that is needed to follow versions back."""

    workflow: Workflow
    state: State
    record: RunHistory
    source_kind: Callable[[str], str]
    code_files: frozenset[str] = frozenset()
    steps: dict[tuple[str, str], Step] = field(default_factory=dict)


def makers(workflow: Workflow, path: str) -> list[tuple[Stage, str]]:
    """Stages and their outputs that are `path`, hold it, or lie in it."""
    return [(s, out.path) for s in workflow.stages.values() for out in s.outs if overlaps(out.path, path)]


def step(history: History, stage: Stage, out: str, version: str | None) -> Step:
    """How `stage` made this version of its output `out`, with all that came before.

    One run is one step, however many of its outputs are asked for.
    """
    seen = history.state.stages[stage.address]
    if seen.recorded and version is not None and seen.outs_was.get(out) == version:
        return _remembered(history, (stage.address, "dvc.lock"), lambda: _from_lock(history, stage))
    run, restored = maker(history.record, stage.address, {out: version} if version else {})
    if run is not None:
        return _remembered(
            history, (stage.address, run.run_id), lambda: _from_run(history, stage, run, restored)
        )
    unknown = Step(stage.address, stage.cmd, None, None, False, {}, {out: version})
    return _remembered(history, (stage.address, f"{out}:{version}"), lambda: unknown)


def remember_recorded(history: History) -> None:
    """Take the steps that `dvc.lock` records in the order of the workflow.

    A chain of hundreds of stages, followed back from its end, would be too deep a recursion.
    """
    for stage in history.workflow.stages.values():
        versions = history.state.stages[stage.address].outs_was
        if stage.cmd and stage.outs and (version := versions.get(stage.outs[0].path)):
            step(history, stage, stage.outs[0].path, version)


def _remembered(history: History, key: tuple[str, str], make: Callable[[], Step]) -> Step:
    if key not in history.steps:
        history.steps[key] = make()
    return history.steps[key]


def _from_lock(history: History, stage: Stage) -> Step:
    seen = history.state.stages[stage.address]
    made = {path: value for path, value in seen.outs_was.items() if value}
    run, restored = maker(history.record, stage.address, made, seen.deps_was)
    params: dict[str, Any] = {}
    code: dict[str, str] = {}
    for (file, key), block in seen.params_was.items():
        if file in history.code_files and isinstance(block, Mapping):
            code |= {place: str(value) for place, value in block.items()}
        else:
            prefix = "" if file == DEFAULT_FILE else f"{file}:"
            params |= {f"{prefix}{place}": value for place, value in flatten(block, key)}
    cmd = seen.cmd_was or stage.cmd
    sources, before = _inputs(history, stage, seen.deps_was)
    return Step(
        stage.address, cmd, run, restored, True, seen.deps_was, seen.outs_was, params, code, sources, before
    )


def _from_run(history: History, stage: Stage, run: PastRun, restored: PastRun | None) -> Step:
    past, mine = run.params(), f"{stage.address}."
    code = {k.removeprefix(mine): v for k, v in past.items() if k.startswith(mine) and ":" in k}
    params = {key: value for key, value in past.items() if key.removeprefix(mine) not in code}
    sources, before = _inputs(history, stage, run.inputs)
    cmd = tuple(filter(None, run.tags.get("statewright.stage.command", "").split("\n"))) or stage.cmd
    return Step(
        stage.address, cmd, run, restored, False, run.inputs, run.outputs, params, code, sources, before
    )


def _inputs(
    history: History, stage: Stage, inputs: Hashes
) -> tuple[tuple[Source, ...], tuple[tuple[Step, tuple[str, ...]], ...]]:
    """Of every input the step that made it, or who keeps it."""
    sources: list[Source] = []
    before: dict[int, tuple[Step, list[str]]] = {}
    for path, version in inputs.items():
        found = [(s, out) for s, out in makers(history.workflow, path) if s.address != stage.address]
        commands = [(s, out) for s, out in found if s.cmd]
        for other, out in commands:
            was = version if out == path else history.state.stages[other.address].outs_was.get(out)
            made = step(history, other, out, was)
            before.setdefault(id(made), (made, []))[1].append(path)
        if not commands:
            keeper = next((s.address for s, _ in found), None)
            kind = "dvc" if keeper else history.source_kind(path)
            sources.append(Source(path, version, kind, keeper))
    return tuple(sources), tuple((made, tuple(paths)) for made, paths in before.values())


def walk(steps: Sequence[Step]) -> Iterator[Step]:
    """Every step of a history once, the latest first."""
    seen: set[int] = set()
    waiting = list(steps)
    while waiting:
        made = waiting.pop(0)
        if id(made) not in seen:
            seen.add(id(made))
            yield made
            waiting += [earlier for earlier, _ in made.before]


def dependents(
    workflow: Workflow, paths: Sequence[str], code: Mapping[str, Sequence[str]] | None = None
) -> list[Dependent]:
    """Stages that depend on any of `paths`, directly or not, in an order in which they would run.

    Parameters
    ----------
    code : mapping of str to sequence of str, optional
        For a source file that code fingerprints know: stage -> its definitions that the stage
        reaches. Stages that reach none do not depend on the file through their fingerprint.
    """
    made_by: dict[str, str] = {}
    found: list[Dependent] = []
    hashed = makers_of_code(workflow) if code is not None else frozenset[str]()
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
        found.append(
            Dependent(stage.address, tuple(dict.fromkeys([*reads, *through])), tuple(after), outs, metrics)
        )
        made_by |= dict.fromkeys(outs, stage.address)
    return found


def makers_of_code(workflow: Workflow) -> frozenset[str]:
    """Params files that the engine's own fingerprint command writes."""
    stages = [s for s in workflow.stages.values() if any("statewright fingerprint" in c for c in s.cmd)]
    return frozenset(out.path for stage in stages for out in stage.outs)

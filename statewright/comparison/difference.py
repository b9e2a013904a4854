"""The difference of two revisions, by stage.

A stage *would run* if the newer revision's `dvc.lock` does not agree with its declarations, params and
source files. A stage *changed* if the two `dvc.lock` differ: it was run again in between. The data
themselves are not needed: a missing file counts as the one that `dvc.lock` records.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from statewright.drift import Environments, in_words
from statewright.interpreter import differences
from statewright.masking import mask_text, mask_value
from statewright.planning.inputs import Inputs
from statewright.planning.missing import assume_present, without_always
from statewright.planning.plan import SKIP, Decision, Plan, decide
from statewright.planning.reasons import Reason, for_json, own_reasons
from statewright.repository.declaration import open_repository
from statewright.repository.observation import fingerprint_file
from statewright.repository.revisions import WORKSPACE, Revision, read_revision, value_changes
from statewright.repository.scope import select
from statewright.request import Request, as_request
from statewright.scheduling import durations
from statewright.state import StageState
from statewright.workflow import Stage

Seconds = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class OutputChange:
    """Output with different hashes; None where a revision lacks it."""

    path: str
    was: str | None
    now: str | None
    size_was: int | None = None
    size_now: int | None = None


@dataclass(frozen=True)
class StageChange:
    """Stage that would run in the newer revision, or that differs between the two.

    Parameters
    ----------
    status : str
        ``added``, ``removed``, ``changed`` or ``same``: its record in the two revisions.
    verdict : str
        Verdict of the plan of the newer revision; ``skip`` if its record is up to date.
    reasons : tuple of Reason
        Causes of the verdict.
    recorded : tuple of Reason
        Differences between the two records of the stage.
    before : bool
        Whether the older revision's plan had the same verdict for the same reasons.
    software : pair of str, optional
        Versions of software that made the outputs of the two revisions, where they differ and runs on
        this machine made both.
    """

    address: str
    status: str
    verdict: str = SKIP
    reasons: tuple[Reason, ...] = ()
    recorded: tuple[Reason, ...] = ()
    outputs: tuple[OutputChange, ...] = ()
    before: bool = False
    seconds: tuple[float, float] | None = None
    software: tuple[str, str] | None = None


@dataclass(frozen=True)
class RevisionDifference:
    """Everything that differs between two revisions.

    Parameters
    ----------
    params, metrics : mapping
        File -> key -> ``{"old", "new"}`` and, for numbers, ``"diff"``, as DVC compares them. Hashes of
        code are left out; a stage names the code that changed.
    unreadable : tuple of str
        Files of metrics that could not be read.
    sizes : pair of int
        Bytes of all outputs of each revision, as recorded.
    unchanged : int
        Number of stages that are up to date and have the same record in both.
    """

    old: str
    new: str
    commits: tuple[str | None, str | None]
    stages: tuple[StageChange, ...]
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    sizes: tuple[int, int] = (0, 0)
    unchanged: int = 0

    @property
    def running(self) -> tuple[StageChange, ...]:
        """Stages whose plan in the newer revision has work."""
        return tuple(stage for stage in self.stages if stage.verdict != SKIP)

    @property
    def differs(self) -> bool:
        """True if a stage would run, or anything differs."""
        return bool(self.stages or self.params or self.metrics)

    @property
    def seconds(self) -> tuple[float, float] | None:
        """Sum of the expected durations of the stages that would run, if any has one."""
        known = [stage.seconds for stage in self.running if stage.seconds]
        return (sum(s[0] for s in known), sum(s[1] for s in known)) if known else None

    def as_dict(self) -> dict[str, Any]:
        """Return all values, for JSON."""
        return {
            "from": {"name": self.old, "commit": self.commits[0]},
            "to": {"name": self.new, "commit": self.commits[1]},
            "differs": self.differs,
            "stages": {stage.address: _stage_values(stage) for stage in self.stages},
            "unchanged": self.unchanged,
            "params": for_json(self.params),
            "metrics": for_json(self.metrics),
            "unreadable": list(self.unreadable),
            "bytes": {"old": self.sizes[0], "new": self.sizes[1]},
            "seconds": list(self.seconds) if self.seconds else None,
        }


def diff(directory: Path, old: str = "HEAD", new: str = WORKSPACE) -> RevisionDifference:
    """Compare two revisions of the repository around `directory`; no file is changed.

    Raises
    ------
    WorkflowError
        If git knows no such revision, or the declarations of one are broken.
    """
    repository = open_repository(directory)
    before, after = read_revision(repository, old), read_revision(repository, new)
    codes = code_files(before, after)
    environments = Environments(repository.root)
    seconds = durations.ranges(repository.root, after.workflow)
    changes = [
        _with_software(change, environments, before, after) for change in compare(before, after, seconds)
    ]
    params, metrics = (value_changes(repository, kind, before, after) for kind in ("params", "metrics"))
    return RevisionDifference(
        old,
        new,
        (before.commit, after.commit),
        tuple(changes),
        {file: _masked(values) for file, values in params.get("diff", {}).items() if file not in codes},
        metrics.get("diff", {}),
        tuple(dict.fromkeys(_unreadable(metrics))),
        (sum(before.sizes.values()), sum(after.sizes.values())),
        len(set(after.workflow.stages) - {change.address for change in changes}),
    )


def check_recorded(directory: Path, wanted: Request | Sequence[str] = ()) -> Plan:
    """Return the plan of the workspace as if no recorded file were missing.

    All stages are `skip` if `dvc.lock` agrees with declarations, params and files.
    """
    repository = open_repository(directory)
    revision = read_revision(repository, WORKSPACE)
    order = select(repository, as_request(wanted)).order
    return _plan(revision, durations.ranges(repository.root, revision.workflow), order)


def compare(old: Revision, new: Revision, seconds: Seconds | None = None) -> list[StageChange]:
    """Return the stages that would run or differ, in the newer order."""
    earlier, later = _plan(old), _plan(new, seconds)
    codes = code_files(old, new)
    changes = []
    for address, stage in new.workflow.stages.items():
        decision, previous = later.decisions[address], earlier.decisions.get(address)
        changes.append(_change(stage, (old, new), decision, previous, codes))
    changes += [
        StageChange(address, "removed", outputs=_outputs(address, old, new))
        for address in old.workflow.stages
        if address not in new.workflow.stages
    ]
    return [change for change in changes if change.status != "same" or change.verdict != SKIP]


def code_files(*revisions: Revision) -> set[str]:
    """Return the files in which the engine writes the hashes of code."""
    stages = (stage for revision in revisions for stage in revision.workflow.stages.values())
    return {file for stage in stages if (file := fingerprint_file(stage))}


def _plan(revision: Revision, seconds: Seconds | None = None, order: Sequence[str] | None = None) -> Plan:
    workflow = without_always(revision.workflow)
    return decide(workflow, assume_present(workflow, revision.state), order=order, seconds=seconds)


def _change(
    stage: Stage,
    revisions: tuple[Revision, Revision],
    decision: Decision,
    previous: Decision | None,
    codes: Collection[str],
) -> StageChange:
    address = stage.address
    outputs = _outputs(address, *revisions)
    was, now = (revision.state.stages.get(address) for revision in revisions)
    recorded: tuple[Reason, ...] = ()
    if was is not None and now is not None and was.recorded and now.recorded:
        recorded = tuple(_recorded(stage, was, now, codes))
    differs = bool(recorded or outputs) or (was is None or now is None or was.recorded != now.recorded)
    status = "added" if was is None else "changed" if differs else "same"
    reasons = tuple(r for r in decision.reasons if not r.kind.startswith("passing"))
    before = previous is not None and (previous.verdict, previous.reasons) == (
        decision.verdict,
        decision.reasons,
    )
    return StageChange(
        address, status, decision.verdict, reasons, recorded, outputs, before, decision.seconds
    )


def _recorded(stage: Stage, was: StageState, now: StageState, codes: Collection[str]) -> list[Reason]:
    """Return the differences of the inputs in two records of a stage, as reasons."""
    between = StageState(
        recorded=True,
        cmd_was=was.cmd_was,
        deps_was=was.deps_was,
        params_was=was.params_was,
    )
    inputs = Inputs(now.deps_was, now.params_was, {file for file, _ in (*was.params_was, *now.params_was)})
    then = Stage(stage.address, now.cmd_was or (), params={})
    return own_reasons(then, between, inputs, codes)


def _with_software(
    change: StageChange, environments: Environments, old: Revision, new: Revision
) -> StageChange:
    if not change.outputs or change.status != "changed":
        return change
    was, now = (environments.of(change.address, r.state.stages[change.address].outs_was) for r in (old, new))
    if was is None or now is None or was.digest == now.digest:
        return change
    return replace(change, software=in_words(differences(was, now)))


def _outputs(address: str, old: Revision, new: Revision) -> tuple[OutputChange, ...]:
    was, now = (
        revision.state.stages[address].outs_was if address in revision.state.stages else {}
        for revision in (old, new)
    )
    return tuple(
        OutputChange(path, was.get(path), now.get(path), old.sizes.get(path), new.sizes.get(path))
        for path in dict.fromkeys([*was, *now])
        if was.get(path) != now.get(path)
    )


def _masked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes of a params file without secrets."""
    masked = {}
    for key, change in values.items():
        shown = {side: mask_value(key, value) for side, value in change.items() if side != "diff"}
        same = all(shown[side] == change[side] for side in shown)
        masked[key] = {**shown, "diff": change["diff"]} if same and "diff" in change else shown
    return masked


def _unreadable(result: Mapping[str, Any]) -> list[str]:
    """Return the files that DVC could not read, or the revision if it failed."""
    return [
        file
        for revision, files in result.get("errors", {}).items()
        for file in (files if isinstance(files, Mapping) else [revision])
    ]


def _stage_values(stage: StageChange) -> dict[str, Any]:
    def values(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
        return [
            {
                "kind": r.kind,
                "subject": mask_text(r.subject),
                "was": for_json(r.masked[0]),
                "now": for_json(r.masked[1]),
                "text": r.text,
            }
            for r in reasons
        ]

    return {
        "status": stage.status,
        "verdict": stage.verdict,
        "before": stage.before,
        "reasons": values(stage.reasons),
        "recorded": values(stage.recorded),
        "outputs": [
            {"path": o.path, "old": o.was, "new": o.now, "bytes": {"old": o.size_was, "new": o.size_now}}
            for o in stage.outputs
        ],
        "seconds": list(stage.seconds) if stage.seconds else None,
        "software": {"old": stage.software[0], "new": stage.software[1]} if stage.software else None,
    }

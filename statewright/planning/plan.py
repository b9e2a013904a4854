"""The action `A`: a verdict with reasons for each stage, before anything runs.

For each stage, in the order of the graph::

    the stage itself changed?  --no-->  an input may change?  --no-->  skip
              | yes                              | yes
    all inputs known,                           may
    run cache holds the key?
        | no        | yes
       must       restore

The run cache gives the hashes of restored outputs, so later stages are judged by the files that
they will find. The outputs of a stage that runs are unknown.

`must` means that the command will run. A stage that changed itself is `may` if ``dvc repro`` could
still skip its command:

- an input is unknown, and the run cache holds a run that agrees with all known inputs;
- an earlier stage has the same command and, relative to its own folder, the same names and bytes
  (the keys of DVC's run cache do not name the stage, so the second stage is restored);
- the only change is an output that the cache has lost, and an earlier stage may write equal bytes;
- the stage is frozen, or a `.dvc` file: DVC records the files on disk, or fetches them, and runs nothing;
- the data of an earlier `.dvc` file or frozen stage is missing, so the command cannot run.

One exception remains: another stage may write, by coincidence, the bytes that the cache has lost.
A stage that is planned `must` because of these bytes is then restored.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from statewright.masking import mask_text
from statewright.planning.inputs import (
    ExpectedFiles,
    Inputs,
    incomplete,
    inputs_of,
    mark_predicted,
    mark_restored,
    mark_unknown,
)
from statewright.planning.reasons import Reason, for_json, own_reasons, passing_reasons
from statewright.request import Request
from statewright.state import LOST, StageState, State
from statewright.workflow import Stage, Workflow

MUST, MAY, RESTORE, SKIP = "must", "may", "restore", "skip"


@dataclass(frozen=True)
class Fetch:
    """Files that a restore gets from the remote.

    Parameters
    ----------
    remote : str
        Name of the remote.
    bytes : int
        Bytes of its files that are not here, as recorded; of a folder, all of its files.
    seconds : float
        Expected duration.
    rate : str
        ``measured``, if earlier transfers from this remote gave the bytes a second, else ``assumed``.
    """

    remote: str
    bytes: int
    seconds: float
    rate: str


@dataclass(frozen=True)
class Decision:
    """Verdict for one stage, with its reasons and expected seconds (low, high)."""

    address: str
    verdict: str
    reasons: tuple[Reason, ...] = ()
    seconds: tuple[float, float] | None = None
    fetch: Fetch | None = None

    @property
    def words(self) -> str:
        """The verdict, and where a restored result comes from if it is not here."""
        return f"{self.verdict} (remote)" if self.fetch else self.verdict


@dataclass(frozen=True)
class Plan:
    """Decisions for all requested stages, in an order in which they can run.

    Parameters
    ----------
    labels : mapping of str to str
        Address -> the address as DVC prints it in the user's folder, where the two differ.
    """

    decisions: Mapping[str, Decision]
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def work(self) -> tuple[str, ...]:
        """Addresses of the stages with another verdict than skip."""
        return tuple(address for address, d in self.decisions.items() if d.verdict != SKIP)

    def label(self, address: str) -> str:
        """Return an address as DVC prints it in the user's folder."""
        return self.labels.get(address, address)

    @property
    def labelled(self) -> Plan:
        """The plan with its addresses as DVC prints them in the user's folder."""
        return Plan({self.label(address): self._labelled(d) for address, d in self.decisions.items()})

    def _labelled(self, decision: Decision) -> Decision:
        reasons = (replace(reason, subject=self.label(reason.subject)) for reason in decision.reasons)
        return replace(decision, address=self.label(decision.address), reasons=tuple(reasons))

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain values, for JSON; addresses are those at the root."""
        return {
            "stages": {
                address: {
                    "verdict": d.verdict,
                    "reasons": [
                        {
                            "kind": r.kind,
                            "subject": mask_text(r.subject),
                            "was": for_json(r.masked[0]),
                            "now": for_json(r.masked[1]),
                            "text": r.text,
                        }
                        for r in d.reasons
                    ],
                    "seconds": list(d.seconds) if d.seconds else None,
                    **({"fetch": asdict(d.fetch)} if d.fetch else {}),
                }
                for address, d in self.decisions.items()
            }
        }


def decide(
    workflow: Workflow,
    state: State,
    targets: Collection[str] = (),
    *,
    order: Sequence[str] | None = None,
    force: Collection[str] = (),
    seconds: Mapping[str, tuple[float, float]] | None = None,
    drift: Mapping[str, tuple[str, str]] | None = None,
) -> Plan:
    """Decide on a verdict for each stage that `targets` need.

    Parameters
    ----------
    workflow, state
        The declared stages, and the state of the repository.
    targets : collection of str
        Addresses of stages; their ancestors are planned too (default: all stages).
    order : sequence of str, optional
        Addresses of exactly the stages to plan, in this order, instead of `targets`.
    force : collection of str
        Addresses of stages to run even if nothing changed.
    seconds : mapping of str to (float, float)
        Address -> expected duration of the command, low and high, if there are past runs.
    drift : mapping of str to (str, str)
        Address -> the software that made the outputs, and the other software that is here. Each of
        these stages runs, because the run cache holds outputs of the old software.
    """
    if order is None:
        wanted = workflow.ancestors(targets) if targets else set(workflow.stages)
        order = [address for address in workflow.stages if address in wanted]
    expected = ExpectedFiles(
        {path for stage_state in state.stages.values() for path in stage_state.predicted}
    )
    decisions: dict[str, Decision] = {}
    for address in order:
        extra = [Reason("forced", address)] if address in force else []
        extra += [Reason("environment", address, *drift[address])] if drift and address in drift else []
        before = _forcing(workflow, state.request, address, decisions)
        extra += [Reason("forced downstream", up) for up, verdict in before.items() if verdict != MAY][:1]
        verdict, reasons = _judge(workflow, state, expected, address, extra)
        if verdict == SKIP and before:
            verdict, reasons = MAY, [Reason("upstream", up) for up in before]
        time = (seconds or {}).get(address) if verdict in (MUST, MAY) else None
        decisions[address] = Decision(address, verdict, tuple(reasons), time)
    return Plan(decisions)


def note_drift(plan: Plan, drift: Mapping[str, tuple[str, str]]) -> Plan:
    """Return the plan with notes beside stages that other software made."""
    decisions = {
        address: replace(
            decision, reasons=(*decision.reasons, Reason("environment", address, *drift[address]))
        )
        if decision.verdict == SKIP and address in drift
        else decision
        for address, decision in plan.decisions.items()
    }
    return Plan(decisions)


def note_fetches(plan: Plan, fetches: Mapping[str, Fetch]) -> Plan:
    """Return the plan with what the restored stages get from the remote."""
    decisions = {
        address: replace(decision, fetch=fetch, seconds=(fetch.seconds, fetch.seconds))
        if decision.verdict == RESTORE and (fetch := fetches.get(address))
        else decision
        for address, decision in plan.decisions.items()
    }
    return Plan(decisions)


def _forcing(
    workflow: Workflow, request: Request, address: str, decisions: Mapping[str, Decision]
) -> dict[str, str]:
    """Return the stages that force `address` to run if they run, with their verdicts."""
    if not request.force_downstream or request.only_targets:
        return {}
    before = {up: decisions[up].verdict for up in workflow.upstream[address] if up in decisions}
    return {up: verdict for up, verdict in before.items() if verdict != SKIP}


def _judge(
    workflow: Workflow, state: State, expected: ExpectedFiles, address: str, extra: list[Reason]
) -> tuple[str, list[Reason]]:
    """Return verdict and reasons of a stage; `extra` reasons run it anyway."""
    forced = bool(extra)
    stage, observed = workflow.stages[address], state.stages[address]
    request = state.request
    lenient = (request.pull or request.allow_missing) and not forced
    stage_state = (
        _without_missing(observed, [state.stages[up] for up in workflow.upstream[address]])
        if lenient
        else observed
    )
    if stage.records_only and stage_state.not_on_disk:
        return _judge_missing(stage, stage_state, expected)
    inputs = inputs_of(stage, stage_state, expected)
    own = own_reasons(stage, stage_state, inputs, expected.code_files)
    own += extra
    reasons = own + [Reason("upstream", address) for address in sorted(inputs.waiting)]
    reasons += [Reason("remote", path) for path in sorted(stage_state.remote)]
    passing = passing_reasons(stage, stage_state, own, expected.code_files)
    if not reasons:
        lost = [path for path, status in observed.outs.items() if status in LOST] if request.pull else []
        mark_restored(stage, observed, {path: observed.outs_was.get(path) for path in lost}, expected)
        return (RESTORE, [Reason("pull", path) for path in lost] + passing) if lost else (SKIP, passing)
    outs = None
    if own and not inputs.waiting and not stage_state.remote and not forced and not incomplete(stage, inputs):
        outs = state.recall(stage.address, inputs.deps, inputs.params)
    if outs is not None:
        verdict = RESTORE
        mark_restored(stage, stage_state, outs, expected)
    else:
        runs = bool(own and stage.cmd and not stage.frozen and not expected.blocked & set(inputs.waiting))
        verdict = MUST if runs and (forced or _certain(stage, state, inputs, own, expected)) else MAY
        mark_unknown(stage, expected)
        if verdict == MUST:
            mark_predicted(stage_state, expected)
        if expected.blocked & set(inputs.waiting):
            expected.blocked.add(address)
            passing = []
    _note_run(stage, inputs, expected)
    return verdict, reasons + passing


def _without_missing(stage_state: StageState, upstream: Sequence[StageState]) -> StageState:
    """Return a state as ``--allow-missing`` and ``--pull`` see it.

    A missing file counts as the one that its stage recorded.
    """
    written = {path: value for up in upstream for path, value in up.outs_was.items()}
    return replace(
        stage_state,
        deps_now={
            path: written.get(path, stage_state.deps_was.get(path)) if now is None else now
            for path, now in stage_state.deps_now.items()
        },
        outs={
            path: "ok" if status in LOST and path not in stage_state.unavailable else status
            for path, status in stage_state.outs.items()
        },
        not_on_disk=stage_state.not_on_disk & stage_state.unavailable,
    )


def _judge_missing(
    stage: Stage, stage_state: StageState, expected: ExpectedFiles
) -> tuple[str, list[Reason]]:
    """Return the verdict for a data source or frozen stage that lacks a file.

    DVC reports that as an error. The stages that need the file cannot run either.
    """
    expected.blocked.add(stage.address)
    in_cache = {out.path for out in stage.outs if out.cached}
    reasons = []
    for path in sorted(stage_state.not_on_disk):
        expected.unknown.add(path, stage.address)
        if stage_state.outs_was.get(path) is None:
            fetch = "the stage is frozen and never ran" if stage.cmd else "its hash is not recorded"
        elif path in stage_state.unavailable:
            fetch = f"the remote '{stage_state.not_cached.get(path)}' does not have it"
        elif path in stage_state.not_cached:
            remote = stage_state.not_cached[path]
            fetch = f"`dvc pull` fetches it from '{remote}'" if remote else "no remote is configured"
        else:
            fetch = "`dvc checkout` restores it" if path in in_cache else "DVC does not store it"
        reasons.append(Reason("missing data", path, None, fetch))
    return MAY, reasons


def _certain(
    stage: Stage, state: State, inputs: Inputs, own: Collection[Reason], expected: ExpectedFiles
) -> bool:
    """Return whether the command of a changed stage will certainly run."""
    if (inputs.waiting or state.request.pull) and state.may_recall(stage.address, inputs.deps, inputs.params):
        return False
    if expected.runs and {(r.kind, r.subject) for r in own} <= _cache_only(state.stages[stage.address]):
        return False
    values = _values(stage, inputs)
    return not any(
        all(values[key] == value for key, value in run.items() if key in values)
        for run in expected.runs.get(_cache_signature(stage), ())
        if not stage.always_changed and state.request.run_cache
    )


def _cache_only(stage_state: StageState) -> set[tuple[str, str]]:
    return {("output", path) for path in stage_state.outs_only_uncached}


def _cache_signature(stage: Stage) -> Any:
    """Return the names in the run cache's key, relative to the stage's folder."""
    return (
        stage.cmd,
        frozenset(_from_folder(stage, path) for path in stage.deps),
        frozenset(_from_folder(stage, out.path) for out in stage.outs),
        frozenset((_from_folder(stage, file), keys) for file, keys in stage.params.items()),
    )


def _values(stage: Stage, inputs: Inputs) -> Mapping[Any, Any]:
    files = {_from_folder(stage, path): value for path, value in inputs.deps.items()}
    return {**files, **{(_from_folder(stage, file), key): v for (file, key), v in inputs.params.items()}}


def _from_folder(stage: Stage, path: str) -> str:
    return path if stage.wdir == "." or path.startswith("/") else os.path.relpath(path, stage.wdir)


def _note_run(stage: Stage, inputs: Inputs, expected: ExpectedFiles) -> None:
    expected.runs.setdefault(_cache_signature(stage), []).append(_values(stage, inputs))

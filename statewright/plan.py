"""The action `A`: a verdict for every stage, with reasons, before anything runs.

For each stage, in the order of the graph::

    something of its own changed?  --no-->  an input may change?  --no-->  skip
              | yes                                  | yes
    all inputs known,                               may
    run cache holds the key?
        | no        | yes
       must       restore

The outputs of a restored stage are known (the run cache says which they are), so its
users are judged by what they will then find. The outputs of a stage that runs are not.

`must` says that the command will run. A stage with a cause of its own is `may` all the same where
``dvc repro`` could turn out not to run it:

- an input is not known yet, and the run cache remembers a run that agrees with all that is known;
- a stage before it has the same command and, seen from its own folder, the same names and bytes
  (DVC's run cache does not know whose run it remembers, so the second one is restored);
- an output is merely not in the cache, and a stage that runs before may put equal bytes there;
- the stage is frozen: DVC records what lies there, and runs nothing. Of a `.dvc` file, which has no
  command, `must` says that its data will be recorded or fetched.

One coincidence is left: bytes that the cache has lost may be made again, in passing, by another
stage; a stage planned `must` whose outputs they are is then restored.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from statewright.planning.inputs import (
    Inputs,
    Known,
    incomplete,
    inputs_of,
    mark_predicted,
    mark_restored,
    mark_unknown,
)
from statewright.planning.reasons import Reason, for_json, own_reasons, passing_reasons
from statewright.state import Observed, State
from statewright.workflow import Stage, Workflow

MUST, MAY, RESTORE, SKIP = "must", "may", "restore", "skip"


@dataclass(frozen=True)
class Decision:
    """What will happen to one stage, and why."""

    address: str
    verdict: str
    reasons: tuple[Reason, ...] = ()
    seconds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Plan:
    """The decisions for all stages asked for, in an order that can be run."""

    decisions: Mapping[str, Decision]

    @property
    def work(self) -> tuple[str, ...]:
        """The stages that are not plainly skipped."""
        return tuple(address for address, d in self.decisions.items() if d.verdict != SKIP)

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain values, for JSON."""
        return {
            "stages": {
                address: {
                    "verdict": d.verdict,
                    "reasons": [
                        {
                            "kind": r.kind,
                            "subject": r.subject,
                            "was": for_json(r.was),
                            "now": for_json(r.now),
                            "text": r.text,
                        }
                        for r in d.reasons
                    ],
                    "seconds": list(d.seconds) if d.seconds else None,
                }
                for address, d in self.decisions.items()
            }
        }


def decide(
    workflow: Workflow,
    state: State,
    targets: Collection[str] = (),
    *,
    force: Collection[str] = (),
    seconds: Mapping[str, tuple[float, float]] | None = None,
) -> Plan:
    """Decide what to do with every stage that `targets` need (all, if none is named).

    Parameters
    ----------
    workflow, state
        What is declared and what is there.
    targets : collection of str
        Addresses; their ancestors are planned with them.
    force : collection of str
        Addresses to run whether they changed or not.
    seconds : mapping of str to (float, float)
        Expected duration of a stage's command, low and high, where past runs tell one.
    """
    wanted = workflow.ancestors(targets) if targets else set(workflow.stages)
    known = Known({path for seen in state.stages.values() for path in seen.predicted})
    decisions = {}
    for address, stage in workflow.stages.items():
        if address in wanted:
            verdict, reasons = _judge(stage, state, known, address in force)
            time = (seconds or {}).get(address) if verdict in (MUST, MAY) else None
            decisions[address] = Decision(address, verdict, tuple(reasons), time)
    return Plan(decisions)


def _judge(stage: Stage, state: State, known: Known, forced: bool) -> tuple[str, list[Reason]]:
    seen = state.stages[stage.address]
    inputs = inputs_of(stage, seen, known)
    own = own_reasons(stage, seen, inputs, known.code_files)
    if forced:
        own.append(Reason("forced", stage.address))
    reasons = own + [Reason("upstream", address) for address in sorted(inputs.waiting)]
    reasons += [Reason("remote", path) for path in sorted(seen.unseen)]
    passing = passing_reasons(stage, seen, own, known.code_files)
    if not reasons:
        return SKIP, passing
    outs = None
    if own and not inputs.waiting and not seen.unseen and not forced and not incomplete(stage, inputs):
        outs = state.recall(stage.address, inputs.deps, inputs.params)
    if outs is not None:
        verdict = RESTORE
        mark_restored(stage, seen, outs, known)
    else:
        verdict = MUST if own and (forced or _certain(stage, state, inputs, own, known)) else MAY
        mark_unknown(stage, known)
        if verdict == MUST:
            mark_predicted(seen, known)
    _remember(stage, inputs, known)
    return verdict, reasons + passing


def _certain(stage: Stage, state: State, inputs: Inputs, own: Collection[Reason], known: Known) -> bool:
    """Whether the command of a stage with causes of its own will run, come what may."""
    if stage.frozen:
        return False
    if inputs.waiting and state.may_recall(stage.address, inputs.deps, inputs.params):
        return False
    if known.runs and {(r.kind, r.subject) for r in own} <= _cache_only(state.stages[stage.address]):
        return False
    values = _values(stage, inputs)
    return not any(
        all(values[key] == value for key, value in run.items() if key in values)
        for run in known.runs.get(_looks(stage), ())
        if not stage.always_changed
    )


def _cache_only(seen: Observed) -> set[tuple[str, str]]:
    return {("output", path) for path in seen.outs_only_uncached}


def _looks(stage: Stage) -> Any:
    """What the run cache knows a run by, apart from bytes: names are seen from the stage's folder."""
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


def _remember(stage: Stage, inputs: Inputs, known: Known) -> None:
    known.runs.setdefault(_looks(stage), []).append(_values(stage, inputs))

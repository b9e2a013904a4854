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
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from statewright.reasons import Reason, differences
from statewright.state import Hashes, Observed, ParamKey, State
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
                        {"kind": r.kind, "subject": r.subject, "was": r.was, "now": r.now, "text": r.text}
                        for r in d.reasons
                    ],
                    "seconds": list(d.seconds) if d.seconds else None,
                }
                for address, d in self.decisions.items()
            }
        }


@dataclass
class _Known:
    """What is known, part way through the walk, of files as they will be."""

    code_files: Collection[str]
    hashes: dict[str, str | None] = field(default_factory=dict)
    contents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    restored: dict[str, str] = field(default_factory=dict)


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
        Expected duration of a stage, low and high, where past runs tell one.
    """
    wanted = workflow.ancestors(targets) if targets else set(workflow.stages)
    known = _Known({path for seen in state.stages.values() for path in seen.predicted})
    decisions = {}
    for address, stage in workflow.stages.items():
        if address in wanted:
            verdict, reasons = _judge(stage, state, known, address in force)
            time = (seconds or {}).get(address) if verdict != SKIP else None
            decisions[address] = Decision(address, verdict, tuple(reasons), time)
    return Plan(decisions)


def _judge(stage: Stage, state: State, known: _Known, forced: bool) -> tuple[str, list[Reason]]:
    seen = state.stages[stage.address]
    deps, waiting = _inputs(stage, seen, known)
    params, waiting_params = _params(seen, known)
    waiting |= waiting_params
    own = _own_reasons(stage, seen, deps, params, known.code_files)
    if forced:
        own.append(Reason("forced", stage.address))
    after = [Reason("upstream", address) for address in sorted(waiting)]
    if not own and not after:
        return SKIP, []
    if not own:
        _mark_unknown(stage, known)
        return MAY, after
    outs = None
    if not after and not forced:
        outs = state.recall(stage.address, deps, params)
    if outs is not None:
        known.hashes.update(outs)
        known.restored.update(
            {
                path: stage.address
                for path, value in outs.items()
                if seen.outs.get(path) != "ok" or seen.outs_was.get(path) != value
            }
        )
        return RESTORE, own
    _mark_unknown(stage, known)
    for path, contents in seen.predicted.items():
        known.unknown.pop(path)
        known.contents[path] = contents
        known.hashes[path] = seen.predicted_hashes[path]
    return MUST, own + after


def _inputs(stage: Stage, seen: Observed, known: _Known) -> tuple[dict[str, str | None], set[str]]:
    """Hashes of the dependencies as they will be, and the stages on which they still depend."""
    deps: dict[str, str | None] = {}
    waiting = set()
    for path in stage.deps:
        makers = {maker for out, maker in known.unknown.items() if overlaps(path, out)}
        # The hash of a restored folder says nothing of one file in it, nor a file's of its folder.
        makers |= {maker for out, maker in known.restored.items() if out != path and overlaps(path, out)}
        waiting |= makers
        if not makers:
            deps[path] = known.hashes.get(path, seen.deps_now.get(path))
    return deps, waiting


def _params(seen: Observed, known: _Known) -> tuple[dict[ParamKey, Any], set[str]]:
    params: dict[ParamKey, Any] = {}
    waiting = set()
    for (file, key), value in seen.params_now.items():
        if file in known.unknown:
            waiting.add(known.unknown[file])
        elif file in known.contents:
            params[file, key] = known.contents[file].get(key)
        else:
            params[file, key] = value
    return params, waiting


def _own_reasons(
    stage: Stage, seen: Observed, deps: Hashes, params: Mapping[ParamKey, Any], code_files: Collection[str]
) -> list[Reason]:
    missing = [Reason("missing dependency", path) for path, now in deps.items() if now is None]
    if not seen.recorded:
        return [Reason("new", stage.address), *missing]
    reasons = list(missing)
    if stage.always_changed and not stage.frozen:
        reasons.append(Reason("always", stage.address))
    if seen.cmd_was != stage.cmd:
        reasons.append(
            Reason("command", stage.address, " && ".join(seen.cmd_was or ()), " && ".join(stage.cmd))
        )
    if not stage.frozen:
        reasons += [
            Reason("dependency", path, seen.deps_was.get(path), now)
            for path, now in deps.items()
            if now is not None and now != seen.deps_was.get(path)
        ]
        reasons += _param_reasons(seen, params, code_files)
    reasons += [
        Reason("output", path, None, status if status != "deleted" else "missing")
        for path, status in seen.outs.items()
        if status != "ok"
    ]
    return reasons


def _param_reasons(
    seen: Observed, params: Mapping[ParamKey, Any], code_files: Collection[str]
) -> list[Reason]:
    reasons = []
    for (file, key), now in params.items():
        was = seen.params_was.get((file, key))
        if file in code_files:
            reasons += [Reason("code", name) for name in _changed_code(was, now)]
        else:
            reasons += [Reason("param", *change) for change in differences(key, was, now)]
    return reasons


def _changed_code(was: Any, now: Any) -> list[str]:
    """Names of the functions whose hash differs; fingerprints map a function to a hash."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        return [name for name in {**was, **now} if was.get(name) != now.get(name)]
    return [] if was == now else ["code"]


def _mark_unknown(stage: Stage, known: _Known) -> None:
    for out in stage.outs:
        known.unknown[out.path] = stage.address


def overlaps(one: str, other: str) -> bool:
    """Whether two paths are equal or one lies inside the other."""
    a, b = PurePosixPath(one), PurePosixPath(other)
    return a == b or a in b.parents or b in a.parents

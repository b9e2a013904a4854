"""What a plan would lead to, without carrying it out: for tests of planning and of the loop.

A stage at its turn is judged again, as `transition` does it, by the inputs that it then finds.
What is assumed of the work itself:

- a command is a function: its outputs get hashes that follow from command, input hashes and params;
- the outputs of a stage that was restored are those that the run cache recalls;
- a stage that fails leaves no outputs and no record, and what needs it does not run;
- nothing else changes in the meantime.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from statewright.plan import RESTORE, SKIP, Plan, decide
from statewright.state import Hashes, Observed, ParamKey, State
from statewright.workflow import Stage, Workflow, digest, overlaps


@dataclass(frozen=True)
class _Run:
    """A run that the run cache remembers."""

    address: str
    deps: Hashes
    params: Mapping[ParamKey, Any]
    outs: Hashes


def simulate(state: State, workflow: Workflow, plan: Plan, *, failing: Collection[str] = ()) -> State:
    """The state after `plan` was carried out in `state`, under the assumptions of the module.

    Metrics of stages that ran or were restored are not known, and are left out. What ran can be
    recalled afterwards.

    Parameters
    ----------
    failing : collection of str
        Addresses of stages whose command fails, if it comes to run.
    """
    ends = dict(state.stages)
    runs: list[_Run] = []
    after = _remembering(replace(state, stages=ends), runs)
    unmade: set[str] = set()
    for address, decision in plan.decisions.items():
        stage = workflow.stages[address]
        if decision.verdict == SKIP:
            continue
        if unmade & set(workflow.upstream[address]):
            unmade.add(address)
            continue
        forced = any(reason.kind == "forced" for reason in decision.reasons)
        outs = _outcome(stage, after, forced=forced, fails=address in failing)
        if outs is None:
            continue
        seen = ends[address]
        if None in outs.values():
            unmade.add(address)
            ends[address] = replace(seen, outs=dict.fromkeys(outs, "deleted"))
        else:
            runs.append(_Run(address, seen.deps_now, seen.params_now, outs))
            ends[address] = _recorded(stage, seen, outs)
        _spread(ends, workflow, stage, outs)
    stale = {path for run in runs for path in run.outs}
    metrics = {name: value for name, value in state.metrics.items() if name.rpartition(":")[0] not in stale}
    return replace(after, metrics=metrics)


def _outcome(stage: Stage, state: State, *, forced: bool, fails: bool) -> Hashes | None:
    """The outputs of a stage at its turn: None each where it fails; None if it is up to date."""
    alone = Workflow({stage.address: stage}, {stage.address: ()})
    force = [stage.address] if forced else []
    verdict = decide(alone, state, force=force).decisions[stage.address].verdict
    if verdict == SKIP:
        return None
    seen = state.stages[stage.address]
    held = state.recall(stage.address, seen.deps_now, seen.params_now) if verdict == RESTORE else None
    if held is not None:
        return held
    if fails or (None in seen.deps_now.values() and not stage.frozen):
        return dict.fromkeys(out.path for out in stage.outs)
    return _outputs(stage, seen)


def _remembering(state: State, runs: Sequence[_Run]) -> State:
    """The state with a run cache that holds `runs` too, those that will be added included."""

    def recall(address: str, deps: Hashes, params: Mapping[ParamKey, Any]) -> Hashes | None:
        for run in reversed(runs):
            if (run.address, run.deps, run.params) == (address, deps, params):
                return run.outs
        return state.recall(address, deps, params)

    def may_recall(address: str, deps: Hashes, params: Mapping[ParamKey, Any]) -> bool:
        agree = any(
            run.address == address
            and all(run.deps.get(path) == value for path, value in deps.items())
            and all(run.params.get(key) == value for key, value in params.items())
            for run in runs
        )
        return agree or state.may_recall(address, deps, params)

    return replace(state, recall=recall, may_recall=may_recall)


def _outputs(stage: Stage, seen: Observed) -> dict[str, str | None]:
    if stage.frozen:  # DVC checks the recorded outputs out
        return dict(seen.outs_was)
    params = sorted((*key, value) for key, value in seen.params_now.items())
    made_of = [stage.cmd, sorted(seen.deps_now.items()), params]
    made: dict[str, str | None] = {out.path: digest([made_of, out.path])[:32] for out in stage.outs}
    return {**made, **seen.predicted_hashes}


def _recorded(stage: Stage, seen: Observed, outs: Hashes) -> Observed:
    inputs = (seen.deps_was, seen.params_was) if stage.frozen else (seen.deps_now, seen.params_now)
    return Observed(
        recorded=True,
        cmd_was=stage.cmd,
        deps_was=inputs[0],
        deps_now=seen.deps_now,
        params_was=inputs[1],
        params_now=seen.params_now,
        outs_was=outs,
        outs=dict.fromkeys(outs, "ok"),
        predicted=seen.predicted,
        predicted_hashes=seen.predicted_hashes,
    )


def _spread(ends: dict[str, Observed], workflow: Workflow, stage: Stage, outs: Hashes) -> None:
    """Let every user of the stage find its new outputs, in whole or in part."""
    for address, seen in ends.items():
        deps = {
            path: outs[path] if path in outs else _mixed(path, was, outs)
            for path, was in seen.deps_now.items()
        }
        params = {
            (file, key): _param(ends[stage.address], file, key, outs) if file in outs else value
            for (file, key), value in seen.params_now.items()
        }
        if address != stage.address and (deps != seen.deps_now or params != seen.params_now):
            ends[address] = replace(seen, deps_now=deps, params_now=params)


def _mixed(path: str, was: str | None, outs: Hashes) -> str | None:
    """The hash of a folder some of whose files are outputs, or of a file in a folder that is one."""
    inside = sorted((out, value) for out, value in outs.items() if overlaps(path, out))
    return digest([path, inside])[:32] if inside and any(value for _, value in inside) else was


def _param(maker: Observed, file: str, key: str, outs: Hashes) -> Any:
    """A params file that a stage makes: its contents where they are known beforehand."""
    if file in maker.predicted:
        return maker.predicted[file].get(key)
    return digest([outs[file], key])[:32] if outs[file] else None

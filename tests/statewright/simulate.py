"""Simulation of a plan without running it, for tests of planning and of the loop.

Like `transition`, the simulation decides on each stage again when its turn comes, from the inputs
that the stage then finds. Assumptions:

- a command is a function: command, input hashes and params determine the hashes of its outputs;
- a restored stage has the outputs that the run cache holds;
- a stage that fails leaves no outputs and no record, and the stages that need it do not run;
- nothing else changes in the meantime.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from statewright.planning.plan import RESTORE, SKIP, Plan, decide
from statewright.state import Hashes, ParamKey, StageState, State
from statewright.workflow import Stage, Workflow, digest, overlaps


@dataclass(frozen=True)
class _Run:
    """Run in the run cache."""

    address: str
    deps: Hashes
    params: Mapping[ParamKey, Any]
    outs: Hashes


def simulate(state: State, workflow: Workflow, plan: Plan, *, failing: Collection[str] = ()) -> State:
    """Return the state after `plan`, under the assumptions of the module.

    The metrics of stages that ran or were restored are unknown and left out. The new state can
    recall the simulated runs.

    Parameters
    ----------
    failing : collection of str
        Addresses of stages whose command fails if it runs.
    """
    states = dict(state.stages)
    runs: list[_Run] = []
    after = _remembering(replace(state, stages=states), runs)
    failed: set[str] = set()
    for address, decision in plan.decisions.items():
        stage = workflow.stages[address]
        if decision.verdict == SKIP:
            continue
        if failed & set(workflow.upstream[address]):
            failed.add(address)
            continue
        forced = any(reason.kind == "forced" for reason in decision.reasons)
        outs = _outcome(stage, after, forced=forced, fails=address in failing)
        if outs is None:
            continue
        stage_state = states[address]
        if None in outs.values():
            failed.add(address)
            states[address] = replace(stage_state, outs=dict.fromkeys(outs, "deleted"))
        else:
            runs.append(_Run(address, stage_state.deps_now, stage_state.params_now, outs))
            states[address] = _recorded(stage, stage_state, outs)
        _spread(states, workflow, stage, outs)
    stale = {path for run in runs for path in run.outs}
    metrics = {name: value for name, value in state.metrics.items() if name.rpartition(":")[0] not in stale}
    return replace(after, metrics=metrics)


def _outcome(stage: Stage, state: State, *, forced: bool, fails: bool) -> Hashes | None:
    """Return the outputs of a stage at its turn.

    The result is None if the stage is up to date. If it fails, each hash is None.
    """
    alone = Workflow({stage.address: stage}, {stage.address: ()})
    force = [stage.address] if forced else []
    verdict = decide(alone, state, force=force).decisions[stage.address].verdict
    if verdict == SKIP:
        return None
    stage_state = state.stages[stage.address]
    held = (
        state.recall(stage.address, stage_state.deps_now, stage_state.params_now)
        if verdict == RESTORE
        else None
    )
    if held is not None:
        return held
    if fails or (None in stage_state.deps_now.values() and not stage.frozen):
        return dict.fromkeys(out.path for out in stage.outs)
    return _outputs(stage, stage_state)


def _remembering(state: State, runs: Sequence[_Run]) -> State:
    """Return the state with `runs` in its run cache, including runs appended later."""

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


def _outputs(stage: Stage, stage_state: StageState) -> dict[str, str | None]:
    if stage.frozen:  # DVC checks the recorded outputs out
        return dict(stage_state.outs_was)
    params = sorted((*key, value) for key, value in stage_state.params_now.items())
    made_of = [stage.cmd, sorted(stage_state.deps_now.items()), params]
    made: dict[str, str | None] = {out.path: digest([made_of, out.path])[:32] for out in stage.outs}
    return {**made, **stage_state.predicted_hashes}


def _recorded(stage: Stage, stage_state: StageState, outs: Hashes) -> StageState:
    inputs = (
        (stage_state.deps_was, stage_state.params_was)
        if stage.frozen
        else (stage_state.deps_now, stage_state.params_now)
    )
    return StageState(
        recorded=True,
        cmd_was=stage.cmd,
        deps_was=inputs[0],
        deps_now=stage_state.deps_now,
        params_was=inputs[1],
        params_now=stage_state.params_now,
        outs_was=outs,
        outs=dict.fromkeys(outs, "ok"),
        predicted=stage_state.predicted,
        predicted_hashes=stage_state.predicted_hashes,
    )


def _spread(states: dict[str, StageState], workflow: Workflow, stage: Stage, outs: Hashes) -> None:
    """Update the inputs of the stages that read new outputs, whole or in part."""
    for address, stage_state in states.items():
        deps = {
            path: outs[path] if path in outs else _mixed(path, was, outs)
            for path, was in stage_state.deps_now.items()
        }
        params = {
            (file, key): _param(states[stage.address], file, key, outs) if file in outs else value
            for (file, key), value in stage_state.params_now.items()
        }
        if address != stage.address and (deps != stage_state.deps_now or params != stage_state.params_now):
            states[address] = replace(stage_state, deps_now=deps, params_now=params)


def _mixed(path: str, was: str | None, outs: Hashes) -> str | None:
    """Return the hash of a folder with outputs in it, or of a file in an output."""
    inside = sorted((out, value) for out, value in outs.items() if overlaps(path, out))
    return digest([path, inside])[:32] if inside and any(value for _, value in inside) else was


def _param(producer: StageState, file: str, key: str, outs: Hashes) -> Any:
    """Return the value of a key in a params file that a stage writes."""
    if file in producer.predicted:
        return producer.predicted[file].get(key)
    return digest([outs[file], key])[:32] if outs[file] else None

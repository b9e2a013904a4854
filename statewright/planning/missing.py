"""Judge a checkout without its data, as if all recorded outputs existed.

``dvc repro --dry --allow-missing`` asks the same question: do declarations, params, source files and
`dvc.lock` agree? A missing file has the hash that `dvc.lock` recorded for the stage that writes it, so
the entries of `dvc.lock` must also agree with each other.
"""

from __future__ import annotations

from dataclasses import replace

from statewright.state import Hashes, StageState, State, match_nothing, recall_nothing
from statewright.workflow import Stage, Workflow, overlaps

ABSENT_OUTPUTS = frozenset({"deleted", "not in cache"})


def assume_present(workflow: Workflow, state: State) -> State:
    """Return the state in which every recorded file that is missing exists.

    Files in a remote store count as unchanged, because only a request over the network could tell.
    """
    written: dict[str, str | None] = {}
    for observed in state.stages.values():
        written.update(observed.outs_was)
    stages = {
        address: _complete(workflow.stages[address], observed, written)
        for address, observed in state.stages.items()
    }
    return replace(state, stages=stages, recall=recall_nothing, may_recall=match_nothing)


def without_always(workflow: Workflow) -> Workflow:
    """Return the workflow in which no stage is declared to run every time.

    Such a stage says nothing about `dvc.lock`: it would run after every commit.
    """
    stages = {address: replace(stage, always_changed=False) for address, stage in workflow.stages.items()}
    return replace(workflow, stages=stages)


def _complete(stage: Stage, observed: StageState, written: Hashes) -> StageState:
    deps = {
        path: now if now is not None else written.get(path) or observed.deps_was.get(path)
        for path, now in observed.deps_now.items()
    }
    # The hash of a params file that a stage writes does not give its values.
    unread = {
        file
        for file in observed.missing_params
        if any(overlaps(file, path) for path in written) and file in stage.params
    }
    recorded = {key: value for key, value in observed.params_was.items() if key[0] in unread}
    outs = {
        path: "ok" if status in ABSENT_OUTPUTS and observed.outs_was.get(path) else status
        for path, status in observed.outs.items()
    }
    return replace(
        observed,
        deps_now=deps,
        params_now={**observed.params_now, **recorded},
        outs=outs,
        outs_only_uncached=frozenset(),
        missing_params=observed.missing_params - unread,
        remote=frozenset(),
        not_on_disk=frozenset(),
        not_cached={},
    )

"""The feedback stage: which it is, what it says, and how what it says gets into `params.yaml`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from statewright import parameters
from statewright.contracts import ContractError, Feedback, Patch, check
from statewright.files import load
from statewright.loop import rounds
from statewright.loop.judge import Round
from statewright.state import State
from statewright.workflow import Stage, Workflow, WorkflowError


def feedback_stage(workflow: Workflow, target: str | None) -> Stage:
    """The stage named, or the one whose `meta:` names a journal.

    Raises
    ------
    WorkflowError
        If there is none, or more than one.
    """
    found = [
        stage
        for address, stage in workflow.stages.items()
        if (address == target if target else "journal" in stage.meta)
    ]
    if len(found) != 1:
        names = ", ".join(stage.address for stage in found) or "none"
        raise WorkflowError(
            f"one feedback stage (a stage with meta.journal) is needed, found {names}; name it"
        )
    if "journal" not in found[0].meta:
        raise WorkflowError(
            f"stage '{found[0].address}' has no meta.journal in dvc.yaml: where are rounds kept?"
        )
    return found[0]


def journal_path(root: Path, stage: Stage) -> Path:
    """Where the rounds of a feedback stage are kept for it to read."""
    return root / str(stage.meta["journal"])


def read_feedback(root: Path, stage: Stage) -> Feedback:
    """The output of a feedback stage that keeps to the contract `Feedback`."""
    for out in stage.outs:
        if out.path.endswith(".json"):
            feedback: Feedback = check(load(root / out.path), Feedback, out.path)
            if not math.isfinite(feedback.score):
                raise ContractError(f"{out.path}: score is {feedback.score}, expected a finite number")
            return feedback
    raise ContractError(f"stage '{stage.address}' has no JSON output; a feedback stage writes a Feedback")


def proposed(root: Path, stage: Stage, done: Round) -> list[Patch]:
    """What the patch would change; an error if that is nothing, or if it cannot be applied."""
    patch = parameters.preview(root / "params.yaml", [(one.key, one.now) for one in done.patch])
    if not patch:
        raise WorkflowError(f"stage '{stage.address}' proposes a patch that changes nothing")
    return patch


def revise(root: Path, stage: Stage, done: Round, patch: Sequence[Patch]) -> None:
    """Write the round into the journal, then apply its patch to `params.yaml`."""
    journal_round(journal_path(root, stage), done, patch, done.reason)
    parameters.apply(root / "params.yaml", [(one.key, one.now) for one in patch])


def journal_round(path: Path, done: Round, patch: Sequence[Patch], reason: str) -> None:
    """Add a round to the journal."""
    rounds.write_journal(path, [*rounds.read_journal(path), rounds.journal_entry(done, patch, reason)])


def mend(root: Path, stage: Stage, state: State) -> str | None:
    """Apply the patch that a killed loop had journaled but not applied, and say what was done."""
    path, params = journal_path(root, stage), root / "params.yaml"
    journal = rounds.read_journal(path)
    if not path.is_file():
        rounds.write_journal(path, [])  # the feedback stage depends on it
    changes = [(one["key"], one["now"]) for one in (journal[-1].get("patch", []) if journal else [])]
    try:
        patch = parameters.preview(params, changes) if changes else []
    except WorkflowError:
        return None  # a key of it is gone: params.yaml was changed by hand since
    if not rounds.left_over(journal, state.digest, patch):
        return None
    parameters.apply(params, changes)
    return f"round {journal[-1]['round']} was cut short, its patch is applied now: {changed(patch)}"


def changed(patch: Sequence[Patch]) -> str:
    """A patch as a person reads it."""
    return ", ".join(f"{one.key} {one.was} -> {one.now}" for one in patch)

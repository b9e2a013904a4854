"""The feedback stage: find it, read its output, apply its patch to `params.yaml`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from statewright import parameters
from statewright.contracts import ContractError, Feedback, Patch, check
from statewright.files import load
from statewright.loop import rounds
from statewright.loop.judge import Round
from statewright.masking import mask_value
from statewright.state import State
from statewright.workflow import Stage, Workflow, WorkflowError


def feedback_stage(workflow: Workflow, target: str | None) -> Stage:
    """Return the stage `target`, or the stage whose `meta:` names a journal.

    Raises
    ------
    WorkflowError
        If there is none, or more than one.
    """
    candidates = [
        stage
        for address, stage in workflow.stages.items()
        if (address == target if target else stage.settings.journal)
    ]
    if len(candidates) != 1:
        names = ", ".join(stage.address for stage in candidates) or "none"
        raise WorkflowError(
            f"expected one feedback stage (a stage with meta.journal), found {names}; "
            "`statewright loop STAGE` selects one"
        )
    stage = candidates[0]
    if not stage.settings.journal:
        raise WorkflowError(
            f"stage '{stage.address}' has no meta.journal in dvc.yaml; add the path of its journal, "
            "as in `meta: {journal: journal.json}`"
        )
    return stage


def journal_path(root: Path, stage: Stage) -> Path:
    """Return the path of the journal, which the feedback stage reads."""
    return root / str(stage.settings.journal)


def read_feedback(root: Path, stage: Stage) -> Feedback:
    """Read the output of a feedback stage and check it by the contract `Feedback`."""
    for out in stage.outs:
        if out.path.endswith(".json"):
            feedback: Feedback = check(load(root / out.path), Feedback, out.path)
            if not math.isfinite(feedback.score):
                raise ContractError(f"{out.path}: score is {feedback.score}, expected a finite number")
            return feedback
    raise ContractError(
        f"stage '{stage.address}' has no JSON output; a feedback stage declares one, as in "
        "`outs: [feedback.json]`, and writes a Feedback to it"
    )


def proposed_patch(root: Path, stage: Stage, done: Round) -> list[Patch]:
    """Return the changes of a round's patch.

    Raises
    ------
    WorkflowError
        If the patch changes nothing or cannot be applied.
    """
    patch = parameters.preview(root / "params.yaml", [(change.key, change.now) for change in done.patch])
    if not patch:
        raise WorkflowError(f"stage '{stage.address}' proposes a patch that changes nothing")
    return patch


def apply_round(root: Path, stage: Stage, done: Round, patch: Sequence[Patch]) -> None:
    """Add the round to the journal, then apply its patch to `params.yaml`."""
    journal_round(journal_path(root, stage), done, patch, done.reason)
    parameters.apply(root / "params.yaml", [(change.key, change.now) for change in patch])


def journal_round(path: Path, done: Round, patch: Sequence[Patch], reason: str) -> None:
    """Add a round to the journal."""
    rounds.write_journal(path, [*rounds.read_journal(path), rounds.journal_entry(done, patch, reason)])


def apply_pending_patch(root: Path, stage: Stage, state: State) -> str | None:
    """Apply the patch that a killed loop journaled but did not apply.

    Returns
    -------
    str or None
        A message on the applied patch; None if there was none.
    """
    path, params = journal_path(root, stage), root / "params.yaml"
    journal = rounds.read_journal(path)
    if not path.is_file():
        rounds.write_journal(path, [])  # the feedback stage depends on it
    entries = journal[-1].get("patch", []) if journal else []
    changes = [(entry["key"], entry["now"]) for entry in entries]
    try:
        patch = parameters.preview(params, changes) if changes else []
    except WorkflowError:
        return None  # one of the keys no longer exists: params.yaml was edited by hand since
    if not rounds.is_pending(journal, state.digest, patch):
        return None
    parameters.apply(params, changes)
    return f"round {journal[-1]['round']} was interrupted; its patch is applied now: {describe_patch(patch)}"


def describe_patch(patch: Sequence[Patch]) -> str:
    """Return a patch as text, such as ``toy.x 5 -> 4``."""
    return ", ".join(
        f"{change.key} {mask_value(change.key, change.was)} -> {mask_value(change.key, change.now)}"
        for change in patch
    )

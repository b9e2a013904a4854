"""The closed loop: decide, transition, judge, revise.

::

    S, W  -->  plan A  -->  S'  -->  feedback: stop?  --yes-->  end
    ^                                   | no
    +---- params.yaml patched  <--------+   (journaled, with the reason)

A round writes to the journal only when its patch is applied, so that after the last round
nothing has changed since the stages ran.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from statewright import parameters
from statewright.contracts import ContractError, Feedback, check
from statewright.display import print_plan, terminal
from statewright.files import dump_json, load, replacing
from statewright.repository import open_repository
from statewright.session import alone, carry_out, look, show_results
from statewright.state import State
from statewright.workflow import Stage, Workflow, WorkflowError


@dataclass(frozen=True)
class Verdict:
    """Whether to stop, and why."""

    stop: bool
    reason: str


def judge(feedback: Feedback, round_number: int, rounds: int, digest: str, seen: list[str]) -> Verdict:
    """Stop when feedback says so, when a state comes again, or when the rounds are spent."""
    if feedback.stop:
        return Verdict(True, feedback.reason)
    if digest in seen:
        return Verdict(True, "this state was there before: the loop would go in a circle")
    if round_number >= rounds:
        return Verdict(True, f"{rounds} rounds are spent; next would have been: {feedback.reason}")
    return Verdict(False, feedback.reason)


def loop(directory: Path, target: str | None, *, rounds: int, workers: int) -> int:
    """Run rounds until something says stop.

    Returns
    -------
    int
        0 if it came to a stop in good order, 1 if a stage failed.
    """
    console = terminal()
    root = open_repository(directory).root
    with alone(root, console):
        return _rounds(root, target, rounds, workers, console)


def _rounds(root: Path, target: str | None, rounds: int, workers: int, console: Console) -> int:
    seen: list[str] = []
    for number in range(1, rounds + 1):
        session = look(root, [target] if target else [])
        stage = feedback_stage(session.workflow, target)
        console.rule(f"round {number} of {rounds}")
        if session.plan.work:
            print_plan(session.plan, console)
            if carry_out(session, workers=workers, name="loop", console=console):
                return 1
        after = look(root, [stage.address])
        feedback = read_feedback(root, stage)
        verdict = judge(feedback, number, rounds, after.state.digest, seen)
        seen.append(after.state.digest)
        console.print(f"round {number}: score {feedback.score:.6g}; {verdict.reason}", markup=False)
        if verdict.stop:
            show_results(after)
            return 0
        revise(root, stage, feedback, number, after.state)
    return 0


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


def read_feedback(root: Path, stage: Stage) -> Feedback:
    """The output of a feedback stage that keeps to the contract `Feedback`."""
    for out in stage.outs:
        if out.path.endswith(".json"):
            feedback: Feedback = check(load(root / out.path), Feedback, out.path)
            return feedback
    raise ContractError(f"stage '{stage.address}' has no JSON output; a feedback stage writes a Feedback")


def revise(root: Path, stage: Stage, feedback: Feedback, number: int, state: State) -> None:
    """Write the round into the journal, then apply its patch to `params.yaml`."""
    changes = [(patch.key, patch.now) for patch in feedback.patch]
    patches = parameters.preview(root / "params.yaml", changes)
    if not patches:
        raise WorkflowError(f"stage '{stage.address}' proposes a patch that changes nothing")
    path = root / str(stage.meta["journal"])
    journal: list[Any] = load(path) if path.is_file() else []
    entry = {
        "round": len(journal) + 1,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "state": state.digest,
        "score": feedback.score,
        "patch": [patch.model_dump() for patch in patches],
        "reason": feedback.reason,
    }
    with replacing(path) as temporary:
        temporary.write_text(dump_json([*journal, entry]), encoding="utf-8")
    parameters.apply(root / "params.yaml", changes)

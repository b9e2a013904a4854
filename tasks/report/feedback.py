"""Section of a report on the decision of the feedback stage."""

from __future__ import annotations

from statewright.contracts import Feedback
from tasks.report.blocks import Block, Prose, Section, grid


def finding(feedback: Feedback) -> list[str]:
    """Return the sentence on the decision for the findings."""
    return [f"The feedback stage {_decision(feedback)}."]


def section(feedback: Feedback, *further: Block) -> Section:
    """Return the section: decision, proposed change, blocks that a pipeline adds."""
    blocks: list[Block] = [
        Prose(f"After this round the feedback stage {_decision(feedback)}. Reason: {feedback.reason}")
    ]
    if feedback.patch:
        blocks.append(
            grid(
                "The proposed change of the parameters. The command “statewright loop” applies it and runs "
                "the next round.",
                ("parameter", "now", "proposed"),
                [(patch.key, str(patch.was), str(patch.now)) for patch in feedback.patch],
            )
        )
    return Section("feedback", "Feedback for the next round", (*blocks, *further), finding(feedback)[0])


def _decision(feedback: Feedback) -> str:
    return "stops" if feedback.stop or not feedback.patch else "proposes a change"

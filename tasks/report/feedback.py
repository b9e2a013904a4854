"""Section of a report on the feedback stage: whether it stops, and what it would change."""

from __future__ import annotations

from statewright.contracts import Feedback
from tasks.report.blocks import Block, Prose, Section, grid


def feedback(word: Feedback, *further: Block) -> Section:
    """The last word of the feedback stage, and what a pipeline has to add."""
    verb = "says stop" if word.stop or not word.patch else "proposes a change"
    blocks: list[Block] = [Prose(f"After this round the feedback stage {verb}. Its reason: {word.reason}")]
    if word.patch:
        blocks.append(
            grid(
                "The proposed change of the parameters; the command “statewright loop” applies it and "
                "runs the next round.",
                ("parameter", "now", "proposed"),
                [(one.key, str(one.was), str(one.now)) for one in word.patch],
            )
        )
    return Section("feedback", "The last word of the feedback", (*blocks, *further))

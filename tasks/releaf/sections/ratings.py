"""Section on users' ratings: the proposed change, and the passages rated wrong."""

from __future__ import annotations

import pandas as pd

from tasks.releaf.feedback import FeedbackOutputs
from tasks.releaf.params import ReportParams
from tasks.report.blocks import Block, Prose, Section, grid, plural
from tasks.report.feedback import section as feedback_section


def finding(outputs: FeedbackOutputs) -> str:
    """Return the proposal of the feedback stage."""
    feedback = outputs.feedback
    if feedback.stop or not feedback.patch:
        return f"User ratings: no change of the search is proposed: {feedback.reason.rstrip('.')}."
    changes = ", ".join(f"{patch.key} from {patch.was} to {patch.now}" for patch in feedback.patch)
    return f"User ratings: a change of {changes} is proposed."


def section(outputs: FeedbackOutputs, params: ReportParams) -> Section:
    """Return the result of the feedback stage, and the worst rated passages."""
    return feedback_section(outputs.feedback, *_hard_negatives(outputs.hard_negatives, params.turned_down))


def _hard_negatives(hard_negatives: pd.DataFrame, number: int) -> list[Block]:
    if hard_negatives.empty:
        return [Prose("No passage has more negative than positive ratings.")]
    worst = hard_negatives.sort_values(["rating_sum", "question", "passage_id"]).head(number)
    verb = "has" if len(hard_negatives) == 1 else "have"
    return [
        grid(
            f"{plural(len(hard_negatives), 'passage')} {verb} more negative than positive ratings; the "
            f"{len(worst)} with the lowest sum. hard_negatives.parquet holds all, for training a re-ranker.",
            ("question", "card", "passage", "sum of ratings"),
            [(row.question, row.card_id, row.text, str(row.rating_sum)) for row in worst.itertuples()],
            text=(1, 2),
        )
    ]

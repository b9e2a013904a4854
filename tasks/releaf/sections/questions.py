"""Section on everyday questions: right bins, cautions, and where it fails."""

from __future__ import annotations

import pandas as pd

from releaf.bins import spell_out
from tasks.releaf.questions import Answered, QuestionsOutputs
from tasks.report.blocks import Block, Prose, Section, count, grid, plural, share

MOST_FAILURES = 25
"""Largest number of failures in the table."""


def finding(questions: QuestionsOutputs) -> str:
    """Return the share of right bins on the half that nothing was developed on."""
    held_out = questions.questions.by_half["held out"]
    return (
        f"Everyday questions: {_right(held_out)} of {count(held_out.right.questions)} held-out questions get "
        f"the right bin; {_cautions(held_out)}"
    )


def section(questions: QuestionsOutputs) -> Section:
    """Return the results by half, city and kind, and the failures."""
    summary = questions.questions
    rows = [
        ("all", summary.questions),
        *summary.by_half.items(),
        *sorted(summary.by_city.items()),
        *sorted(summary.by_kind.items(), key=lambda pair: -pair[1].right.questions),
    ]
    held_out = summary.by_half["held out"]
    failed = questions.question_answers.query("verdict != 'right'")
    blocks = (
        Prose(
            f"{count(summary.questions.right.questions)} questions were written by hand from the words of "
            "the lists, with synonyms, brands and several items, before any was answered. The vocabulary "
            "was developed on one half. In use, the assistant has the whole lists, as here."
        ),
        Prose(
            f"On the held-out half, {_right(held_out)} get the right bin, "
            f"{plural(held_out.unsure, 'answer')} not sure and {plural(held_out.wrong, 'answer')} wrong; "
            f"{_cautions(held_out)}"
        ),
        grid(
            "Everyday questions. Not sure: no bin is named although the list has the item.",
            (
                "questions",
                "number",
                "right bin",
                "95% interval",
                "not sure",
                "wrong",
                "no caution",
                "needless",
            ),
            [_row(name, answered) for name, answered in rows],
        ),
        _failures(failed),
        Prose(
            "Limits: one author wrote the questions and the vocabulary. Questions by others may contain "
            "words that neither has."
        ),
    )
    return Section(
        "questions", "Everyday questions", blocks, "By city and kind of words, with every wrong answer."
    )


def _row(name: str, answered: Answered) -> tuple[str, ...]:
    right = answered.right
    return (
        name,
        count(right.questions),
        f"{right.right:.3f}",
        f"{right.low:.3f} to {right.high:.3f}",
        count(answered.unsure),
        count(answered.wrong),
        f"{answered.without_caution} of {answered.hazardous}",
        count(answered.false_caution),
    )


def _failures(failed: pd.DataFrame) -> Block:
    if failed.empty:
        return Prose("No question failed.")
    columns = ["question", "city", "answer", "bins", "half"]
    shown = failed.assign(answer=failed["answer"].map(spell_out), bins=failed["bins"].map(spell_out))
    return grid(
        f"Questions without the right bin ({min(len(failed), MOST_FAILURES)} of {len(failed)}).",
        ("question", "city", "answer", "right", "half"),
        shown[columns].head(MOST_FAILURES).to_numpy().tolist(),
        text=(1, 2, 3, 4),
    )


def _right(answered: Answered) -> str:
    return f"{share(answered.right.right)} ({share(answered.right.low)} to {share(answered.right.high)})"


def _cautions(answered: Answered) -> str:
    return (
        f"{answered.without_caution} of {plural(answered.hazardous, 'hazardous question')} "
        f"{'has' if answered.without_caution == 1 else 'have'} no caution."
    )

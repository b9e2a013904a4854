"""Scores of the adapter: perplexities, right answers, and the model card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series
from pydantic import Field

from releaf.grounding import citations, named_bins, sentences
from statewright.contracts import Document
from tasks.releaf.adapter.examples import Question, commonest


class Steps(pa.DataFrameModel):
    """One row an evaluation of the validation loss; losses per token, in nats."""

    step: Series[int] = pa.Field(ge=1, unique=True)
    train_loss: Series[float] = pa.Field(ge=0)
    validation_loss: Series[float] = pa.Field(ge=0)


class BeforeAfter(Document):
    """Perplexity without and with the adapter; lower is better."""

    before: float = Field(ge=1)
    after: float = Field(ge=1)


class Answers(Document):
    """Shares of the held-out questions, with greedy decoding.

    For the text that the model wrote: `right_bin` (the first sentence with bins of the city names right bins
    only) and `cites` (it cites the passage of the item's card). For the text that a user sees: `shown_right`
    (as `right_bin`), `grounded` and `refused`.
    """

    asked: int
    right_bin: float
    cites: float
    shown_right: float
    grounded: float
    refused: float


class AdaptSummary(Document):
    """Size of the adapter, and scores of the model without and with it.

    `formula`: the sum of r (d + k) over the adapted matrices, which must equal `trainable`; `reduction`:
    number of weights of the matrices divided by `trainable`, `reductions` by target. `merged_difference`:
    largest difference of a logit between adapter and merged weights. `baselines`: shares of right bins by
    the city's most common bin, and by the first bin on the item's own card.
    """

    model: str
    rank: int
    alpha: int
    learnt_from: dict[str, int]
    matrices: int
    trainable: int
    trainable_share: float
    formula: int
    formula_holds: bool
    reduction: float
    reductions: dict[str, float]
    merged_difference: float
    steps: int
    best_step: int
    perplexity: dict[str, BeforeAfter]
    forgetting: str
    answers_before: Answers
    answers_after: Answers
    baselines: dict[str, float]


def score_answers(questions: Sequence[Question], texts: Sequence[str]) -> Answers:
    """Score the texts that the model wrote, and the texts that a user sees."""
    from releaf.generation import check_answer
    from releaf.prompt import clean_passages

    shown = [
        check_answer(text, question.city, clean_passages(question.passages))
        for question, text in zip(questions, texts, strict=True)
    ]
    pairs = list(zip(questions, texts, strict=True))
    return Answers(
        asked=len(questions),
        right_bin=_share(names_right(question, text) for question, text in pairs),
        cites=_share(
            question.relevant in citations(text, len(question.passages)) for question, text in pairs
        ),
        shown_right=_share(
            not answer.refused and names_right(question, answer.text)
            for question, answer in zip(questions, shown, strict=True)
        ),
        grounded=_share(answer.grounded for answer in shown),
        refused=_share(answer.refused for answer in shown),
    )


def names_right(question: Question, text: str) -> bool:
    """Return whether the first sentence with bins of the city names right bins only."""
    known = [name for passage in question.passages for name in passage.bins(question.city)]
    for sentence in sentences(text):
        if named := named_bins(sentence, [*known, *question.streams]):
            return set(named) <= set(question.streams)
    return False


def baselines(questions: Sequence[Question], items: pd.DataFrame) -> dict[str, float]:
    """Return the shares of right bins of baselines without a language model."""
    common = commonest(items)
    return {
        "most common bin of the city": _share(
            common[question.city] in question.streams for question in questions
        ),
        "first bin of the item's card": _share(
            question.passages[question.relevant - 1].bins(question.city)[0] in question.streams
            for question in questions
        ),
    }


def _share(values: Iterable[bool]) -> float:
    flags = list(values)
    return round(sum(flags) / len(flags), 6)


def model_card(summary: AdaptSummary) -> str:
    """Return the model card of the adapter, in Markdown."""
    perplexities = [
        f"| {name} | {perplexity.before:.2f} | {perplexity.after:.2f} |"
        for name, perplexity in summary.perplexity.items()
    ]
    before, after = summary.answers_before, summary.answers_after
    rows = [
        ("names the right bin", "right_bin"),
        ("cites the right passage", "cites"),
        ("shown, names the right bin", "shown_right"),
        ("shown, supported by passages", "grounded"),
        ("refused", "refused"),
    ]
    answers = [f"| {label} | {getattr(before, key):.2f} | {getattr(after, key):.2f} |" for label, key in rows]
    training = ", ".join(f"{number} {name}" for name, number in sorted(summary.learnt_from.items()))
    baseline_shares = "; ".join(f"{name}: {share:.2f}" for name, share in summary.baselines.items())
    return "\n".join(
        [
            f"# Adapter of {summary.model} for waste questions",
            "",
            f"Low-rank adapter of rank {summary.rank} and alpha {summary.alpha} on {summary.matrices} "
            f"matrices: {summary.trainable:,} weights, {100 * summary.trainable_share:.2f} % of all, "
            f"{summary.reduction:.1f} times fewer than the matrices have. The file `adapter.safetensors` "
            "holds `LAYER.A` (r, k), `LAYER.B` (d, r) and `scaling`; "
            "`releaf.generation.load_generator` merges them.",
            "",
            "- **Intended use:** name the bin of an item in the cities of the cards, from retrieved "
            "passages. Do not use it for other questions, without passages, or without checking its answers.",
            f"- **Training data:** {training}, none of which names an item of the test split. The best of "
            f"{summary.steps} steps was step {summary.best_step}.",
            "- **Licence:** that of the base model; the cards are the project's own.",
            "",
            "| perplexity | before | after |",
            "| --- | --- | --- |",
            *perplexities,
            "",
            f"Forgetting of other texts is {summary.forgetting}.",
            "",
            f"| share of {after.asked} held-out questions | before | after |",
            "| --- | --- | --- |",
            *answers,
            "",
            f"Baselines without a model: {baseline_shares}.",
            "",
        ]
    )

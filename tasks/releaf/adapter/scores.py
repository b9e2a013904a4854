"""What the adapter comes to: perplexities, answers that are right, and a page about it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series
from pydantic import Field

from methods.language.grounding import citations, named_bins, sentences
from statewright.contracts import Document
from tasks.releaf.adapter.examples import Asked, commonest


class Steps(pa.DataFrameModel):
    """One row a look at the validation loss; losses a token, in nats."""

    step: Series[int] = pa.Field(ge=1, unique=True)
    train_loss: Series[float] = pa.Field(ge=0)
    validation_loss: Series[float] = pa.Field(ge=0)


class BeforeAfter(Document):
    """Perplexity without and with the adapter; lower is better."""

    before: float = Field(ge=1)
    after: float = Field(ge=1)


class Answers(Document):
    """Shares of the held-out questions, greedily answered.

    Of what the model wrote: `right_bin` (the first sentence that names bins of the city names right ones
    only), `cites` (the passage of the thing's card is cited). Of what is shown: `shown_right` (as
    `right_bin`), `grounded`, `refused`.
    """

    asked: int
    right_bin: float
    cites: float
    shown_right: float
    grounded: float
    refused: float


class AdaptSummary(Document):
    """The adapter's size, and the model without and with it.

    `formula`: the sum of r (d + k) over the adapted matrices, which `trainable` must equal; `reduction`: how
    many times fewer that is than their weights, `reductions` by target. `merged_difference`: largest
    difference of a logit between adapter and merged weights. `baselines`: right bins by the commonest bin
    of the city, and by the first bin that the thing's own card names.
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


def score_answers(asked: Sequence[Asked], texts: Sequence[str]) -> Answers:
    """How often what was written, and what of it is shown, is right."""
    from methods.language.generation import check_answer
    from methods.language.prompt import clean_passages

    shown = [
        check_answer(text, one.city, clean_passages(one.passages))
        for one, text in zip(asked, texts, strict=True)
    ]
    pairs = list(zip(asked, texts, strict=True))
    return Answers(
        asked=len(asked),
        right_bin=_share(names_right(one, text) for one, text in pairs),
        cites=_share(one.relevant in citations(text, len(one.passages)) for one, text in pairs),
        shown_right=_share(
            not answer.refused and names_right(one, answer.text)
            for one, answer in zip(asked, shown, strict=True)
        ),
        grounded=_share(answer.grounded for answer in shown),
        refused=_share(answer.refused for answer in shown),
    )


def names_right(one: Asked, text: str) -> bool:
    """Whether the first sentence that names bins of the city names right ones only."""
    known = [name for passage in one.passages for name in passage.bins(one.city)]
    for sentence in sentences(text):
        if named := named_bins(sentence, [*known, *one.streams]):
            return set(named) <= set(one.streams)
    return False


def baselines(asked: Sequence[Asked], items: pd.DataFrame) -> dict[str, float]:
    """Right bins that are reached without a language model."""
    common = commonest(items)
    return {
        "commonest bin of the city": _share(common[one.city] in one.streams for one in asked),
        "first bin of the thing's card": _share(
            one.passages[one.relevant - 1].bins(one.city)[0] in one.streams for one in asked
        ),
    }


def _share(values: object) -> float:
    found = [float(value) for value in values]  # type: ignore[attr-defined]
    return round(sum(found) / len(found), 6)


def model_card(summary: AdaptSummary) -> str:
    """The page that goes with the adapter, in Markdown."""
    perplexities = [
        f"| {name} | {found.before:.2f} | {found.after:.2f} |" for name, found in summary.perplexity.items()
    ]
    before, after = summary.answers_before, summary.answers_after
    rows = [
        ("names the right bin", "right_bin"),
        ("cites the right passage", "cites"),
        ("shown, names the right bin", "shown_right"),
        ("shown, grounded", "grounded"),
        ("refused", "refused"),
    ]
    answers = [f"| {label} | {getattr(before, key):.2f} | {getattr(after, key):.2f} |" for label, key in rows]
    learnt = ", ".join(f"{number} {name}" for name, number in sorted(summary.learnt_from.items()))
    rivals = "; ".join(f"{name}: {share:.2f}" for name, share in summary.baselines.items())
    return "\n".join(
        [
            f"# Adapter of {summary.model} for waste questions",
            "",
            f"Low-rank adapter, rank {summary.rank}, alpha {summary.alpha}, on {summary.matrices} "
            f"matrices: {summary.trainable:,} weights, {100 * summary.trainable_share:.2f} % of all, "
            f"{summary.reduction:.1f} times fewer than the matrices have. File: `adapter.safetensors`, "
            "`LAYER.A` (r, k), `LAYER.B` (d, r) and `scaling`; `methods.language.generation.load_generator` "
            "merges it.",
            "",
            "- **Use:** to say, from passages that were found, which bin a thing goes to in the cities of "
            "the cards. Not for other questions, not without passages, not without the check of its answers.",
            f"- **Learnt from:** {learnt}; best of {summary.steps} steps: {summary.best_step}. "
            "Nothing that names a thing of the test split.",
            "- **Licence:** that of the base model; the cards are the project's own.",
            "",
            "| perplexity | before | after |",
            "| --- | --- | --- |",
            *perplexities,
            "",
            f"Forgetting: {summary.forgetting}.",
            "",
            f"| share of {after.asked} held-out questions | before | after |",
            "| --- | --- | --- |",
            *answers,
            "",
            f"Without a model: {rivals}.",
            "",
        ]
    )

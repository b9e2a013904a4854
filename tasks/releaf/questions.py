"""Stage ``releaf-questions``: share of right bins for everyday questions.

The questions were written by hand from the words of the lists, with the right bins that the lists state, and
divided into two halves by a digest of their text. The vocabulary of the assistant was developed on one half
only. As in use, the assistant has the whole lists; an answer is right if it names, for each item of the
question, one of the right bins, or is not sure where no list has the item.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import ContractError, Document, Table
from tasks.releaf.contracts.tables import Cards, Items, Passages
from tasks.releaf.evaluate import Accuracy, EvaluateSummary, accuracy, assembled, rules_of
from tasks.releaf.index import IndexOutputs
from tasks.releaf.params import EvaluateParams, IndexParams, RetrieveParams
from tasks.releaf.streams import StreamsOutputs

NOT_SURE = "not sure"
HALVES = ("develop", "held out")
VERDICTS = ("right", "not sure", "wrong")


class WasteQuestions(pa.DataFrameModel):
    """One row a question: its right bins, and the names of the list they rest on.

    Bins of one item are divided by `` / ``, items by `` + ``.
    """

    question: Series[str]
    city: Series[str]
    bins: Series[str]
    hazardous: Series[str] = pa.Field(isin=["yes", "no"])
    kind: Series[str]
    items: Series[str] = pa.Field(nullable=True)


class QuestionAnswers(pa.DataFrameModel):
    """One row a question with its answer."""

    question: Series[str]
    city: Series[str]
    kind: Series[str]
    half: Series[str] = pa.Field(isin=HALVES)
    bins: Series[str]
    answer: Series[str]
    verdict: Series[str] = pa.Field(isin=VERDICTS)
    hazardous: Series[bool]
    caution: Series[bool]


class Answered(Document):
    """Results of some questions.

    ``unsure``: answers without a bin where the list has the item. ``without_caution`` counts hazardous
    questions, ``false_caution`` harmless ones with a caution.
    """

    right: Accuracy
    unsure: int
    wrong: int
    hazardous: int
    without_caution: int
    false_caution: int


class QuestionsSummary(Document):
    """Results of all questions, by half, city and kind of variation."""

    questions: Answered
    by_half: dict[str, Answered]
    by_city: dict[str, Answered]
    by_kind: dict[str, Answered]


class EvaluateResult(NamedTuple):
    """The summary of ``releaf-evaluate``, which has the fitted temperature."""

    evaluate: EvaluateSummary


class QuestionsOutputs(NamedTuple):
    """The answer to every question, and the summary."""

    question_answers: Table[QuestionAnswers]
    questions: QuestionsSummary


def questions(
    waste_questions: Table[WasteQuestions],
    items: Table[Items],
    cards: Table[Cards],
    passages: Table[Passages],
    search_index: IndexOutputs,
    streams: StreamsOutputs,
    fitted: EvaluateResult,
    *,
    evaluate: EvaluateParams,
    retrieve: RetrieveParams,
    index: IndexParams,
) -> QuestionsOutputs:
    """Answer every question with the whole lists.

    Raises
    ------
    ContractError
        If a city has no list, a right bin is not a bin of the city, the index belongs to other passages, or
        the encoder is missing.
    """
    from methods.retrieval.dense import load_encoder
    from releaf.asking import answer_question

    check_bins(waste_questions, items)
    known = assembled(items, cards, passages, search_index, streams)
    rules = rules_of(evaluate, retrieve, fitted.evaluate.temperature)
    try:
        encode = load_encoder(index.model)
    except ValueError as error:
        raise ContractError(f"releaf.index.model: {error}") from error
    rows = []
    for row in waste_questions.to_dict("records"):
        answer = answer_question(known, row["city"], row["question"], encode, rules)
        bins = [part.bin if part.sure else NOT_SURE for part in answer.parts or (answer,)]
        rows.append(
            {
                **{name: row[name] for name in ("question", "city", "kind", "bins")},
                "half": half_of(row["city"], row["question"]),
                "answer": " + ".join(bins),
                "verdict": verdict(row["bins"], bins),
                "hazardous": row["hazardous"] == "yes",
                "caution": answer.caution is not None,
            }
        )
    table = pd.DataFrame(rows)[list(QuestionAnswers.to_schema().columns)]
    return QuestionsOutputs(table, summarise(table))


def check_bins(table: pd.DataFrame, items: pd.DataFrame) -> None:
    """Raise an error if a right bin is not a bin of its city."""
    streams = items.groupby("city")["stream"].agg(set).to_dict()
    for number, row in enumerate(table.to_dict("records"), start=1):
        named = {name for part in row["bins"].split(" + ") for name in part.split(" / ")} - {NOT_SURE}
        if unknown := named - streams.get(row["city"], set()):
            raise ContractError(
                f"waste_questions.csv, row {number}, column bins: {', '.join(sorted(unknown))} is "
                f"not a bin of {row['city']}; use the spelling of data/releaf/items.parquet"
            )


def half_of(city: str, question: str) -> str:
    """Return the half of a question, by the first byte of its SHA-256 digest."""
    digest = hashlib.sha256(f"{city}|{question}".casefold().encode()).digest()
    return HALVES[digest[0] % 2]


def verdict(right: str, bins: list[str]) -> str:
    """Return 'right', 'not sure' or 'wrong' for the bins of an answer.

    An answer that names a wrong bin for one item is wrong. One without a bin for an item that the list has is
    not sure.
    """
    allowed = [part.split(" / ") for part in right.split(" + ")]
    if len(bins) == len(allowed) and all(name in part for name, part in zip(bins, allowed, strict=True)):
        return "right"
    every = {name for part in allowed for name in part}
    return "not sure" if NOT_SURE in bins and set(bins) - {NOT_SURE} <= every else "wrong"


def summarise(table: pd.DataFrame) -> QuestionsSummary:
    """Return the results of the table, as a whole and by its columns."""

    def by(column: str) -> dict[str, Answered]:
        return {str(name): _answered(rows) for name, rows in table.groupby(column, sort=True)}

    return QuestionsSummary(
        questions=_answered(table), by_half=by("half"), by_city=by("city"), by_kind=by("kind")
    )


def _answered(rows: pd.DataFrame) -> Answered:
    return Answered(
        right=accuracy((rows["verdict"] == "right").to_numpy(float)),
        unsure=int((rows["verdict"] == "not sure").sum()),
        wrong=int((rows["verdict"] == "wrong").sum()),
        hazardous=int(rows["hazardous"].sum()),
        without_caution=int((rows["hazardous"] & ~rows["caution"]).sum()),
        false_caution=int((~rows["hazardous"] & rows["caution"]).sum()),
    )

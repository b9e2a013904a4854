"""Stage ``releaf-evaluate``: share of right bins of the assistant, end to end.

The questions are the names of the test split. The assistant's list holds the training split only, so it
cannot look up a test name. The weight of the cards is compared and the temperature fitted on the dev split.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series
from scipy.stats import binomtest

from methods.evaluation.calibration import expected_calibration_error, fit_temperature
from methods.retrieval.confidence import confidence, level
from methods.retrieval.evaluation import randomisation_test
from releaf.bins import BINS, bin_of, material_shares
from statewright.contracts import ContractError, Document, Table
from tasks.releaf.contracts.raw import MATERIALS
from tasks.releaf.contracts.tables import Cards, Items, Passages
from tasks.releaf.index import IndexOutputs
from tasks.releaf.params import EvaluateParams, RetrieveParams
from tasks.releaf.passages.judging import ask
from tasks.releaf.photographs.scores import Predictions
from tasks.releaf.retrieve import recipe_of, reranker_of
from tasks.releaf.streams import StreamsOutputs

if TYPE_CHECKING:
    from releaf.knowledge import Knowledge
    from releaf.mixture import Rules


class Answers(pa.DataFrameModel):
    """One row a test name and city: the predicted bin, and whether it is right."""

    city: Series[str]
    name: Series[str]
    cited: Series[bool]
    stream: Series[str]
    right_streams: Series[str]
    probability: Series[float] = pa.Field(ge=0, le=1)
    level: Series[str] = pa.Field(isin=["high", "medium", "low"])
    by_assistant: Series[bool]
    by_cards: Series[bool]
    by_list: Series[bool]


class Accuracy(Document):
    """Share of right bins, with a 95 % Wilson interval."""

    questions: int
    right: float
    low: float
    high: float


class EvaluateSummary(Document):
    """Accuracy and calibration on held-out names and photographs.

    ``by_cards`` and ``by_list`` use one model only. ``ece_raw`` and ``ece``: calibration error of the
    probability of the bin, before and after the temperature. ``photographs``: share of test photographs
    whose bin is that of their true material. ``at_least``: names by the lowest probability of their bin.
    """

    w_cards: float
    dev_by_weight: dict[str, float]
    temperature: float
    names: Accuracy
    names_cited: Accuracy
    names_uncited: Accuracy
    by_cards: Accuracy
    by_list: Accuracy
    by_city: dict[str, Accuracy]
    by_level: dict[str, Accuracy]
    at_least: dict[str, Accuracy]
    p_against_cards: float
    ece_raw: float
    ece: float
    photographs: dict[str, Accuracy]


class EvaluateOutputs(NamedTuple):
    """The answer to every test name, and the summary."""

    answers: Table[Answers]
    evaluate: EvaluateSummary


def evaluate(
    items: Table[Items],
    cards: Table[Cards],
    passages: Table[Passages],
    search_index: IndexOutputs,
    streams: StreamsOutputs,
    vision_predictions: Table[Predictions],
    *,
    params: EvaluateParams,
    retrieve: RetrieveParams,
) -> EvaluateOutputs:
    """Fit the temperature on dev, then answer every test name and photograph once.

    Raises
    ------
    ContractError
        If the index belongs to other passages, or the re-ranker is missing.
    """
    known = assembled(items[items["split"] == "train"], cards, passages, search_index, streams)
    questions, rules = ask(items, cards), rules_of(params, retrieve)
    dev, test = (_search(known, questions.of(split).table, streams.names, rules) for split in ("dev", "test"))
    by_weight = {
        f"{w:g}": round(float(_right(_shares(known, dev, replace(rules, w_cards=w)), dev).mean()), 6)
        for w in params.grid
    }
    rules = replace(rules, temperature=fit_temperature(*_logits(_shares(known, dev, rules), dev)))
    shares = {
        "assistant": _shares(known, test, rules),
        "cards": _shares(known, test, replace(rules, w_cards=1.0)),
        "list": _shares(known, test, replace(rules, w_cards=0.0)),
        "raw": _shares(known, test, replace(rules, temperature=1.0)),
    }
    return _judge(test, shares, rules, by_weight, vision_predictions, params)


def assembled(
    items: pd.DataFrame,
    cards: pd.DataFrame,
    passages: pd.DataFrame,
    search_index: IndexOutputs,
    streams: StreamsOutputs,
) -> Knowledge:
    """Return what answers are computed from, with these items as the lists.

    Raises
    ------
    ContractError
        If the index belongs to other passages.
    """
    from releaf.knowledge import assemble

    if passages["passage_id"].tolist() != search_index.vectors["passage_id"].tolist():
        raise ContractError(
            "vectors.parquet does not have the rows of passages.parquet; run `statewright run releaf-index`"
        )
    return assemble(
        items=items,
        cards=cards,
        passages=passages,
        vectors=np.stack(list(search_index.vectors["vector"])).astype(float),
        bm25=search_index.bm25,
        terms=search_index.vocabulary.terms,
        names=streams.names,
        stream_arrays=streams.stream_model,
        streams=streams.streams.streams,
    )


def rules_of(params: EvaluateParams, retrieve: RetrieveParams, temperature: float = 1.0) -> Rules:
    """Return the assistant's rules according to the params."""
    from releaf.mixture import Rules

    return Rules(
        recipe_of(retrieve),
        params.cards,
        params.softness,
        params.w_cards,
        temperature,
        reranker_of(retrieve),
    )


@dataclass(frozen=True)
class _EncodedQuestions:
    """Questions (one row a city and name) with vectors and scores of the cards."""

    table: pd.DataFrame
    vectors: np.ndarray
    scores: np.ndarray


def _search(known: Knowledge, table: pd.DataFrame, names: pd.DataFrame, rules: Rules) -> _EncodedQuestions:
    from releaf.mixture import score_cards

    vectors = np.stack(list(names.set_index("name")["vector"].loc[table["name"]])).astype(float)
    return _EncodedQuestions(table, vectors, score_cards(known, table["name"].tolist(), vectors, rules)[0])


def _shares(known: Knowledge, questions: _EncodedQuestions, rules: Rules) -> list[dict[str, float]]:
    from releaf.mixture import stream_shares

    by_question: list[dict[str, float]] = [{}] * len(questions.table)
    for city, rows in questions.table.groupby("city"):
        at = rows.index.to_numpy()
        shares = stream_shares(
            known, str(city), rows["name"].tolist(), questions.vectors[at], questions.scores[at], rules
        )
        for row, share in zip(at, shares, strict=True):
            by_question[row] = share
    return by_question


def _right(shares: list[dict[str, float]], questions: _EncodedQuestions) -> np.ndarray:
    return np.array(
        [next(iter(each)) in right for each, right in zip(shares, questions.table["streams"], strict=True)],
        dtype=np.float64,
    )


def _logits(shares: list[dict[str, float]], questions: _EncodedQuestions) -> tuple[np.ndarray, np.ndarray]:
    """Return log probabilities of all streams, and the index of the right one.

    Of several right streams, the index is that of the likeliest.
    """
    streams = sorted(
        {stream for each in shares for stream in each} | set().union(*questions.table["streams"])
    )
    table = np.array([[each.get(stream, 0.0) for stream in streams] for each in shares])
    labels = [
        streams.index(max(sorted(right), key=lambda stream: each.get(stream, 0.0)))
        for each, right in zip(shares, questions.table["streams"], strict=True)
    ]
    return np.log(table.clip(1e-9)), np.array(labels)


def _judge(
    test: _EncodedQuestions,
    shares: dict[str, list[dict[str, float]]],
    rules: Rules,
    by_weight: dict[str, float],
    photographs: pd.DataFrame,
    params: EvaluateParams,
) -> EvaluateOutputs:
    right = {name: _right(each, test) for name, each in shares.items()}
    ours, cited = right["assistant"], test.table["cited"].to_numpy(bool)
    top = np.array([next(iter(each.values())) for each in shares["assistant"]])
    levels = np.array([level(confidence(row)) for row in test.scores])
    answers = pd.DataFrame(
        {
            "city": test.table["city"],
            "name": test.table["name"],
            "cited": cited,
            "stream": [next(iter(each)) for each in shares["assistant"]],
            "right_streams": [", ".join(sorted(streams)) for streams in test.table["streams"]],
            "probability": top.round(6),
            "level": levels,
            "by_assistant": ours > 0,
            "by_cards": right["cards"] > 0,
            "by_list": right["list"] > 0,
        }
    )
    summary = EvaluateSummary(
        w_cards=rules.w_cards,
        dev_by_weight=by_weight,
        temperature=round(rules.temperature, 6),
        names=accuracy(ours),
        names_cited=accuracy(ours[cited]),
        names_uncited=accuracy(ours[~cited]),
        by_cards=accuracy(right["cards"]),
        by_list=accuracy(right["list"]),
        by_city={str(city): accuracy(ours[rows.index]) for city, rows in test.table.groupby("city")},
        by_level={name: accuracy(ours[levels == name]) for name in ("high", "medium", "low")},
        at_least={f"{least:g}": accuracy(ours[top >= least]) for least in params.at_least},
        p_against_cards=round(
            randomisation_test(ours, right["cards"], draws=params.draws, seed=params.seed), 6
        ),
        ece_raw=_ece(shares["raw"], right["raw"]),
        ece=_ece(shares["assistant"], ours),
        photographs=_photographs(photographs),
    )
    return EvaluateOutputs(answers, summary)


def accuracy(right: np.ndarray) -> Accuracy:
    """Return the share of ones with its interval; 0 in [0, 1] without questions."""
    if not len(right):
        return Accuracy(questions=0, right=0.0, low=0.0, high=1.0)
    hits = int(right.sum())
    interval = binomtest(hits, len(right)).proportion_ci(0.95, method="wilson")
    values = (hits / len(right), interval.low, interval.high)
    share, low, high = (round(float(value), 6) for value in values)
    return Accuracy(questions=len(right), right=share, low=low, high=high)


def _ece(shares: list[dict[str, float]], right: np.ndarray) -> float:
    """Return the calibration error of the first probability.

    The second column of the table is for all other streams.
    """
    top = np.array([next(iter(each.values())) for each in shares])
    table = np.column_stack([top, np.zeros(len(top))])
    return round(expected_calibration_error(table, (right == 0).astype(int)), 6)


def _photographs(predictions: pd.DataFrame) -> dict[str, Accuracy]:
    tested = predictions[predictions["split"] == "test"]
    probabilities = (
        tested[[f"p_{material}" for material in MATERIALS]].set_axis(MATERIALS, axis=1).to_dict("records")
    )
    by_city = {}
    for city in BINS:
        expected = tested["label"].map(lambda material, city=city: bin_of(city, material))
        predicted = [next(iter(material_shares(city, row))) for row in probabilities]
        by_city[city] = accuracy((np.array(predicted) == expected).to_numpy(np.float64))
    return by_city

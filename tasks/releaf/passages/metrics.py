"""Scores of every test question of ``releaf-retrieve``, and their means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document
from tasks.releaf.params import RetrieveParams
from tasks.releaf.passages.judging import Questions, right_stream

SINGLES = ("bm25", "dense")


class RetrievalScores(pa.DataFrameModel):
    """One row a system and test question.

    The ranking measures are missing for questions without a relevant card.
    """

    system: Series[str]
    city: Series[str]
    name: Series[str]
    cited: Series[bool]
    ndcg_10: Series[float] = pa.Field(ge=0, le=1, nullable=True)
    ap: Series[float] = pa.Field(ge=0, le=1, nullable=True)
    recall_100: Series[float] = pa.Field(ge=0, le=1, nullable=True)
    rr_10: Series[float] = pa.Field(ge=0, le=1, nullable=True)
    right_stream: Series[float] = pa.Field(ge=0, le=1)
    confidence: Series[float] = pa.Field(ge=0, le=1)
    level: Series[str] = pa.Field(isin=["high", "medium", "low"])


MEASURES = {"nDCG@10": "ndcg_10", "AP": "ap", "R@100": "recall_100", "RR@10": "rr_10"}


class SystemMetrics(Document):
    """Means over the test questions.

    `p_holm` compares nDCG@10 with the better of BM25 and dense.
    """

    ndcg_10: float
    ap: float
    recall_100: float
    rr_10: float
    p_holm: float | None
    right_stream: float
    right_stream_cited: float
    right_stream_uncited: float


class LevelMetrics(Document):
    """Questions of one level of confidence."""

    questions: int
    right_stream: float


class GridMetrics(Document):
    """Scores of one weight and number of feedback documents, on train and dev."""

    w_dense: float
    feedback: int
    ndcg_10: float
    right_stream: float


class RetrieveMetrics(Document):
    """Scores of the systems, and right bins of the shipped one by confidence.

    ``commonest_stream``: share of right bins when always guessing the city's most common one;
    ``store_agrees``: share of Qdrant's results that are as near as those of exact search.
    """

    questions: int
    questions_cited: int
    shipped: str
    systems: dict[str, SystemMetrics]
    best_single: str
    commonest_stream: float
    confidence: dict[str, LevelMetrics]
    grid: list[GridMetrics]
    reranker: str
    store: str
    store_agrees: float


def judge(
    name: str, scores: np.ndarray, questions: Questions, streams: list[dict[str, list[str]]]
) -> pd.DataFrame:
    """Return the rows of `RetrievalScores` of one system.

    `scores` has the shape (questions, cards).
    """
    from methods.retrieval.confidence import confidence, level
    from methods.retrieval.evaluation import query_scores

    cited = questions.cited()
    table = questions.table[["city", "name", "cited"]].assign(system=name)
    for measure, values in query_scores(
        scores[cited], questions.relevance[cited], measures=tuple(MEASURES)
    ).items():
        column = np.full(len(table), np.nan)
        column[cited] = values.round(6)
        table[MEASURES[measure]] = column
    confidences = [round(confidence(row), 6) for row in scores]
    table = table.assign(
        right_stream=right_stream(scores, questions, streams).round(6),
        confidence=confidences,
        level=[level(value) for value in confidences],
    )
    return table[list(RetrievalScores.to_schema().columns)]


def system_metrics(table: pd.DataFrame, best: str, params: RetrieveParams) -> dict[str, SystemMetrics]:
    """Return the means of every system, and its p-value against the best single one."""
    from methods.retrieval.evaluation import compare

    parts = {str(name): part for name, part in table.groupby("system", sort=False)}
    p_values = compare(
        {name: part["ndcg_10"].dropna().to_numpy() for name, part in parts.items()},
        best,
        draws=params.draws,
        seed=params.seed,
    )
    return {
        name: SystemMetrics(
            **means(part, list(MEASURES.values())),
            p_holm=None if name == best else round(p_values[name], 6),
            right_stream=_mean(part["right_stream"]),
            right_stream_cited=_mean(part.loc[part["cited"], "right_stream"]),
            right_stream_uncited=_mean(part.loc[~part["cited"], "right_stream"]),
        )
        for name, part in parts.items()
    }


def best_single(table: pd.DataFrame) -> str:
    """Return the better of BM25 and dense by mean nDCG@10."""
    return max(SINGLES, key=lambda name: _mean(table.loc[table["system"] == name, "ndcg_10"]))


def means(part: pd.DataFrame, columns: list[str]) -> dict[str, float]:
    """Return the means of some columns, ignoring missing values."""
    return {column: _mean(part[column]) for column in columns}


def _mean(values: pd.Series) -> float:
    return round(float(values.mean()), 6) if values.notna().any() else 0.0


def by_level(part: pd.DataFrame) -> dict[str, LevelMetrics]:
    """Return the share of right bins by level of confidence."""
    return {
        str(name): LevelMetrics(questions=len(rows), right_stream=_mean(rows["right_stream"]))
        for name, rows in part.groupby("level")
    }

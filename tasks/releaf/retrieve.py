"""Stage ``releaf-retrieve``: evaluate the search for cards by item names.

A question is the name of an item of the test split, as the city's list spells it. The cards with the item
among their facts are relevant. Other items have no relevant card. For all items, the stage also measures
whether the first card with a fact about the city names the right stream.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from statewright.contracts import ContractError, Table
from tasks.releaf.contracts.tables import Cards, Items, Passages
from tasks.releaf.index import IndexOutputs
from tasks.releaf.params import IndexParams, RetrieveParams
from tasks.releaf.passages.judging import Questions, ask, best_passage, card_streams, commonest_stream
from tasks.releaf.passages.metrics import (
    GridMetrics,
    RetrievalScores,
    RetrieveMetrics,
    best_single,
    by_level,
    judge,
    means,
    system_metrics,
)

if TYPE_CHECKING:
    from methods.retrieval.rerank import Reranker
    from methods.retrieval.search import Corpus, Recipe

STORE_QUESTIONS, STORE_NEAREST = 100, 10
OFF = "off (releaf.retrieve.reranker is null)"


class RetrieveOutputs(NamedTuple):
    """Scores of every test question, and their means."""

    retrieval_scores: Table[RetrievalScores]
    retrieve: RetrieveMetrics


@dataclass(frozen=True)
class PassageIndex:
    """Indexed passages.

    `card_of` is the position of each passage's card, `cards` the number of cards, and `vector_of` the vector
    of each question.
    """

    corpus: Corpus
    texts: list[str]
    card_of: np.ndarray
    cards: int
    vector_of: dict[str, np.ndarray]


def retrieve(
    passages: Table[Passages],
    items: Table[Items],
    cards: Table[Cards],
    search_index: IndexOutputs,
    *,
    params: RetrieveParams,
    index: IndexParams,
) -> RetrieveOutputs:
    """Score every system on the test questions, and the weights on the others.

    Raises
    ------
    ContractError
        If the index belongs to other passages, a model is missing, or Qdrant does not answer.
    """
    from methods.retrieval.search import Corpus
    from methods.retrieval.sparse import from_arrays

    vectors = search_index.vectors
    if passages["passage_id"].tolist() != vectors["passage_id"].tolist():
        raise ContractError(
            "vectors.parquet does not have the rows of passages.parquet; run `statewright run releaf-index`"
        )
    questions, streams = ask(items, cards), card_streams(cards)
    place = {card: number for number, card in enumerate(cards["card_id"])}
    passage_index = PassageIndex(
        Corpus(
            from_arrays(search_index.bm25, search_index.vocabulary.terms),
            np.stack(list(vectors["vector"])).astype(float),
        ),
        passages["text"].tolist(),
        passages["card_id"].map(place).to_numpy(),
        len(cards),
        encode_names(questions.table["name"].unique().tolist(), params, index),
    )
    test, known = questions.of("test"), questions.of("train", "dev")
    shipped, compared = systems(params)
    scores = {name: _search(passage_index, test, recipe) for name, recipe in compared.items()}
    if reranker := reranker_of(params):
        shipped, plain = f"{shipped} + re-ranking", scores[shipped]
        scores[shipped] = _rerank(passage_index, test, plain, reranker)
    table = pd.concat(
        [
            judge(name, _by_card(passage_index, system_scores), test, streams)
            for name, system_scores in scores.items()
        ],
        ignore_index=True,
    )
    best = best_single(table)
    metrics = RetrieveMetrics(
        questions=len(test.table),
        questions_cited=int(test.cited().sum()),
        shipped=shipped,
        systems=system_metrics(table, best, params),
        best_single=best,
        commonest_stream=round(float(commonest_stream(test, known).mean()), 6),
        confidence=by_level(table[table["system"] == shipped]),
        grid=_grid(passage_index, known, streams, params),
        reranker=params.reranker or OFF,
        store=params.qdrant or "in the process",
        store_agrees=_store_agrees(passage_index, vectors, test, params),
    )
    return RetrieveOutputs(table, metrics)


def recipe_of(params: RetrieveParams, **changes: object) -> Recipe:
    """Return the search recipe of the params, with some values changed."""
    from methods.retrieval.search import Recipe

    own = {field.name: getattr(params, field.name) for field in fields(Recipe)}
    return Recipe(**(own | changes))


def reranker_of(params: RetrieveParams) -> Reranker | None:
    """Return the re-ranker that the params name, or None.

    Raises
    ------
    ContractError
        If the model is missing or is not a cross-encoder.
    """
    from methods.retrieval.rerank import Reranker, load_cross_encoder

    if params.reranker is None:
        return None
    try:
        scorer = load_cross_encoder(params.reranker, batch=params.batch)
    except ValueError as error:
        raise ContractError(f"releaf.retrieve.reranker: {error}") from error
    return Reranker(scorer, params.rerank_depth, params.rerank_weight)


def systems(params: RetrieveParams) -> tuple[str, dict[str, Recipe]]:
    """Return the name of the shipped system, and all systems to compare.

    These are single rankings and fusions, each without and with feedback.
    """
    expansion = params.feedback or 3
    compared = {
        f"{fusion} + feedback" if feedback else fusion: recipe_of(params, fusion=fusion, feedback=feedback)
        for feedback in (0, expansion)
        for fusion in ("bm25", "dense", "rrf", "weighted")
    }
    return next(name for name, recipe in compared.items() if recipe == recipe_of(params)), compared


def encode_names(names: list[str], params: RetrieveParams, index: IndexParams) -> dict[str, np.ndarray]:
    """Return the unit vector of each name."""
    from methods.retrieval.dense import load_encoder

    try:
        encode = load_encoder(index.model, batch=params.batch)
    except ValueError as error:
        raise ContractError(f"releaf.index.model: {error}") from error
    return dict(zip(names, encode(names), strict=True))


def _search(passage_index: PassageIndex, questions: Questions, recipe: Recipe) -> np.ndarray:
    from methods.retrieval.search import search

    names = questions.table["name"].tolist()
    return search(
        passage_index.corpus, names, np.stack([passage_index.vector_of[name] for name in names]), recipe
    )


def _by_card(passage_index: PassageIndex, scores: np.ndarray) -> np.ndarray:
    return best_passage(scores, passage_index.card_of, passage_index.cards)


def _rerank(
    passage_index: PassageIndex, questions: Questions, scores: np.ndarray, reranker: Reranker
) -> np.ndarray:
    from methods.retrieval.rerank import rerank

    names = questions.table["name"].tolist()
    return rerank(
        names, passage_index.texts, scores, reranker.score_pairs, top=reranker.depth, weight=reranker.weight
    )


def _grid(
    passage_index: PassageIndex, known: Questions, streams: list[dict[str, list[str]]], params: RetrieveParams
) -> list[GridMetrics]:
    """Return the scores of every weight of the grid on the train and dev questions."""
    points = []
    for feedback in (0, params.feedback or 3):
        for w_dense in params.grid:
            recipe = recipe_of(params, fusion="weighted", w_dense=w_dense, feedback=feedback)
            table = judge("", _by_card(passage_index, _search(passage_index, known, recipe)), known, streams)
            means_of_point = means(table, ["ndcg_10", "right_stream"])
            points.append(GridMetrics(w_dense=w_dense, feedback=feedback, **means_of_point))
    return points


def _store_agrees(
    passage_index: PassageIndex, vectors: pd.DataFrame, test: Questions, params: RetrieveParams
) -> float:
    """Return the share of Qdrant's results that are as near as those of exact search.

    Cosines are compared to four digits.
    """
    from methods.retrieval.dense import cosine_scores
    from tasks.releaf.passages.vector_store import fill, nearest, open_store

    queries = np.stack([passage_index.vector_of[name] for name in test.table["name"].head(STORE_QUESTIONS)])
    client = open_store(params.qdrant)
    fill(client, vectors)
    most = min(STORE_NEAREST, len(vectors))
    cosines = cosine_scores(queries, passage_index.corpus.vectors)
    least = -np.sort(-cosines, axis=1)[:, most - 1]
    place = {passage: number for number, passage in enumerate(vectors["passage_id"])}
    near = [
        cosines[row, place[passage]] >= least[row] - 1e-4
        for row, answer in enumerate(nearest(client, queries, most))
        for passage, _ in answer
    ]
    return round(float(sum(near)) / (most * len(queries)), 6)

"""Stage releaf-retrieve: do the names of things find the cards that speak of them, and the right bin.

A question is the name of an item of the test split, as the city's list has it. Of an item that a card
rests on, those cards are relevant. Of the others no card need know anything: for them, as for all, it is
asked whether the first card that knows the city names the right stream.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from statewright.contracts import ContractError, Table
from tasks.releaf.contracts.tables import Bm25Arrays, Cards, Items, Passages, Vectors, Vocabulary
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
OFF = "off: releaf.retrieve.reranker is null"


class RetrieveOutputs(NamedTuple):
    """Scores of every test question, and what they come to."""

    retrieval_scores: Table[RetrievalScores]
    retrieve: RetrieveMetrics


@dataclass(frozen=True)
class Library:
    """The cards' passages, indexed: `card_of` is the card of each passage, by its place among `cards`."""

    corpus: Corpus
    texts: list[str]
    card_of: np.ndarray
    cards: int
    vector_of: dict[str, np.ndarray]


def retrieve(
    passages: Table[Passages],
    items: Table[Items],
    cards: Table[Cards],
    bm25: Bm25Arrays,
    vocabulary: Vocabulary,
    vectors: Table[Vectors],
    *,
    params: RetrieveParams,
    index: IndexParams,
) -> RetrieveOutputs:
    """Judge every system on the test questions; weights and feedback are tried on the others only.

    Raises
    ------
    ContractError
        If the index is not of these passages, a model is missing, or no Qdrant answers.
    """
    from methods.retrieval.search import Corpus
    from methods.retrieval.sparse import from_arrays

    if passages["passage_id"].tolist() != vectors["passage_id"].tolist():
        raise ContractError("vectors.parquet is not of passages.parquet; run `statewright run releaf-index`")
    questions, streams = ask(items, cards), card_streams(cards)
    place = {card: number for number, card in enumerate(cards["card_id"])}
    library = Library(
        Corpus(from_arrays(bm25, vocabulary.terms), np.stack(list(vectors["vector"])).astype(float)),
        passages["text"].tolist(),
        passages["card_id"].map(place).to_numpy(),
        len(cards),
        encode_names(questions.table["name"].unique().tolist(), params, index),
    )
    test, known = questions.of("test"), questions.of("train", "dev")
    shipped, compared = systems(params)
    found = {name: _search(library, test, recipe) for name, recipe in compared.items()}
    if reranker := reranker_of(params):
        shipped, plain = f"{shipped} + re-ranking", found[shipped]
        found[shipped] = _rerank(library, test, plain, reranker)
    table = pd.concat(
        [judge(name, _by_card(library, scores), test, streams) for name, scores in found.items()],
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
        grid=_grid(library, known, streams, params),
        reranker=params.reranker or OFF,
        store=params.qdrant or "inside the process",
        store_agrees=_store_agrees(library, vectors, test, params),
    )
    return RetrieveOutputs(table, metrics)


def recipe_of(params: RetrieveParams, **changes: object) -> Recipe:
    """The recipe of the params, with some values changed."""
    from methods.retrieval.search import Recipe

    own = {field.name: getattr(params, field.name) for field in fields(Recipe)}
    return Recipe(**(own | changes))


def reranker_of(params: RetrieveParams) -> Reranker | None:
    """The re-ranker that the params name.

    Raises
    ------
    ContractError
        If there is no such model here, or it is none that can be used.
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
    """The name of what is shipped, and what is compared: singles and fusions, plain and with feedback."""
    again = params.feedback or 3
    compared = {
        f"{fusion} + feedback" if feedback else fusion: recipe_of(params, fusion=fusion, feedback=feedback)
        for feedback in (0, again)
        for fusion in ("bm25", "dense", "rrf", "weighted")
    }
    return next(name for name, recipe in compared.items() if recipe == recipe_of(params)), compared


def encode_names(names: list[str], params: RetrieveParams, index: IndexParams) -> dict[str, np.ndarray]:
    """The unit vector of each name."""
    from methods.retrieval.dense import load_encoder

    try:
        encode = load_encoder(index.model, batch=params.batch)
    except ValueError as error:
        raise ContractError(f"releaf.index.model: {error}") from error
    return dict(zip(names, encode(names), strict=True))


def _search(library: Library, asked: Questions, recipe: Recipe) -> np.ndarray:
    from methods.retrieval.search import search

    names = asked.table["name"].tolist()
    return search(library.corpus, names, np.stack([library.vector_of[name] for name in names]), recipe)


def _by_card(library: Library, scores: np.ndarray) -> np.ndarray:
    return best_passage(scores, library.card_of, library.cards)


def _rerank(library: Library, asked: Questions, scores: np.ndarray, how: Reranker) -> np.ndarray:
    from methods.retrieval.rerank import rerank

    names = asked.table["name"].tolist()
    return rerank(names, library.texts, scores, how.score_pairs, top=how.depth, weight=how.weight)


def _grid(
    library: Library, known: Questions, streams: list[dict[str, list[str]]], params: RetrieveParams
) -> list[GridMetrics]:
    """Every weight of the grid without and with feedback, on the questions that are not test."""
    points = []
    for feedback in (0, params.feedback or 3):
        for w_dense in params.grid:
            recipe = recipe_of(params, fusion="weighted", w_dense=w_dense, feedback=feedback)
            judged = judge("", _by_card(library, _search(library, known, recipe)), known, streams)
            found = means(judged, ["ndcg_10", "right_stream"])
            points.append(GridMetrics(w_dense=w_dense, feedback=feedback, **found))
    return points


def _store_agrees(library: Library, vectors: pd.DataFrame, test: Questions, params: RetrieveParams) -> float:
    """Share of Qdrant's nearest passages that are as near as the exact search's, to four digits."""
    from methods.retrieval.dense import cosine_scores
    from tasks.releaf.passages.vector_store import fill, nearest, open_store

    asked = np.stack([library.vector_of[name] for name in test.table["name"].head(STORE_QUESTIONS)])
    client = open_store(params.qdrant)
    fill(client, vectors)
    most = min(STORE_NEAREST, len(vectors))
    cosines = cosine_scores(asked, library.corpus.vectors)
    least = -np.sort(-cosines, axis=1)[:, most - 1]
    place = {passage: number for number, passage in enumerate(vectors["passage_id"])}
    near = [
        cosines[row, place[passage]] >= least[row] - 1e-4
        for row, answer in enumerate(nearest(client, asked, most))
        for passage, _ in answer
    ]
    return round(float(sum(near)) / (most * len(asked)), 6)

"""Stage ``releaf-feedback``: use logged ratings to improve the search.

    ratings -> passages rated wrong for a question      -> hard_negatives.parquet
           '-> rating of the first card, by w_dense     -> a patch of releaf.retrieve.w_dense, or stop

The stage evaluates a weight by replay: the mean rating of the card that the weight ranks first, over the
questions with ratings. A card without a rating counts 0. Such a card may be worse than a card with a negative
rating, so a weight must also keep the nDCG@10 on the pipeline's own questions, the names of training and
dev items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import ContractError, Feedback, Patch, Table
from tasks.releaf.contracts.tables import Cards, Items, Passages, Ratings
from tasks.releaf.index import IndexOutputs
from tasks.releaf.params import FeedbackParams, IndexParams, RetrieveParams
from tasks.releaf.passages.judging import ask, best_passage
from tasks.releaf.retrieve import encode_names, recipe_of

if TYPE_CHECKING:
    from methods.retrieval.search import Corpus

KEY = "releaf.retrieve.w_dense"


class HardNegatives(pa.DataFrameModel):
    """One row a question and a passage with more negative than positive ratings."""

    question: Series[str]
    passage_id: Series[str]
    card_id: Series[str]
    text: Series[str]
    rating_sum: Series[int] = pa.Field(lt=0)


class FeedbackOutputs(NamedTuple):
    """Training pairs for a re-ranker, and a patch or a stop."""

    hard_negatives: Table[HardNegatives]
    feedback: Feedback


@dataclass(frozen=True)
class SearchSetup:
    """Passages with their search index, and the params of search and encoder."""

    corpus: Corpus
    passages: pd.DataFrame
    retrieve: RetrieveParams
    index: IndexParams


def feedback(
    ratings: Table[Ratings],
    passages: Table[Passages],
    items: Table[Items],
    cards: Table[Cards],
    search_index: IndexOutputs,
    *,
    params: FeedbackParams,
    retrieve: RetrieveParams,
    index: IndexParams,
) -> FeedbackOutputs:
    """Collect hard negatives, and propose a weight with significantly better ratings.

    Raises
    ------
    ContractError
        If the index belongs to other passages, or the encoder is missing.
    """
    from methods.retrieval.search import Corpus
    from methods.retrieval.sparse import from_arrays

    vectors = search_index.vectors
    if passages["passage_id"].tolist() != vectors["passage_id"].tolist():
        raise ContractError(
            "vectors.parquet does not have the rows of passages.parquet; run `statewright run releaf-index`"
        )
    negatives, rating_of = hard_negatives(ratings, passages), card_ratings(ratings)
    questions = sorted({question for question, _ in rating_of})
    if len(questions) < params.least_questions or retrieve.fusion != "weighted":
        return FeedbackOutputs(negatives, _no_evaluation(len(questions), params, retrieve))
    arrays = from_arrays(search_index.bm25, search_index.vocabulary.terms)
    corpus = Corpus(arrays, np.stack(list(vectors["vector"])).astype(float))
    setup = SearchSetup(corpus, passages, retrieve, index)
    weights = sorted({*retrieve.grid, retrieve.w_dense})
    first = first_cards(setup, questions, weights)
    replayed = {weight: replay(first_card, questions, rating_of) for weight, first_card in first.items()}
    best = significantly_better(replayed, retrieve.w_dense, params)
    mean = replayed[retrieve.w_dense].mean()
    reason = (
        f"{len(questions)} rated questions: mean rating of the first card {mean:.3f} "
        f"at w_dense {retrieve.w_dense}"
    )
    if best is None:
        return FeedbackOutputs(
            negatives, _stop(f"{reason}; no weight of the grid is significantly better", mean)
        )
    reason = f"{reason}, {replayed[best].mean():.3f} at {best}"
    loss = ndcg_loss(setup, items, cards, best)
    if loss > params.most_loss:
        reason = f"{reason}, which costs {loss:.4f} of nDCG@10 on the names of items"
        return FeedbackOutputs(negatives, _stop(reason, mean))
    patch = [Patch(key=KEY, was=retrieve.w_dense, now=best)]
    return FeedbackOutputs(negatives, Feedback(stop=False, reason=reason, score=_score(mean), patch=patch))


def hard_negatives(ratings: pd.DataFrame, passages: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs with a negative sum of ratings whose passage still exists."""
    sums = _sums(ratings.dropna(subset=["passage_id"]), "passage_id")
    negative = sums[sums["rating"] < 0].rename(columns={"rating": "rating_sum"})
    pairs = negative.merge(passages[["passage_id", "card_id", "text"]], on="passage_id")
    pairs = pairs.sort_values(["question", "passage_id"], ignore_index=True)
    types = {"question": "str", "passage_id": "str", "card_id": "str", "text": "str", "rating_sum": "int64"}
    return pairs[list(types)].astype(types)  # an empty table has no types of its own


def card_ratings(ratings: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Return the majority rating by question and card, 1 or -1; ties are left out.

    Each answer counts once for a card, even if it cites several passages of it.
    """
    answers = ratings.dropna(subset=["card_id"]).drop_duplicates(["answer_id", "card_id"])
    sums = _sums(answers, "card_id")
    sums = sums[sums["rating"] != 0]
    signs = np.sign(sums["rating"]).astype(int)
    return dict(zip(zip(sums["question"], sums["card_id"], strict=True), signs, strict=True))


def _sums(ratings: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sum the ratings by question (spacing and case ignored) and `column`."""
    questions = ratings["question"].str.split().str.join(" ").str.lower()
    return ratings.assign(question=questions).groupby(["question", column], as_index=False)["rating"].sum()


def first_cards(setup: SearchSetup, questions: list[str], weights: list[float]) -> dict[float, list[str]]:
    """Return the card that each weight ranks first for each question."""
    from methods.retrieval.search import search

    vector_of = encode_names(questions, setup.retrieve, setup.index)
    vectors = np.stack([vector_of[question] for question in questions])
    return {
        weight: setup.passages["card_id"]
        .iloc[
            search(setup.corpus, questions, vectors, recipe_of(setup.retrieve, w_dense=weight)).argmax(axis=1)
        ]
        .tolist()
        for weight in weights
    }


def replay(first: list[str], questions: list[str], rating_of: dict[tuple[str, str], int]) -> np.ndarray:
    """Return the rating of each question's first card, 0 for a card without one."""
    return np.array([rating_of.get(pair, 0) for pair in zip(questions, first, strict=True)], dtype=float)


def significantly_better(
    replayed: dict[float, np.ndarray], current: float, params: FeedbackParams
) -> float | None:
    """Return the best weight with a significant gain in the mean rating, or None.

    P-values are Holm-corrected.
    """
    from methods.retrieval.evaluation import compare

    by_name = {str(weight): ratings for weight, ratings in replayed.items()}
    p_values = compare(by_name, str(current), draws=params.draws, seed=params.seed)
    better = [
        weight
        for weight, ratings in replayed.items()
        if ratings.mean() > replayed[current].mean() and p_values[str(weight)] < params.alpha
    ]
    return max(better, key=lambda weight: (replayed[weight].mean(), -abs(weight - current)), default=None)


def ndcg_loss(setup: SearchSetup, items: pd.DataFrame, cards: pd.DataFrame, weight: float) -> float:
    """Return the loss of nDCG@10 on the names of train and dev items at a weight."""
    from methods.retrieval.evaluation import query_scores
    from methods.retrieval.search import search

    questions = ask(items, cards).of("train", "dev")
    cited = np.flatnonzero(questions.cited())
    names, relevance = questions.table["name"].iloc[cited].tolist(), questions.relevance[cited]
    passages = setup.passages
    card_of = passages["card_id"].map({card: at for at, card in enumerate(cards["card_id"])}).to_numpy()
    vector_of = encode_names(names, setup.retrieve, setup.index)
    vectors = np.stack([vector_of[name] for name in names])
    changes_of: tuple[dict[str, float], ...] = ({}, {"w_dense": weight})
    before, after = (
        query_scores(
            best_passage(
                search(setup.corpus, names, vectors, recipe_of(setup.retrieve, **changes)),
                card_of,
                len(cards),
            ),
            relevance,
            measures=("nDCG@10",),
        )["nDCG@10"].mean()
        for changes in changes_of
    )
    return float(before - after)


def _no_evaluation(questions: int, params: FeedbackParams, retrieve: RetrieveParams) -> Feedback:
    if retrieve.fusion != "weighted":
        return _stop(f"releaf.retrieve.fusion is {retrieve.fusion}, which has no weight to tune", 0.0)
    return _stop(
        f"{questions} rated questions, at least {params.least_questions} are needed "
        "(releaf.ratings.log names their log)",
        0.0,
    )


def _stop(reason: str, rating: float) -> Feedback:
    return Feedback(stop=True, reason=reason, score=_score(rating))


def _score(rating: float) -> float:
    """Return a mean rating from -1 to 1 as a loss from 1 to 0; 0.5 without ratings."""
    return round((1 - float(rating)) / 2, 6)

"""Stage releaf-feedback: what logged thumbs teach the search.

    thumbs -> wrong passages of a question            -> hard_negatives.parquet
           '-> who would have come first, by w_dense  -> a patch of releaf.retrieve.w_dense, or stop

A weight is judged by replay: the mean thumb of the card that it puts first, over the questions that
anyone judged; a card of which nobody has said anything counts 0. Such a card may be worse than one that was
thumbed down, so a weight is proposed only if it also holds its ground on the pipeline's own questions,
the names of training and dev items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import ContractError, Feedback, Patch, Table
from tasks.releaf.contracts.tables import Bm25Arrays, Cards, Items, Passages, Thumbs, Vectors, Vocabulary
from tasks.releaf.params import FeedbackParams, IndexParams, RetrieveParams
from tasks.releaf.passages.judging import ask, best_passage
from tasks.releaf.retrieve import encode_names, recipe_of

if TYPE_CHECKING:
    from methods.retrieval.search import Corpus

KEY = "releaf.retrieve.w_dense"


class HardNegatives(pa.DataFrameModel):
    """One row a question and a passage that more people turned down than found right."""

    question: Series[str]
    passage_id: Series[str]
    card_id: Series[str]
    text: Series[str]
    thumbs: Series[int] = pa.Field(lt=0)


class Learnt(NamedTuple):
    """Pairs for a re-ranker to learn from, and the patch or the word to stop."""

    hard_negatives: Table[HardNegatives]
    feedback: Feedback


def feedback(
    thumbs: Table[Thumbs],
    passages: Table[Passages],
    items: Table[Items],
    cards: Table[Cards],
    bm25: Bm25Arrays,
    vocabulary: Vocabulary,
    vectors: Table[Vectors],
    *,
    params: FeedbackParams,
    retrieve: RetrieveParams,
    index: IndexParams,
) -> Learnt:
    """Collect wrong passages, and propose a weight that would surely have pleased more.

    Raises
    ------
    ContractError
        If the index is not of these passages, or the encoder is missing.
    """
    from methods.retrieval.search import Corpus
    from methods.retrieval.sparse import from_arrays

    if passages["passage_id"].tolist() != vectors["passage_id"].tolist():
        raise ContractError("vectors.parquet is not of passages.parquet; run `statewright run releaf-index`")
    wrong, said = hard_negatives(thumbs, passages), card_thumbs(thumbs)
    questions = sorted({question for question, _ in said})
    if len(questions) < params.least_questions or retrieve.fusion != "weighted":
        return Learnt(wrong, _nothing_to_weigh(len(questions), params, retrieve))
    corpus = Corpus(from_arrays(bm25, vocabulary.terms), np.stack(list(vectors["vector"])).astype(float))
    weights = sorted({*retrieve.grid, retrieve.w_dense})
    first = first_cards(corpus, passages, questions, weights, retrieve, index)
    found = {weight: replay(cards_found, questions, said) for weight, cards_found in first.items()}
    best = surely_better(found, retrieve.w_dense, params)
    now = found[retrieve.w_dense].mean()
    told = (
        f"{len(questions)} judged questions: mean thumb of the first card {now:.3f} "
        f"at w_dense {retrieve.w_dense}"
    )
    if best is None:
        return Learnt(wrong, _stop(f"{told}; no weight of the grid is surely better", now))
    told = f"{told}, {found[best].mean():.3f} at {best}"
    loss = own_loss(corpus, passages, items, cards, best, retrieve, index)
    if loss > params.most_loss:
        return Learnt(wrong, _stop(f"{told}, which costs {loss:.4f} of nDCG@10 on the names of items", now))
    patch = [Patch(key=KEY, was=retrieve.w_dense, now=best)]
    return Learnt(wrong, Feedback(stop=False, reason=told, score=_score(now), patch=patch))


def hard_negatives(thumbs: pd.DataFrame, passages: pd.DataFrame) -> pd.DataFrame:
    """Pairs with more thumbs down than up; passages that are no more are left out."""
    total = _sums(thumbs.dropna(subset=["passage_id"]), "passage_id")
    down = total[total["thumb"] < 0].rename(columns={"thumb": "thumbs"})
    found = down.merge(passages[["passage_id", "card_id", "text"]], on="passage_id")
    found = found.sort_values(["question", "passage_id"], ignore_index=True)
    types = {"question": "str", "passage_id": "str", "card_id": "str", "text": "str", "thumbs": "int64"}
    return found[list(types)].astype(types)  # an empty table has none of its own


def card_thumbs(thumbs: pd.DataFrame) -> dict[tuple[str, str], int]:
    """By question and card 1 or -1: what most said, each answer once; left out where they are divided."""
    answers = thumbs.dropna(subset=["card_id"]).drop_duplicates(["answer_id", "card_id"])
    total = _sums(answers, "card_id")
    total = total[total["thumb"] != 0]
    signs = np.sign(total["thumb"]).astype(int)
    return dict(zip(zip(total["question"], total["card_id"], strict=True), signs, strict=True))


def _sums(thumbs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Thumbs added up by question, however it is spaced and capitalised, and `column`."""
    asked = thumbs["question"].str.split().str.join(" ").str.lower()
    return thumbs.assign(question=asked).groupby(["question", column], as_index=False)["thumb"].sum()


def first_cards(
    corpus: Corpus,
    passages: pd.DataFrame,
    questions: list[str],
    weights: list[float],
    retrieve: RetrieveParams,
    index: IndexParams,
) -> dict[float, list[str]]:
    """The card that each weight puts first for each question."""
    from methods.retrieval.search import search

    vector_of = encode_names(questions, retrieve, index)
    asked = np.stack([vector_of[question] for question in questions])
    return {
        weight: passages["card_id"]
        .iloc[search(corpus, questions, asked, recipe_of(retrieve, w_dense=weight)).argmax(axis=1)]
        .tolist()
        for weight in weights
    }


def replay(first: list[str], questions: list[str], said: dict[tuple[str, str], int]) -> np.ndarray:
    """The thumb of the first card of each question, 0 where nobody gave one."""
    return np.array([said.get(pair, 0) for pair in zip(questions, first, strict=True)], dtype=float)


def surely_better(found: dict[float, np.ndarray], now: float, params: FeedbackParams) -> float | None:
    """The weight with the most thumbs of those that beat the present one by more than luck (Holm)."""
    from methods.retrieval.evaluation import compare

    named = {str(weight): thumbs for weight, thumbs in found.items()}
    p_values = compare(named, str(now), draws=params.draws, seed=params.seed)
    sure = [
        weight
        for weight, thumbs in found.items()
        if thumbs.mean() > found[now].mean() and p_values[str(weight)] < params.alpha
    ]
    return max(sure, key=lambda weight: (found[weight].mean(), -abs(weight - now)), default=None)


def own_loss(
    corpus: Corpus,
    passages: pd.DataFrame,
    items: pd.DataFrame,
    cards: pd.DataFrame,
    weight: float,
    retrieve: RetrieveParams,
    index: IndexParams,
) -> float:
    """What nDCG@10 on the names of training and dev items loses by the weight."""
    from methods.retrieval.evaluation import query_scores
    from methods.retrieval.search import search

    asked = ask(items, cards).of("train", "dev")
    kept = np.flatnonzero(asked.cited())
    names, relevance = asked.table["name"].iloc[kept].tolist(), asked.relevance[kept]
    card_of = passages["card_id"].map({card: at for at, card in enumerate(cards["card_id"])}).to_numpy()
    vector_of = encode_names(names, retrieve, index)
    vectors = np.stack([vector_of[name] for name in names])
    now, then = (
        query_scores(
            best_passage(search(corpus, names, vectors, recipe_of(retrieve, **changes)), card_of, len(cards)),
            relevance,
            measures=("nDCG@10",),
        )["nDCG@10"].mean()
        for changes in ({}, {"w_dense": weight})
    )
    return float(now - then)


def _nothing_to_weigh(questions: int, params: FeedbackParams, retrieve: RetrieveParams) -> Feedback:
    if retrieve.fusion != "weighted":
        return _stop(f"releaf.retrieve.fusion is {retrieve.fusion}: it has no weight to learn", 0.0)
    return _stop(
        f"{questions} judged questions, at least {params.least_questions} are needed "
        "(releaf.thumbs.log says where they are logged)", 0.0,
    )  # fmt: skip


def _stop(reason: str, thumb: float) -> Feedback:
    return Feedback(stop=True, reason=reason, score=_score(thumb))


def _score(thumb: float) -> float:
    """A mean thumb from -1 to 1 as a loss from 1 to 0; 0.5 says that nothing is known."""
    return round((1 - float(thumb)) / 2, 6)

"""Probability of each bin by two models: the retrieved cards and the city's list.

    p_cards(s) ~ sum over the first k cards c that name the city of e^((score_c - 1) / t) [s in c] / n_c
    p(s) ~ (w p_cards(s) + (1 - w) p_list(s))^(1 / T)

where n_c is the number of streams that card c names, and T is fitted on held-out names.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from methods.retrieval.rerank import Reranker, rerank
from methods.retrieval.search import Recipe, search
from releaf.knowledge import Knowledge
from releaf.stream_model import predict_streams


@dataclass(frozen=True)
class Rules:
    """Settings that combine the cards and the list's model.

    Attributes
    ----------
    recipe : Recipe
        Settings of the search.
    cards : int
        Number of cards used, k.
    softness : float
        Scale at which the weight of a card decays with its score, t, above 0.
    w_cards : float
        Weight of the cards against the list's model, w, 0 to 1.
    temperature : float
        T, above 0.
    reranker : Reranker or None
        Re-orders the retrieved passages.
    """

    recipe: Recipe = field(default_factory=Recipe)
    cards: int = 3
    softness: float = 0.2
    w_cards: float = 0.5
    temperature: float = 1.0
    reranker: Reranker | None = None


def score_cards(
    known: Knowledge, texts: list[str], vectors: NDArray[np.float64], rules: Rules
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Score each card for each text by its best passage.

    Returns
    -------
    scores : ndarray of shape (texts, cards)
        ``-inf`` for a card without a passage.
    best : ndarray of shape (texts, cards)
        Index of that passage.
    """
    passage_scores = search(known.corpus, texts, vectors, rules.recipe)
    if reranker := rules.reranker:
        passage_scores = rerank(
            texts,
            list(known.texts),
            passage_scores,
            reranker.score_pairs,
            top=reranker.depth,
            weight=reranker.weight,
        )
    best = np.zeros((len(texts), len(known.cards)), dtype=np.int64)
    has_passage = np.isin(np.arange(len(known.cards)), known.card_of)
    for row, row_scores in enumerate(passage_scores):
        worst_first = np.argsort(-row_scores, kind="stable")[::-1]
        best[row, known.card_of[worst_first]] = worst_first  # the last write wins: the card's best passage
    scores = np.take_along_axis(passage_scores, best, axis=1)
    return np.where(has_passage, scores, -np.inf), best


def card_shares(known: Knowledge, city: str, scores: NDArray[np.float64], rules: Rules) -> dict[str, float]:
    """Return the probability of each stream by the cards alone; may be empty."""
    has_city = np.array([city in card.streams for card in known.cards])
    row = np.where(has_city, scores, -np.inf)
    shares: dict[str, float] = {}
    for place in np.argsort(-row, kind="stable")[: rules.cards]:
        if not np.isfinite(row[place]):
            break
        streams = known.cards[place].streams[city]
        weight = float(np.exp((row[place] - 1.0) / rules.softness)) / len(streams)
        for stream in streams:
            shares[stream] = shares.get(stream, 0.0) + weight
    total = sum(shares.values())
    return {stream: share / total for stream, share in shares.items()}


def stream_shares(
    known: Knowledge,
    city: str,
    texts: list[str],
    vectors: NDArray[np.float64],
    scores: NDArray[np.float64],
    rules: Rules,
) -> list[dict[str, float]]:
    """Return the probability of each stream for each text by cards and list.

    The streams are in descending order of probability. `scores` are those of `score_cards`.
    """
    model = known.models[city]
    by_list = predict_streams(model, texts, vectors)
    return [
        _combine(
            card_shares(known, city, row, rules), dict(zip(model.streams, p.tolist(), strict=True)), rules
        )
        for row, p in zip(scores, by_list, strict=True)
    ]


def _combine(by_cards: dict[str, float], by_list: dict[str, float], rules: Rules) -> dict[str, float]:
    w = rules.w_cards if by_cards else 0.0
    mixed = {
        stream: (w * by_cards.get(stream, 0.0) + (1 - w) * by_list.get(stream, 0.0))
        ** (1 / rules.temperature)
        for stream in {**by_list, **by_cards}
    }
    total = sum(mixed.values())
    ranked = sorted(mixed.items(), key=lambda pair: (-pair[1], pair[0]))
    return {stream: share / total for stream, share in ranked if share > 0}

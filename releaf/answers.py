"""Answer a question about an item: its bin, the probability and the reasons.

Two models give each stream of the city a probability: the retrieved cards and the city's list.

    p_cards(s) ~ sum over the first k cards c that name the city of e^((score_c - 1) / t) [s in c] / n_c
    p(s) ~ (w p_cards(s) + (1 - w) p_list(s))^(1 / T)

where n_c is the number of streams that card c names, and T is fitted on held-out names. A name that is on
the list is looked up instead: the city's own statement needs no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.retrieval.confidence import Level, confidence, level
from methods.retrieval.rerank import Reranker, rerank
from methods.retrieval.search import Recipe, search
from releaf.cautions import caution
from releaf.knowledge import CityList, Idea, Knowledge, look_up
from releaf.names import fold
from releaf.stream_model import predict_streams

SOURCES, ALIKE, IDEAS = 4, 3, 5
"""Largest numbers of passages, similar names and ideas in an answer."""
LEAST_ALIKE = 0.5
"""Lowest cosine at which a name of the list counts as similar."""
REASONS = ("where", "prepare", "reuse")
LEAST_NEAR = 0.8
"""Share of the first card's score below which a card is not cited: 6 of 76 such cards were about the item."""
LEAST_KNOWN = 0.35
"""Cosine of the nearest passage below which an item is strange: 12 of 24 such dev names get the right bin."""


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


@dataclass(frozen=True)
class Citation:
    """A passage that supports an answer.

    `text` is the full part of the card that the passage comes from.
    """

    passage_id: str
    card_id: str
    title: str
    part: str
    text: str


@dataclass(frozen=True)
class Answer:
    """The bin of an item in a city, with its probability and reasons.

    Attributes
    ----------
    city : str
    stream : str
        The bin.
    probability : float
        Probability of the bin, 0 to 1; 1/n for a name that the city's list has in n streams.
    shares : dict of str to float
        Positive probabilities of the streams, largest first.
    listed : str or None
        The item's name on the city's list, if it is there.
    confidence : float
        Confidence of the search, (first score - second) / first.
    level : {'high', 'medium', 'low'}
        Level of that confidence; low for a strange item.
    reasons : tuple of Citation
        Parts of one card that say why the item goes there and how to prepare it. The card is the first
        one used that names the bin for the city and scores close to the best. Empty if there is none, or
        no passage is near.
    alike : tuple of (str, str)
        The most similar names on the list, with their streams.
    ideas : tuple of Idea
        Possible new uses, of the first similar name that has any.
    sources : tuple of Citation
        The first passages of the search, from which a text can be written.
    strange : bool
        Whether the item is not on the list and no passage is near it; it may be in another language.
    caution : str or None
        A warning, see `releaf.cautions`.
    """

    city: str
    stream: str
    probability: float
    shares: dict[str, float]
    listed: str | None
    confidence: float
    level: Level
    reasons: tuple[Citation, ...]
    alike: tuple[tuple[str, str], ...]
    ideas: tuple[Idea, ...]
    sources: tuple[Citation, ...]
    strange: bool = False
    caution: str | None = None


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


def answer(
    known: Knowledge,
    city: str,
    text: str,
    vector: NDArray[np.float64],
    rules: Rules,
    *,
    shares: Mapping[str, float] | None = None,
) -> Answer:
    """Answer one question.

    Parameters
    ----------
    known : Knowledge
    city : str
        One of ``known.cities``.
    text : str
        Name of the item, not empty.
    vector : ndarray of shape (d,)
        Unit vector of the text.
    rules : Rules
    shares : mapping of str to float, optional
        Probabilities of the streams by a photograph. The text is then used for the reasons only.

    Raises
    ------
    ValueError
        If the city is unknown.
    """
    if city not in known.models:
        raise ValueError(f"the city '{city}' is unknown; expected one of {', '.join(known.cities)}")
    scores, best = score_cards(known, [text], vector[None], rules)
    listed = None if shares else look_up(known.lists[city], text)
    predicted = not listed and shares is None
    far = float((known.corpus.vectors @ vector).max()) < LEAST_KNOWN
    strange = predicted and far
    if listed:
        _, streams = listed
        shares = dict.fromkeys(streams, 1.0 / len(streams))
    elif shares is None:
        shares = stream_shares(known, city, [text], vector[None], scores, rules)[0]
    stream = next(iter(shares))
    order = [int(card) for card in np.argsort(-scores[0], kind="stable") if np.isfinite(scores[0, card])]
    used = [card for card in order if city in known.cards[card].streams][: rules.cards]
    near = [card for card in used if not far and scores[0, card] >= LEAST_NEAR * scores[0, order[0]]]
    search_confidence = confidence(scores[0])
    trusted = predicted and not far and level(search_confidence) != "low"
    alike = names_alike(known.lists[city], vector)
    return Answer(
        city=city,
        stream=stream,
        probability=shares[stream],
        shares=dict(shares),
        listed=listed[0] if listed else None,
        confidence=search_confidence,
        level="low" if strange else level(search_confidence),
        reasons=_reasons(known, city, stream, near),
        alike=tuple((similar.name, similar.streams) for similar in alike),
        ideas=ideas_of(known, city, alike),
        sources=tuple(_cite(known, int(best[0, card])) for card in order[:SOURCES]),
        strange=strange,
        caution=caution(city, shares, known.cards[order[0]] if trusted else None),
    )


def _reasons(known: Knowledge, city: str, stream: str, near: list[int]) -> tuple[Citation, ...]:
    for place in near:
        card = known.cards[place]
        if stream in card.streams[city]:
            first = {known.parts[p]: p for p in np.flatnonzero(known.card_of == place)[::-1]}
            return tuple(_cite(known, int(first[part])) for part in REASONS if part in first)
    return ()


def _cite(known: Knowledge, passage: int) -> Citation:
    card, part = known.cards[known.card_of[passage]], known.parts[passage]
    return Citation(known.passage_ids[passage], card.card_id, card.title, part, card.parts[part])


class SimilarName(NamedTuple):
    """A name of the list, its streams in words, and its cosine to a question."""

    name: str
    streams: str
    cosine: float


def names_alike(city_list: CityList, vector: NDArray[np.float64]) -> list[SimilarName]:
    """Return the most similar names of the list, those of at least `LEAST_ALIKE`."""
    cosines = city_list.vectors @ vector
    order = np.argsort(-cosines, kind="stable")[:ALIKE]
    return [
        SimilarName(city_list.names[k], " or ".join(city_list.streams[k]), float(cosines[k]))
        for k in order
        if cosines[k] >= LEAST_ALIKE
    ]


def ideas_of(known: Knowledge, city: str, alike: list[SimilarName]) -> tuple[Idea, ...]:
    """Return the ideas of the graph for the first name that has any."""
    for similar in alike:
        if ideas := known.ideas.get((city.lower(), fold(similar.name))):
            return ideas[:IDEAS]
    return ()

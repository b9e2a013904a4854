"""Answer a question about a thing: its bin in a city, how sure that is, and what that rests on.

Two witnesses give each stream of the city a share: the cards found, and the model of the city's list.

    p_cards(s) = sum over the first k cards c that know the city of e^((score_c - 1) / t) [s in c] / n_c
    p(s) ~ (w p_cards(s) + (1 - w) p_list(s))^(1 / T)

with n_c the streams that a card names and T fitted on held-out names. A name that stands on the list is
looked up: what the city says itself needs no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from methods.retrieval.confidence import Level, confidence, level
from methods.retrieval.rerank import Reranker, rerank
from methods.retrieval.search import Recipe, search
from releaf.cautions import caution
from releaf.knowledge import Idea, Knowledge, Listed, look_up
from releaf.names import fold
from releaf.stream_model import predict_streams

FOUND, ALIKE, IDEAS = 4, 3, 5
LEAST_ALIKE = 0.5
"""Least cosine at which a name of the list is shown as one that is alike."""
REASONS = ("where", "prepare", "reuse")
LEAST_NEAR = 0.8
"""Score beside the first card's below which a card is not cited: of 76 such, 6 spoke of the thing asked."""
LEAST_KNOWN = 0.35
"""Cosine of the nearest passage below which a thing is strange: of 24 such dev names 12 get the right bin."""


@dataclass(frozen=True)
class Rules:
    """How the witnesses are heard.

    Attributes
    ----------
    recipe : Recipe
        Of the search.
    cards : int
        Cards that are heard, k.
    softness : float
        How slowly a card's voice fades with its score, t, above 0.
    w_cards : float
        Weight of the cards beside the list's model, w, 0 to 1.
    temperature : float
        T, above 0.
    reranker : Reranker or None
        That orders the passages found anew.
    """

    recipe: Recipe = field(default_factory=Recipe)
    cards: int = 3
    softness: float = 0.2
    w_cards: float = 0.5
    temperature: float = 1.0
    reranker: Reranker | None = None


@dataclass(frozen=True)
class Cited:
    """A passage that an answer rests on: the part of a card that it is from, in full."""

    passage_id: str
    card_id: str
    title: str
    part: str
    text: str


@dataclass(frozen=True)
class Answer:
    """What is known of a thing in a city.

    Attributes
    ----------
    city : str
    stream : str
        The bin.
    probability : float
        Of the bin, 0 to 1; 1 for a name that the city's list has, 1/n if it has it in n streams.
    shares : dict of str to float
        Of every stream that has any, largest first.
    listed : str or None
        The name on the city's list, if it is the thing asked for.
    confidence : float
        Of the search, (first - second) / first.
    level : {'high', 'medium', 'low'}
        Of that confidence; low if the thing is strange.
    reasons : tuple of Cited
        Of the first card heard that names the bin for the city and is about as near as the first, why there,
        and how to bring it; empty if there is none, or no passage is near.
    alike : tuple of (str, str)
        Names of the list most like it, and their streams.
    ideas : tuple of Idea
        What it could become, of the first name alike of which any is known.
    found : tuple of Cited
        The first passages of the search, for a text to be written from.
    strange : bool
        Whether the list has it not, and no passage is near it: it may be in another language.
    caution : str or None
        What to be warned of, see `releaf.cautions`.
    """

    city: str
    stream: str
    probability: float
    shares: dict[str, float]
    listed: str | None
    confidence: float
    level: Level
    reasons: tuple[Cited, ...]
    alike: tuple[tuple[str, str], ...]
    ideas: tuple[Idea, ...]
    found: tuple[Cited, ...]
    strange: bool = False
    caution: str | None = None


def score_cards(
    known: Knowledge, texts: list[str], vectors: NDArray[np.float64], rules: Rules
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Score of each card for each text, that of its best passage, and which passage that is.

    Returns
    -------
    scores : ndarray of shape (texts, cards)
        ``-inf`` where no passage was found.
    best : ndarray of shape (texts, cards)
    """
    of_passages = search(known.corpus, texts, vectors, rules.recipe)
    if rules.reranker:
        how = rules.reranker
        of_passages = rerank(
            texts, list(known.texts), of_passages, how.score_pairs, top=how.depth, weight=how.weight
        )
    best = np.zeros((len(texts), len(known.cards)), dtype=np.int64)
    has_passage = np.isin(np.arange(len(known.cards)), known.card_of)
    for row, found in enumerate(of_passages):
        worst_first = np.argsort(-found, kind="stable")[::-1]
        best[row, known.card_of[worst_first]] = worst_first  # the last one written stays: a card's best
    scores = np.take_along_axis(of_passages, best, axis=1)
    return np.where(has_passage, scores, -np.inf), best


def card_shares(known: Knowledge, city: str, scores: NDArray[np.float64], rules: Rules) -> dict[str, float]:
    """Share of each stream by the first cards that know the city; empty if none was found."""
    knows = np.array([city in card.streams for card in known.cards])
    row = np.where(knows, scores, -np.inf)
    shares: dict[str, float] = {}
    for place in np.argsort(-row, kind="stable")[: rules.cards]:
        if not np.isfinite(row[place]):
            break
        named = known.cards[place].streams[city]
        voice = float(np.exp((row[place] - 1.0) / rules.softness)) / len(named)
        for stream in named:
            shares[stream] = shares.get(stream, 0.0) + voice
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
    """Share of each stream of a city for each text by both witnesses, largest first, summing to 1.

    `scores` are those of `score_cards`.
    """
    model = known.models[city]
    by_list = predict_streams(model, texts, vectors)
    return [
        _together(
            card_shares(known, city, row, rules), dict(zip(model.streams, p.tolist(), strict=True)), rules
        )
        for row, p in zip(scores, by_list, strict=True)
    ]


def _together(by_cards: dict[str, float], by_list: dict[str, float], rules: Rules) -> dict[str, float]:
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
        The thing asked for, not empty.
    vector : ndarray of shape (d,)
        Its unit vector.
    rules : Rules
    shares : mapping of str to float, optional
        Of the streams, by a photograph. The text then only finds the reasons.

    Raises
    ------
    ValueError
        If the city is not known.
    """
    if city not in known.models:
        raise ValueError(f"the city '{city}' is not known; known are {', '.join(known.cities)}")
    scores, best = score_cards(known, [text], vector[None], rules)
    listed = None if shares else look_up(known.lists[city], text)
    weighed = not listed and shares is None
    far = float((known.corpus.vectors @ vector).max()) < LEAST_KNOWN
    strange = weighed and far
    if listed:
        _, streams = listed
        shares = dict.fromkeys(streams, 1.0 / len(streams))
    elif shares is None:
        shares = stream_shares(known, city, [text], vector[None], scores, rules)[0]
    stream = next(iter(shares))
    order = [int(card) for card in np.argsort(-scores[0], kind="stable") if np.isfinite(scores[0, card])]
    heard = [card for card in order if city in known.cards[card].streams][: rules.cards]
    near = [card for card in heard if not far and scores[0, card] >= LEAST_NEAR * scores[0, order[0]]]
    sure = confidence(scores[0])
    trusted = weighed and not far and level(sure) != "low"
    alike = names_alike(known.lists[city], vector)
    return Answer(
        city=city,
        stream=stream,
        probability=shares[stream],
        shares=dict(shares),
        listed=listed[0] if listed else None,
        confidence=sure,
        level="low" if strange else level(sure),
        reasons=_reasons(known, city, stream, near),
        alike=tuple((name, streams) for name, streams, _ in alike),
        ideas=ideas_of(known, city, alike),
        found=tuple(_cite(known, int(best[0, card])) for card in order[:FOUND]),
        strange=strange,
        caution=caution(city, shares, known.cards[order[0]] if trusted else None),
    )


def _reasons(known: Knowledge, city: str, stream: str, heard: list[int]) -> tuple[Cited, ...]:
    for place in heard:
        card = known.cards[place]
        if stream in card.streams[city]:
            first = {known.parts[p]: p for p in np.flatnonzero(known.card_of == place)[::-1]}
            return tuple(_cite(known, int(first[part])) for part in REASONS if part in first)
    return ()


def _cite(known: Knowledge, passage: int) -> Cited:
    card, part = known.cards[known.card_of[passage]], known.parts[passage]
    return Cited(known.passage_ids[passage], card.card_id, card.title, part, card.parts[part])


def names_alike(listed: Listed, vector: NDArray[np.float64]) -> list[tuple[str, str, float]]:
    """Names of the list nearest to a question by cosine, each with its streams; none that is too far."""
    near = listed.vectors @ vector
    order = np.argsort(-near, kind="stable")[:ALIKE]
    return [
        (listed.names[k], " or ".join(listed.streams[k]), float(near[k]))
        for k in order
        if near[k] >= LEAST_ALIKE
    ]


def ideas_of(known: Knowledge, city: str, alike: list[tuple[str, str, float]]) -> tuple[Idea, ...]:
    """What the graph recommends for the first of the names for which it recommends anything."""
    for name, _, _ in alike:
        if ideas := known.ideas.get((city.lower(), fold(name))):
            return ideas[:IDEAS]
    return ()

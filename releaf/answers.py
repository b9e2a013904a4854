"""Answer a question about an item: its bin, the probability and the reasons.

The city's list is asked first (`releaf.lookup`): its own statement needs no model. A name that the list has
in another form decides alone. A looser relation (the head noun, a kind of items) decides if the models
(`releaf.mixture`) support it. The models alone decide where they are almost certain; otherwise the answer is
not sure. The caution does not depend on any of this (`releaf.cautions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.retrieval.confidence import Level, confidence, level
from releaf.cautions import HAZARDOUS, Evidence, caution, warning
from releaf.hazards import hazard_of
from releaf.knowledge import CityList, Idea, Knowledge, look_up
from releaf.lookup import STRICT, Match
from releaf.mixture import Rules, score_cards, stream_shares
from releaf.names import fold
from releaf.negation import read_statement
from releaf.words import rename, spell, without_fillers

SOURCES, ALIKE, IDEAS = 4, 3, 5
"""Largest numbers of passages, similar names and ideas in an answer."""
LEAST_ALIKE = 0.5
"""Lowest cosine at which a name of the list counts as similar."""
LEAST_TWIN = 0.8
"""Lowest cosine at which a hazardous name of the list makes an unlisted item suspect."""
REASONS = ("where", "prepare", "reuse")
LEAST_NEAR = 0.8
"""Share of the first card's score below which a card is not cited: 6 of 76 such cards were about the item."""
LEAST_KNOWN = 0.35
"""Cosine of the nearest passage below which an item is strange: 12 of 24 such dev names get the right bin."""
LEAST_SUPPORT = {"part": 0.3, "kind": 0.05, "head": 0.5, "broader": 0.05}
"""Probability by the models from which a loose relation decides: 9 of 10 such dev names are right."""
LEAST_SURE = 0.9
"""Probability from which the models alone decide: 97 % of such held-out names are right."""
LEAST_SURE_PHOTOGRAPH = 0.6
"""Probability from which a photograph without text decides."""
MOST_BINS = 2
"""Largest number of bins of the names found with which an answer is sure."""
NOT_SURE = "Not sure"


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
        The most likely bin; of several items, the bins joined by " + ".
    probability : float
        Probability of the bin, 0 to 1; the share of the names found on the list that have it.
    shares : dict of str to float
        Positive probabilities of the streams, largest first.
    listed : str or None
        The item's name on the city's list, if it is there.
    confidence : float
        Confidence of the search, (first score - second) / first.
    level : {'high', 'medium', 'low'}
        Level of that confidence; low for a strange item.
    reasons : tuple of Citation
        Parts of one card about the item that say why it goes there and how to prepare it. The card names
        the bin for the city, scores close to the best, and has the item among its names. Often empty.
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
    item : str
        The item that was asked about.
    sure : bool
        Whether the bin is known well enough to be named.
    because : tuple of (str, str)
        Names of the list that decided, with their streams.
    parts : tuple of Answer
        The answer for each item of a question about several.
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
    item: str = ""
    sure: bool = True
    because: tuple[tuple[str, str], ...] = ()
    parts: tuple[Answer, ...] = ()

    @property
    def bin(self) -> str:
        """The bin, or `NOT_SURE`; of several items, those of all."""
        if self.parts:
            return " + ".join(dict.fromkeys(part.bin for part in self.parts))
        return self.stream if self.sure else NOT_SURE


class Decision(NamedTuple):
    """The bin of an item: probabilities, certainty, and the names that decided."""

    shares: dict[str, float]
    sure: bool
    listed: str | None
    because: tuple[tuple[str, str], ...]


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
    known.require(city)
    scores, best = score_cards(known, [text], vector[None], rules)
    match = None if shares else known.lists[city].find(text)
    far = float((known.corpus.vectors @ vector).max()) < LEAST_KNOWN
    hazard = None if shares else hazard_of(text)
    if shares:
        first = next(iter(shares.values()))
        decision = Decision(dict(shares), first >= LEAST_SURE_PHOTOGRAPH, None, ())
    else:
        predicted = stream_shares(known, city, [text], vector[None], scores, rules)[0]
        decision = decide(known.lists[city], HAZARDOUS.get(city), text, match, predicted)
        loose = match is None or match.step not in STRICT
        ordinary = next(iter(decision.shares)) != HAZARDOUS.get(city)
        unread = far or bool(read_statement(spell(text)).denied)  # the models do not read negations
        if (match is None and unread) or (hazard and loose and ordinary):
            decision = decision._replace(sure=False)
    stream = next(iter(decision.shares))
    order = [int(card) for card in np.argsort(-scores[0], kind="stable") if np.isfinite(scores[0, card])]
    used = [card for card in order if city in known.cards[card].streams][: rules.cards]
    near = [card for card in used if not far and scores[0, card] >= LEAST_NEAR * scores[0, order[0]]]
    search_confidence = confidence(scores[0])
    predicted_only = not decision.listed and shares is None
    strange = predicted_only and far and match is None
    trusted = predicted_only and not far and level(search_confidence) != "low"
    alike = names_alike(known.lists[city], vector)
    evidence = Evidence(
        hazard,
        decision.sure,
        _hazardous(city, known.lists[city], match, () if decision.sure else alike),
        () if decision.sure else _hazardous_elsewhere(known, city, text),
        caution(city, decision.shares, known.cards[order[0]] if trusted else None),
    )
    if not shares:
        near = [card for card in near if is_about(known, card, decision.listed or text)]
    return Answer(
        city=city,
        stream=stream,
        probability=decision.shares[stream],
        shares=decision.shares,
        listed=decision.listed,
        confidence=search_confidence,
        level="low" if strange else level(search_confidence),
        reasons=_reasons(known, city, stream, near) if decision.sure else (),
        alike=tuple((similar.name, similar.streams) for similar in alike),
        ideas=ideas_of(known, city, alike),
        sources=tuple(_cite(known, int(best[0, card])) for card in order[:SOURCES]),
        strange=strange,
        caution=warning(city, decision.shares, evidence),
        item=text,
        sure=decision.sure,
        because=decision.because,
    )


def decide(
    city_list: CityList, hazardous: str | None, text: str, match: Match | None, predicted: dict[str, float]
) -> Decision:
    """Decide the bin of an item from the names found on the list and the models."""
    if match is None:
        return Decision(predicted, next(iter(predicted.values())) >= LEAST_SURE, None, ())
    because = tuple((city_list.names[place], " or ".join(city_list.streams[place])) for place in match.places)
    counts: dict[str, float] = {}
    for place in match.places:
        for stream in city_list.streams[place]:
            counts[stream] = counts.get(stream, 0.0) + 1 / len(city_list.streams[place])
    ranked = sorted(counts, key=lambda stream: (-counts[stream], stream != hazardous, stream))
    by_list = {stream: counts[stream] / len(match.places) for stream in ranked}
    if exact := look_up(city_list, text):
        return Decision(dict.fromkeys(exact[1], 1.0 / len(exact[1])), True, exact[0], because)
    if match.step in STRICT:
        return Decision(by_list, len(by_list) <= MOST_BINS, city_list.names[match.places[0]], because)
    mixed = {
        stream: (by_list.get(stream, 0.0) + predicted.get(stream, 0.0)) / 2
        for stream in dict.fromkeys((*by_list, *predicted))
    }
    shares = dict(sorted(mixed.items(), key=lambda pair: -pair[1]))
    first = next(iter(shares))
    supported = predicted.get(first, 0.0) >= LEAST_SUPPORT[match.step]
    return Decision(shares, first in by_list and len(by_list) <= MOST_BINS and supported, None, because)


def is_about(known: Knowledge, card: int, item: str) -> bool:
    """Return whether a card has an item, or its head noun, among its names.

    The names are those that its first passage begins with, up to the first full stop.
    """
    passage = int(np.flatnonzero(known.card_of == card)[0])
    names = known.texts[passage].partition(". ")[0]
    words = without_fillers(rename(spell(item)))
    return bool(words) and any(words[-1] in rename(spell(name)) for name in names.split(","))


def _hazardous(
    city: str, city_list: CityList, match: Match | None, alike: Iterable[SimilarName]
) -> tuple[str, ...]:
    """Return the hazardous names of the city's list that the item may be."""
    own = HAZARDOUS.get(city)
    found = [city_list.names[p] for p in match.places if own in city_list.streams[p]] if match else []
    twins = [
        similar.name
        for similar in alike
        if similar.cosine >= LEAST_TWIN and similar.streams.startswith(own or "?")
    ]
    return tuple(dict.fromkeys([*found, *twins]))


def _hazardous_elsewhere(known: Knowledge, city: str, text: str) -> tuple[str, ...]:
    """Return the other cities whose list has the item as hazardous."""
    return tuple(
        other
        for other, city_list in known.lists.items()
        if other != city
        and (match := city_list.find(text, strict=True))
        and any(HAZARDOUS.get(other) in city_list.streams[place] for place in match.places)
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

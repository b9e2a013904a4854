"""Knowledge of the assistant: cards, passages, lists of the cities, and ideas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from methods.retrieval.search import Corpus
from methods.retrieval.sparse import from_arrays
from releaf.listing import ListIndex, build_index
from releaf.lookup import Match, find
from releaf.names import fold
from releaf.stream_model import StreamModel
from releaf.stream_model import from_arrays as stream_models
from releaf.suggestions import suggestions

PARTS = ("what", "where", "prepare", "reuse")


@dataclass(frozen=True)
class Card:
    """A card: its parts by name, and the streams of its facts by city."""

    card_id: str
    title: str
    parts: Mapping[str, str]
    streams: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class CityList:
    """The list of a city.

    Attributes
    ----------
    names : tuple of str
    streams : tuple of tuple of str
        Streams of each name.
    vectors : ndarray of shape (names, d)
        Unit vectors of the names.
    places : mapping of str to tuple of int
        Positions in `names` of each folded name. Names with the same folded form ("nut", "nuts") share
        an entry.
    """

    names: tuple[str, ...]
    streams: tuple[tuple[str, ...], ...]
    vectors: NDArray[np.float64]
    places: Mapping[str, tuple[int, ...]]

    @cached_property
    def index(self) -> ListIndex:
        """The names, arranged for `releaf.lookup.find`."""
        return build_index(self.names, self.streams)

    def find(self, text: str, *, strict: bool = False) -> Match | None:
        """Return the names that a text means, see `releaf.lookup.find`."""
        return find(self.index, text, strict=strict)


@dataclass(frozen=True)
class Idea:
    """A possible new use of an item.

    `kind` is the type of the node, `score` the model's probability of the link in [0, 1], and `path` the
    explanation in words.
    """

    name: str
    kind: str
    score: float
    path: str


@dataclass(frozen=True)
class Knowledge:
    """Everything that an answer is computed from, indexed.

    Attributes
    ----------
    cards : tuple of Card
    corpus : Corpus
        Search index of the passages.
    card_of : ndarray of shape (passages,)
        Position in `cards` of each passage's card.
    passage_ids, parts : tuple of str
        Id of each passage, and the part of the card that it comes from.
    texts : tuple of str
        Text of each passage.
    lists : mapping of str to CityList
        By city.
    models : mapping of str to StreamModel
        By city.
    ideas : mapping of (city, folded name) to tuple of Idea
        Best first.
    """

    cards: tuple[Card, ...]
    corpus: Corpus
    card_of: NDArray[np.int64]
    passage_ids: tuple[str, ...]
    parts: tuple[str, ...]
    texts: tuple[str, ...]
    lists: Mapping[str, CityList]
    models: Mapping[str, StreamModel]
    ideas: Mapping[tuple[str, str], tuple[Idea, ...]]

    @property
    def cities(self) -> tuple[str, ...]:
        """The cities that have a list, in alphabetical order."""
        return tuple(sorted(self.models))

    def require(self, city: str) -> None:
        """Raise `ValueError` if the city has no list."""
        if city not in self.models:
            raise ValueError(f"the city '{city}' is unknown; expected one of {', '.join(self.cities)}")


def assemble(
    *,
    items: pd.DataFrame,
    cards: pd.DataFrame,
    passages: pd.DataFrame,
    vectors: NDArray[np.float64],
    bm25: Mapping[str, NDArray[np.floating]],
    terms: Sequence[str],
    names: pd.DataFrame,
    stream_arrays: Mapping[str, NDArray[np.float32]],
    streams: Mapping[str, Sequence[str]],
    ideas: Mapping[tuple[str, str], tuple[Idea, ...]] | None = None,
) -> Knowledge:
    """Build the knowledge from the tables and arrays of the stages.

    Parameters
    ----------
    items : DataFrame
        Columns city, name, stream: the lists in which a name is looked up.
    cards, passages : DataFrame
    vectors : ndarray of shape (passages, d)
    bm25, terms
        Arrays and terms of the BM25 index of the passages.
    names : DataFrame
        Columns name, vector: one row for every name in `items`.
    stream_arrays, streams
        Arrays and streams of the model of each city's list.
    ideas : mapping, optional
        See `read_ideas`.

    Raises
    ------
    ValueError
        If a passage has no card, or the passages and vectors differ in number.
    """
    position = {card: number for number, card in enumerate(cards["card_id"])}
    if len(passages) != len(vectors) or not set(passages["card_id"]) <= set(position):
        raise ValueError(
            f"{len(passages)} passages and {len(vectors)} vectors do not belong together, or a passage has "
            "no card; run `statewright run releaf-index`"
        )
    vector_of = dict(zip(names["name"], np.stack(list(names["vector"])).astype(np.float64), strict=True))
    return Knowledge(
        cards=read_cards(cards),
        corpus=Corpus(from_arrays(bm25, list(terms)), np.asarray(vectors, dtype=np.float64)),
        card_of=passages["card_id"].map(position).to_numpy(np.int64),
        passage_ids=tuple(passages["passage_id"]),
        parts=tuple(passages["part"]),
        texts=tuple(passages["text"]),
        lists=read_lists(items, vector_of),
        models=stream_models(stream_arrays, streams),
        ideas=ideas or {},
    )


def read_cards(cards: pd.DataFrame) -> tuple[Card, ...]:
    """Return the cards of a table with columns card_id, title, streams and the parts.

    A value of ``streams`` has the form ``city: stream``.
    """
    rows = cards[["card_id", "title", "streams", *PARTS]].to_dict("records")
    return tuple(
        Card(row["card_id"], row["title"], {part: row[part] for part in PARTS}, _by_city(row["streams"]))
        for row in rows
    )


def _by_city(streams: list[str]) -> dict[str, tuple[str, ...]]:
    by_city: dict[str, tuple[str, ...]] = {}
    for text in streams:
        city, _, stream = text.partition(": ")
        by_city[city] = (*by_city.get(city, ()), stream)
    return by_city


def read_lists(items: pd.DataFrame, vector_of: Mapping[str, NDArray[np.float64]]) -> dict[str, CityList]:
    """Return each city's list, from a table with columns city, name and stream."""
    by_city: dict[str, dict[str, set[str]]] = {}
    for city, name, stream in items[["city", "name", "stream"]].to_numpy().tolist():
        by_city.setdefault(city, {}).setdefault(name, set()).add(stream)
    lists = {}
    for city, streams in sorted(by_city.items()):
        names = tuple(sorted(streams))
        places: dict[str, tuple[int, ...]] = {}
        for number, name in enumerate(names):
            places[fold(name)] = (*places.get(fold(name), ()), number)
        lists[city] = CityList(
            names,
            tuple(tuple(sorted(streams[name])) for name in names),
            np.stack([vector_of[name] for name in names]),
            places,
        )
    return lists


def look_up(city_list: CityList, text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the name on the list that the text spells, and its streams, or None.

    Among names with the same folded form, an exact spelling wins.
    """
    places = city_list.places.get(fold(text), ())
    exact = tuple(place for place in places if city_list.names[place].casefold() == text.strip().casefold())
    matches = exact or places
    if not matches:
        return None
    streams = {stream for place in matches for stream in city_list.streams[place]}
    return city_list.names[matches[0]], tuple(sorted(streams))


def read_ideas(nodes: pd.DataFrame, recommendations: pd.DataFrame) -> dict[tuple[str, str], tuple[Idea, ...]]:
    """Return the ideas for each item, by city and folded name, best first.

    Only the rows that `releaf.suggestions` lets pass count. The id of an item has the form
    ``item:city:...``.
    """
    names = dict(zip(nodes["node"], nodes["name"], strict=True))
    shown = suggestions(recommendations, names)
    ideas: dict[tuple[str, str], tuple[Idea, ...]] = {}
    columns = ["item", "name", "target_name", "kind", "score", "path"]
    for item, name, target, kind, score, path in shown[columns].to_numpy().tolist():
        key = (item.split(":")[1], fold(name))
        ideas[key] = (*ideas.get(key, ()), Idea(target, kind, score, path))
    return ideas

"""What the assistant knows: cards and their passages, the cities' lists, and what things can become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from methods.retrieval.search import Corpus
from methods.retrieval.sparse import from_arrays
from releaf.names import fold
from releaf.stream_model import StreamModel
from releaf.stream_model import from_arrays as stream_models

PARTS = ("what", "where", "prepare", "reuse")
IDEA_KINDS, MOST_STEPS = ("reuse",), 3
"""What is shown as an idea, and how long its path may be; a longer one says nothing to a reader."""


@dataclass(frozen=True)
class Card:
    """A card: its parts by name, and the streams that its facts name, by city."""

    card_id: str
    title: str
    parts: Mapping[str, str]
    streams: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Listed:
    """A city's list: names, their streams, unit vectors of shape (names, d), and where a folded name is.

    Names that fold alike ("nut", "nuts") have several places.
    """

    names: tuple[str, ...]
    streams: tuple[tuple[str, ...], ...]
    vectors: NDArray[np.float64]
    places: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Idea:
    """What a thing could become: its name, kind, the model's score in [0, 1], and the path that says why."""

    name: str
    kind: str
    score: float
    path: str


@dataclass(frozen=True)
class Knowledge:
    """All of it, indexed.

    Attributes
    ----------
    cards : tuple of Card
    corpus : Corpus
        The passages, indexed.
    card_of : ndarray of shape (passages,)
        Place of each passage's card among `cards`.
    passage_ids, parts : tuple of str
        Name of each passage, and which part of its card it is.
    texts : tuple of str
        Of the passages.
    lists : mapping of str to Listed
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
    lists: Mapping[str, Listed]
    models: Mapping[str, StreamModel]
    ideas: Mapping[tuple[str, str], tuple[Idea, ...]]

    @property
    def cities(self) -> tuple[str, ...]:
        """The cities whose streams are known, in alphabetical order."""
        return tuple(sorted(self.models))


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
    """Put the tables and arrays of the stages together.

    Parameters
    ----------
    items : DataFrame
        Columns city, name, stream: the lists that are looked into.
    cards, passages : DataFrame
    vectors : ndarray of shape (passages, d)
    bm25, terms
        The index of the passages.
    names : DataFrame
        Columns name, vector: of every name in `items`.
    stream_arrays, streams
        The model of each city's list.
    ideas : mapping, optional
        See `read_ideas`.

    Raises
    ------
    ValueError
        If the parts are not of one another.
    """
    place = {card: number for number, card in enumerate(cards["card_id"])}
    if len(passages) != len(vectors) or not set(passages["card_id"]) <= set(place):
        raise ValueError("the passages are not of these cards, or the vectors not of these passages")
    vector_of = dict(zip(names["name"], np.stack(list(names["vector"])).astype(np.float64), strict=True))
    return Knowledge(
        cards=read_cards(cards),
        corpus=Corpus(from_arrays(bm25, list(terms)), np.asarray(vectors, dtype=np.float64)),
        card_of=passages["card_id"].map(place).to_numpy(np.int64),
        passage_ids=tuple(passages["passage_id"]),
        parts=tuple(passages["part"]),
        texts=tuple(passages["text"]),
        lists=read_lists(items, vector_of),
        models=stream_models(stream_arrays, streams),
        ideas=ideas or {},
    )


def read_cards(cards: pd.DataFrame) -> tuple[Card, ...]:
    """Cards of a table with the columns card_id, title, streams (``city: stream``) and the parts."""
    rows = cards[["card_id", "title", "streams", *PARTS]].to_dict("records")
    return tuple(
        Card(row["card_id"], row["title"], {part: row[part] for part in PARTS}, _by_city(row["streams"]))
        for row in rows
    )


def _by_city(named: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in named:
        city, _, stream = text.partition(": ")
        found[city] = (*found.get(city, ()), stream)
    return found


def read_lists(items: pd.DataFrame, vector_of: Mapping[str, NDArray[np.float64]]) -> dict[str, Listed]:
    """Each city's list, of a table with the columns city, name and stream, and the vectors of the names."""
    found: dict[str, dict[str, set[str]]] = {}
    for city, name, stream in items[["city", "name", "stream"]].to_numpy().tolist():
        found.setdefault(city, {}).setdefault(name, set()).add(stream)
    lists = {}
    for city, streams in sorted(found.items()):
        names = tuple(sorted(streams))
        places: dict[str, tuple[int, ...]] = {}
        for number, name in enumerate(names):
            places[fold(name)] = (*places.get(fold(name), ()), number)
        lists[city] = Listed(
            names,
            tuple(tuple(sorted(streams[name])) for name in names),
            np.stack([vector_of[name] for name in names]),
            places,
        )
    return lists


def look_up(listed: Listed, text: str) -> tuple[str, tuple[str, ...]] | None:
    """A name of the list and its streams, if the text is one; of names that fold alike the one so spelled."""
    places = listed.places.get(fold(text), ())
    exact = tuple(place for place in places if listed.names[place].casefold() == text.strip().casefold())
    meant = exact or places
    if not meant:
        return None
    streams = {stream for place in meant for stream in listed.streams[place]}
    return listed.names[meant[0]], tuple(sorted(streams))


def read_ideas(nodes: pd.DataFrame, recommendations: pd.DataFrame) -> dict[tuple[str, str], tuple[Idea, ...]]:
    """Ideas for each item (``item:city:...``): of `IDEA_KINDS`, by a path of 2 to `MOST_STEPS`."""
    near = recommendations[
        recommendations["kind"].isin(IDEA_KINDS) & recommendations["steps"].between(2, MOST_STEPS)
    ]
    name_of = dict(zip(nodes["node"], nodes["name"], strict=True))
    ideas: dict[tuple[str, str], tuple[Idea, ...]] = {}
    columns = ["item", "target_name", "kind", "score", "path"]
    ranked = near.sort_values("score", ascending=False, kind="stable")
    for item, target, kind, score, path in ranked[columns].to_numpy().tolist():
        key = (item.split(":")[1], fold(name_of[item]))
        ideas[key] = (*ideas.get(key, ()), Idea(target, kind, score, path))
    return ideas

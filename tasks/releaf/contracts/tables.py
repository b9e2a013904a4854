"""Contracts of the files that several stages of the releaf pipeline share."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Shapes, Tensors
from tasks.releaf.contracts.raw import MATERIALS

SPLITS = ("train", "dev", "test")


class Items(pa.DataFrameModel):
    """One row an item, city and stream; an item with two right streams has two rows.

    `stream` is the unified spelling of a city's stream, `city_stream` the published one, and `kind` the
    class that all cities share. All names of one `family` (the name without brackets and plurals) are in
    one split, in every city. `cited`: a fact of a card names this row.
    """

    item_id: Series[str] = pa.Field(unique=True)
    name: Series[str]
    city: Series[str]
    stream: Series[str]
    city_stream: Series[str]
    kind: Series[str]
    family: Series[str]
    split: Series[str] = pa.Field(isin=SPLITS)
    cited: Series[bool]


class Cards(pa.DataFrameModel):
    """One row a card: its parts and its facts.

    `streams` are ``city: stream`` in the spelling of `Items`, `facts` ``city|item|stream`` as
    published, `item_ids` the rows of `Items` for these facts, `links` ``source|relation|target``.
    """

    card_id: Series[str] = pa.Field(unique=True)
    kind: Series[str] = pa.Field(isin=["card", "document", "city"])
    title: Series[str]
    what: Series[str]
    where: Series[str]
    prepare: Series[str]
    reuse: Series[str]
    aliases: Series[object]
    streams: Series[object]
    facts: Series[object]
    item_ids: Series[object]
    links: Series[object]


class Passages(pa.DataFrameModel):
    """One row a passage: a part of a card, or a piece of a long part.

    The text begins with the title of the card.
    """

    passage_id: Series[str] = pa.Field(unique=True)
    card_id: Series[str]
    part: Series[str] = pa.Field(isin=["what", "where", "prepare", "reuse"])
    title: Series[str]
    text: Series[str]


class Nodes(pa.DataFrameModel):
    """One row a node of the graph; `index` counts from 0."""

    node: Series[str] = pa.Field(unique=True)
    node_type: Series[str]
    name: Series[str]
    index: Series[int] = pa.Field(unique=True, ge=0)


class Links(pa.DataFrameModel):
    """One row an edge between indices.

    `stated` is true for an edge of the sources, false for one that joins two equal names.
    """

    source: Series[int] = pa.Field(ge=0)
    target: Series[int] = pa.Field(ge=0)
    relation: Series[str]
    weight: Series[float] = pa.Field(ge=0)
    stated: Series[bool]

    class Config:
        unique: ClassVar[list[str]] = ["source", "target", "relation"]


class Photos(pa.DataFrameModel):
    """One row a photograph: its material, split and 1,280 features."""

    photo_id: Series[str] = pa.Field(unique=True)
    label: Series[str] = pa.Field(isin=MATERIALS)
    split: Series[str] = pa.Field(isin=["train", "val", "test"])
    features: Series[object]


class Vectors(pa.DataFrameModel):
    """One row a passage, in the order of `Passages`, with its unit vector.

    `key` is a hash of text and model.
    """

    passage_id: Series[str] = pa.Field(unique=True)
    key: Series[str]
    vector: Series[object]


class Vocabulary(Document):
    """Terms of the BM25 index in alphabetical order, and the parameters of BM25."""

    terms: list[str]
    k1: float
    b: float
    passages: int


Bm25Arrays = Annotated[
    Tensors,
    Shapes({"starts": ("bounds",), "terms": ("entries",), "scores": ("entries",), "counts": ("entries",)}),
]
"""Index by passage: entries ``starts[i]`` to ``starts[i + 1]`` belong to the i-th passage."""

StreamArrays = Annotated[Tensors, Shapes({}, more=True)]
"""Model of each city's list: ``CITY.weights`` and ``CITY.offsets``, one row a stream."""


class Ratings(pa.DataFrameModel):
    """One row an answer and a passage that it cites, with the user's rating.

    ``rating`` is 1 (up), -1 (down) or 0 (no rating). ``asked_at`` is ISO 8601. ``stream`` is the bin in the
    answer, ``confidence`` and ``level`` are those of the search, ``model`` names the writer of the answer.
    A cell is missing if the question has no city or the search found nothing.
    """

    answer_id: Series[str]
    asked_at: Series[str] = pa.Field(str_matches=r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
    question: Series[str]
    city: Series[str] = pa.Field(nullable=True)
    card_id: Series[str] = pa.Field(nullable=True)
    passage_id: Series[str] = pa.Field(nullable=True)
    stream: Series[str] = pa.Field(nullable=True)
    confidence: Series[float] = pa.Field(ge=0, le=1)
    level: Series[str] = pa.Field(isin=["high", "medium", "low"])
    rating: Series[int] = pa.Field(isin=[-1, 0, 1])
    model: Series[str] = pa.Field(nullable=True)

    class Config:
        unique: ClassVar[list[str]] = ["answer_id", "passage_id"]

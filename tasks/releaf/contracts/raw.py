"""Contracts of the source tables, and of the cards as rows."""

from __future__ import annotations

from typing import Any, ClassVar

import pandera.pandas as pa
from pandera.typing import Series

MATERIALS = ("cardboard", "glass", "metal", "paper", "plastic", "trash")
FEATURES = 1280


class WasteItems(pa.DataFrameModel):
    """One row an item and its stream on a city's list; `group` is the items' card."""

    item: Series[str]
    city: Series[str]
    stream: Series[str]
    group: Series[str] = pa.Field(nullable=True)

    class Config:
        unique: ClassVar[list[str]] = ["item", "city", "stream"]


class WasteNodes(pa.DataFrameModel):
    """One row a node of the graph."""

    node_id: Series[str]
    node_type: Series[str]
    name: Series[str]
    source: Series[str]

    class Config:
        unique: ClassVar[list[str]] = ["node_id"]


class WasteEdges(pa.DataFrameModel):
    """One row an edge; both ends are nodes."""

    src: Series[str]
    dst: Series[str]
    relation: Series[str]
    source: Series[str]
    weight: Series[float] = pa.Field(ge=0)

    class Config:
        unique: ClassVar[list[str]] = ["src", "dst", "relation"]


class PhotoRows(pa.DataFrameModel):
    """One row a photograph, without its features."""

    picture: Series[str]
    label: Series[str] = pa.Field(isin=MATERIALS)
    split: Series[str] = pa.Field(isin=["train", "val", "test"])

    class Config:
        unique: ClassVar[list[str]] = ["picture"]


class TrashnetFeatures(PhotoRows):
    """One row a photograph; `features` are 1,280 finite numbers."""

    features: Series[object]


class CardRows(pa.DataFrameModel):
    """One row a card, without its lists; `kind` is 'card', 'document' or 'city'.

    Only the cards of ``cards.yaml`` have all four parts; other texts have only `what`.
    """

    card_id: Series[str]
    kind: Series[str] = pa.Field(isin=["card", "document", "city"])
    title: Series[str]
    what: Series[str]
    where: Series[str] = pa.Field(nullable=True)
    prepare: Series[str] = pa.Field(nullable=True)
    reuse: Series[str] = pa.Field(nullable=True)

    class Config:
        unique: ClassVar[list[str]] = ["card_id"]


class WasteCards(CardRows):
    """One row a card.

    `aliases` are other names. `facts` are rows ``city|item|stream`` of the item lists, `links` are
    edges ``source|relation|target`` of the graph. Every fact and link exists there.
    """

    aliases: Series[object]
    facts: Series[object]
    links: Series[object]


TABLES: dict[str, Any] = {"waste_items": WasteItems, "waste_nodes": WasteNodes, "waste_edges": WasteEdges}

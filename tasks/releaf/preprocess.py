"""Stage ``releaf-preprocess``: prepare items, cards, passages, graph and photos."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from statewright.contracts import Document, Table
from tasks.releaf.catalogue.names import family, fold, kind_of, split_of, united
from tasks.releaf.contracts.raw import TrashnetFeatures, WasteCards, WasteEdges, WasteItems, WasteNodes
from tasks.releaf.contracts.tables import Cards, Items, Links, Nodes, Passages, Photos
from tasks.releaf.params import PreprocessParams

PARTS = ("what", "where", "prepare", "reuse")


class PhotosLeftOut(Document):
    """Names of the training photographs that were left out, by reason."""

    twin_of_held_out: list[str]
    two_labels: list[str]


class PreprocessReport(Document):
    """Counts of the tables and of the corrections.

    ``items_repeated``: rows with the folded name, city and stream of another row;
    ``items_of_two_streams``: items with more than one right stream in a city; ``streams_united``: rows
    whose stream got another spelling; ``test_items_cited``: test rows that are facts of a card, which
    retrieval must report separately from the others.
    """

    items: int
    items_repeated: int
    items_of_two_streams: int
    streams_united: int
    families: int
    split: dict[str, int]
    items_cited: int
    test_items_cited: int
    streams: dict[str, int]
    cards: int
    passages: int
    passage_words_mean: float
    nodes: int
    links: int
    links_not_stated: int
    photos: int
    photos_left_out: PhotosLeftOut


class PreprocessOutputs(NamedTuple):
    """The tables that all later stages read."""

    items: Table[Items]
    cards: Table[Cards]
    passages: Table[Passages]
    nodes: Table[Nodes]
    links: Table[Links]
    photos: Table[Photos]
    preprocess: PreprocessReport


def preprocess(
    waste_items: Table[WasteItems],
    waste_nodes: Table[WasteNodes],
    waste_edges: Table[WasteEdges],
    trashnet_features: Table[TrashnetFeatures],
    waste_cards: Table[WasteCards],
    *,
    params: PreprocessParams,
) -> PreprocessOutputs:
    """Correct known errors of the sources and split the items.

    No choice depends on a label of the test split.
    """
    items, ids = split_items(waste_items, waste_cards, params)
    cards = with_streams(waste_cards, ids)
    passages = divide(cards, params.most_words)
    nodes, links = number(waste_nodes, waste_edges)
    photos, left_out = without_twins(trashnet_features, params.twin_cosine)
    test = items["split"] == "test"
    streams = (items["city"] + ": " + items["stream"]).value_counts().sort_index()
    report = PreprocessReport(
        items=len(items),
        items_repeated=len(waste_items) - len(items),
        items_of_two_streams=_of_two_streams(items),
        streams_united=int((items["stream"] != items["city_stream"]).sum()),
        families=items["family"].nunique(),
        split={name: int(count) for name, count in items["split"].value_counts().sort_index().items()},
        items_cited=int(items["cited"].sum()),
        test_items_cited=int((items["cited"] & test).sum()),
        streams={name: int(count) for name, count in streams.items()},
        cards=len(cards),
        passages=len(passages),
        passage_words_mean=round(float(passages["text"].str.split().str.len().mean()), 2),
        nodes=len(nodes),
        links=len(links),
        links_not_stated=int((~links["stated"]).sum()),
        photos=len(photos),
        photos_left_out=left_out,
    )
    return PreprocessOutputs(items, cards, passages, nodes, links, photos, report)


def _of_two_streams(items: pd.DataFrame) -> int:
    folded = items["name"].map(fold)
    return int((items.groupby([items["city"], folded])["stream"].nunique() > 1).sum())


def split_items(
    rows: pd.DataFrame, cards: pd.DataFrame, params: PreprocessParams
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the items with their splits, and the item id of every published fact.

    A published fact has the form ``city|item|stream``.
    """
    cited = {fact for facts in cards["facts"] for fact in facts}
    table = rows.rename(columns={"item": "name", "stream": "city_stream"})
    published = table["city"] + "|" + table["name"] + "|" + table["city_stream"]
    streams = [united(city, stream) for city, stream in zip(table["city"], table["city_stream"], strict=True)]
    table = table.assign(stream=streams, kind=[kind_of(stream) for stream in streams])
    table["item_id"] = [
        f"{city}:{fold(name)}:{stream}".casefold().replace(" ", "-")
        for city, name, stream in zip(table["city"], table["name"], streams, strict=True)
    ]
    ids = dict(zip(published, table["item_id"], strict=True))
    table["family"] = table["name"].map(family)
    table["split"] = [
        split_of(name, params.dev_share, params.test_share, params.salt) for name in table["family"]
    ]
    named = {ids[fact] for fact in cited if fact in ids}
    table["cited"] = table["item_id"].isin(named)
    table = table.drop_duplicates("item_id").reset_index(drop=True)
    return table[list(Items.to_schema().columns)], ids


def with_streams(rows: pd.DataFrame, ids: dict[str, str]) -> pd.DataFrame:
    """Return the cards with the distinct streams and items of their facts, in order."""
    streams = [list(dict.fromkeys(_stream(fact) for fact in facts)) for facts in rows["facts"]]
    items = [list(dict.fromkeys(ids[fact] for fact in facts)) for facts in rows["facts"]]
    cards = rows.assign(
        streams=pd.Series(streams, index=rows.index, dtype=object),
        item_ids=pd.Series(items, index=rows.index, dtype=object),
        **{part: rows[part].fillna("") for part in PARTS},
    )
    return cards[list(Cards.to_schema().columns)]


def _stream(fact: str) -> str:
    city, _, stream = fact.split("|")
    return f"{city}: {united(city, stream)}"


def divide(cards: pd.DataFrame, most_words: int) -> pd.DataFrame:
    """Divide the cards into passages: one a part, several for a long part.

    A part of more than `most_words` words is divided into pieces of about equal length. Each passage begins
    with the title. In the parts `what` and `where`, the other names of the item follow the title, because
    a user may search by any of them.
    """
    rows = []
    for card in cards.to_dict("records"):
        for part in PARTS:
            names = [card["title"], *(card["aliases"] if part in ("what", "where") else [])]
            pieces = _pieces(card[part].split(), most_words)
            for place, piece in enumerate(pieces, start=1):
                ending = f"-{place}" if len(pieces) > 1 else ""
                text = f"{', '.join(names)}. {piece}"
                rows.append((f"{card['card_id']}#{part}{ending}", card["card_id"], part, card["title"], text))
    return pd.DataFrame(rows, columns=list(Passages.to_schema().columns))


def _pieces(words: list[str], most: int) -> list[str]:
    count = -(-len(words) // most)
    bounds = [round(len(words) * place / count) for place in range(count + 1)] if count else []
    return [" ".join(words[start:end]) for start, end in pairwise(bounds)]


def number(nodes: pd.DataFrame, edges: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Number the nodes in the order of their names, and the links accordingly.

    The result does not depend on the order of the rows. Links between nodes of equal names are added to the
    edges of the sources, so that the lists of the cities are connected.
    """
    table = nodes.rename(columns={"node_id": "node"}).sort_values("node", ignore_index=True)
    table = table[["node", "node_type", "name"]].assign(index=np.arange(len(table)))
    place = dict(zip(table["node"], table["index"], strict=True))
    links = pd.DataFrame(
        {
            "source": edges["src"].map(place).astype("int64"),
            "target": edges["dst"].map(place).astype("int64"),
            "relation": edges["relation"],
            "weight": edges["weight"],
            "stated": edges["relation"] != "same_name",
        }
    )
    links = pd.concat([links, _same_names(nodes, place)], ignore_index=True)
    links = links.drop_duplicates(["source", "target", "relation"])
    return table, links.sort_values(["relation", "source", "target"], ignore_index=True)


def _same_names(nodes: pd.DataFrame, place: dict[str, int]) -> pd.DataFrame:
    """Return links between items, materials and shapes with equal folded names.

    The two nodes come from different sources or have different types.
    """
    named = nodes[nodes["node_type"].isin(["item", "material", "shape"])]
    named = named.assign(name=named["name"].map(fold), index=named["node_id"].map(place))
    named = named[named["name"] != ""]
    pairs = named.merge(named, on="name", suffixes=("", "_other"))
    pairs = pairs[pairs["index"] < pairs["index_other"]]
    meet = (pairs["source"] != pairs["source_other"]) | (pairs["node_type"] != pairs["node_type_other"])
    pairs = pairs[meet]
    return pd.DataFrame(
        {
            "source": pairs["index"].astype("int64"),
            "target": pairs["index_other"].astype("int64"),
            "relation": "same_name",
            "weight": 1.0,
            "stated": False,
        }
    )


def without_twins(photos: pd.DataFrame, least: float) -> tuple[pd.DataFrame, PhotosLeftOut]:
    """Remove copies of held-out photographs and pictures with two labels.

    Only the training split loses rows. All held-out photographs stay, even with a wrong label, so that the
    figures remain comparable with others on the same split.
    """
    features = np.stack(list(photos["features"])).astype("float64")
    directions = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    alike = directions @ directions.T >= least
    np.fill_diagonal(alike, False)
    train = (photos["split"] == "train").to_numpy()
    twin = train & alike[:, ~train].any(axis=1)
    equal = _equal_under_two_labels(features, photos["label"].to_numpy()) & train & ~twin
    names = photos["picture"]
    left_out = PhotosLeftOut(twin_of_held_out=names[twin].tolist(), two_labels=names[equal].tolist())
    kept = photos[~(twin | equal)].rename(columns={"picture": "photo_id"}).reset_index(drop=True)
    return kept[list(Photos.to_schema().columns)], left_out


def _equal_under_two_labels(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    keys = pd.Series([row.tobytes() for row in features])
    return (pd.Series(labels).groupby(keys).transform("nunique") > 1).to_numpy()

"""Recommendations of new links for an item, each with its path in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from tasks.releaf.links.inputs import Graph
from tasks.releaf.params import GraphParams

NO_PATH = "no path in the graph"
PHRASES = {
    "listed_on": ("is listed on", "lists"),
    "goes_to": ("goes to", "takes"),
    "packed_in": ("is packed in", "is the packing of"),
    "in_category": ("is one of", "includes"),
    "found_with": ("is found with", "is found with"),
    "in_group": ("belongs to", "includes"),
    "is_a": ("is a kind of", "includes"),
    "made_of": ("is made of", "is the material of"),
    "related": ("is related to", "is related to"),
    "shape_made_of": ("is made of", "is the material of"),
    "reused_as": ("can become", "can come from"),
    "default_material": ("is usually made of", "is the usual material of"),
    "default_shape": ("usually has the shape", "is the usual shape of"),
    "same_name": ("has the same name as", "has the same name as"),
}
"""Words of a relation from source to target, and from target to source."""


class Recommendations(pa.DataFrameModel):
    """One row an item and a recommended node.

    `score` is the probability of a link, `steps` the length of the path (0: no path).
    """

    item: Series[str]
    kind: Series[str]
    rank: Series[int] = pa.Field(ge=1)
    target: Series[str]
    target_name: Series[str]
    score: Series[float] = pa.Field(ge=0, le=1)
    steps: Series[int] = pa.Field(ge=0)
    path: Series[str]


def recommendations(
    nodes: pd.DataFrame, links: pd.DataFrame, graph: Graph, embeddings: np.ndarray, params: GraphParams
) -> pd.DataFrame:
    """Return the likeliest new links of every item to nodes of the requested kinds.

    Raises
    ------
    ValueError
        If the graph has no node of a requested kind.
    """
    items = np.flatnonzero(graph.types == "item")
    tables = [_of_kind(kind, items, nodes, graph, embeddings, params) for kind in params.kinds]
    table = pd.concat(tables, ignore_index=True)
    paths = _paths(links, graph, table[["from", "to"]].to_numpy(np.int64).T)
    phrases = relation_phrases(links)
    name, kind = nodes["name"].tolist(), graph.types.tolist()
    table["steps"] = [max(len(path) - 1, 0) for path in paths]
    table["path"] = [in_words(path, name, kind, phrases) for path in paths]
    table = table.sort_values(["from", "kind", "rank"], kind="stable")
    return table[list(Recommendations.to_schema().columns)].reset_index(drop=True)


def _of_kind(
    kind: str, items: np.ndarray, nodes: pd.DataFrame, graph: Graph, z: np.ndarray, params: GraphParams
) -> pd.DataFrame:
    from methods.graph.recommend import top_targets

    targets = np.flatnonzero(graph.types == kind)
    if not len(targets):
        raise ValueError(
            f"releaf.graph.kinds: nodes.parquet has no node of type '{kind}'; "
            f"expected one of {', '.join(np.unique(graph.types))}"
        )
    best = top_targets(z, items, targets, params.per_kind, excluded=graph.known())
    row, place = np.nonzero(best.target >= 0)
    to = best.target[row, place]
    return pd.DataFrame(
        {
            "from": items[row],
            "to": to,
            "item": nodes["node"].to_numpy()[items[row]],
            "kind": kind,
            "rank": place + 1,
            "target": nodes["node"].to_numpy()[to],
            "target_name": nodes["name"].to_numpy()[to],
            "score": best.score[row, place].round(6),
        }
    )


def _paths(links: pd.DataFrame, graph: Graph, pairs: np.ndarray) -> list[tuple[int, ...]]:
    from methods.graph.recommend import shortest_paths

    distinct, position = np.unique(pairs, axis=1, return_inverse=True)
    found = shortest_paths(graph.known(), graph.nodes, distinct)
    return [found[k] for k in np.ravel(position)]


def relation_phrases(links: pd.DataFrame) -> dict[tuple[int, int], str]:
    """Return the words of each link in both directions, of stated relations first."""
    phrases: dict[tuple[int, int], str] = {}
    order = links.sort_values("stated", ascending=False, kind="stable")
    for source, target, relation in order[["source", "target", "relation"]].itertuples(index=False):
        plain = relation.replace("_", " ")
        default = (f"is linked by '{plain}' to", f"is linked by '{plain}' from")
        forward, backward = PHRASES.get(relation, default)
        phrases.setdefault((source, target), forward)
        phrases.setdefault((target, source), backward)
    return phrases


def in_words(
    path: Sequence[int], names: Sequence[str], kinds: Sequence[str], phrases: dict[tuple[int, int], str]
) -> str:
    """Return a path in words.

    For example ``jar is made of glass (material); glass is the packing of jam (product)``.
    """
    if len(path) < 2:
        return NO_PATH
    return "; ".join(f"{names[a]} {phrases[a, b]} {names[b]} ({kinds[b]})" for a, b in pairwise(path))

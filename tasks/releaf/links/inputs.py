"""Inputs of link prediction: the split graph, node features and negative pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from statewright.contracts import ContractError
from tasks.releaf.params import GraphParams

if TYPE_CHECKING:
    from methods.graph.links import Negatives, Split

Ints = np.ndarray
EASY, SAME_TYPE, MATCHED, WHOLE = "uniform", "same type", "same type and degree", "whole type"


@dataclass(frozen=True)
class Graph:
    """The graph as arrays.

    Attributes
    ----------
    types : ndarray of str (n,)
    links : ndarray of shape (2, E)
        Links to predict, every pair once.
    relation : ndarray of str (E,)
    context : ndarray of shape (2, C)
        Links that pass messages only.
    split : Split
    """

    types: np.ndarray
    links: Ints
    relation: np.ndarray
    context: Ints
    split: Split

    @property
    def nodes(self) -> int:
        """The number of nodes."""
        return len(self.types)

    def known(self) -> Ints:
        """Return every linked pair; none of them may be a negative."""
        return np.concatenate([self.links, self.context], axis=1)

    def carriers(self) -> Ints:
        """Return the links that pass messages: training links and context."""
        return np.concatenate([self.links[:, self.split.train], self.context], axis=1)


def read_graph(nodes: pd.DataFrame, links: pd.DataFrame, params: GraphParams) -> tuple[pd.DataFrame, Graph]:
    """Return the nodes in the order of their index, and the split graph.

    A pair with a predicted relation is left out of the context, because it would reveal the held-out link.
    For a pair with two relations, the first one counts.

    Raises
    ------
    ContractError
        If the indices are not 0 to n - 1, a link names an unknown node, or too few links remain to predict.
    """
    from methods.graph.links import first_of_pairs, pair_keys, split_links

    nodes = nodes.sort_values("index").reset_index(drop=True)
    if not np.array_equal(nodes["index"], np.arange(len(nodes))):
        raise ContractError(
            f"nodes.parquet, column 'index': expected 0 to {len(nodes) - 1}, each once; run "
            "`statewright run releaf-preprocess`"
        )
    ends = links[["source", "target"]].to_numpy(np.int64).T
    if (ends >= len(nodes)).any():
        raise ContractError(
            f"links.parquet: a link names node {ends.max()}, but nodes.parquet has {len(nodes)} nodes; run "
            "`statewright run releaf-preprocess`"
        )
    context = links["relation"].isin(params.context).to_numpy()
    relation = links["relation"].to_numpy(str)[~context]
    predicted = ends[:, ~context]
    kept = first_of_pairs(predicted, len(nodes))
    predicted, relation = predicted[:, kept], relation[kept]
    others = ends[:, context]
    others = others[:, ~np.isin(pair_keys(others, len(nodes)), pair_keys(predicted, len(nodes)))]
    try:
        split = split_links(
            predicted,
            len(nodes),
            params.seed,
            validation=params.validation,
            test=params.test,
            strata=relation,
        )
    except ValueError as error:
        raise ContractError(f"links.parquet without {', '.join(params.context)}: {error}") from None
    others = others[:, first_of_pairs(others, len(nodes))]
    return nodes, Graph(nodes["node_type"].to_numpy(str), predicted, relation, others, split)


def node_features(nodes: pd.DataFrame, graph: Graph, params: GraphParams) -> np.ndarray:
    """Return the given features ``(n, d)``: the type, then structure or text.

    If all features are learnt, there is no column. The structure is computed from the training links, so
    held-out links do not affect it.
    """
    if set(params.features) == {"learnt"}:
        return np.zeros((len(nodes), 0), dtype=np.float32)
    kinds = np.unique(graph.types)
    one_hot = (graph.types[:, None] == kinds).astype(np.float32)
    parts = [one_hot]
    if "structure" in params.features:
        parts.append(_neighbour_types(graph.carriers(), one_hot))
    if "text" in params.features:
        from methods.text import embed, find_model

        parts.append(embed(nodes["name"].tolist(), find_model(params.text_model), batch=128))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _neighbour_types(links: Ints, one_hot: np.ndarray) -> np.ndarray:
    counts = np.zeros_like(one_hot)
    for near, far in (links, links[::-1]):
        np.add.at(counts, near, one_hot[far])
    return np.log1p(np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1))


def negatives_of(graph: Graph, chosen: Ints, seed: int) -> dict[str, Negatives]:
    """Return negative pairs for the `chosen` links, by kind from easy to hard."""
    from methods.graph.links import (
        Negatives,
        all_same_type_negatives,
        degree_matched_negatives,
        same_type_negatives,
        uniform_negatives,
    )

    rng = np.random.default_rng(seed)
    links, known = graph.links[:, chosen], graph.known()
    degree = np.bincount(graph.carriers().ravel(), minlength=graph.nodes)
    easy = uniform_negatives(graph.nodes, len(chosen), known, rng)
    return {
        EASY: Negatives(easy, np.arange(len(chosen))),
        SAME_TYPE: same_type_negatives(links, graph.types, known, rng),
        MATCHED: degree_matched_negatives(links, graph.types, degree, known, rng),
        WHOLE: all_same_type_negatives(links, graph.types, known),
    }

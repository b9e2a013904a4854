"""Describe attention from level to level as a graph, and export it.

    level 1: the result  ->  level 2: modalities  ->  level 3: their columns  ->  ...

Edges lead from a node to those of the next level that it reads, never elsewhere, so that the graph has no
cycle. The adjacency ``A^(l)`` of the size ``n_l x n_(l+1)`` holds the weight of each edge; a row sums to 1,
because it is one softmax. A node without anything to read is absent: its row is 0. The product
``A^(1) ... A^(L-1)`` is the share of every node of the last level in the result (attention rollout). Weights
say where a model looks, not what causes its result.

References
----------
Specification 1 §3.1. Abnar and Zuidema (2020), Quantifying Attention Flow in Transformers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import networkx as nx

Array = np.ndarray
TOLERANCE = 1e-5
"""Largest difference of the sum of a row from 1: weights may be computed in float32."""


@dataclass(frozen=True)
class Edge:
    """Edge from a node of one level to a node of the next, with its weight in (0, 1]."""

    source: str
    target: str
    level: int
    weight: float


@dataclass(frozen=True)
class AttentionGraph:
    """Levels of named nodes, with the attention from each level to the next.

    Attributes
    ----------
    levels : tuple of tuple of str
        Names of the nodes, unique in a level, from the result to the input.
    adjacency : tuple of (n_l, n_(l+1))
        Weights in [0, 1]. The sum of a row is 1, or 0 for a node that is absent.

    Raises
    ------
    ValueError
        If shapes do not match the levels, a name is repeated, or a row does not sum to 1 or 0.
    """

    levels: tuple[tuple[str, ...], ...]
    adjacency: tuple[Array, ...]

    def __post_init__(self) -> None:
        """Check names, shapes and sums."""
        for number, names in enumerate(self.levels, 1):
            if len(set(names)) != len(names) or not names:
                raise ValueError(f"level {number} has the nodes {list(names)}; expected one or more, unique")
        if len(self.adjacency) != len(self.levels) - 1:
            raise ValueError(
                f"{len(self.levels)} levels have {len(self.adjacency)} matrices; expected one from each "
                "level to the next"
            )
        for number, weights in enumerate(self.adjacency, 1):
            expected = (len(self.levels[number - 1]), len(self.levels[number]))
            if weights.shape != expected:
                raise ValueError(f"the matrix of level {number} is {weights.shape}; expected {expected}")
            sums = weights.sum(axis=1)
            wrong = (np.abs(sums - 1) > TOLERANCE) & (sums != 0)
            if wrong.any() or (weights < 0).any():
                row = int(np.argmax(wrong | (weights < 0).any(axis=1)))
                raise ValueError(
                    f"level {number}, node '{self.levels[number - 1][row]}': the weights sum to "
                    f"{sums[row]:.6g}; expected weights of at least 0 with the sum 1, or all 0"
                )

    def rollout(self) -> Array:
        """Return the shares of the last level in each node of the first, (n_1, n_L)."""
        shares: Array = np.eye(len(self.levels[0]))
        for weights in self.adjacency:
            shares = shares @ weights
        return shares

    def edges(self) -> Iterator[Edge]:
        """Yield every edge with a weight above 0, level by level."""
        for number, weights in enumerate(self.adjacency, 1):
            names, below = self.levels[number - 1], self.levels[number]
            for row, column in zip(*np.nonzero(weights), strict=True):
                yield Edge(names[row], below[column], number, float(weights[row, column]))


def to_networkx(graph: AttentionGraph) -> nx.DiGraph:
    """Return a directed graph whose nodes are called ``level/name``.

    Nodes have the attributes `level`, from 1, and `name`; edges have `weight`.
    """
    import networkx as nx

    result: nx.DiGraph = nx.DiGraph()
    for number, names in enumerate(graph.levels, 1):
        result.add_nodes_from((f"{number}/{name}", {"level": number, "name": name}) for name in names)
    result.add_weighted_edges_from(
        (f"{edge.level}/{edge.source}", f"{edge.level + 1}/{edge.target}", edge.weight)
        for edge in graph.edges()
    )
    return result


def to_graphml(graph: AttentionGraph) -> str:
    """Return the graph as GraphML, which Gephi, yEd, Cytoscape and networkx read."""
    import networkx as nx

    return "\n".join(nx.generate_graphml(to_networkx(graph))) + "\n"


def to_json(graph: AttentionGraph) -> str:
    """Return the graph as JSON: its levels, and its edges with weights."""
    edges = [
        {"level": edge.level, "source": edge.source, "target": edge.target, "weight": edge.weight}
        for edge in graph.edges()
    ]
    return json.dumps({"levels": graph.levels, "edges": edges}, ensure_ascii=False, indent=1) + "\n"


def from_json(text: str) -> AttentionGraph:
    """Read a graph that `to_json` wrote."""
    content = json.loads(text)
    levels = tuple(tuple(names) for names in content["levels"])
    adjacency = tuple(np.zeros((len(a), len(b))) for a, b in pairwise(levels))
    for edge in content["edges"]:
        level = edge["level"]
        row, column = levels[level - 1].index(edge["source"]), levels[level].index(edge["target"])
        adjacency[level - 1][row, column] = edge["weight"]
    return AttentionGraph(levels, adjacency)


def positions(graph: AttentionGraph) -> tuple[Array, ...]:
    """Lay the nodes out: the height of each node of a level, in (0, 1).

    The nodes of a level are evenly spaced. A node stands beside the node above that reads it most, so that
    the edges of a tree do not cross.

    Returns
    -------
    tuple of (n_l,)
    """
    orders = [np.arange(len(graph.levels[0]))]
    for weights in graph.adjacency:
        rank = np.empty(len(orders[-1]))
        rank[orders[-1]] = np.arange(len(orders[-1]))
        reader = np.where(weights.any(axis=0), rank[weights.argmax(axis=0)], len(rank))
        orders.append(np.argsort(reader, kind="stable"))
    return tuple(_spaced(order) for order in orders)


def _spaced(order: Array) -> Array:
    heights = np.empty(len(order))
    heights[order] = (np.arange(len(order)) + 0.5) / len(order)
    return heights

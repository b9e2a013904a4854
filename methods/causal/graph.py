"""Causal graphs: prior knowledge, edges, and graphs up to equivalence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np

Array = np.ndarray

# Marks at the ends of an edge, as causal-learn writes them: [i, j] is the mark at i.
TAIL, ARROW = -1, 1


@dataclass(frozen=True)
class Background:
    """Prior knowledge about a graph.

    Attributes
    ----------
    tiers : sequence of sequences of str
        Names in order of time: no edge points from a later tier into an earlier one.
    forbidden : sequence of (str, str)
        Directed edges that cannot exist. Forbidding both directions of a pair removes the edge
        without a test.
    required : sequence of (str, str)
        Directed edges that exist, whatever the tests say.
    """

    tiers: Sequence[Sequence[str]] = ()
    forbidden: Sequence[tuple[str, str]] = ()
    required: Sequence[tuple[str, str]] = ()

    def check(self, names: Sequence[str]) -> None:
        """Raise ValueError if a name is unknown or constraints contradict each other."""
        listed = [name for tier in self.tiers for name in tier]
        used = [*listed, *(name for pair in (*self.forbidden, *self.required) for name in pair)]
        unknown = sorted(set(used) - set(names))
        if unknown:
            raise ValueError(f"background names {unknown}; the columns are {list(names)}")
        if len(set(listed)) < len(listed):
            twice = sorted({name for name in listed if listed.count(name) > 1})
            raise ValueError(f"background puts {twice} into two tiers; put each into one")
        tier_of = {name: number for number, tier in enumerate(self.tiers) for name in tier}
        conflicts = [
            (a, b)
            for a, b in self.required
            if (a, b) in set(map(tuple, self.forbidden)) or tier_of.get(a, 0) > tier_of.get(b, len(tier_of))
        ]
        if conflicts:
            raise ValueError(
                f"background both requires and forbids {conflicts}; drop one of the two constraints"
            )
        if not nx.is_directed_acyclic_graph(nx.DiGraph(list(self.required))):
            raise ValueError(f"the required edges {list(self.required)} form a cycle; drop one of them")


@dataclass(frozen=True)
class Edge:
    """Edge of a graph.

    ``source -> target`` is of kind "directed", ``--`` is "undirected" and ``<->`` is "bidirected".
    """

    source: str
    target: str
    kind: str


@dataclass(frozen=True)
class Cpdag:
    """Completed partially directed graph: undirected edges may point either way.

    Attributes
    ----------
    names : tuple of str
        Names of the p variables.
    matrix : array of int (p, p)
        ``m[i, j] = -1, m[j, i] = 1``: i -> j; both -1: i -- j; both 1: i <-> j; 0: no edge.
    """

    names: tuple[str, ...]
    matrix: Array

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, each once; a directed one from source to target."""
        edges = []
        for i, j in zip(*np.nonzero(np.triu(self.matrix)), strict=True):
            marks = (self.matrix[i, j], self.matrix[j, i])
            source, target = (j, i) if marks == (ARROW, TAIL) else (i, j)
            kind = {(TAIL, TAIL): "undirected", (ARROW, ARROW): "bidirected"}.get(marks, "directed")
            edges.append(Edge(self.names[source], self.names[target], kind))
        return tuple(edges)

    @property
    def directed(self) -> Array:
        """Directed edges, (p, p) bool: true at ``[i, j]`` where i -> j."""
        return (self.matrix == TAIL) & (self.matrix.T == ARROW)

    def parents(self, name: str) -> tuple[str, ...]:
        """Return the names with a directed edge to `name`."""
        into = self.directed[:, self.names.index(name)]
        return tuple(self.names[i] for i in np.flatnonzero(into))


def cpdag_of_dag(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> Cpdag:
    """Compute the graph of all DAGs with the same independences as this one.

    Parameters
    ----------
    names : sequence of str
    edges : sequence of (cause, effect)

    Returns
    -------
    Cpdag
        An edge is directed if it has the same direction in every equivalent DAG.

    Raises
    ------
    ValueError
        If an edge names an unknown node, or the edges form a cycle.

    References
    ----------
    Verma and Pearl (1990); Meek (1995).
    """
    from causallearn.graph.Dag import Dag
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.utils.DAG2CPDAG import dag2cpdag

    Background(required=edges).check(names)
    nodes = {name: GraphNode(name) for name in names}
    dag = Dag(list(nodes.values()))
    for cause, effect in edges:
        dag.add_directed_edge(nodes[cause], nodes[effect])
    return Cpdag(tuple(names), dag2cpdag(dag).graph.astype(int))


def consistent_extension(matrix: Array) -> list[list[int]]:
    """Direct the undirected edges without a cycle or a new collider.

    Nodes without children leave one after another; a node may leave if each neighbour of an undirected
    edge is adjacent to all its other neighbours. If none may, as in a graph with a cycle or with
    bidirected edges, the node with the fewest children leaves, and its edges point into it.

    Returns
    -------
    list of list of int
        Parents of each node, in an acyclic graph.

    References
    ----------
    Dor and Tarsi, A simple algorithm to construct a consistent extension of a partially oriented
    graph (1992).
    """
    directed = (matrix == TAIL) & (matrix.T == ARROW)
    adjacent = matrix != 0
    parents: list[list[int]] = [[] for _ in matrix]
    remaining = list(range(len(matrix)))

    def may_leave(node: int) -> bool:
        neighbours = [i for i in remaining if adjacent[node, i]]
        open_ends = [i for i in neighbours if not directed[i, node]]
        return all(adjacent[i, j] for i in open_ends for j in neighbours if i != j)

    while remaining:
        children = directed[np.ix_(remaining, remaining)].sum(axis=1)
        free = [i for i, count in zip(remaining, children, strict=True) if not count and may_leave(i)]
        node = free[0] if free else remaining[int(children.argmin())]
        remaining.remove(node)
        parents[node] = [i for i in remaining if adjacent[i, node]]
    return parents

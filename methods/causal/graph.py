"""Graphs of causes: what is known beforehand, an edge, a graph known up to equivalence."""

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
    """What is known before looking at the data.

    Attributes
    ----------
    tiers : sequence of sequences of str
        Names in order of time: no edge points from a later tier into an earlier one.
    forbidden : sequence of (str, str)
        Directed edges that cannot be. Forbidding both directions of a pair leaves the edge
        out without a test.
    required : sequence of (str, str)
        Directed edges that must be, whatever the tests say.
    """

    tiers: Sequence[Sequence[str]] = ()
    forbidden: Sequence[tuple[str, str]] = ()
    required: Sequence[tuple[str, str]] = ()

    def check(self, names: Sequence[str]) -> None:
        """Raise ValueError where a name is no column, or one demand contradicts another."""
        listed = [name for tier in self.tiers for name in tier]
        used = [*listed, *(name for pair in (*self.forbidden, *self.required) for name in pair)]
        unknown = sorted(set(used) - set(names))
        if unknown:
            raise ValueError(f"background names {unknown}; the columns are {list(names)}")
        if len(set(listed)) < len(listed):
            twice = sorted({name for name in listed if listed.count(name) > 1})
            raise ValueError(f"background puts {twice} into two tiers; name each once")
        tier_of = {name: number for number, tier in enumerate(self.tiers) for name in tier}
        back = [
            (a, b)
            for a, b in self.required
            if (a, b) in set(map(tuple, self.forbidden)) or tier_of.get(a, 0) > tier_of.get(b, len(tier_of))
        ]
        if back:
            raise ValueError(f"background requires {back} and forbids them, by name or by tier; drop one")
        if not nx.is_directed_acyclic_graph(nx.DiGraph(list(self.required))):
            raise ValueError(f"the required edges {list(self.required)} form a cycle; drop one of them")


@dataclass(frozen=True)
class Edge:
    """``source -> target`` (directed), ``source -- target`` (undirected) or ``<->`` (bidirected)."""

    source: str
    target: str
    kind: str


@dataclass(frozen=True)
class Cpdag:
    """A graph whose undirected edges may point either way.

    Attributes
    ----------
    names : tuple of str
        The p variables.
    matrix : array of int (p, p)
        ``m[i, j] = -1, m[j, i] = 1``: i -> j; both -1: i -- j; both 1: i <-> j; 0: no edge.
    """

    names: tuple[str, ...]
    matrix: Array

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges, each once; a directed one from source to target."""
        found = []
        for i, j in zip(*np.nonzero(np.triu(self.matrix)), strict=True):
            marks = (self.matrix[i, j], self.matrix[j, i])
            source, target = (j, i) if marks == (ARROW, TAIL) else (i, j)
            kind = {(TAIL, TAIL): "undirected", (ARROW, ARROW): "bidirected"}.get(marks, "directed")
            found.append(Edge(self.names[source], self.names[target], kind))
        return tuple(found)

    @property
    def directed(self) -> Array:
        """(p, p) bool: ``[i, j]`` where i -> j."""
        return (self.matrix == TAIL) & (self.matrix.T == ARROW)

    def parents(self, name: str) -> tuple[str, ...]:
        """The names with a directed edge into `name`."""
        into = self.directed[:, self.names.index(name)]
        return tuple(self.names[i] for i in np.flatnonzero(into))


def cpdag_of_dag(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> Cpdag:
    """Graph of all DAGs that no test of independence can tell from this one.

    Parameters
    ----------
    names : sequence of str
    edges : sequence of (cause, effect)

    Returns
    -------
    Cpdag
        An edge is directed where it points the same way in every equivalent DAG.

    Raises
    ------
    ValueError
        If an edge names no node, or the edges form a cycle.

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

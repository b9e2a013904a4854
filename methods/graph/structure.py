"""What a graph is like: whether like links to like, and which nodes are central."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.graph.links import Links, pair_keys

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Homophily:
    """Share of links between equal labels, and the same with the labels shuffled among the nodes.

    ``p_value`` is ``(1 + shuffles at least as homophilous) / (1 + shuffles)``.
    """

    observed: float
    shuffled: float
    p_value: float
    links: int


def edge_homophily(links: Links, labels: NDArray[np.generic], *, shuffles: int, seed: int) -> Homophily:
    """``H = links between equal labels / links`` (specification 2 §8.4), beside shuffled labels.

    Raises
    ------
    ValueError
        If there is no link, or fewer than one shuffle.
    """
    if not links.shape[1] or shuffles < 1:
        raise ValueError(f"{links.shape[1]} links, {shuffles} shuffles; expected one of each at least")
    pair_keys(links, len(labels))
    rng = np.random.default_rng(seed)
    observed = _same(links, labels)
    draws = np.array([_same(links, rng.permutation(labels)) for _ in range(shuffles)])
    p_value = (1 + int((draws >= observed).sum())) / (1 + shuffles)
    return Homophily(observed, float(draws.mean()), p_value, links.shape[1])


def _same(links: Links, labels: NDArray[np.generic]) -> float:
    return float(np.mean(labels[links[0]] == labels[links[1]]))


@dataclass(frozen=True)
class Centralities:
    """Of every node: neighbours, degree centrality, PageRank (sums to 1), betweenness (0 to 1)."""

    neighbours: NDArray[np.int64]
    degree: Floats
    pagerank: Floats
    betweenness: Floats


def centralities(links: Links, nodes: int, *, pivots: int | None, seed: int) -> Centralities:
    """Degree ``d / (n - 1)``, PageRank (damping 0.85) and betweenness, by networkx.

    Parameters
    ----------
    links : ndarray of shape (2, E)
    nodes : int
    pivots : int, optional
        Betweenness from so many random nodes instead of all (Brandes and Pich 2007): an estimate.
    seed : int
        Of the pivots.
    """
    import networkx as nx

    pair_keys(links, nodes)
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(links.T.tolist())
    pivots = None if pivots is None or pivots >= nodes else pivots
    found = (
        nx.degree_centrality(graph),
        nx.pagerank(graph),
        nx.betweenness_centrality(graph, k=pivots, seed=seed),
    )
    degree, rank, between = (np.array([values[node] for node in range(nodes)]) for values in found)
    neighbours = np.array([graph.degree[node] for node in range(nodes)], dtype=np.int64)
    return Centralities(neighbours, degree, rank, between)

"""Measure the structure of a graph: homophily and centralities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.graph.links import Links, pair_keys

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Homophily:
    """Share of links between equal labels, as observed and with shuffled labels.

    ``p_value`` is ``(1 + shuffles at least as homophilous) / (1 + shuffles)``.
    """

    observed: float
    shuffled: float
    p_value: float
    links: int


def edge_homophily(links: Links, labels: NDArray[np.generic], *, shuffles: int, seed: int) -> Homophily:
    """Compute the homophily of the labels, and of shuffled labels.

    ``H = links between equal labels / links`` (specification 2 §8.4).

    Raises
    ------
    ValueError
        If there is no link, or fewer than one shuffle.
    """
    if not links.shape[1] or shuffles < 1:
        raise ValueError(f"{links.shape[1]} links, {shuffles} shuffles; expected at least one of each")
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
    """Neighbours, degree centrality, PageRank and betweenness of every node.

    PageRank sums to 1; betweenness is from 0 to 1.
    """

    neighbours: NDArray[np.int64]
    degree: Floats
    pagerank: Floats
    betweenness: Floats


def centralities(links: Links, nodes: int, *, pivots: int | None, seed: int) -> Centralities:
    """Compute degree ``d / (n - 1)``, PageRank (damping 0.85) and betweenness.

    Parameters
    ----------
    links : ndarray of shape (2, E)
    nodes : int
    pivots : int, optional
        Number of random nodes from which betweenness is estimated (Brandes and Pich 2007); None for all
        nodes, which is exact.
    seed : int
        Seed of the choice of pivots.
    """
    import networkx as nx

    pair_keys(links, nodes)
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(links.T.tolist())
    pivots = None if pivots is None or pivots >= nodes else pivots
    values = (
        nx.degree_centrality(graph),
        nx.pagerank(graph),
        nx.betweenness_centrality(graph, k=pivots, seed=seed),
    )
    degree, rank, between = (np.array([value[node] for node in range(nodes)]) for value in values)
    neighbours = np.array([graph.degree[node] for node in range(nodes)], dtype=np.int64)
    return Centralities(neighbours, degree, rank, between)

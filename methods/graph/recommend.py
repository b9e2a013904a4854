"""Recommendations from embeddings, each with the way that leads to it in the graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from methods.graph.links import Links, adjacency

Ints = NDArray[np.int64]
CHUNK = 256


@dataclass(frozen=True)
class Recommended:
    """The best targets of every source, best first; -1 and 0 where there are fewer than k.

    Attributes
    ----------
    target : ndarray of shape (sources, k)
    score : ndarray of shape (sources, k)
        ``sigmoid(z_source . z_target)``, 0 to 1.
    """

    target: Ints
    score: NDArray[np.float64]


def top_targets(
    z: NDArray[np.floating], sources: Ints, targets: Ints, k: int, *, left_out: Links
) -> Recommended:
    """The k targets with the largest ``sigmoid(z_source . z_target)``, ties by the smaller node.

    Parameters
    ----------
    z : ndarray of shape (n, width)
    sources, targets : ndarray of int
        Nodes; a node is never recommended to itself.
    k : int
        At least 1.
    left_out : ndarray of shape (2, E)
        Pairs that are linked already, in either direction.
    """
    if k < 1 or not np.isfinite(z).all():
        raise ValueError(f"k is {k}; expected 1 or more, and finite embeddings")
    targets = np.unique(targets)
    known = adjacency(left_out, len(z))
    chosen = np.full((len(sources), k), -1)
    score = np.zeros((len(sources), k))
    for first in range(0, len(sources), CHUNK):
        some = sources[first : first + CHUNK]
        logits = z[some].astype(float) @ z[targets].astype(float).T
        logits[(known[some][:, targets].toarray() > 0) | (targets == some[:, None])] = -np.inf
        best = np.argsort(-logits, axis=1, kind="stable")[:, :k]
        value = np.take_along_axis(logits, best, axis=1)
        chosen[first : first + CHUNK, : best.shape[1]] = np.where(np.isfinite(value), targets[best], -1)
        score[first : first + CHUNK, : best.shape[1]] = _sigmoid(value)
    return Recommended(chosen, score)


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0.0, -x))


def shortest_paths(links: Links, nodes: int, pairs: Links) -> list[tuple[int, ...]]:
    """A shortest path of every pair, both ends in it; empty where there is none.

    Of several shortest ones the path through the least connected nodes, which says most: the length of a
    step is 1 plus a part of ``log d`` of the node reached, too small to make a longer path the shorter one.
    """
    near = adjacency(links, nodes)
    degree = np.asarray(near.sum(axis=1)).ravel()
    small = 1.0 / (2.0 * nodes * (1.0 + np.log(max(degree.max(initial=1.0), 1.0))))
    steps = sparse.csr_matrix(
        (1.0 + small * np.log(degree[near.indices]), near.indices, near.indptr), near.shape
    )
    sources, row = np.unique(pairs[0], return_inverse=True)
    found: list[tuple[int, ...]] = [()] * pairs.shape[1]
    for first in range(0, len(sources), CHUNK):
        _, before = dijkstra(steps, indices=sources[first : first + CHUNK], return_predecessors=True)
        for k in np.flatnonzero((row >= first) & (row < first + CHUNK)):
            found[k] = tuple(_walk_back(before[row[k] - first], *map(int, pairs[:, k])))[::-1]
    return found


def _walk_back(before: NDArray[np.int32], source: int, target: int) -> Iterator[int]:
    if source != target and before[target] < 0:
        return
    node = target
    while node != source:
        yield node
        node = int(before[node])
    yield source

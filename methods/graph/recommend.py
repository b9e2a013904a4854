"""Recommend targets by embeddings, and explain them by paths in the graph."""

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
class Recommendations:
    """The best targets of every source, best first.

    Where a source has fewer than k targets, the target is -1 and the score 0.

    Attributes
    ----------
    target : ndarray of shape (sources, k)
    score : ndarray of shape (sources, k)
        ``sigmoid(z_source . z_target)``, 0 to 1.
    """

    target: Ints
    score: NDArray[np.float64]


def top_targets(
    z: NDArray[np.floating], sources: Ints, targets: Ints, k: int, *, excluded: Links
) -> Recommendations:
    """Return the k targets with the largest ``sigmoid(z_source . z_target)``.

    Of equal scores, the smaller node comes first.

    Parameters
    ----------
    z : ndarray of shape (n, width)
    sources, targets : ndarray of int
        Nodes. A node is never recommended to itself.
    k : int
        At least 1.
    excluded : ndarray of shape (2, E)
        Pairs that are not recommended in either direction, because they are linked already.
    """
    if k < 1 or not np.isfinite(z).all():
        raise ValueError(f"k is {k}; expected 1 or more, and embeddings that are all finite")
    targets = np.unique(targets)
    known = adjacency(excluded, len(z))
    target = np.full((len(sources), k), -1)
    score = np.zeros((len(sources), k))
    for first in range(0, len(sources), CHUNK):
        chunk = sources[first : first + CHUNK]
        logits = z[chunk].astype(float) @ z[targets].astype(float).T
        logits[(known[chunk][:, targets].toarray() > 0) | (targets == chunk[:, None])] = -np.inf
        best = np.argsort(-logits, axis=1, kind="stable")[:, :k]
        value = np.take_along_axis(logits, best, axis=1)
        target[first : first + CHUNK, : best.shape[1]] = np.where(np.isfinite(value), targets[best], -1)
        score[first : first + CHUNK, : best.shape[1]] = _sigmoid(value)
    return Recommendations(target, score)


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0.0, -x))


def shortest_paths(links: Links, nodes: int, pairs: Links) -> list[tuple[int, ...]]:
    """Return a shortest path of every pair, with both ends; empty if there is none.

    Of several shortest paths, the one through the nodes with the fewest links is returned, because it is the
    most specific. To choose it, the length of a step is 1 plus a fraction of ``log d`` of the node reached.
    The fraction is too small to prefer a path with more steps.
    """
    near = adjacency(links, nodes)
    degree = np.asarray(near.sum(axis=1)).ravel()
    small = 1.0 / (2.0 * nodes * (1.0 + np.log(max(degree.max(initial=1.0), 1.0))))
    steps = sparse.csr_matrix(
        (1.0 + small * np.log(degree[near.indices]), near.indices, near.indptr), near.shape
    )
    sources, row = np.unique(pairs[0], return_inverse=True)
    paths: list[tuple[int, ...]] = [()] * pairs.shape[1]
    for first in range(0, len(sources), CHUNK):
        _, predecessors = dijkstra(steps, indices=sources[first : first + CHUNK], return_predecessors=True)
        for k in np.flatnonzero((row >= first) & (row < first + CHUNK)):
            paths[k] = tuple(_walk_back(predecessors[row[k] - first], *map(int, pairs[:, k])))[::-1]
    return paths


def _walk_back(predecessors: NDArray[np.int32], source: int, target: int) -> Iterator[int]:
    """Yield the nodes of the path from target to source; none if there is no path."""
    if source != target and predecessors[target] < 0:
        return
    node = target
    while node != source:
        yield node
        node = int(predecessors[node])
    yield source

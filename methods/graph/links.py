"""Links of a graph: which are hidden to be predicted, and which pairs stand for no link.

A link is a column (source, target) of a ``(2, E)`` array; the graph is undirected, so a pair may occur
once only, in one order. Held-out links must take no part in message passing, in neither direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Ints = NDArray[np.int64]
Links = NDArray[np.int64]
DRAWS = 100


@dataclass(frozen=True)
class Split:
    """Positions of the links learnt from, of those that choose, and of those that are only scored."""

    train: Ints
    validation: Ints
    test: Ints


@dataclass(frozen=True)
class Negatives:
    """Pairs that are no link; ``pairs[:, k]`` stands against link ``of[k]``."""

    pairs: Links
    of: Ints


def pair_keys(links: Links, nodes: int) -> Ints:
    """One number a pair, the same for both directions: ``min * nodes + max``."""
    links = np.asarray(links)
    if links.ndim != 2 or links.shape[0] != 2 or not np.issubdtype(links.dtype, np.integer):
        raise ValueError(f"links have shape {links.shape} and type {links.dtype}; expected integers (2, E)")
    if links.size and (links.min() < 0 or links.max() >= nodes):
        raise ValueError(f"links name nodes {links.min()} to {links.max()}; expected 0 to {nodes - 1}")
    return links.min(axis=0).astype(np.int64) * nodes + links.max(axis=0)


def adjacency(links: Links, nodes: int) -> sparse.csr_matrix:
    """Symmetric 0/1 matrix ``(n, n)``."""
    ones = np.ones(2 * links.shape[1])
    ends = np.concatenate([links, links[::-1]], axis=1)
    matrix = sparse.csr_matrix((ones, (ends[0], ends[1])), shape=(nodes, nodes))
    matrix.data[:] = 1.0
    return matrix


def first_of_pairs(links: Links, nodes: int) -> Ints:
    """Positions of the first link of every pair; later ones, reversed ones and self loops are left out."""
    _, first = np.unique(pair_keys(links, nodes), return_index=True)
    return np.sort(first[links[0, first] != links[1, first]])


def split_links(
    links: Links,
    nodes: int,
    seed: int,
    *,
    validation: float = 0.05,
    test: float = 0.10,
    strata: NDArray[np.generic] | None = None,
) -> Split:
    """Set links aside at random, the same share of every stratum.

    Parameters
    ----------
    links : ndarray of shape (2, E)
        Every pair once.
    nodes : int
    seed : int
    validation, test : float
        Shares held out, rounded down a stratum; the defaults are those of Kipf and Welling (2016).
    strata : ndarray of shape (E,), optional
        For instance relations.

    Raises
    ------
    ValueError
        If a pair occurs twice: its second link would give the hidden one away; if there is a self loop;
        or if a part is left empty.
    """
    if len(first_of_pairs(links, nodes)) != links.shape[1]:
        raise ValueError("a pair of nodes is linked twice, or a node to itself; see first_of_pairs")
    if min(validation, test) < 0 or validation + test >= 1:
        raise ValueError(f"shares {validation} and {test} held out; expected 0 or more, in all below 1")
    rng = np.random.default_rng(seed)
    parts: tuple[list[Ints], ...] = (
        [np.empty(0, np.int64)],
        [np.empty(0, np.int64)],
        [np.empty(0, np.int64)],
    )
    groups = np.zeros(links.shape[1]) if strata is None else np.asarray(strata)
    for group in np.unique(groups):
        order = rng.permutation(np.flatnonzero(groups == group))
        n_test, n_validation = int(len(order) * test), int(len(order) * validation)
        cuts = np.split(order, [n_test, n_test + n_validation])
        for part, chosen in zip(parts, (cuts[2], cuts[1], cuts[0]), strict=True):
            part.append(chosen)
    train, chosen_by, scored = (np.sort(np.concatenate(part)) for part in parts)
    if not (len(train) and len(chosen_by) and len(scored)):
        raise ValueError(
            f"{links.shape[1]} links give {len(train)} to train, {len(chosen_by)} to validate and "
            f"{len(scored)} to test; expected at least one of each"
        )
    return Split(train, chosen_by, scored)


def both_directions(links: Links) -> Links:
    """The ``(2, 2 E)`` edge index over which messages pass, sorted by the node that receives."""
    edges = np.concatenate([links, links[::-1]], axis=1)
    return edges[:, np.lexsort((edges[0], edges[1]))]


def uniform_negatives(nodes: int, count: int, known: Links, rng: np.random.Generator) -> Links:
    """Distinct pairs of nodes drawn uniformly among those not in `known`.

    Raises
    ------
    ValueError
        If the graph has too few pairs without a link.
    """
    taken = np.unique(pair_keys(known, nodes))
    free = nodes * (nodes - 1) // 2 - len(taken)
    if count > free / 2:
        raise ValueError(f"{count} pairs asked for, {free} without a link; expected at most half of them")
    found = np.empty((2, 0), dtype=np.int64)
    while found.shape[1] < count:
        drawn = np.concatenate([found, rng.integers(nodes, size=(2, 2 * count))], axis=1)
        drawn = drawn[:, ~np.isin(pair_keys(drawn, nodes), taken)]
        found = drawn[:, first_of_pairs(drawn, nodes)]
    return found[:, :count]


def same_type_negatives(
    links: Links, types: NDArray[np.generic], known: Links, rng: np.random.Generator
) -> Negatives:
    """Each link with its target replaced by another node of the target's type, not linked to the source.

    A link whose source is linked to every such node has no negative and is left out of ``of``.
    """
    nodes = len(types)
    _, kind = np.unique(types, return_inverse=True)
    taken = np.unique(pair_keys(known, nodes))
    by_kind = np.argsort(kind, kind="stable")
    size = np.bincount(kind)
    start = np.cumsum(size) - size
    source, of = links[0], kind[links[1]]
    target = np.full(links.shape[1], -1)
    for _ in range(DRAWS):
        left = np.flatnonzero(target < 0)
        if not len(left):
            break
        drawn = by_kind[start[of[left]] + rng.integers(size[of[left]])]
        fits = (drawn != source[left]) & ~np.isin(pair_keys(np.stack([source[left], drawn]), nodes), taken)
        target[left[fits]] = drawn[fits]
    near = adjacency(known, nodes)
    for k in np.flatnonzero(target < 0):
        pool = _free(source[k], by_kind[start[of[k]] : start[of[k]] + size[of[k]]], near)
        target[k] = rng.choice(pool) if len(pool) else -1
    kept = np.flatnonzero(target >= 0)
    return Negatives(np.stack([source[kept], target[kept]]), kept)


def degree_matched_negatives(
    links: Links,
    types: NDArray[np.generic],
    degree: Ints,
    known: Links,
    rng: np.random.Generator,
    nearest: int = 5,
) -> Negatives:
    """As `same_type_negatives`, of the `nearest` nodes of that type whose degree is closest to the target's.

    Popularity alone cannot tell such a pair from the link.
    """
    near = adjacency(known, len(types))
    pools = {kind: np.flatnonzero(types == kind) for kind in np.unique(types)}
    pairs, of = [], []
    for k, (source, true) in enumerate(links.T):
        pool = rng.permutation(_free(source, pools[types[true]], near))
        if len(pool):
            order = np.argsort(np.abs(degree[pool] - degree[true]), kind="stable")
            pairs.append((source, rng.choice(pool[order[:nearest]])))
            of.append(k)
    return Negatives(np.array(pairs, dtype=np.int64).reshape(-1, 2).T, np.array(of, dtype=np.int64))


def rivals(links: Links, types: NDArray[np.generic], known: Links) -> Negatives:
    """Of each link every other node of the target's type that is not linked to the source."""
    near = adjacency(known, len(types))
    pools = {kind: np.flatnonzero(types == kind) for kind in np.unique(types[links[1]])}
    found = []
    for source, target in links.T:
        free = _free(source, pools[types[target]], near)
        found.append(free[free != target])
    of = np.repeat(np.arange(links.shape[1]), [len(free) for free in found])
    return Negatives(np.stack([links[0][of], np.concatenate([*found, np.empty(0, np.int64)])]), of)


def _free(source: int, pool: Ints, near: sparse.csr_matrix) -> Ints:
    linked = near.indices[near.indptr[source] : near.indptr[source + 1]]
    return pool[(pool != source) & ~np.isin(pool, linked)]

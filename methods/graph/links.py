"""Split the links of a graph, and draw pairs of nodes without a link.

A link is a column (source, target) of a ``(2, E)`` array. The graph is undirected, so a pair may occur only
once, in one order. Held-out links must not carry messages in either direction.
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
    """Positions of the links for training, for validation and for testing."""

    train: Ints
    validation: Ints
    test: Ints


@dataclass(frozen=True)
class Negatives:
    """Pairs without a link; ``pairs[:, k]`` is a negative of link ``link_index[k]``."""

    pairs: Links
    link_index: Ints


def pair_keys(links: Links, nodes: int) -> Ints:
    """Return one number per pair, equal for both directions: ``min * nodes + max``."""
    links = np.asarray(links)
    if links.ndim != 2 or links.shape[0] != 2 or not np.issubdtype(links.dtype, np.integer):
        raise ValueError(f"links have shape {links.shape} and type {links.dtype}; expected integers (2, E)")
    if links.size and (links.min() < 0 or links.max() >= nodes):
        raise ValueError(f"links name nodes {links.min()} to {links.max()}; expected 0 to {nodes - 1}")
    return links.min(axis=0).astype(np.int64) * nodes + links.max(axis=0)


def adjacency(links: Links, nodes: int) -> sparse.csr_matrix:
    """Return the symmetric 0/1 adjacency matrix of shape (n, n)."""
    ones = np.ones(2 * links.shape[1])
    ends = np.concatenate([links, links[::-1]], axis=1)
    matrix = sparse.csr_matrix((ones, (ends[0], ends[1])), shape=(nodes, nodes))
    matrix.data[:] = 1.0
    return matrix


def first_of_pairs(links: Links, nodes: int) -> Ints:
    """Return the positions of the first link of every pair.

    Later links of the pair, reversed ones included, and self loops are left out.
    """
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
    """Split links at random, in the same shares within every stratum.

    Parameters
    ----------
    links : ndarray of shape (2, E)
        Links, with every pair once.
    nodes : int
    seed : int
    validation, test : float
        Shares held out, rounded down in each stratum. The defaults are those of Kipf and Welling (2016).
    strata : ndarray of shape (E,), optional
        For example the relation of each link.

    Raises
    ------
    ValueError
        If a pair occurs twice (its second link would reveal the held-out one), if there is a self loop, or
        if a part is empty.
    """
    if len(first_of_pairs(links, nodes)) != links.shape[1]:
        raise ValueError(
            "a pair of nodes is linked twice, or a node to itself; select links with first_of_pairs first"
        )
    if min(validation, test) < 0 or validation + test >= 1:
        raise ValueError(
            f"validation is {validation} and test is {test}; expected 0 or more, with a sum below 1"
        )
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
        for part, positions in zip(parts, (cuts[2], cuts[1], cuts[0]), strict=True):
            part.append(positions)
    train_links, validation_links, test_links = (np.sort(np.concatenate(part)) for part in parts)
    if not (len(train_links) and len(validation_links) and len(test_links)):
        raise ValueError(
            f"{links.shape[1]} links give {len(train_links)} for training, {len(validation_links)} for "
            f"validation and {len(test_links)} for testing; expected at least one of each"
        )
    return Split(train_links, validation_links, test_links)


def unknown_links(source: Ints, known: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mark the links of each source that are not known, at random.

    Of k links, ``round(known k)`` are known, but at least one; so a single link is always known.

    Parameters
    ----------
    source : ndarray of shape (E,)
        Source of each link.
    known : float
        Share of the links that are known, 0 to 1.
    rng : Generator
    """
    order = np.lexsort((rng.random(len(source)), source))
    _, start, size = np.unique(source[order], return_index=True, return_counts=True)
    rank = np.arange(len(source)) - np.repeat(start, size)
    first = np.maximum(1, np.round(known * size))
    result = np.zeros(len(source), bool)
    result[order] = rank >= np.repeat(first, size)
    return result


def both_directions(links: Links) -> Links:
    """Return the edge index (2, 2 E) of both directions, sorted by receiving node."""
    edges = np.concatenate([links, links[::-1]], axis=1)
    return edges[:, np.lexsort((edges[0], edges[1]))]


def uniform_negatives(nodes: int, count: int, known: Links, rng: np.random.Generator) -> Links:
    """Draw distinct pairs of nodes uniformly among those not in `known`.

    Raises
    ------
    ValueError
        If more than half of the pairs without a link are requested.
    """
    taken = np.unique(pair_keys(known, nodes))
    free = nodes * (nodes - 1) // 2 - len(taken)
    if count > free / 2:
        raise ValueError(f"{count} pairs requested of {free} without a link; expected at most half of them")
    pairs = np.empty((2, 0), dtype=np.int64)
    while pairs.shape[1] < count:
        drawn = np.concatenate([pairs, rng.integers(nodes, size=(2, 2 * count))], axis=1)
        drawn = drawn[:, ~np.isin(pair_keys(drawn, nodes), taken)]
        pairs = drawn[:, first_of_pairs(drawn, nodes)]
    return pairs[:, :count]


def same_type_negatives(
    links: Links, types: NDArray[np.generic], known: Links, rng: np.random.Generator
) -> Negatives:
    """Replace the target of each link by a random node of the same type.

    The new target is not linked to the source. A link whose source is linked to every node of that type has
    no negative, and is not in `link_index`.
    """
    nodes = len(types)
    _, kind = np.unique(types, return_inverse=True)
    taken = np.unique(pair_keys(known, nodes))
    by_kind = np.argsort(kind, kind="stable")
    size = np.bincount(kind)
    start = np.cumsum(size) - size
    source, target_kind = links[0], kind[links[1]]
    target = np.full(links.shape[1], -1)
    for _ in range(DRAWS):
        left = np.flatnonzero(target < 0)
        if not len(left):
            break
        drawn = by_kind[start[target_kind[left]] + rng.integers(size[target_kind[left]])]
        fits = (drawn != source[left]) & ~np.isin(pair_keys(np.stack([source[left], drawn]), nodes), taken)
        target[left[fits]] = drawn[fits]
    near = adjacency(known, nodes)
    for k in np.flatnonzero(target < 0):
        first = start[target_kind[k]]
        pool = _free(source[k], by_kind[first : first + size[target_kind[k]]], near)
        target[k] = rng.choice(pool) if len(pool) else -1
    link_index = np.flatnonzero(target >= 0)
    return Negatives(np.stack([source[link_index], target[link_index]]), link_index)


def degree_matched_negatives(
    links: Links,
    types: NDArray[np.generic],
    degree: Ints,
    known: Links,
    rng: np.random.Generator,
    nearest: int = 5,
) -> Negatives:
    """Replace the target of each link by a node of equal type and similar degree.

    The new target is one of the `nearest` unlinked nodes whose degree is closest to that of the target, so
    popularity alone cannot distinguish the pair from the link.
    """
    near = adjacency(known, len(types))
    pools = {kind: np.flatnonzero(types == kind) for kind in np.unique(types)}
    pairs, link_index = [], []
    for k, (source, true) in enumerate(links.T):
        pool = rng.permutation(_free(source, pools[types[true]], near))
        if len(pool):
            order = np.argsort(np.abs(degree[pool] - degree[true]), kind="stable")
            pairs.append((source, rng.choice(pool[order[:nearest]])))
            link_index.append(k)
    return Negatives(np.array(pairs, dtype=np.int64).reshape(-1, 2).T, np.array(link_index, dtype=np.int64))


def all_same_type_negatives(links: Links, types: NDArray[np.generic], known: Links) -> Negatives:
    """Return all unlinked pairs of each source with the type of its target."""
    near = adjacency(known, len(types))
    pools = {kind: np.flatnonzero(types == kind) for kind in np.unique(types[links[1]])}
    targets = []
    for source, target in links.T:
        free = _free(source, pools[types[target]], near)
        targets.append(free[free != target])
    link_index = np.repeat(np.arange(links.shape[1]), [len(free) for free in targets])
    ends = [links[0][link_index], np.concatenate([*targets, np.empty(0, np.int64)])]
    return Negatives(np.stack(ends), link_index)


def _free(source: int, pool: Ints, near: sparse.csr_matrix) -> Ints:
    """Return the nodes of `pool` that are not linked to `source`, nor `source`."""
    linked = near.indices[near.indptr[source] : near.indptr[source + 1]]
    return pool[(pool != source) & ~np.isin(pool, linked)]

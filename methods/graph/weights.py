"""Weights of ties, layers that use them, and networks with permuted ties.

    w_ij = a_ij  G(g_i, g_j)  2^(-|t_i - t_j| / h)

``a_ij`` is 1 for a tie, else 0. ``G`` is the similarity of the genres of both ends, from 0 to 1, ``t`` the
year in which an artist began, and ``h`` the half-life in years (specification 3 §3.3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from methods.graph.links import Links

if TYPE_CHECKING:
    from torch import Tensor, nn

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HEADS = 4


def genre_similarity(links: Links, genre: Ints, genres: int) -> Floats:
    """Return the similarity of genres by the genres that they are tied to.

    It is the cosine of ``log(1 + n)``, where n counts the ties of a genre with each genre, in either
    direction.

    Parameters
    ----------
    links : ndarray of shape (2, E)
    genre : ndarray of shape (n,)
        Genre of each node, 0 to `genres` - 1.
    genres : int

    Returns
    -------
    (genres, genres) float, 0 to 1
        Symmetric, with 1 on the diagonal; 0 between a genre without ties and any other.
    """
    counts = np.zeros((genres, genres))
    np.add.at(counts, (genre[links[0]], genre[links[1]]), 1.0)
    rows = np.log1p(counts + counts.T)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    similarity = np.clip(rows @ rows.T, 0.0, 1.0)
    np.fill_diagonal(similarity, 1.0)
    return similarity


def tie_weights(similarity: Floats, years_apart: Floats, half_life: float) -> Floats:
    """Return ``G 2^(-years / half_life)`` of each tie, from 0 to 1.

    Parameters
    ----------
    similarity : ndarray of shape (E,)
        Similarity of the genres of both ends, 0 to 1.
    years_apart : ndarray of shape (E,)
        Years between the beginnings of both ends; the sign is ignored.
    half_life : float
        Years that halve a weight.

    Raises
    ------
    ValueError
        If the half-life is not positive.
    """
    if half_life <= 0:
        raise ValueError(f"half-life is {half_life} years; expected more than 0")
    return np.asarray(similarity * 2.0 ** (-np.abs(years_apart) / half_life))


def weighted_layer(name: str, width_in: int, width_out: int, *, last: bool = False) -> nn.Module:
    """Return a layer of PyG that takes a weight of each edge.

    ``gcn``: ``D^-1/2 (A + I) D^-1/2 H W`` with weighted A. ``sage``: ``W_1 h_i + W_2 sum_j w_ij h_j / sum_j
    w_ij``; call it with weights that sum to 1 for each receiver, see `mean_weights`. ``gat``: four heads, of
    which the attention also reads the weight; they are concatenated, or averaged in the `last` layer.

    Raises
    ------
    ValueError
        If there is no such layer.
    """
    from torch_geometric.nn import GATConv, GCNConv, GraphConv

    if name == "gcn":
        return GCNConv(width_in, width_out)
    if name == "sage":
        return GraphConv(width_in, width_out, aggr="add")
    if name == "gat":
        width = width_out if last else width_out // HEADS
        return GATConv(width_in, width, heads=HEADS, concat=not last, edge_dim=1)
    raise ValueError(f"unknown layer '{name}'; expected gcn, sage or gat")


def mean_weights(edges: Tensor, weight: Tensor, nodes: int) -> Tensor:
    """Divide weights by their sum over the edges of the same receiver.

    Parameters
    ----------
    edges : Tensor of shape (2, E)
        Sender and receiver.
    weight : Tensor of shape (E,)
        Positive.
    nodes : int
    """
    total = weight.new_zeros(nodes).index_add_(0, edges[1], weight)
    return weight / total[edges[1]]


def contained(values: Ints, among: Ints) -> NDArray[np.bool_]:
    """Return which values are in a sorted array; for many small calls, unlike `isin`."""
    if not len(among):
        return np.zeros(values.shape, bool)
    place = np.minimum(np.searchsorted(among, values), len(among) - 1)
    return np.asarray(among[place] == values)


def permute_ties(links: Links, block: Ints, rng: np.random.Generator, *, rounds: int = 12) -> Links:
    """Exchange the targets of ties at random within blocks; all degrees stay.

    In each round the ties of a block are paired at random, and half of the pairs exchange their targets if
    this makes neither a self loop nor a tie twice (Maslov and Sneppen, 2002, with a block).

    Parameters
    ----------
    links : ndarray of shape (2, E)
        Distinct ties without self loops.
    block : ndarray of shape (E,)
        Ties exchange their targets with ties of the same block only. With the genre and decade of the
        target as block, each source keeps the genres and decades that it is tied to.
    rng : Generator
    rounds : int
        Each tie takes part in about one proposal in two rounds.
    """
    source, target = links[0], links[1].copy()
    nodes = int(links.max()) + 1 if links.size else 0
    for _ in range(rounds):
        order = rng.permutation(len(source))
        order = order[np.argsort(block[order], kind="stable")]
        if len(order) % 2:
            order = order[:-1]
        # Pairs alternate, so that the last tie of an odd block is not left out in each round.
        order = np.roll(order, int(rng.integers(2)))
        first, second = order[0::2], order[1::2]
        # Were all pairs to exchange, a small block would only reach even permutations.
        same = (block[first] == block[second]) & (rng.random(len(first)) < 0.5)
        first, second = first[same], second[same]
        proposed = np.stack([source[first] * nodes + target[second], source[second] * nodes + target[first]])
        _, inverse, times = np.unique(proposed, return_inverse=True, return_counts=True)
        new = ~contained(proposed, np.sort(source * nodes + target))
        new &= times[inverse].reshape(proposed.shape) == 1
        loop = (source[first] == target[second]) | (source[second] == target[first])
        accepted = new.all(axis=0) & ~loop
        a, b = first[accepted], second[accepted]
        target[a], target[b] = target[b], target[a].copy()
    return np.stack([source, target])

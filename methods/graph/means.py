"""Means of known values over the neighbours and the groups of nodes.

They are features and baselines for the value of a node that is not known: a node never reads its own value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.graph.links import Links

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def neighbour_features(links: Links, known: Ints, y: Floats, base: Floats, *, prior: float) -> Floats:
    r"""Describe the neighbours of each node by their mean beyond `base`.

    .. math:: \frac{\sum_{j \in N(i)} (y_j - b_j)}{|N(i)| + c}

    over the known targets of a node, and over its known sources, with the prior count c.

    Parameters
    ----------
    links : ndarray of shape (2, E)
        Source and target, without self loops.
    known : ndarray of int
        Nodes whose value is known.
    y, base : ndarray of shape (n, k)
        Values, and the values that are expected without links. Those of unknown nodes are not read.
    prior : float
        Neighbours with the value of `base` that are added to each mean, above 0.

    Returns
    -------
    (n, 2 k + 2) float
        Both means, and the logarithms of one plus both numbers of links.
    """
    size = len(y)
    mask = np.zeros(size)
    mask[known] = 1.0
    rest = np.where(mask[:, None] > 0, y - base, 0.0)
    parts, counts = [], []
    for own, other in ((links[0], links[1]), (links[1], links[0])):
        sums, number = np.zeros_like(rest), np.zeros(size)
        np.add.at(sums, own, rest[other])
        np.add.at(number, own, mask[other])
        parts.append(sums / (number + prior)[:, None])
        counts.append(np.log1p(np.bincount(own, minlength=size)))
    return np.column_stack([*parts, *counts])


def target_means(links: Links, known: Ints, y: Floats, fallback: Floats) -> Floats:
    """Return the mean over the known targets of each node, else its `fallback`.

    Parameters
    ----------
    links : ndarray of shape (2, E)
        Source and target.
    known : ndarray of int
        Nodes whose value is known.
    y, fallback : ndarray of shape (n, k)
    """
    mask = np.zeros(len(y))
    mask[known] = 1.0
    sums, number = np.zeros_like(y), np.zeros(len(y))
    np.add.at(sums, links[0], np.where(mask[links[1], None] > 0, y[links[1]], 0.0))
    np.add.at(number, links[0], mask[links[1]])
    return np.where(number[:, None] > 0, sums / np.maximum(number, 1.0)[:, None], fallback)


def group_means(group: Ints, known: Ints, y: Floats, *, prior: float) -> Floats:
    """Return the mean of each node's group over known nodes, shrunk to that of all.

    Parameters
    ----------
    group : ndarray of shape (n,)
        Group of each node, from 0.
    known : ndarray of int
        Nodes whose value is known.
    y : ndarray of shape (n, k)
    prior : float
        Members with the mean of all known nodes that are added to each group, above 0.
    """
    sums, number = np.zeros((group.max() + 1, y.shape[1])), np.zeros(group.max() + 1)
    np.add.at(sums, group[known], y[known])
    np.add.at(number, group[known], 1.0)
    overall = y[known].mean(axis=0)
    return np.asarray(((sums + prior * overall) / (number + prior)[:, None])[group])

"""Compute scores of pairs without learning, as baselines for a model.

All are computed from the training links. ``N(i)`` are the neighbours of i, ``d(i)`` their number.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from methods.graph.links import Links, adjacency

Floats = NDArray[np.float64]
BASELINES = (
    "common neighbours",
    "Adamic-Adar",
    "preferential attachment",
    "paths of length 3",
    "type popularity",
)


def baseline_scores(links: Links, types: NDArray[np.generic], pairs: Links) -> Mapping[str, Floats]:
    """Compute the score of every pair by every baseline.

    Parameters
    ----------
    links : ndarray of shape (2, E)
        Training links.
    types : ndarray of shape (n,)
    pairs : ndarray of shape (2, P)
        Source and target of each pair.

    Returns
    -------
    dict of str to ndarray of shape (P,)
        ``common neighbours``: ``|N(i) & N(j)|``. ``Adamic-Adar``: ``sum 1 / log d(u)`` over the common
        neighbours. ``preferential attachment``: ``d(i) d(j)``. ``paths of length 3``: ``sum a_iu a_uv a_vj
        / sqrt(d(u) d(v))`` (Kovacs et al. 2019), which also scores links between two types of nodes that
        have no common neighbours. ``type popularity``: the number of sources of the type of i that link
        to j.
    """
    near = adjacency(links, len(types))
    degree = np.asarray(near.sum(axis=1)).ravel()
    sources, row = np.unique(pairs[0], return_inverse=True)
    source_rows = near[sources]
    by_log, by_root = (sparse.diags(_inverse(f(np.maximum(degree, 1)))) for f in (np.log, np.sqrt))

    def walks(middle: sparse.spmatrix) -> Floats:
        return np.asarray((source_rows @ middle @ near)[row, pairs[1]], dtype=float).ravel()

    return {
        "common neighbours": walks(sparse.identity(len(types))),
        "Adamic-Adar": walks(by_log),
        "preferential attachment": degree[pairs[0]] * degree[pairs[1]],
        "paths of length 3": walks(by_root @ near @ by_root),
        "type popularity": _type_popularity(links, types, pairs),
    }


def _inverse(values: Floats) -> Floats:
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def _type_popularity(links: Links, types: NDArray[np.generic], pairs: Links) -> Floats:
    _, kind = np.unique(types, return_inverse=True)
    counts = np.zeros((kind.max() + 1, len(types)))
    np.add.at(counts, (kind[links[0]], links[1]), 1.0)
    return np.asarray(counts[kind[pairs[0]], pairs[1]])

"""Fuse rankings by reciprocal ranks, or by a weighted sum of normalised scores.

Scores are matrices of shape (queries, documents). A score of ``-inf`` means that the document was not found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.float64]


def require_no_nan(scores: Scores) -> None:
    """Raise ValueError if a score is NaN, which sorts as neither found nor missing."""
    if np.isnan(scores).any():
        query, document = np.argwhere(np.isnan(scores))[0].tolist()
        raise ValueError(
            f"the score of query {query}, document {document} is NaN; expected a number, or -inf for a "
            "document that was not found"
        )


def ranks(scores: Scores, depth: int) -> NDArray[np.float64]:
    """Return the rank of each document, from 1.

    It is infinite if the document was not found or is beyond `depth`.

    Of equal scores the earlier document comes first. NaN is a ValueError.
    """
    require_no_nan(scores)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    ranked = np.full(scores.shape, np.inf)
    positions = np.broadcast_to(np.arange(1.0, order.shape[1] + 1), order.shape)
    np.put_along_axis(ranked, order, positions, axis=1)
    return np.where(np.isneginf(scores), np.inf, ranked)


def reciprocal_rank_fusion(rankings: Sequence[Scores], *, k: float = 60.0, depth: int = 100) -> Scores:
    """Return ``sum_r 1 / (k + rank_r(d))`` over the first `depth` of each ranking.

    Parameters
    ----------
    rankings : sequence of ndarray of shape (queries, documents)
        Scores; larger is better. Only their order counts.
    k : float
        Above -1. A larger value reduces the differences between the first ranks.

    Returns
    -------
    ndarray of shape (queries, documents)
        ``-inf`` where no ranking found the document.

    References
    ----------
    Cormack, Clarke and Büttcher (2009); specification 2, section 5.3.
    """
    if k <= -1:
        raise ValueError(f"k is {k}; expected a value above -1, so that every rank has a finite score")
    total = sum(1.0 / (k + ranks(scores, depth)) for scores in rankings)
    return np.where(np.asarray(total) > 0, total, -np.inf)


def min_max(scores: Scores) -> Scores:
    """Return ``(score - min) / (max - min)`` of the found documents of each query.

    If their scores are equal, all found documents of a query get 1. A document that was not found gets 0.
    NaN is a ValueError.
    """
    require_no_nan(scores)
    found = np.isfinite(scores)
    low = np.where(found, scores, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    high = np.where(found, scores, -np.inf).max(axis=1, initial=-np.inf, keepdims=True)
    width = np.where(high > low, high - low, 1.0)
    shifted = np.where(high > low, (np.where(found, scores, 0.0) - low) / width, 1.0)
    return np.where(found, shifted, 0.0)


def weighted_fusion(dense: Scores, sparse: Scores, w_dense: ArrayLike) -> Scores:
    """Return ``w_dense dense + (1 - w_dense) sparse`` of min-max normalised scores.

    Parameters
    ----------
    dense, sparse : ndarray of shape (queries, documents)
    w_dense : float or array of shape (queries,)
        In [0, 1]. The default of the specification is 0.6.

    Returns
    -------
    ndarray of shape (queries, documents)
        In [0, 1]; ``-inf`` where neither found the document.

    References
    ----------
    Specification 2, section 5.3.
    """
    weight = np.asarray(w_dense, dtype=np.float64).reshape(-1, 1)
    if not ((weight >= 0) & (weight <= 1)).all():
        raise ValueError(f"w_dense is {weight.ravel().tolist()}; expected values in [0, 1]")
    fused = weight * min_max(dense) + (1 - weight) * min_max(sparse)
    return np.where(np.isfinite(dense) | np.isfinite(sparse), fused, -np.inf)

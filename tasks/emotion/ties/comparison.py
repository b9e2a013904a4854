"""Paired comparisons of models on the same ties."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.evaluation.scores import cluster_weights
from tasks.emotion.contracts.influence import Difference

Floats = NDArray[np.float64]


def reciprocal_ranks(positive: Floats, negative: Floats) -> Floats:
    """Return ``1 / rank`` of each tie among its own negatives; ties count half.

    Parameters
    ----------
    positive : ndarray of shape (n,)
    negative : ndarray of shape (n m,)
        The m negatives of each tie, in order of the ties.
    """
    others = negative.reshape(len(positive), -1)
    own = positive[:, None]
    lost = (others > own).sum(axis=1) + 0.5 * (others == own).sum(axis=1)
    return np.asarray(1 / (1 + lost))


def average_precision(scores: Floats, ties: int, weights: Floats) -> Floats:
    """Return the average precision for each row of weights.

    Equal scores are taken in order, so this is for scores without many equal values.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Those of the ties first.
    ties : int
    weights : ndarray of shape (draws, n)
        How often each pair is drawn.
    """
    order = np.argsort(-scores, kind="stable")
    weight = weights[:, order]
    true = weight * (order < ties)
    precision = np.cumsum(true, axis=1) / np.maximum(np.cumsum(weight, axis=1), 1e-12)
    return np.asarray((precision * true).sum(axis=1) / true.sum(axis=1))


def paired(difference: Floats, cluster: NDArray[np.int64], draws: int, seed: int) -> Difference:
    """Return the mean difference with its 95 % interval over resampled clusters."""
    _, row = np.unique(cluster, return_inverse=True)
    sums, sizes = np.bincount(row, weights=difference), np.bincount(row)
    weight = cluster_weights(len(sums), draws, seed)
    low, high = np.quantile((weight @ sums) / (weight @ sizes), [0.025, 0.975])
    return Difference(
        value=round(float(difference.mean()), 4), low=round(float(low), 4), high=round(float(high), 4)
    )

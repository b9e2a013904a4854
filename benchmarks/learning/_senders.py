"""Average precision under bootstrap samples of senders.

Messages of one sender are not independent, so that whole senders are drawn, each with its messages and
with the negatives that were drawn for them.
"""

from __future__ import annotations

import numpy as np

Floats = np.ndarray


def sender_weights(source: np.ndarray, draws: int, *, seed: int) -> Floats:
    """Return how often each message is in each sample, shape (draws, messages)."""
    senders, of = np.unique(source, return_inverse=True)
    counts = np.random.default_rng(seed).multinomial(
        len(senders), np.full(len(senders), 1 / len(senders)), size=draws
    )
    return counts[:, of].astype(float)


def average_precisions(positive: Floats, negative: Floats, weights: Floats) -> Floats:
    """Return the average precision under each row of weights.

    Parameters
    ----------
    positive, negative : (n,) float
        Scores of events, and of the negative of each.
    weights : (draws, n) float
        Weight of each event and of its negative.

    Returns
    -------
    (draws,) float
    """
    _, rank = np.unique(-np.concatenate([positive, negative]), return_inverse=True)
    order = np.argsort(rank, kind="stable")
    last = np.append(np.diff(rank[order]) > 0, True)
    both = np.concatenate([weights, weights], axis=1)[:, order]
    right = np.concatenate([weights, np.zeros_like(weights)], axis=1)[:, order]
    hits, all_drawn = np.cumsum(right, axis=1)[:, last], np.cumsum(both, axis=1)[:, last]
    gained = np.diff(hits, axis=1, prepend=0)
    precision = hits / np.maximum(all_drawn, 1)
    return np.asarray((gained * precision).sum(axis=1) / weights.sum(axis=1))

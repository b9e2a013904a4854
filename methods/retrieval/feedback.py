"""Expand queries by pseudo-relevance feedback of Rocchio.

The best documents of a first search add their terms or vectors to the query:

    q_expanded = q + alpha sum_{d in top} w_d terms(d)

The weights w_d are proportional to the scores of the first search, and sum to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from methods.retrieval.fusion import Scores


def feedback_weights(scores: Scores, top: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the `top` documents of each query and their weights.

    Both have shape (queries, min(top, documents)). The weights are proportional to the scores and sum to 1. A
    document that was not found, or has a score of at most 0, has weight 0; so all weights are 0 if no score
    is above 0.
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    values = np.take_along_axis(scores, best, axis=1)
    values = np.where(np.isfinite(values), np.maximum(values, 0.0), 0.0)
    total = values.sum(axis=1, keepdims=True)
    return best, np.divide(values, total, out=np.zeros_like(values), where=total > 0)


def expand_vectors(
    queries: NDArray[np.float64], documents: NDArray[np.float64], scores: Scores, *, top: int, alpha: float
) -> NDArray[np.float64]:
    """Return ``q + alpha sum w_d d`` for dense vectors, normalised to length 1.

    Parameters
    ----------
    queries, documents : ndarray of shape (n, d)
        Unit vectors.
    scores : ndarray of shape (queries, documents)
        Scores of the first search.
    top : int
        Number of documents that are assumed relevant.
    alpha : float
        Weight of their sum, 0 or more.

    References
    ----------
    Rocchio (1971), without negative documents; specification 2, section 5.5.
    """
    best, weights = feedback_weights(scores, top)
    moved = queries + alpha * np.einsum("qt,qtd->qd", weights, documents[best])
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.divide(moved, lengths, out=np.zeros_like(moved), where=lengths > 0)


def expand_terms(
    queries: sparse.csr_array,
    counts: sparse.csr_array,
    frequency: NDArray[np.int64],
    scores: Scores,
    *,
    top: int,
    alpha: float,
    terms: int,
) -> sparse.csr_array:
    """Add the best terms of the top documents, by ``tf log(N / df)``, to the query.

    Parameters
    ----------
    queries : csr_array of shape (queries, terms)
        Weights of the terms of each query.
    counts : csr_array of shape (documents, terms)
        Frequency of each term in each document, or another weight that is not negative.
    frequency : ndarray of shape (terms,)
        Number of documents that contain each term.
    scores : ndarray of shape (queries, documents)
        Scores of the first search.
    top, alpha
        As in `expand_vectors`.
    terms : int
        Maximum number of terms to add.

    Returns
    -------
    csr_array of shape (queries, terms)
        Weights of the query plus the added ones, which are scaled to sum to alpha times the query's sum.

    References
    ----------
    Specification 2, section 5.5.
    """
    documents = counts.shape[0]
    best, weights = feedback_weights(scores, top)
    rows = np.arange(best.shape[0])
    chosen = sparse.csr_array(
        (weights.ravel(), (np.repeat(rows, best.shape[1]), best.ravel())), shape=(best.shape[0], documents)
    )
    idf = np.log(documents / np.maximum(frequency, 1))
    candidates = sparse.csr_array(chosen @ counts) @ sparse.diags_array(idf)
    added = _largest(sparse.csr_array(candidates), terms)
    own, new = (np.asarray(matrix.sum(axis=1)).ravel() for matrix in (queries, added))
    scale = np.divide(alpha * own, new, out=np.zeros_like(own), where=new > 0)
    return sparse.csr_array(queries + sparse.diags_array(scale) @ added)


def _largest(rows: sparse.csr_array, most: int) -> sparse.csr_array:
    """Return the matrix with only the `most` largest entries of each row."""
    result = rows.copy()
    for start, end in zip(result.indptr[:-1], result.indptr[1:], strict=True):
        if end - start > most:
            values = result.data[start:end]
            values[np.argsort(-values, kind="stable")[most:]] = 0.0
    result.eliminate_zeros()
    return result

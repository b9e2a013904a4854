"""Pseudo-relevance feedback: the best documents of a first search lend the query their terms or direction.

    q_expanded = q + alpha sum_{d in top} w_d terms(d)

with weights w_d that sum to 1, in proportion to the scores of the first search.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from methods.retrieval.fusion import Scores


def feedback_weights(scores: Scores, top: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The `top` documents of each query and their weights, both of shape (queries, min(top, documents)).

    Weights are in proportion to the scores and sum to 1; a document not found, or with a score of 0
    or less, has weight 0, and all have 0 where no score is above 0.
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    values = np.take_along_axis(scores, best, axis=1)
    values = np.where(np.isfinite(values), np.maximum(values, 0.0), 0.0)
    total = values.sum(axis=1, keepdims=True)
    return best, np.divide(values, total, out=np.zeros_like(values), where=total > 0)


def expand_vectors(
    queries: NDArray[np.float64], documents: NDArray[np.float64], scores: Scores, *, top: int, alpha: float
) -> NDArray[np.float64]:
    """Rocchio on dense vectors: ``q + alpha sum w_d d``, of length 1 again.

    Parameters
    ----------
    queries, documents : ndarray of shape (n, d)
        Unit vectors.
    scores : ndarray of shape (queries, documents)
        Of the first search.
    top : int
        Documents that are taken for relevant.
    alpha : float
        Weight of what they add, 0 or more.

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
    """Rocchio on terms: the `terms` best terms of the top documents, by ``tf log(N / df)``, join the query.

    Parameters
    ----------
    queries : csr_array of shape (queries, terms)
        Weights of the query's own terms.
    counts : csr_array of shape (documents, terms)
        How often each document has each term, or any weight of it that is not negative.
    frequency : ndarray of shape (terms,)
        In how many documents each term stands.
    scores : ndarray of shape (queries, documents)
        Of the first search.
    top, alpha
        As in `expand_vectors`.
    terms : int
        Terms added at most.

    Returns
    -------
    csr_array of shape (queries, terms)
        The query's weights, and those added: scaled so that they sum to alpha times the query's sum.

    References
    ----------
    Specification 2, section 5.5.
    """
    documents = counts.shape[0]
    best, weights = feedback_weights(scores, top)
    at = np.arange(best.shape[0])
    chosen = sparse.csr_array(
        (weights.ravel(), (np.repeat(at, best.shape[1]), best.ravel())), shape=(best.shape[0], documents)
    )
    idf = np.log(documents / np.maximum(frequency, 1))
    offered = sparse.csr_array(chosen @ counts) @ sparse.diags_array(idf)
    added = _strongest(sparse.csr_array(offered), terms)
    own, new = (np.asarray(matrix.sum(axis=1)).ravel() for matrix in (queries, added))
    scale = np.divide(alpha * own, new, out=np.zeros_like(own), where=new > 0)
    return sparse.csr_array(queries + sparse.diags_array(scale) @ added)


def _strongest(rows: sparse.csr_array, most: int) -> sparse.csr_array:
    """Each row with its `most` largest entries only."""
    kept = rows.copy()
    for start, end in zip(kept.indptr[:-1], kept.indptr[1:], strict=True):
        if end - start > most:
            values = kept.data[start:end]
            values[np.argsort(-values, kind="stable")[most:]] = 0.0
    kept.eliminate_zeros()
    return kept

"""Search by BM25 and dense vectors, with fusion and pseudo-relevance feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from methods.retrieval.dense import cosine_scores
from methods.retrieval.feedback import expand_terms, expand_vectors
from methods.retrieval.fusion import Scores, reciprocal_rank_fusion, weighted_fusion
from methods.retrieval.sparse import Bm25, bm25_scores, query_weights

Fusion = Literal["bm25", "dense", "rrf", "weighted"]


@dataclass(frozen=True)
class Corpus:
    """An indexed collection of documents.

    Attributes
    ----------
    index : Bm25
    vectors : ndarray of shape (documents, d)
        Unit vectors of the same documents in the same order.
    """

    index: Bm25
    vectors: NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """Settings of a search.

    Attributes
    ----------
    fusion : {'bm25', 'dense', 'rrf', 'weighted'}
    w_dense : float
        Weight of the dense scores in the weighted fusion, 0 to 1.
    rrf_k : float
        Constant k of the reciprocal rank fusion.
    depth : int
        Documents of each ranking that the reciprocal rank fusion uses.
    feedback : int
        Number of documents of the first search that expand the query; 0 for no feedback.
    alpha : float
        Weight of the expansion relative to the query, 0 or more.
    terms : int
        Maximum number of terms that the expansion adds.
    """

    fusion: Fusion = "weighted"
    w_dense: float = 0.6
    rrf_k: float = 60.0
    depth: int = 100
    feedback: int = 0
    alpha: float = 0.3
    terms: int = 20


def search(corpus: Corpus, queries: list[str], query_vectors: NDArray[np.float64], recipe: Recipe) -> Scores:
    """Score every document for every query.

    Parameters
    ----------
    queries : list of str
        Queries. An empty query, or one without a known term, is searched by its vector only.
    query_vectors : ndarray of shape (queries, d)
        Unit vectors of the queries.

    Returns
    -------
    ndarray of shape (queries, documents)
        Larger is better; ``-inf`` where a document was not found. BM25 finds only documents that share a
        term with the query. Dense vectors find all documents.
    """
    weights = query_weights(corpus.index, queries)
    first = _fuse(corpus, weights, query_vectors, recipe)
    if recipe.feedback == 0 or not first.size:
        return first
    expanded = expand_terms(
        weights,
        corpus.index.counts,
        corpus.index.document_frequency,
        first,
        top=recipe.feedback,
        alpha=recipe.alpha,
        terms=recipe.terms,
    )
    moved = expand_vectors(query_vectors, corpus.vectors, first, top=recipe.feedback, alpha=recipe.alpha)
    return _fuse(corpus, expanded, moved, recipe)


def _fuse(
    corpus: Corpus, weights: sparse.csr_array, query_vectors: NDArray[np.float64], recipe: Recipe
) -> Scores:
    by_term = bm25_scores(corpus.index, weights)
    by_term = np.where(by_term > 0, by_term, -np.inf)
    if recipe.fusion == "bm25":
        return by_term
    by_vector = cosine_scores(query_vectors, corpus.vectors)
    if recipe.fusion == "dense":
        return by_vector
    if recipe.fusion == "rrf":
        return reciprocal_rank_fusion([by_vector, by_term], k=recipe.rrf_k, depth=recipe.depth)
    return weighted_fusion(by_vector, by_term, recipe.w_dense)

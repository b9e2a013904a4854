"""Check that a search is the fusion of its parts, with and without feedback."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from methods.retrieval.dense import cosine_scores, encode_new
from methods.retrieval.feedback import expand_terms, expand_vectors
from methods.retrieval.fusion import reciprocal_rank_fusion, weighted_fusion
from methods.retrieval.search import Corpus, Recipe, search
from methods.retrieval.sparse import bm25_scores, fit_bm25, query_weights

TEXTS = ["glass jar and lid", "paper and card", "a jar of paint", "metal tin", "tin lid, tin can"]
QUERIES = ["jar lid", "", "unknown", "tin"]


def unit(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 6))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


CORPUS = Corpus(fit_bm25(TEXTS), unit(len(TEXTS), 0))
VECTORS = unit(len(QUERIES), 1)


def by_parts(weights: object, vectors: np.ndarray, recipe: Recipe) -> np.ndarray:
    by_term = bm25_scores(CORPUS.index, weights)
    by_term[by_term == 0] = -np.inf
    by_vector = cosine_scores(vectors, CORPUS.vectors)
    fused = {
        "bm25": by_term,
        "dense": by_vector,
        "rrf": reciprocal_rank_fusion([by_term, by_vector], k=recipe.rrf_k, depth=recipe.depth),
        "weighted": weighted_fusion(by_vector, by_term, recipe.w_dense),
    }
    return fused[recipe.fusion]


@pytest.mark.parametrize("fusion", ["bm25", "dense", "rrf", "weighted"])
@pytest.mark.parametrize("feedback", [0, 2])
def test_a_search_equals_the_fusion_of_its_parts(fusion: str, feedback: int) -> None:
    recipe = Recipe(fusion=fusion, feedback=feedback, alpha=0.5, terms=2, rrf_k=10, depth=4, w_dense=0.3)
    weights, vectors = query_weights(CORPUS.index, QUERIES), VECTORS
    if feedback:
        first = by_parts(weights, vectors, recipe)
        index = CORPUS.index
        weights = expand_terms(
            weights, index.counts, index.document_frequency, first, top=2, alpha=0.5, terms=2
        )
        vectors = expand_vectors(vectors, CORPUS.vectors, first, top=2, alpha=0.5)
    scores = search(CORPUS, QUERIES, VECTORS, recipe)
    np.testing.assert_allclose(scores, by_parts(weights, vectors, recipe), rtol=1e-12)
    np.testing.assert_array_equal(search(CORPUS, QUERIES, VECTORS, recipe), scores)


def test_a_query_without_known_terms_is_searched_by_its_vector() -> None:
    for recipe in (Recipe(), Recipe(fusion="rrf")):
        scores = search(CORPUS, QUERIES, VECTORS, recipe)
        dense = search(CORPUS, QUERIES, VECTORS, replace(recipe, fusion="dense"))
        for query in (1, 2):
            assert np.argsort(-scores[query]).tolist() == np.argsort(-dense[query]).tolist()
    assert np.isneginf(search(CORPUS, QUERIES, VECTORS, Recipe(fusion="bm25"))[1:3]).all()


def test_the_scores_of_a_query_do_not_depend_on_other_queries() -> None:
    recipe = Recipe(feedback=2, alpha=0.5)
    together = search(CORPUS, QUERIES, VECTORS, recipe)
    for row, query in enumerate(QUERIES):
        alone = search(CORPUS, [query], VECTORS[row : row + 1], recipe)
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-12)


def test_an_empty_corpus_or_no_query_gives_no_scores() -> None:
    empty = Corpus(fit_bm25([]), np.zeros((0, 6)))
    for fusion in ("bm25", "dense", "rrf", "weighted"):
        recipe = Recipe(fusion=fusion, feedback=3)
        assert search(empty, QUERIES, VECTORS, recipe).shape == (4, 0)
        assert search(CORPUS, [], VECTORS[:0], recipe).shape == (0, 5)


def test_only_missing_texts_are_encoded_and_each_once() -> None:
    given = []

    def encode(texts: list[str]) -> np.ndarray:
        given.append(texts)
        return np.array([[len(text), 1.0] for text in texts])

    known = {"k1": np.array([7.0, 7.0])}
    vectors, encoded = encode_new(["a", "bb", "ccc", "bb"], ["k1", "k2", "k3", "k2"], known, encode)
    assert (given, encoded) == ([["bb", "ccc"]], 2)
    assert vectors.tolist() == [[7, 7], [2, 1], [3, 1], [2, 1]]
    assert encode_new(["a"], ["k1"], known, encode)[1] == 0
    assert len(given) == 1

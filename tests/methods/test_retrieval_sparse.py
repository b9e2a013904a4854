"""Compare BM25 with its formula and with rank_bm25, and check feedback by hand."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter

import numpy as np
import pytest
from rank_bm25 import BM25Okapi
from scipy import sparse

from methods.retrieval.feedback import expand_terms, expand_vectors, feedback_weights
from methods.retrieval.sparse import bm25_scores, fit_bm25, query_weights, tokenize

WORDS = ["glass", "jar", "bottle", "lid", "paper", "card", "metal", "tin", "battery", "paint", "cup", "lamp"]


def corpus(seed: int = 0, documents: int = 40) -> list[str]:
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, len(WORDS) + 1)
    return [
        " ".join(rng.choice(WORDS, size=rng.integers(1, 30), p=weights / weights.sum()))
        for _ in range(documents)
    ]


def bm25_by_formula(texts: list[str], query: str, k1: float, b: float) -> list[float]:
    """Compute the formula of the specification, term by term."""
    documents = tokenize(texts)
    average = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        counts, score = Counter(document), 0.0
        for term in tokenize([query])[0]:
            n = sum(term in other for other in documents)
            idf = math.log((len(documents) - n + 0.5) / (n + 0.5) + 1)
            f = counts[term]
            score += idf * f * (k1 + 1) / (f + k1 * (1 - b + b * len(document) / average))
        scores.append(score)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.9, 0.4), (2.0, 0.0), (1.2, 1.0)])
def test_scores_equal_the_formula(k1: float, b: float) -> None:
    texts = corpus()
    index = fit_bm25(texts, k1=k1, b=b)
    queries = ["glass jars", "a lamp and a lamp", "battery paint unknownword"]
    scores = bm25_scores(index, query_weights(index, queries))
    expected = [bm25_by_formula(texts, query, k1, b) for query in queries]
    np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=1e-12)


def test_scores_equal_rank_bm25_with_the_same_idf() -> None:
    texts = corpus(1)
    reference = BM25Okapi(tokenize(texts), k1=1.5, b=0.75)
    for term, n in Counter(t for document in tokenize(texts) for t in set(document)).items():
        # rank_bm25 has only the IDF without "+ 1", which can be negative.
        reference.idf[term] = math.log((len(texts) - n + 0.5) / (n + 0.5) + 1)
    index = fit_bm25(texts)
    for query in ("glass", "tin cup tin", "paper cards metal"):
        scores = bm25_scores(index, query_weights(index, [query]))[0]
        np.testing.assert_allclose(scores, reference.get_scores(tokenize([query])[0]), rtol=1e-12, atol=1e-12)


def test_words_are_lowercased_and_stemmed_without_stop_words() -> None:
    assert tokenize(["The Bottles AND a jar", "", "of the"]) == [["bottl", "jar"], [], []]
    index = fit_bm25(["glass bottles", "", "paper"])
    assert index.vocabulary == ("bottl", "glass", "paper")
    assert index.counts.toarray().tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert index.document_frequency.tolist() == [1, 1, 1]


def test_queries_without_a_known_term_score_zero() -> None:
    index = fit_bm25(corpus())
    queries = ["", "the of", "zzz", "\x00\U0001f600", "glass " * 20_000]
    scores = bm25_scores(index, query_weights(index, queries))
    assert not scores[:4].any()
    once = bm25_scores(index, query_weights(index, ["glass"]))[0]
    np.testing.assert_allclose(scores[4], 20_000 * once, rtol=1e-12)
    for texts in ([], ["", "the"]):
        empty = fit_bm25(texts)
        assert bm25_scores(empty, query_weights(empty, ["glass"])).shape == (1, len(texts))
    assert bm25_scores(index, query_weights(index, [])).shape == (0, 40)


@pytest.mark.parametrize(("k1", "b"), [(0, 0.5), (1.0, 1.1), (1.0, -0.1), (float("nan"), 0.5)])
def test_settings_out_of_range_raise_an_error(k1: float, b: float) -> None:
    with pytest.raises(ValueError, match="expected k1 above 0"):
        fit_bm25(["glass"], k1=k1, b=b)


def test_feedback_weights_are_shares_of_the_scores_above_zero() -> None:
    scores = np.array([[3.0, -np.inf, 1.0, -2.0], [-np.inf] * 4])
    best, weights = feedback_weights(scores, 3)
    assert best[0].tolist() == [0, 2, 3]
    np.testing.assert_array_equal(weights, [[0.75, 0.25, 0], [0, 0, 0]])


def test_expanded_vectors_by_hand() -> None:
    queries, documents = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]])
    scores = np.array([[1.0, 3.0, -np.inf]])
    moved = np.array([1 + 0.5 * 0.75 * 0.6, 0.5 * (0.25 + 0.75 * 0.8)])
    expanded = expand_vectors(queries, documents, scores, top=2, alpha=0.5)
    np.testing.assert_allclose(expanded[0], moved / np.linalg.norm(moved), rtol=1e-12)
    np.testing.assert_array_equal(expand_vectors(queries, documents, scores, top=2, alpha=0.0), queries)


def test_expanded_terms_by_hand() -> None:
    index = fit_bm25(["glass jar jar", "glass lid", "paper"])
    queries = query_weights(index, ["glass glass"])
    scores = np.array([[3.0, 1.0, -np.inf]])
    expanded = expand_terms(
        queries, index.counts, index.document_frequency, scores, top=2, alpha=0.3, terms=2
    ).toarray()[0]
    # tf log(N / df) with weights 3/4 and 1/4: lid, the lowest of three terms, is not added.
    offered = {"jar": 0.75 * 2 * math.log(3), "glass": math.log(1.5), "lid": 0.25 * math.log(3)}
    total = offered["jar"] + offered["glass"]
    expected = {
        "glass": 2 + 0.3 * 2 * offered["glass"] / total,
        "jar": 0.3 * 2 * offered["jar"] / total,
    }
    assert dict(zip(index.vocabulary, expanded, strict=True)) == pytest.approx(
        expected | {"lid": 0, "paper": 0}
    )


def test_feedback_without_hits_does_not_change_the_query() -> None:
    index = fit_bm25(["glass jar", "paper"])
    queries = query_weights(index, ["glass"])
    no_hits = np.full((1, 2), -np.inf)
    expanded = expand_terms(
        queries, index.counts, index.document_frequency, no_hits, top=2, alpha=0.3, terms=5
    )
    assert isinstance(expanded, sparse.csr_array)
    np.testing.assert_array_equal(expanded.toarray(), queries.toarray())


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_composed_and_decomposed_accents_are_one_letter(form):
    texts = [unicodedata.normalize(form, text) for text in ("crème brûlée dish", "wooden spoon", "Ångström")]
    index = fit_bm25(texts)
    for query_form in ("NFC", "NFD"):
        queries = [unicodedata.normalize(query_form, text) for text in ("crème brûlée", "ångström")]
        scores = bm25_scores(index, query_weights(index, queries))
        # The same scores as if every text were composed: the form changes nothing.
        composed = fit_bm25([unicodedata.normalize("NFC", text) for text in texts])
        expected = bm25_scores(composed, query_weights(composed, ["crème brûlée", "ångström"]))
        np.testing.assert_array_equal(scores, expected)
        assert (scores > 0).tolist() == [[True, False, False], [False, False, True]]

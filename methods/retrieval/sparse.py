"""Score documents by BM25, as a sparse matrix of documents and terms.

    score(D, Q) = sum_i IDF(q_i) f(q_i, D) (k1 + 1) / (f(q_i, D) + k1 (1 - b + b |D| / avgdl))
    IDF(q) = ln((N - n(q) + 0.5) / (n(q) + 0.5) + 1)

The matrix is computed by `bm25s`. A query is a row of term weights, which are the frequencies of its terms.
So an expanded query with fractional weights is scored like any other.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

LANGUAGE = "english"


@dataclass(frozen=True)
class Bm25:
    """An index of documents.

    Attributes
    ----------
    vocabulary : tuple of str
        Stems of the terms of the documents, in alphabetical order.
    matrix : csr_array of shape (documents, terms)
        Term of the sum in the formula, for each term of each document.
    counts : csr_array of shape (documents, terms)
        Frequency of each term in each document.
    """

    vocabulary: tuple[str, ...]
    matrix: sparse.csr_array
    counts: sparse.csr_array

    @cached_property
    def column(self) -> dict[str, int]:
        """Column of each term."""
        return {term: index for index, term in enumerate(self.vocabulary)}

    @cached_property
    def document_frequency(self) -> NDArray[np.int64]:
        """Number of documents that contain each term."""
        return np.bincount(self.counts.indices, minlength=len(self.vocabulary)).astype(np.int64)


def to_arrays(index: Bm25) -> dict[str, NDArray[np.generic]]:
    """Return the index as flat arrays.

    They are the `starts` of the documents, and `terms`, `scores` and `counts` of the entries.
    """
    return {
        "starts": index.counts.indptr.astype(np.int64),
        "terms": index.counts.indices.astype(np.int64),
        "scores": index.matrix.data.astype(np.float64),
        "counts": index.counts.data.astype(np.int64),
    }


def from_arrays(arrays: Mapping[str, NDArray[np.generic]], vocabulary: Sequence[str]) -> Bm25:
    """Return the index from the arrays of `to_arrays`."""
    shape = (len(arrays["starts"]) - 1, len(vocabulary))
    structure = (arrays["terms"], arrays["starts"])
    matrix, counts = (
        sparse.csr_array((np.asarray(arrays[name], dtype=np.float64), *structure), shape=shape)
        for name in ("scores", "counts")
    )
    return Bm25(tuple(vocabulary), matrix, counts)


def tokenize(texts: list[str]) -> list[list[str]]:
    """Return lower-case Snowball stems of words of two characters or more.

    English stop words are left out. Letters are composed first (Unicode NFC): an accent that follows its
    letter as a character of its own, as some systems write it, is not the end of a word.
    """
    if not texts:
        return []
    import bm25s
    import Stemmer

    tokens: Any = bm25s.tokenize(
        [unicodedata.normalize("NFC", text) for text in texts],
        stopwords=LANGUAGE,
        stemmer=Stemmer.Stemmer(LANGUAGE),
        return_ids=False,
        show_progress=False,
        allow_empty=False,
    )
    # bm25s returns one empty word for an empty text.
    return [[word for word in words if word] for words in tokens]


def fit_bm25(texts: list[str], *, k1: float = 1.5, b: float = 0.75) -> Bm25:
    """Index documents.

    Parameters
    ----------
    texts : list of str
        Texts, which may be empty. No query finds an empty text.
    k1 : float
        Saturation of the term frequency, above 0: the smaller, the less repetitions count.
    b : float
        Normalisation by the length of the document, 0 to 1.

    Raises
    ------
    ValueError
        If k1 or b is out of range.

    References
    ----------
    Robertson and Zaragoza (2009); specification 2, section 5.2.
    """
    if not (k1 > 0 and 0 <= b <= 1):
        raise ValueError(f"k1 is {k1} and b is {b}; expected k1 above 0 and b in [0, 1]")
    tokens = tokenize(texts)
    terms = tuple(sorted(set().union(*tokens)))
    column = {term: index for index, term in enumerate(terms)}
    counts = _counts(tokens, column)
    if not terms:
        return Bm25((), sparse.csr_array(counts.shape), counts)
    import bm25s

    # The term frequency of ATIRE has the factor (k1 + 1), the IDF of Lucene has the "+ 1" of the formula.
    index = bm25s.BM25(k1=k1, b=b, method="atire", idf_method="lucene", dtype="float64", auto_compile=False)
    index.index(
        ([[column[term] for term in document] for document in tokens], column),
        create_empty_token=False,
        show_progress=False,
    )
    scores = index.scores
    by_term = sparse.csc_array((scores["data"], scores["indices"], scores["indptr"]), shape=counts.shape)
    by_document = by_term.tocsr()
    by_document.sort_indices()
    return Bm25(terms, by_document, counts)


def query_weights(index: Bm25, queries: list[str]) -> sparse.csr_array:
    """Return the frequency of each term in each query, of shape (queries, terms)."""
    return _counts(tokenize(queries), index.column)


def _counts(tokens: list[list[str]], column: Mapping[str, int]) -> sparse.csr_array:
    entries = [
        (row, column[term], float(count))
        for row, words in enumerate(tokens)
        for term, count in sorted(Counter(words).items())
        if term in column
    ]
    rows, columns, counts = zip(*entries, strict=True) if entries else ((), (), ())
    shape = (len(tokens), len(column))
    return sparse.csr_array((counts, (rows, columns)), shape=shape, dtype=np.float64)


def bm25_scores(index: Bm25, weights: sparse.csr_array) -> NDArray[np.float64]:
    """Score every document for every query: (queries, documents), 0 without a match."""
    return np.asarray((weights @ index.matrix.T).toarray())

"""BM25 as a sparse matrix: documents in rows, terms in columns, a score a pair.

    score(D, Q) = sum_i IDF(q_i) f(q_i, D) (k1 + 1) / (f(q_i, D) + k1 (1 - b + b |D| / avgdl))
    IDF(q) = ln((N - n(q) + 0.5) / (n(q) + 0.5) + 1)

The matrix comes from `bm25s`; a query is a row of term weights (how often it has the term), so that
an expanded query with fractional weights is scored like any other.
"""

from __future__ import annotations

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
    """An index over documents.

    Attributes
    ----------
    vocabulary : tuple of str
        Stems of the documents' terms, in alphabetical order.
    matrix : csr_array of shape (documents, terms)
        The summand of the formula for each term of each document.
    counts : csr_array of shape (documents, terms)
        How often each document has each term.
    """

    vocabulary: tuple[str, ...]
    matrix: sparse.csr_array
    counts: sparse.csr_array

    @cached_property
    def column(self) -> dict[str, int]:
        """The column of each term."""
        return {term: place for place, term in enumerate(self.vocabulary)}

    @cached_property
    def document_frequency(self) -> NDArray[np.int64]:
        """In how many documents each term stands."""
        return np.bincount(self.counts.indices, minlength=len(self.vocabulary)).astype(np.int64)


def to_arrays(index: Bm25) -> dict[str, NDArray[np.generic]]:
    """The index as flat arrays: `starts` of the documents, and of each entry `terms`, `scores`, `counts`."""
    return {
        "starts": index.counts.indptr.astype(np.int64),
        "terms": index.counts.indices.astype(np.int64),
        "scores": index.matrix.data.astype(np.float64),
        "counts": index.counts.data.astype(np.int64),
    }


def from_arrays(arrays: Mapping[str, NDArray[np.generic]], vocabulary: Sequence[str]) -> Bm25:
    """The index of which `to_arrays` made `arrays`."""
    shape = (len(arrays["starts"]) - 1, len(vocabulary))
    where = (arrays["terms"], arrays["starts"])
    matrix, counts = (
        sparse.csr_array((np.asarray(arrays[name], dtype=np.float64), *where), shape=shape)
        for name in ("scores", "counts")
    )
    return Bm25(tuple(vocabulary), matrix, counts)


def tokenize(texts: list[str]) -> list[list[str]]:
    """Lower-case words of two or more characters, without English stop words, stemmed by Snowball."""
    if not texts:
        return []
    import bm25s
    import Stemmer

    tokens: Any = bm25s.tokenize(
        texts,
        stopwords=LANGUAGE,
        stemmer=Stemmer.Stemmer(LANGUAGE),
        return_ids=False,
        show_progress=False,
        allow_empty=False,
    )
    # bm25s makes one empty word of an empty text.
    return [[word for word in words if word] for words in tokens]


def fit_bm25(texts: list[str], *, k1: float = 1.5, b: float = 0.75) -> Bm25:
    """Index documents.

    Parameters
    ----------
    texts : list of str
        May hold empty texts, which no query finds.
    k1 : float
        How soon a term's repetition counts no more, above 0.
    b : float
        How much a long document is discounted, 0 to 1.

    Raises
    ------
    ValueError
        If k1 or b is out of its range.

    References
    ----------
    Robertson and Zaragoza (2009); specification 2, section 5.2.
    """
    if not (k1 > 0 and 0 <= b <= 1):
        raise ValueError(f"k1 is {k1} and b is {b}; expected k1 above 0 and b in [0, 1]")
    tokens = tokenize(texts)
    terms = tuple(sorted(set().union(*tokens)))
    column = {term: place for place, term in enumerate(terms)}
    counts = _counts(tokens, column)
    if not terms:
        return Bm25((), sparse.csr_array(counts.shape), counts)
    import bm25s

    # ATIRE's term frequency has the factor (k1 + 1), Lucene's IDF the "+ 1" of the formula.
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
    """How often each query has each term of the documents, of shape (queries, terms)."""
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
    """Score every document for every query, of shape (queries, documents); 0 where no term is shared."""
    return np.asarray((weights @ index.matrix.T).toarray())

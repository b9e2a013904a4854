"""Columns of any kind as integer codes: cells of a number line, or categories."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Integers = NDArray[np.int64]

MOST_CELLS = 1000
"""Number of distinct values above which some share a code: neighbouring numbers, or rare categories."""


@dataclass(frozen=True)
class Codes:
    """A column of two samples as codes.

    Attributes
    ----------
    reference, current : (n,) and (m,) int
        Cells 0, 1, ... in the order of the numbers, or categories in any order; -1 where missing.
    size : int
        Number of codes, without the missing one.
    ordered : bool
        Whether the codes are cells of numbers.
    new : tuple of str
        Categories that the reference does not have.
    """

    reference: Integers
    current: Integers
    size: int
    ordered: bool
    new: tuple[str, ...] = ()


def code_column(reference: ArrayLike, current: ArrayLike) -> Codes:
    """Return the codes of a column in two samples.

    Numbers are ordered; a column in which any value is not a number has categories. Missing are NaN,
    None, and NaT. The codes are a symmetric function of both samples together, which keeps the tests on
    them exact: a cell of numbers is bounded by quantiles of the pooled sample.

    Parameters
    ----------
    reference, current : array_like of shape (n,) and (m,)
        Numbers, booleans, texts or other objects. Infinite numbers are the first or the last.

    Raises
    ------
    ValueError
        If a sample is not one column, or has no row.
    """
    samples = [np.asarray(values) for values in (reference, current)]
    for name, sample in zip(("reference", "current"), samples, strict=True):
        if sample.ndim != 1 or not len(sample):
            raise ValueError(f"{name} has the shape {sample.shape}; expected one column with rows")
    if all(sample.dtype.kind in "iuf" for sample in samples):
        return _cells(*(sample.astype(np.float64) for sample in samples))
    return _categories(*(sample.astype(object) for sample in samples))


def _cells(reference: NDArray[np.float64], current: NDArray[np.float64]) -> Codes:
    pooled = np.concatenate([reference, current])
    edges = np.unique(pooled[~np.isnan(pooled)])
    if len(edges) > MOST_CELLS:
        shares = np.arange(1, MOST_CELLS + 1) / MOST_CELLS
        edges = np.unique(np.quantile(pooled[~np.isnan(pooled)], shares, method="inverted_cdf"))
    codes = [
        np.where(np.isnan(sample), -1, np.searchsorted(edges, sample)) for sample in (reference, current)
    ]
    return Codes(codes[0], codes[1], len(edges), ordered=True)


def _categories(reference: NDArray[np.object_], current: NDArray[np.object_]) -> Codes:
    texts = [
        [None if _is_missing(value) else str(value) for value in sample] for sample in (reference, current)
    ]
    known = sorted({text for text in texts[0] if text is not None})
    new = sorted({text for text in texts[1] if text is not None} - set(known))
    number: dict[str | None, int] = {text: code for code, text in enumerate([*known, *new])}
    number[None] = -1
    if len(number) > MOST_CELLS:
        # The rarest of both samples together share a code.
        pooled = Counter(text for sample in texts for text in sample if text is not None)
        order = sorted(pooled, key=lambda text: (-pooled[text], text))
        number = {text: min(code, MOST_CELLS - 1) for code, text in enumerate(order)} | {None: -1}
    codes = [np.array([number[text] for text in sample], dtype=np.int64) for sample in texts]
    return Codes(codes[0], codes[1], min(len(number) - 1, MOST_CELLS), ordered=False, new=tuple(new))


def _is_missing(value: object) -> bool:
    # pandas.NA has no truth value; NaN and NaT differ from themselves.
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)

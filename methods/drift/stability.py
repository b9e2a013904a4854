r"""Population stability index of one column, and its test.

.. math:: PSI = \sum_b (q_b - p_b) \log (q_b / p_b)

with the shares p of the reference (n rows) and q of the current sample (m rows) in B bins. The usual
limits 0.1 and 0.25 ignore that the index depends on the number of rows. Without drift,
:math:`PSI \cdot nm / (n + m)` is about chi-square with B - 1 degrees of freedom: with 10 bins and 100 rows
each, the index exceeds 0.1 in five of six pairs of equal samples, and with a million rows 0.1 is far
beyond chance.

The p-value comes from the permutation law instead, which is exact for any number of rows, ties and
missing values: given the pooled counts of the cells, the counts of the reference are multivariate
hypergeometric. The bins are recomputed for each draw, because they are quantiles of the reference.

References
----------
Yurdakul and Naranjo, "Statistical properties of the population stability index", Journal of Risk Model
Validation 14 (2020). Phipson and Smyth, "Permutation p-values should never be zero", Statistical
Applications in Genetics and Molecular Biology 9 (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .columns import Codes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_CHUNK = 1000
"""Permutations in memory at a time."""


@dataclass(frozen=True)
class Stability:
    """Index of one column, and how unusual it is.

    Attributes
    ----------
    psi : float
        The index.
    p_value : float
        Share of permutations with an index as large; at least ``1 / (draws + 1)``.
    threshold : float
        Quantile of the permutations' indices at 1 - `alpha`: the limit for this number of rows.
    bins : int
        Number of bins with rows, that of the missing values included.
    """

    psi: float
    p_value: float
    threshold: float
    bins: int


def chi_square_scale(n: int, m: int) -> float:
    """Return the factor s with which ``PSI / s`` is about chi-square without drift.

    Parameters
    ----------
    n, m : int
        Rows of the reference and of the current sample.
    """
    return 1 / n + 1 / m


def stability_test(
    codes: Codes, *, bins: int = 10, draws: int = 999, alpha: float = 0.05, seed: int = 0
) -> Stability:
    """Test whether a column has the same law in both samples.

    Parameters
    ----------
    codes : Codes
        The column, see `code_column`.
    bins : int
        Number of bins between quantiles of the reference, for numbers; categories are bins themselves.
    draws : int
        Number of permutations.
    alpha : float
        Level of the threshold, in (0, 1).
    seed : int
        Seed of the permutations.
    """
    rows = [_counts(sample, codes.size) for sample in (codes.reference, codes.current)]
    pooled = rows[0] + rows[1]

    def indices(reference: Integers) -> tuple[Floats, Integers]:
        current = pooled - reference
        if codes.ordered:
            reference, current = _binned(reference, [reference, current], bins)
        return _index(reference, current), (reference + current > 0).sum(1)

    (value,), (used,) = indices(rows[0][None])
    rng = np.random.default_rng(seed)
    parts = []
    for size in [_CHUNK] * (draws // _CHUNK) + [draws % _CHUNK] * (draws % _CHUNK > 0):
        drawn = rng.multivariate_hypergeometric(pooled, len(codes.reference), size=size, method="marginals")
        parts.append(indices(drawn)[0])
    drawn_values = np.concatenate(parts)
    # Equal indices must count although their sums differ in the last digits.
    exceeding = int((drawn_values >= value * (1 - 1e-9) - 1e-12).sum())
    limit = float(np.quantile(drawn_values, 1 - alpha, method="higher"))
    return Stability(float(value), (exceeding + 1) / (draws + 1), limit, int(used))


def _counts(codes: Integers, size: int) -> Integers:
    """Return the rows of each code, the missing ones last."""
    return np.bincount(np.where(codes < 0, size, codes), minlength=size + 1)


def _binned(reference: Integers, samples: list[Integers], bins: int) -> list[Integers]:
    """Return the rows of samples in bins between quantiles of each reference.

    Parameters
    ----------
    reference : (draws, cells + 1) int
        Rows of the reference in each cell, the missing ones last.
    samples : list of (draws, cells + 1) int

    Returns
    -------
    list of (draws, bins + 1) int
        A bin between equal quantiles has no rows. The last one has the missing values.
    """
    cumulative = reference[:, :-1].cumsum(1)
    below = cumulative - reference[:, :-1]
    # The number of inner quantiles, each the first cell that reaches its share, below a cell.
    number = np.minimum(below * bins // np.maximum(cumulative[:, -1:], 1), bins - 1)
    flat = (number + (bins + 1) * np.arange(len(reference))[:, None]).ravel()
    binned = []
    for sample in samples:
        rows = np.bincount(flat, sample[:, :-1].ravel(), (bins + 1) * len(reference))
        table = rows.reshape(-1, bins + 1).astype(np.int64)
        table[:, -1] = sample[:, -1]
        binned.append(table)
    return binned


def _index(first: Integers, second: Integers) -> Floats:
    """Return the index of each row; half a row is added to each bin that is used."""
    used = first + second > 0
    p, q = (np.where(used, counts + 0.5, 0.0) for counts in (first, second))
    p, q = (counts / counts.sum(1, keepdims=True) for counts in (p, q))
    logs = np.log(np.where(used, q, 1.0)) - np.log(np.where(used, p, 1.0))
    return np.asarray(((q - p) * logs).sum(1))

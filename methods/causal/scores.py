"""Scores of graphs: the Bayesian information criterion (BIC)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from methods.causal.graph import consistent_extension
from methods.causal.independence import choose_test, column_blocks

Array = np.ndarray
Score = Callable[[int, Sequence[int]], float]

# Variances below this share are rounding errors, as in a column that others determine.
LEAST_VARIANCE = 1e-10


def bic(data: Array, test: str = "auto") -> Score:
    """Build the BIC that suits the data.

    Parameters
    ----------
    data : array (n, p)
    test : str
        Test of `discover`: its tables, or the Gaussian of numbers and indicators.

    Returns
    -------
    callable (variable, parents) -> float
        Log likelihood less ``log(n) / 2`` for each parameter; higher is better.
    """
    test = choose_test(data) if test == "auto" else test
    return _remembered(_table_bic(data) if test in ("chisq", "gsq") else _gaussian_bic(data, test))


def score_graph(matrix: Array, score: Score) -> float:
    """Compute the score of a graph (p, p) up to equivalence.

    A graph without a consistent extension, as contradictory tests may leave it, has the score of the
    nearest acyclic graph that `consistent_extension` finds.
    """
    return sum(score(variable, parents) for variable, parents in enumerate(consistent_extension(matrix)))


def _remembered(score: Score) -> Score:
    known: dict[tuple[int, tuple[int, ...]], float] = {}

    def remembered(variable: int, parents: Sequence[int]) -> float:
        key = variable, tuple(sorted(parents))
        if key not in known:
            known[key] = score(*key)
        return known[key]

    return remembered


def _table_bic(data: Array) -> Score:
    r"""Build the BIC of tables.

    ``sum N_jk log(N_jk / N_j) - log(n) / 2 q (r - 1)`` for r levels and q combinations of the parents'.
    """
    codes = [np.unique(column, return_inverse=True)[1] for column in data.T]
    levels = [int(code.max()) + 1 for code in codes]

    def entropy(code: Array, combinations: float) -> float:
        # Counting is faster than sorting where the table has few cells.
        few = combinations <= 10 * len(code)
        counts = np.bincount(code) if few else np.unique(code, return_counts=True)[1]
        counts = counts[counts > 0]
        return float(counts @ np.log(counts))

    def score(variable: int, parents: Sequence[int]) -> float:
        of_parents, combinations = np.zeros(len(data), dtype=np.int64), 1.0
        for parent in parents:
            of_parents = of_parents * levels[parent] + codes[parent]
            combinations *= levels[parent]
            if combinations > 2**31:  # the codes would overflow: number those that occur
                of_parents = np.unique(of_parents, return_inverse=True)[1]
        joint = of_parents * levels[variable] + codes[variable]
        fit = entropy(joint, combinations * levels[variable]) - entropy(of_parents, combinations)
        return fit - np.log(len(data)) / 2 * combinations * (levels[variable] - 1)

    return score


def _gaussian_bic(data: Array, test: str) -> Score:
    """Build the BIC of the degenerate Gaussian.

    It is that of linear regression for numbers. Andrews, Ramsey and Cooper, PMLR 104 (2019).
    """
    values, columns = column_blocks(data, mixed=test == "mixed")
    correlation = np.corrcoef(values, rowvar=False)

    def log_determinant(chosen: Array) -> float:
        variances = np.linalg.eigvalsh(correlation[np.ix_(chosen, chosen)])
        return float(np.log(np.maximum(variances, LEAST_VARIANCE)).sum())

    def score(variable: int, parents: Sequence[int]) -> float:
        own = columns[variable]
        given = np.concatenate([np.zeros(0, dtype=int), *(columns[i] for i in parents)])
        fit = log_determinant(np.concatenate([own, given])) - log_determinant(given)
        free = len(own) * len(given) + len(own) * (len(own) + 1) / 2
        return -len(data) / 2 * fit - np.log(len(data)) / 2 * free

    return score

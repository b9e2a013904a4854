"""Compare an estimated causal graph with the true one.

Graphs are (p, p) matrices of marks, as `methods.causal.Cpdag.matrix`: ``m[i, j] = -1, m[j, i] = 1`` is
i -> j, both -1 is i -- j, both 1 is i <-> j, 0 is no edge. The true graph is the CPDAG of the true DAG,
because tests of independence cannot identify more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Marks = NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """Precision ``hits / estimated`` and recall ``hits / true``.

    Each is 1 where its denominator is 0.
    """

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """``2 precision recall / (precision + recall)``; 0 where both are 0."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def structural_hamming_distance(estimated: Marks, true: Marks) -> int:
    """Count the unordered pairs whose edge differs.

    An edge is absent, undirected, directed one way or the other, or bidirected.

    References
    ----------
    Tsamardinos, Brown and Aliferis, Machine Learning 65 (2006).
    """
    _check(estimated, true)
    differ = estimated != true
    return int(np.triu(differ | differ.T, 1).sum())


def skeleton_agreement(estimated: Marks, true: Marks) -> Agreement:
    """Compare the edges without their direction."""
    _check(estimated, true)
    return _agreement(np.triu(estimated != 0, 1), np.triu(true != 0, 1))


def arrow_agreement(estimated: Marks, true: Marks) -> Agreement:
    """Compare the directed edges with their direction."""
    _check(estimated, true)
    return _agreement(*((marks == -1) & (marks.T == 1) for marks in (estimated, true)))


def _agreement(estimated: NDArray[np.bool_], true: NDArray[np.bool_]) -> Agreement:
    hits, positives, trues = (int(part.sum()) for part in (estimated & true, estimated, true))
    return Agreement(hits / positives if positives else 1.0, hits / trues if trues else 1.0)


def _check(estimated: Marks, true: Marks) -> None:
    if estimated.shape != true.shape or estimated.ndim != 2 or estimated.shape[0] != estimated.shape[1]:
        raise ValueError(f"graphs have shapes {estimated.shape} and {true.shape}; expected (p, p) twice")

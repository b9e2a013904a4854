"""How far a graph of causes is from the true one.

Graphs are (p, p) matrices of marks, as `methods.causal.Cpdag.matrix`: ``m[i, j] = -1, m[j, i] = 1`` is
i -> j, both -1 is i -- j, both 1 is i <-> j, 0 is no edge. The truth is the CPDAG of the true DAG: no test
of independence can tell more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Marks = NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """``precision = hits / found``, ``recall = hits / true``; each 1 where there is none to find."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """``2 precision recall / (precision + recall)``; 0 where both are 0."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def structural_hamming_distance(found: Marks, true: Marks) -> int:
    """Number of unordered pairs whose edge differs: none, undirected, either direction, bidirected.

    References
    ----------
    Tsamardinos, Brown and Aliferis, Machine Learning 65 (2006).
    """
    _check(found, true)
    differ = found != true
    return int(np.triu(differ | differ.T, 1).sum())


def skeleton_agreement(found: Marks, true: Marks) -> Agreement:
    """Agreement of the edges, whatever their direction."""
    _check(found, true)
    return _agreement(np.triu(found != 0, 1), np.triu(true != 0, 1))


def arrow_agreement(found: Marks, true: Marks) -> Agreement:
    """Agreement of the directed edges, their direction included."""
    _check(found, true)
    return _agreement(*((marks == -1) & (marks.T == 1) for marks in (found, true)))


def _agreement(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> Agreement:
    hits, of_found, of_true = (int(part.sum()) for part in (found & true, found, true))
    return Agreement(hits / of_found if of_found else 1.0, hits / of_true if of_true else 1.0)


def _check(found: Marks, true: Marks) -> None:
    if found.shape != true.shape or found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise ValueError(f"graphs have shapes {found.shape} and {true.shape}; expected (p, p) twice")

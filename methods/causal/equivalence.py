"""Causal discovery by a score: greedy search of equivalence classes (GES)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from methods.causal.discovery import check_columns, varying
from methods.causal.graph import Background, Cpdag
from methods.causal.independence import choose_test
from methods.causal.inputs import named_columns
from methods.causal.scores import Score, bic

Array = np.ndarray


def ges(data: Array, names: Sequence[str] | None = None, *, test: str = "auto") -> Cpdag:
    r"""Discover a causal graph by greedy equivalence search.

    From the empty graph, the insertion of an edge that raises the score most is carried out until none
    raises it; then deletions in the same way. Each step leads from a class of equivalent graphs to another.
    With enough rows of a faithful distribution, the result is the true class. causal-learn runs the search
    with the BIC of this package (`scores.bic`).

    Parameters
    ----------
    data, names, test
        As in `discover`; the test only chooses the score.

    Returns
    -------
    Cpdag

    Raises
    ------
    ValueError
        As `discover`.

    References
    ----------
    Chickering, Optimal structure identification with greedy search, JMLR 3 (2002).
    """
    names, data = named_columns(data, names)
    columns, _ = varying(data, names, Background())
    data = data[:, columns]
    test = choose_test(data) if test == "auto" else test
    check_columns(data, [names[i] for i in columns], test)
    matrix = np.zeros((len(names), len(names)), dtype=int)
    if len(columns) > 1:
        matrix[np.ix_(columns, columns)] = _search()(data, bic(data, test))
    return Cpdag(names, matrix)


@cache
def _search() -> Callable[[Array, Score], Array]:
    """Return causal-learn's search with a score of ours.

    It accepts names of its own scores only. A copy of its function finds ours in their place; replacing it
    in the module would change the results of other callers.
    """
    from causallearn.search.ScoreBased import GES

    def search(data: Array, score: Score) -> Array:
        given: dict[str, Any] = vars(GES) | {"LocalScoreClass": lambda **_: SimpleNamespace(score=score)}
        run = FunctionType(GES.ges.__code__, given, argdefs=GES.ges.__defaults__)
        return np.asarray(run(data)["G"].graph.astype(int))

    return search

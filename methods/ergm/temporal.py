"""Temporal ERGM: each network given the one before (Robins and Pattison 2001; Hanneke, Fu, Xing 2010)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from methods.ergm.model import ErgmFit, fit
from methods.ergm.terms import Term


def fit_temporal(
    graphs: Sequence[nx.Graph],
    terms: Sequence[Term],
    *,
    seed: int,
    free: Sequence[ArrayLike] | None = None,
    **options: Any,
) -> ErgmFit:
    r"""Estimate :math:`P(Y_t = y_t | y_{t-1}) \propto \exp(\theta \cdot g(y_t, y_{t-1}))`.

    Given the first network. The coefficients are the same at all steps, so that the likelihood is the
    product over t of those of single networks, and that of one network of all steps side by side,
    without ties between steps.

    Parameters
    ----------
    graphs : two networks or more, in order of time, of one kind. The nodes of a step are those of its
        later network; where a node was not there before, it had no ties.
    terms : as for `fit`, evaluated on y_t; moreover ``"formation"``, the ties of y_t that were not in
        y_{t-1}, and ``"stability"``, those that were. Their sum is ``"edges"``.
    free : for each step, so one fewer than graphs, the risk set (n_t, n_t); all dyads unless given.
    options : further arguments of `fit`.

    Raises
    ------
    ValueError
        For fewer than two graphs, or of two kinds; for edges, formation and stability together; and as
        `fit`.

    References
    ----------
    Hanneke, Fu and Xing, Discrete temporal models of social networks, EJS 4 (2010). Spec 3 section 5.2.
    """
    _check(graphs, terms, free)
    steps = list(pairwise(graphs))
    whole = graphs[0].__class__()
    for t, (_, graph) in enumerate(steps):
        whole.add_nodes_from(((t, node), data) for node, data in graph.nodes(data=True))
        whole.add_edges_from(((t, a), (t, b)) for a, b in graph.edges)
    before = _blocks([_ties_before(*step) for step in steps])
    at_risk = [np.ones((len(graph), len(graph)), dtype=bool) for _, graph in steps] if free is None else free
    mask = _blocks([np.asarray(part, dtype=bool) for part in at_risk])
    covariates = {
        "stability": ("edgecov", before, "stability"),
        "formation": ("edgecov", 1 - before, "formation"),
    }
    spelled = [covariates.get(term, term) if isinstance(term, str) else term for term in terms]
    found = fit(whole, spelled, seed=seed, free=mask, **options)
    return _renamed(found)


def _check(graphs: Sequence[nx.Graph], terms: Sequence[Term], free: Sequence[ArrayLike] | None) -> None:
    if len(graphs) < 2 or len({graph.is_directed() for graph in graphs}) > 1:
        raise ValueError(
            f"ergm: fit_temporal needs two graphs or more, all directed or none; found {len(graphs)}: "
            f"{', '.join(type(graph).__name__ for graph in graphs)}"
        )
    if {"edges", "formation", "stability"} <= {term for term in terms if isinstance(term, str)}:
        raise ValueError("ergm: edges is the sum of formation and stability; take one of the three out")
    if free is not None and len(free) != len(graphs) - 1:
        raise ValueError(
            f"ergm: {len(graphs)} graphs have {len(graphs) - 1} steps, found {len(free)} risk sets"
        )


def _ties_before(before: nx.Graph, graph: nx.Graph) -> NDArray[np.float64]:
    position = {node: k for k, node in enumerate(graph.nodes)}
    found = np.zeros((len(position), len(position)))
    for a, b in before.edges:
        if a in position and b in position:
            found[position[a], position[b]] = 1
            if not graph.is_directed():
                found[position[b], position[a]] = 1
    return found


def _blocks(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    from scipy.linalg import block_diag

    return block_diag(*parts)


def _renamed(found: ErgmFit) -> ErgmFit:
    from dataclasses import replace

    names = tuple(name.removeprefix("edgecov.") if name in SPELLED else name for name in found.names)
    return replace(found, names=names)


SPELLED = ("edgecov.stability", "edgecov.formation")

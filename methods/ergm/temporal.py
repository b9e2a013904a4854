"""Temporal ERGM: each network given the one before.

References
----------
Robins and Pattison (2001); Hanneke, Fu and Xing (2010); Krivitsky and Handcock, A separable model for
dynamic networks, JRSS B 76 (2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import block_diag

from methods.ergm.model import fit
from methods.ergm.result import ErgmFit
from methods.ergm.terms import OPERATORS, Term


def fit_temporal(
    graphs: Sequence[nx.Graph],
    terms: Sequence[Term],
    *,
    seed: int,
    free: Sequence[ArrayLike] | None = None,
    missing: Sequence[ArrayLike] | None = None,
    **options: Any,
) -> ErgmFit:
    r"""Fit :math:`P(Y_t = y_t | y_{t-1}) \propto \exp(\theta \cdot g(y_t, y_{t-1}))`.

    The model conditions on the first network. The coefficients are the same at all steps, so the
    likelihood is the product over t of those of single networks. It equals that of one network of all
    steps without ties between steps.

    Parameters
    ----------
    graphs : two or more networks in order of time, all directed or none. The nodes of a step are those
        of its later network; a node that was absent before had no ties.
    terms : as for `fit`, evaluated on y_t; also ``"formation"``, the ties of y_t that were not in
        y_{t-1}, and ``"stability"``, those that were. Their sum is ``"edges"``. ``("Form", terms)`` are
        terms of the union of y_t and y_{t-1}, ``("Persist", terms)`` terms of their intersection, as in
        the R package tergm: a model of these two alone is separable, and its coefficients tell why ties
        form and why they last.
    missing : dyads of y_t with unknown state (n_t, n_t) at each step; none by default.
    free : risk set (n_t, n_t) of each step, so one fewer than graphs; all dyads by default.
    options : further arguments of `fit`.

    Raises
    ------
    ValueError
        For fewer than two graphs, for directed and undirected graphs together, for edges, formation and
        stability together; and as `fit`. `missing` needs a known y_{t-1}: a tie of a graph counts as such
        at the next step.

    References
    ----------
    Hanneke, Fu and Xing, Discrete temporal models of social networks, EJS 4 (2010). Spec 3 section 5.2.
    """
    _check(graphs, terms, free, missing)
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
    expanded: list[Term] = []
    for term in terms:
        if not isinstance(term, str) and term[0] in OPERATORS:
            expanded.append((*term, before))
        else:
            expanded.append(covariates.get(term, term) if isinstance(term, str) else term)
    unknown = None if missing is None else _blocks([np.asarray(part, dtype=bool) for part in missing])
    return _rename(fit(whole, expanded, seed=seed, free=mask, missing=unknown, **options))


def _check(
    graphs: Sequence[nx.Graph], terms: Sequence[Term], free: Sequence[ArrayLike] | None,
    missing: Sequence[ArrayLike] | None,
) -> None:  # fmt: skip
    if len(graphs) < 2 or len({graph.is_directed() for graph in graphs}) > 1:
        raise ValueError(
            f"ergm: found {len(graphs)} graphs ({', '.join(type(graph).__name__ for graph in graphs)}); "
            "expected two or more, all directed or none"
        )
    if {"edges", "formation", "stability"} <= {term for term in terms if isinstance(term, str)}:
        raise ValueError("ergm: edges is the sum of formation and stability; remove one of the three")
    for name, parts in (("risk sets", free), ("sets of missing dyads", missing)):
        if parts is not None and len(parts) != len(graphs) - 1:
            raise ValueError(f"ergm: found {len(parts)} {name}; expected {len(graphs) - 1}, one per step")


def _ties_before(before: nx.Graph, graph: nx.Graph) -> NDArray[np.float64]:
    position = {node: k for k, node in enumerate(graph.nodes)}
    ties = np.zeros((len(position), len(position)))
    for a, b in before.edges:
        if a in position and b in position:
            ties[position[a], position[b]] = 1
            if not graph.is_directed():
                ties[position[b], position[a]] = 1
    return ties


def _blocks(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return block_diag(*parts)


def _rename(fit: ErgmFit) -> ErgmFit:
    names = tuple(name.removeprefix("edgecov.") if name in COVARIATES else name for name in fit.names)
    return replace(fit, names=names)


COVARIATES = ("edgecov.stability", "edgecov.formation")

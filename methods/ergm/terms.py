"""Model terms with the names and definitions of statnet.

===================== ============ ==========================================================================
term                  graphs       statistic
===================== ============ ==========================================================================
edges                 both         number of ties
mutual                directed     pairs with a tie both ways, each counted once
triangle              undirected   triangles
ttriple, ctriple      directed     ordered triples i->j, i->k, k->j; cyclic triples
transitiveties        both         ties i->j with at least one path i->k->j
cyclicalties          directed     ties i->j with at least one path j->k->i
gwesp, decay          both         sum over ties of e^a (1 - (1 - e^-a)^s), s the paths i->k->j ("OTP")
gwesp, decay, False   both         the same with an estimated decay, which starts at ``decay``
nodematch, attr[, by] both         ties within a level; with ``True`` one statistic per level
nodefactor, attr      both         ends of ties in a level, all levels but the first; nodeifactor, nodeofactor
nodecov, attr         both         sum over ties of the values at both ends; nodeicov, nodeocov: at one
absdiff, attr         both         sum over ties of the absolute difference of the values
edgecov, matrix[, id] both         sum over ties of an (n, n) covariate
gwdegree, decay       undirected   sum over nodes of e^a (1 - (1 - e^-a)^degree); gwidegree, gwodegree;
                                   ``False`` as for gwesp
degree, k             undirected   nodes with k ties; idegree, odegree: by ties received, sent
kstar, k              undirected   stars of k ties; istar, ostar: by ties received, sent
Form, terms, before   both         terms of the union with the network ``before``
Persist, terms,       both         terms of the intersection with ``before``
before
===================== ============ ==========================================================================

An estimated decay makes the family curved: natural parameters theta e^a (1 - (1 - e^-a)^s) with two
parameters. Its columns are the statistic at the current decay a, and theta times its derivative by a: at the
maximum the means of both equal the observed values (Hunter and Handcock 2006). The decay itself does not
weight networks, so the sampler's coefficient of its column is 0.

``before`` of an operator is a graph on the same nodes or an (n, n) matrix; `fit_temporal` supplies it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from methods.ergm import change
from methods.ergm.change import Terms
from methods.ergm.readers import READERS, Row, geometric, geometric_slope

Term = str | tuple[Any, ...]
"""``"edges"``, ``("nodematch", "group")``, ``("gwesp", 0.5)``; a list may replace a tuple."""


OPERATORS = {"Form": 1, "Persist": 2}
"""Layer of each operator over time."""


@dataclass(frozen=True)
class Model:
    """Names of the statistics, and arrays from which compiled code computes changes.

    Arrays (p,) follow `names`.
    """

    names: tuple[str, ...]
    terms: Terms
    with_shared: bool
    dyad_independent: bool
    """No term except `mutual` depends on other ties: the likelihood is a product over pairs."""
    mutual: int
    """Column of `mutual`, or -1."""
    independent: NDArray[np.bool_]
    """(p,): whether a statistic is a sum over ties that does not depend on other ties."""
    degree: NDArray[np.int64]
    """(p,): k of a statistic that counts nodes of degree k, else -1."""
    decay: NDArray[np.float64]
    """(p,): start of a decay to estimate, in its own column, else NaN."""

    @property
    def is_decay(self) -> NDArray[np.bool_]:
        """(p,): columns of estimated decays; the column before is their weight."""
        return np.isfinite(self.decay)

    def weights(self, coef: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the coefficients (p,) by which the sampler weights networks."""
        return np.where(self.is_decay, 0.0, coef)

    def at(self, coef: NDArray[np.float64]) -> Model:
        """Return the model with its geometric weights at the decays of `coef`."""
        if not self.is_decay.any():
            return self
        tables = self.terms.tables.copy()
        counts = np.arange(tables.shape[1])
        for column in np.flatnonzero(self.is_decay):
            weight = coef[column - 1] if np.isfinite(coef[column - 1]) else 1.0
            at = self.terms.column
            decay = float(coef[column] if np.isfinite(coef[column]) else self.decay[column])
            tables[at == column - 1] = geometric(self.names[column], decay, counts)
            tables[at == column] = weight * geometric_slope(decay, counts)
        return replace(self, terms=self.terms._replace(tables=tables))


def read_terms(graph: nx.Graph, terms: Sequence[Term]) -> Model:
    """Read the terms of a model for a graph.

    Raises
    ------
    ValueError
        For an unknown term, a term for the other kind of graph, a wrong argument, a repeated term, or an
        attribute that is missing or not finite.
    """
    if isinstance(terms, str) or not len(terms):
        raise ValueError(f"ergm: terms is {terms!r}; expected a list such as ['edges', ('gwesp', 0.5)]")
    names: list[str] = []
    rows: list[Row] = []
    before = None
    for term in terms:
        if not isinstance(term, str) and term[0] in OPERATORS:
            labels, parts, earlier = _operator(graph, term)
            if before is not None and not np.array_equal(before, earlier):
                raise ValueError("ergm: Form and Persist have different networks before; expected one")
            before = earlier
        else:
            labels, parts = _read(graph, term)
        rows += [row._replace(column=row.column + len(names)) for row in parts]
        names += labels
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"ergm: {', '.join(sorted(repeated))} given twice; remove one")
    kinds = {row.kind for row in rows}
    paths = {change.PATHS_FORTH, change.PATHS_BACK, change.TIES_BY_PATHS, change.TIES_BY_CYCLES}
    mutual = [row.column for row in rows if row.kind == change.MUTUAL and row.layer == 0]
    degree, decay = np.full(len(names), -1), np.full(len(names), np.nan)
    for row in rows:
        degree[row.column] = row.degree
        if row.decay >= 0 and names[row.column].endswith(".decay"):
            decay[row.column] = row.decay
    return Model(
        tuple(names), _pack(rows, graph.number_of_nodes(), before), bool(kinds & paths),
        all(row.kind <= change.MATRIX and (row.kind != change.MUTUAL or row.layer == 0) for row in rows),
        mutual[0] if mutual else -1, _independent(rows, len(names)), degree, decay,
    )  # fmt: skip


def _operator(graph: nx.Graph, term: Term) -> tuple[list[str], list[Row], NDArray[np.bool_]]:
    """Read the terms inside Form or Persist, with the network before."""
    name, *arguments = list(term)
    if len(arguments) != 2 or isinstance(arguments[0], str):
        raise ValueError(
            f"ergm: operator '{name}' has {len(arguments)} arguments; expected a list of terms and the "
            f"network before, such as ('{name}', ['edges'], graph); fit_temporal supplies the network"
        )
    inner, earlier = arguments
    if isinstance(earlier, nx.Graph):
        earlier = nx.to_scipy_sparse_array(earlier, nodelist=list(graph.nodes)).toarray()
    matrix = np.asarray(earlier) != 0
    n = graph.number_of_nodes()
    if matrix.shape != (n, n) or (not graph.is_directed() and (matrix != matrix.T).any()):
        raise ValueError(
            f"ergm: operator '{name}' has a network before of shape {matrix.shape}; expected ({n}, {n}), "
            "symmetric for an undirected graph"
        )
    names: list[str] = []
    rows: list[Row] = []
    for one in inner:
        labels, parts = _read(graph, one)
        rows += [row._replace(column=row.column + len(names), layer=OPERATORS[name]) for row in parts]
        names += [f"{name}~{label}" for label in labels]
    return names, rows, matrix


def _independent(rows: list[Row], columns: int) -> NDArray[np.bool_]:
    independent = np.ones(columns, dtype=bool)
    dependent = [row.column for row in rows if row.kind == change.MUTUAL or row.kind > change.MATRIX]
    independent[dependent] = False
    return independent


def _read(graph: nx.Graph, term: Term) -> tuple[list[str], list[Row]]:
    name, *arguments = [term] if isinstance(term, str) else list(term)
    if name not in READERS:
        raise ValueError(f"ergm: unknown term {name!r}; expected one of {', '.join(sorted(READERS))}")
    reader, kind_of_graph, least, most = READERS[name]
    needs_directed = {"directed": True, "undirected": False}.get(kind_of_graph)
    if needs_directed is not None and graph.is_directed() != needs_directed:
        substitutes = {
            "triangle": "ttriple",
            "ttriple": "triangle",
            "gwdegree": "gwidegree and gwodegree",
            "degree": "idegree and odegree",
        }
        advice = f"; use {substitutes[name]} instead" if name in substitutes else ""
        raise ValueError(f"ergm: term '{name}' is for {kind_of_graph} graphs{advice}")
    if not least <= len(arguments) <= most:
        raise ValueError(f"ergm: term '{name}' has the arguments {arguments!r}; expected {least} to {most}")
    return reader(graph, name, *arguments)


def _pack(rows: list[Row], n: int, before: NDArray[np.bool_] | None) -> Terms:
    matrices = [row.matrix for row in rows if row.matrix is not None]
    positions = iter(range(len(matrices)))
    return Terms(
        kind=np.array([row.kind for row in rows]),
        column=np.array([row.column for row in rows]),
        codes=np.array([np.zeros(n) if row.codes is None else row.codes for row in rows], dtype=np.int32),
        values=np.array([np.zeros(n) if row.values is None else row.values for row in rows], dtype=float),
        tables=np.array([np.zeros(n + 1) if row.table is None else row.table for row in rows], dtype=float),
        matrices=np.array(matrices, dtype=float) if matrices else np.zeros((0, 1, 1)),
        matrix=np.array([-1 if row.matrix is None else next(positions) for row in rows]),
        layer=np.array([row.layer for row in rows]),
        before=np.zeros((0, 0), dtype=bool) if before is None else before,
    )

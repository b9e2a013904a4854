"""Model terms with the names and definitions of statnet.

===================== ============ ==========================================================================
term                  graphs       statistic
===================== ============ ==========================================================================
edges                 both         number of ties
mutual                directed     pairs with a tie both ways, each counted once
triangle              undirected   triangles
ttriple, ctriple      directed     ordered triples i->j, i->k, k->j; cyclic triples
transitiveties        both         ties i->j with at least one path i->k->j
gwesp, decay          both         sum over ties of e^a (1 - (1 - e^-a)^s), s the paths i->k->j ("OTP")
nodematch, attr[, by] both         ties within a level; with ``True`` one statistic per level
nodefactor, attr      both         ends of ties in a level, all levels but the first; nodeifactor, nodeofactor
nodecov, attr         both         sum over ties of the values at both ends; nodeicov, nodeocov: at one
absdiff, attr         both         sum over ties of the absolute difference of the values
edgecov, matrix[, id] both         sum over ties of an (n, n) covariate
gwdegree, decay       undirected   sum over nodes of e^a (1 - (1 - e^-a)^degree); gwidegree, gwodegree
kstar, k              undirected   stars of k ties; istar, ostar: by ties received, sent
===================== ============ ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.special import comb

from methods.ergm import change
from methods.ergm.change import Terms

Term = str | tuple[Any, ...]
"""``"edges"``, ``("nodematch", "group")``, ``("gwesp", 0.5)``; a list may replace a tuple."""


class Row(NamedTuple):
    """One row of `Terms`; `column` counts from the first statistic of its term."""

    kind: int
    column: int = 0
    codes: NDArray[np.int32] | None = None
    values: NDArray[np.float64] | None = None
    table: NDArray[np.float64] | None = None
    matrix: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Model:
    """Names of the statistics, and arrays from which compiled code computes changes."""

    names: tuple[str, ...]
    terms: Terms
    with_shared: bool
    dyad_independent: bool
    """No term except `mutual` depends on other ties: the likelihood is a product over pairs."""
    mutual: int
    """Column of `mutual`, or -1."""
    independent: NDArray[np.bool_]
    """(p,): whether a statistic is a sum over ties that does not depend on other ties."""


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
    for term in terms:
        labels, parts = _read(graph, term)
        rows += [row._replace(column=row.column + len(names)) for row in parts]
        names += labels
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"ergm: {', '.join(sorted(repeated))} given twice; remove one")
    kinds = {row.kind for row in rows}
    paths = {change.PATHS_FORTH, change.PATHS_BACK, change.TIES_BY_PATHS}
    mutual = [row.column for row in rows if row.kind == change.MUTUAL]
    return Model(
        tuple(names), _pack(rows, graph.number_of_nodes()), bool(kinds & paths),
        all(kind <= change.MATRIX for kind in kinds), mutual[0] if mutual else -1,
        _independent(rows, len(names)),
    )  # fmt: skip


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
        substitutes = {"triangle": "ttriple", "ttriple": "triangle", "gwdegree": "gwidegree and gwodegree"}
        advice = f"; use {substitutes[name]} instead" if name in substitutes else ""
        raise ValueError(f"ergm: term '{name}' is for {kind_of_graph} graphs{advice}")
    if not least <= len(arguments) <= most:
        raise ValueError(f"ergm: term '{name}' has the arguments {arguments!r}; expected {least} to {most}")
    return reader(graph, name, *arguments)


def _pack(rows: list[Row], n: int) -> Terms:
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
    )


Read = tuple[list[str], list[Row]]


def _plain(kind: int) -> Callable[..., Read]:
    return lambda graph, name: ([name], [Row(kind)])


def _by_paths(function: Callable[[NDArray[np.int64]], NDArray[Any]]) -> Callable[..., Read]:
    def read(graph: nx.Graph, name: str) -> Read:
        return [name], [Row(change.TIES_BY_PATHS, table=function(_counts(graph)))]

    return read


def _gwesp(graph: nx.Graph, name: str, decay: float) -> Read:
    kind = "OTP." if graph.is_directed() else ""
    table = _geometric(name, decay, _counts(graph))
    return [f"gwesp.{kind}fixed.{decay:g}"], [Row(change.TIES_BY_PATHS, table=table)]


def _gwdegree(*kinds: int) -> Callable[..., Read]:
    def read(graph: nx.Graph, name: str, decay: float) -> Read:
        table = _geometric(name, decay, _counts(graph))
        short = {"gwdegree": "gwdeg", "gwidegree": "gwideg", "gwodegree": "gwodeg"}[name]
        return [f"{short}.fixed.{decay:g}"], [Row(kind, table=table) for kind in kinds]

    return read


def _stars(*kinds: int) -> Callable[..., Read]:
    def read(graph: nx.Graph, name: str, k: int) -> Read:
        if not isinstance(k, int) or k < 1:
            raise ValueError(f"ergm: term '{name}' has k = {k!r}; expected an integer >= 1")
        return [f"{name}{k}"], [Row(kind, table=comb(_counts(graph), k)) for kind in kinds]

    return read


def _counts(graph: nx.Graph) -> NDArray[np.int64]:
    return np.arange(graph.number_of_nodes() + 1)


def _geometric(name: str, decay: float, count: NDArray[np.int64]) -> NDArray[np.float64]:
    if isinstance(decay, bool) or not isinstance(decay, (int, float)) or not 0 <= decay < 20:
        raise ValueError(
            f"ergm: term '{name}' has the decay {decay!r}; expected a number from 0 to 20 (it stays fixed)"
        )
    return np.exp(decay) * (1 - (1 - np.exp(-decay)) ** count)


def _nodematch(graph: nx.Graph, name: str, attribute: str, by_level: bool = False) -> Read:
    levels, codes = _levels(graph, name, attribute)
    apart = np.full(len(codes), float(by_level))
    label = f"nodematch.{attribute}"
    names = [f"{label}.{level}" for level in levels] if by_level else [label]
    return names, [Row(change.MATCH, codes=codes, values=apart)]


def _nodefactor(*kinds: int) -> Callable[..., Read]:
    def read(graph: nx.Graph, name: str, attribute: str) -> Read:
        levels, codes = _levels(graph, name, attribute)
        if len(levels) < 2:
            raise ValueError(
                f"ergm: term '{name}': '{attribute}' is {levels[0]} everywhere; expected two or more levels"
            )
        return [f"{name}.{attribute}.{v}" for v in levels[1:]], [Row(kind, codes=codes - 1) for kind in kinds]

    return read


def _node_values(*kinds: int) -> Callable[..., Read]:
    def read(graph: nx.Graph, name: str, attribute: str) -> Read:
        values = _numbers(graph, name, attribute)
        return [f"{name}.{attribute}"], [Row(kind, values=values) for kind in kinds]

    return read


def _edgecov(graph: nx.Graph, name: str, matrix: Any, label: str = "matrix") -> Read:
    n, covariate = graph.number_of_nodes(), np.asarray(matrix, dtype=float)
    if covariate.shape != (n, n) or not np.isfinite(covariate).all():
        raise ValueError(
            f"ergm: term '{name}' has a matrix of shape {covariate.shape}; expected ({n}, {n}), finite"
        )
    if not graph.is_directed() and not np.array_equal(covariate, covariate.T):
        raise ValueError(f"ergm: term '{name}': expected a symmetric matrix for an undirected graph")
    return [f"{name}.{label}"], [Row(change.MATRIX, matrix=covariate)]


def _attribute(graph: nx.Graph, name: str, attribute: str) -> list[Any]:
    values = [data.get(attribute) for _, data in graph.nodes(data=True)]
    missing = sum(value is None or value != value for value in values)
    if missing:
        raise ValueError(
            f"ergm: term '{name}': {missing} of {len(values)} nodes have no attribute '{attribute}'; "
            "set it by nx.set_node_attributes, or drop these nodes"
        )
    return values


def _levels(graph: nx.Graph, name: str, attribute: str) -> tuple[list[Any], NDArray[np.int32]]:
    values = _attribute(graph, name, attribute)
    try:
        levels = sorted(set(values))
    except TypeError:
        levels = sorted(set(values), key=str)
    code = {level: k for k, level in enumerate(levels)}
    return levels, np.array([code[value] for value in values], dtype=np.int32)


def _numbers(graph: nx.Graph, name: str, attribute: str) -> NDArray[np.float64]:
    values = _attribute(graph, name, attribute)
    try:
        numbers = np.array([float(value) for value in values])
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"ergm: term '{name}': '{attribute}' contains {values[0]!r} …; expected finite numbers"
        )
    return numbers


_OUT, _IN = (change.FACTOR_OUT, change.VALUE_OUT), (change.FACTOR_IN, change.VALUE_IN)
READERS: dict[str, tuple[Callable[..., Read], str, int, int]] = {
    "edges": (_plain(change.EDGES), "both", 0, 0),
    "mutual": (_plain(change.MUTUAL), "directed", 0, 0),
    "triangle": (_plain(change.PATHS_FORTH), "undirected", 0, 0),
    "ctriple": (_plain(change.PATHS_BACK), "directed", 0, 0),
    "ttriple": (_by_paths(lambda paths: paths), "directed", 0, 0),
    "transitiveties": (_by_paths(lambda paths: paths > 0), "both", 0, 0),
    "gwesp": (_gwesp, "both", 1, 1),
    "nodematch": (_nodematch, "both", 1, 2),
    "nodefactor": (_nodefactor(_OUT[0], _IN[0]), "both", 1, 1),
    "nodeofactor": (_nodefactor(_OUT[0]), "directed", 1, 1),
    "nodeifactor": (_nodefactor(_IN[0]), "directed", 1, 1),
    "nodecov": (_node_values(_OUT[1], _IN[1]), "both", 1, 1),
    "nodeocov": (_node_values(_OUT[1]), "directed", 1, 1),
    "nodeicov": (_node_values(_IN[1]), "directed", 1, 1),
    "absdiff": (_node_values(change.DIFFERENCE), "both", 1, 1),
    "edgecov": (_edgecov, "both", 1, 2),
    "gwdegree": (_gwdegree(change.DEGREE_OUT, change.DEGREE_IN), "undirected", 1, 1),
    "gwodegree": (_gwdegree(change.DEGREE_OUT), "directed", 1, 1),
    "gwidegree": (_gwdegree(change.DEGREE_IN), "directed", 1, 1),
    "kstar": (_stars(change.DEGREE_OUT, change.DEGREE_IN), "undirected", 1, 1),
    "ostar": (_stars(change.DEGREE_OUT), "directed", 1, 1),
    "istar": (_stars(change.DEGREE_IN), "directed", 1, 1),
}

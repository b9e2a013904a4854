"""Readers of terms: the rows of arrays that describe a term on a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.special import comb

from methods.ergm import change


class Row(NamedTuple):
    """One row of `Terms`; `column` counts from the first statistic of its term."""

    kind: int
    column: int = 0
    codes: NDArray[np.int32] | None = None
    values: NDArray[np.float64] | None = None
    table: NDArray[np.float64] | None = None
    matrix: NDArray[np.float64] | None = None
    layer: int = 0
    degree: int = -1
    """k of a statistic that counts the nodes of degree k, else -1."""
    decay: float = -1.0
    """Start of an estimated decay, in the row of its weight and in that of the decay itself, else -1."""


Read = tuple[list[str], list[Row]]


def _plain(kind: int) -> Callable[..., Read]:
    return lambda graph, name: ([name], [Row(kind)])


def _by_paths(kind: int, function: Callable[[NDArray[np.int64]], NDArray[Any]]) -> Callable[..., Read]:
    def read(graph: nx.Graph, name: str) -> Read:
        return [name], [Row(kind, table=function(_counts(graph)))]

    return read


def _gwesp(graph: nx.Graph, name: str, decay: float, fixed: bool = True) -> Read:
    kind = "OTP." if graph.is_directed() else ""
    return _weighted(graph, name, f"gwesp.{kind}", decay, fixed, (change.TIES_BY_PATHS,))


def _weighted(
    graph: nx.Graph, name: str, label: str, decay: float, fixed: bool, kinds: tuple[int, ...]
) -> Read:
    """Read a geometrically weighted term; an estimated decay has its own column."""
    if not isinstance(fixed, bool):
        raise ValueError(f"ergm: term '{name}' has fixed = {fixed!r}; expected True or False")
    table = geometric(name, decay, _counts(graph))
    if fixed:
        return [f"{label}fixed.{decay:g}"], [Row(kind, table=table) for kind in kinds]
    if decay <= 0:
        raise ValueError(f"ergm: term '{name}' starts at the decay {decay!r}; expected more than 0")
    label = label.rstrip(".")
    columns = [(0, table), (1, geometric_slope(decay, _counts(graph)))]
    rows = [Row(kind, column, table=values, decay=decay) for kind in kinds for column, values in columns]
    return [label, f"{label}.decay"], rows


def _gwdegree(*kinds: int) -> Callable[..., Read]:
    def read(graph: nx.Graph, name: str, decay: float, fixed: bool = True) -> Read:
        short = {"gwdegree": "gwdeg", "gwidegree": "gwideg", "gwodegree": "gwodeg"}[name]
        return _weighted(graph, name, f"{short}.", decay, fixed, kinds)

    return read


def _stars(*kinds: int) -> Callable[..., Read]:
    def read(graph: nx.Graph, name: str, k: int) -> Read:
        if not isinstance(k, int) or k < 1:
            raise ValueError(f"ergm: term '{name}' has k = {k!r}; expected an integer >= 1")
        return [f"{name}{k}"], [Row(kind, table=comb(_counts(graph), k)) for kind in kinds]

    return read


def _degree(*kinds: int) -> Callable[..., Read]:
    def read(graph: nx.Graph, name: str, k: int) -> Read:
        if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k < graph.number_of_nodes():
            raise ValueError(
                f"ergm: term '{name}' has k = {k!r}; expected an integer from 0 to "
                f"{graph.number_of_nodes() - 1}, the largest degree"
            )
        table = (_counts(graph) == k).astype(float)
        return [f"{name}{k}"], [Row(kind, table=table, degree=k) for kind in kinds]

    return read


def _counts(graph: nx.Graph) -> NDArray[np.int64]:
    return np.arange(graph.number_of_nodes() + 1)


def geometric(name: str, decay: float, count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute geometric weights ``e^a (1 - (1 - e^-a)^count)``."""
    if isinstance(decay, bool) or not isinstance(decay, (int, float)) or not 0 <= decay < 20:
        raise ValueError(f"ergm: term '{name}' has the decay {decay!r}; expected a number from 0 to 20")
    return np.exp(decay) * (1 - (1 - np.exp(-decay)) ** count)


def geometric_slope(decay: float, count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the derivative of the geometric weights by the decay."""
    share = 1 - np.exp(-decay)
    return np.exp(decay) * (1 - share**count) - count * share ** np.maximum(count - 1, 0)


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
    "ttriple": (_by_paths(change.TIES_BY_PATHS, lambda paths: paths), "directed", 0, 0),
    "transitiveties": (_by_paths(change.TIES_BY_PATHS, lambda paths: paths > 0), "both", 0, 0),
    "cyclicalties": (_by_paths(change.TIES_BY_CYCLES, lambda paths: paths > 0), "directed", 0, 0),
    "gwesp": (_gwesp, "both", 1, 2),
    "nodematch": (_nodematch, "both", 1, 2),
    "nodefactor": (_nodefactor(_OUT[0], _IN[0]), "both", 1, 1),
    "nodeofactor": (_nodefactor(_OUT[0]), "directed", 1, 1),
    "nodeifactor": (_nodefactor(_IN[0]), "directed", 1, 1),
    "nodecov": (_node_values(_OUT[1], _IN[1]), "both", 1, 1),
    "nodeocov": (_node_values(_OUT[1]), "directed", 1, 1),
    "nodeicov": (_node_values(_IN[1]), "directed", 1, 1),
    "absdiff": (_node_values(change.DIFFERENCE), "both", 1, 1),
    "edgecov": (_edgecov, "both", 1, 2),
    "gwdegree": (_gwdegree(change.DEGREE_OUT, change.DEGREE_IN), "undirected", 1, 2),
    "gwodegree": (_gwdegree(change.DEGREE_OUT), "directed", 1, 2),
    "gwidegree": (_gwdegree(change.DEGREE_IN), "directed", 1, 2),
    "degree": (_degree(change.DEGREE_OUT, change.DEGREE_IN), "undirected", 1, 1),
    "odegree": (_degree(change.DEGREE_OUT), "directed", 1, 1),
    "idegree": (_degree(change.DEGREE_IN), "directed", 1, 1),
    "kstar": (_stars(change.DEGREE_OUT, change.DEGREE_IN), "undirected", 1, 1),
    "ostar": (_stars(change.DEGREE_OUT), "directed", 1, 1),
    "istar": (_stars(change.DEGREE_IN), "directed", 1, 1),
}

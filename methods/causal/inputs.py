"""Inputs of structural models: named columns and an acyclic graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from methods.causal.columns import check_names
from methods.causal.graph import Cpdag

Array = np.ndarray
Dag = nx.DiGraph | Cpdag | Iterable[tuple[str, str]]


def named_columns(
    data: Array | pd.DataFrame, names: Sequence[str] | None, dag: Dag = ()
) -> tuple[tuple[str, ...], Array]:
    """Return the names of the columns and their finite values (n, p).

    Without names, columns are named by their numbers if the nodes of the graph are numbers, else X1..Xp.
    """
    if names is None:
        names = list(data.columns) if isinstance(data, pd.DataFrame) else None
    data = np.asarray(data)
    if data.ndim != 2 or 0 in data.shape:
        raise ValueError(f"data has shape {data.shape}; expected (n, p) with at least one row and one column")
    names = check_names(_default_names(data.shape[1], dag) if names is None else names, data.shape[1])
    try:
        values = data.astype(float)
    except ValueError as error:
        raise ValueError(f"data is not numeric: {error}; encode categories as integers first") from error
    bad = [name for name, column in zip(names, values.T, strict=True) if not np.isfinite(column).all()]
    if bad:
        raise ValueError(f"columns {bad} are not finite; drop the rows with missing values first")
    return names, values


def _default_names(columns: int, dag: Dag) -> Sequence[Any]:
    if isinstance(dag, nx.DiGraph) and all(isinstance(node, Integral) for node in dag):
        return range(columns)
    return [f"X{i + 1}" for i in range(columns)]


def as_graph(dag: Dag) -> nx.DiGraph:
    """Convert directed edges to a networkx graph."""
    if isinstance(dag, nx.DiGraph):
        return dag
    if isinstance(dag, Cpdag):
        undirected = [(edge.source, edge.target) for edge in dag.edges if edge.kind != "directed"]
        if undirected:
            raise ValueError(f"the edges {undirected} have no direction; choose one by a Background")
        return nx.DiGraph([(edge.source, edge.target) for edge in dag.edges])
    edges = [tuple(edge) for edge in dag]
    if any(len(edge) != 2 for edge in edges):
        raise ValueError(f"the graph is {edges[:3]}...; expected pairs (cause, effect) or a networkx.DiGraph")
    return nx.DiGraph(edges)


def complete_dag(dag: Dag, names: Sequence[str]) -> nx.DiGraph:
    """Return the graph over all `names` after checking that it is acyclic."""
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from(as_graph(dag).edges)
    unknown = sorted(set(as_graph(dag)) - set(names), key=str)
    if unknown:
        raise ValueError(f"the graph names {unknown}; the columns are {list(names)}")
    if not nx.is_directed_acyclic_graph(graph):
        cycle = " -> ".join(str(edge[0]) for edge in nx.find_cycle(graph))
        raise ValueError(
            f"the graph has the cycle {cycle} -> ...; expected an acyclic graph: unroll the cycle in time"
        )
    return graph

"""What every structural model takes: named columns, and a graph without a cycle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral

import networkx as nx
import numpy as np
import pandas as pd

from methods.causal.graph import Cpdag

Array = np.ndarray
Dag = nx.DiGraph | Cpdag | Iterable[tuple[str, str]]


def named(
    data: Array | pd.DataFrame, names: Sequence[str] | None, dag: Dag = ()
) -> tuple[tuple[str, ...], Array]:
    """Names and finite values (n, p); without names, columns that the graph numbers are so called."""
    if isinstance(data, pd.DataFrame) and names is None:
        names = list(data.columns)
    values = np.asarray(data, dtype=float)
    if names is None:
        numbers = isinstance(dag, nx.DiGraph) and all(isinstance(node, Integral) for node in dag)
        names = [i if numbers else f"X{i + 1}" for i in range(values.shape[-1])]  # type: ignore[misc]
    names = tuple(names)
    if values.ndim != 2 or values.shape[1] != len(names) or len(set(names)) != len(names):
        raise ValueError(
            f"data has shape {values.shape}; expected (n, {len(names)}) and as many unlike names"
        )
    bad = [name for name, column in zip(names, values.T, strict=True) if not np.isfinite(column).all()]
    if bad:
        raise ValueError(f"columns {bad} are not finite; leave those rows out first")
    return names, values


def as_graph(dag: Dag) -> nx.DiGraph:
    """Directed edges as a networkx graph."""
    if isinstance(dag, nx.DiGraph):
        return dag
    if isinstance(dag, Cpdag):
        open_ends = [(edge.source, edge.target) for edge in dag.edges if edge.kind != "directed"]
        if open_ends:
            raise ValueError(f"the edges {open_ends} have no direction; choose one for each, by background")
        return nx.DiGraph([(edge.source, edge.target) for edge in dag.edges])
    edges = [tuple(edge) for edge in dag]
    if any(len(edge) != 2 for edge in edges):
        raise ValueError(f"the graph is {edges[:3]}...; expected pairs (cause, effect) or a networkx.DiGraph")
    return nx.DiGraph(edges)


def checked_dag(dag: Dag, names: Sequence[str]) -> nx.DiGraph:
    """The graph over all `names`, without a cycle."""
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from(as_graph(dag).edges)
    unknown = sorted(set(as_graph(dag)) - set(names), key=str)
    if unknown:
        raise ValueError(f"the graph names {unknown}; the columns are {list(names)}")
    if not nx.is_directed_acyclic_graph(graph):
        cycle = " -> ".join(str(edge[0]) for edge in nx.find_cycle(graph))
        raise ValueError(f"the graph has the cycle {cycle} -> ...; expected none: unroll it in time")
    return graph

"""Causal discovery from observations: the PC algorithm, its graph and the graph's confidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

# Marks at the ends of an edge, as causal-learn writes them: [i, j] is the mark at i.
TAIL, ARROW = -1, 1


@dataclass(frozen=True)
class Background:
    """What is known before looking at the data.

    Attributes
    ----------
    tiers : sequence of sequences of str
        Names in order of time: no edge points from a later tier into an earlier one.
    forbidden : sequence of (str, str)
        Directed edges that cannot be. Forbidding both directions of a pair leaves the edge
        out without a test.
    """

    tiers: Sequence[Sequence[str]] = ()
    forbidden: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Edge:
    """``source -> target`` (directed), ``source -- target`` (undirected) or ``<->`` (bidirected)."""

    source: str
    target: str
    kind: str


@dataclass(frozen=True)
class Cpdag:
    """A graph whose undirected edges may point either way.

    Attributes
    ----------
    names : tuple of str
        The p variables.
    matrix : array of int (p, p)
        ``m[i, j] = -1, m[j, i] = 1``: i -> j; both -1: i -- j; both 1: i <-> j; 0: no edge.
    """

    names: tuple[str, ...]
    matrix: Array

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges, each once; a directed one from source to target."""
        found = []
        for i, j in zip(*np.nonzero(np.triu(self.matrix)), strict=True):
            marks = (self.matrix[i, j], self.matrix[j, i])
            source, target = (j, i) if marks == (ARROW, TAIL) else (i, j)
            kind = {(TAIL, TAIL): "undirected", (ARROW, ARROW): "bidirected"}.get(marks, "directed")
            found.append(Edge(self.names[source], self.names[target], kind))
        return tuple(found)

    def parents(self, name: str) -> tuple[str, ...]:
        """The names with a directed edge into `name`."""
        column = self.names.index(name)
        into = (self.matrix[:, column] == TAIL) & (self.matrix[column, :] == ARROW)
        return tuple(self.names[i] for i in np.flatnonzero(into))


def discover(
    data: Array,
    alpha: float = 0.01,
    names: Sequence[str] | None = None,
    background: Background | None = None,
) -> Cpdag:
    r"""PC algorithm with Fisher's z: the graph of conditional independences.

    An edge is removed where ``sqrt(n - |S| - 3) |atanh r_{ij|S}|`` is not significant for some
    set S of neighbours. The order of the variables does not matter for the skeleton (stable),
    and where two colliders contradict one another, the one with the larger p-value of
    independence without the middle wins (priority 4 of causal-learn; 2 errors against 14 of its
    default on the Gaussian ALARM network, and no more on linear_1, 2 and 10).

    Parameters
    ----------
    data : array (n, p)
        Rows of observations, finite, no column a linear function of others.
    alpha : float in (0, 1)
        Level of each test.
    names : sequence of str, optional
        Names of the columns; X1..Xp where not given.
    background : Background, optional
        Time order and forbidden edges.

    Returns
    -------
    Cpdag

    Raises
    ------
    ValueError
        If the data are not finite, a column is constant or the background names no column.

    References
    ----------
    Spirtes, Glymour, Scheines (2000); Colombo and Maathuis (2014); spec 3 section 2.2 with its
    correction.
    """
    from causallearn.search.ConstraintBased.PC import pc

    data = np.asarray(data, dtype=float)
    names = tuple(names) if names is not None else tuple(f"X{i + 1}" for i in range(data.shape[1]))
    _check_columns(data, names)
    knowledge = None if background is None else _knowledge(names, background)
    graph = pc(
        data, alpha, "fisherz", stable=True, uc_rule=0, uc_priority=4, background_knowledge=knowledge,
        node_names=list(names), show_progress=False,
    )  # fmt: skip
    return Cpdag(names, graph.G.graph.astype(int))


def _check_columns(data: Array, names: Sequence[str]) -> None:
    if data.ndim != 2 or data.shape[1] != len(names) or len(set(names)) != len(names):
        raise ValueError(f"data has shape {data.shape}; expected (n, {len(names)}) and as many unlike names")
    bad = [
        name
        for name, column in zip(names, data.T, strict=True)
        if not np.isfinite(column).all() or np.ptp(column) == 0
    ]
    if bad:
        raise ValueError(f"columns {bad} are constant or not finite; leave them, or the rows, out")


def _knowledge(names: Sequence[str], background: Background) -> object:
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    used = [name for tier in background.tiers for name in tier]
    used += [name for pair in background.forbidden for name in pair]
    unknown = sorted(set(used) - set(names))
    if unknown:
        raise ValueError(f"background names {unknown}; the columns are {list(names)}")
    knowledge = BackgroundKnowledge()
    for number, tier in enumerate(background.tiers):
        for name in tier:
            knowledge.add_node_to_tier(GraphNode(name), number)
    for source, target in background.forbidden:
        knowledge.add_forbidden_by_node(GraphNode(source), GraphNode(target))
    return knowledge


def bootstrap_graphs(
    data: Array,
    groups: Array,
    draws: int,
    *,
    seed: int,
    alpha: float = 0.01,
    names: Sequence[str] | None = None,
    background: Background | None = None,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> tuple[Cpdag, ...]:
    """Graphs of data sets made by drawing whole groups (artists) with replacement.

    Rows of one group depend on one another, so the group is what is drawn. The share of the
    graphs that hold an edge is its confidence.

    Parameters
    ----------
    data : array (n, p)
    groups : array (n,)
        Group of each row.
    draws : int
        Number of graphs.
    seed : int
    alpha, names, background
        As in `discover`.
    track : callable, optional
        Wraps the range of draws, to show progress.

    Returns
    -------
    tuple of Cpdag

    References
    ----------
    Friedman, Goldszmidt, Wyner, Data analysis with Bayesian networks: a bootstrap approach (1999).
    """
    rng = np.random.default_rng(seed)
    _, codes = np.unique(groups, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    graphs = []
    for _ in track(range(draws)):
        chosen = rng.integers(len(rows), size=len(rows))
        sample = data[np.concatenate([rows[i] for i in chosen])]
        graphs.append(discover(sample, alpha, names, background))
    return tuple(graphs)


def partial_correlation(data: Array, i: int, j: int, given: Sequence[int] = ()) -> float:
    """Correlation of columns i and j of `data` (n, p) with the columns `given` held fixed."""
    columns = [i, j, *given]
    precision = np.linalg.inv(np.corrcoef(data[:, columns], rowvar=False))
    return float(-precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1]))

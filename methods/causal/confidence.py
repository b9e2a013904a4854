"""Confidence in edges of a causal graph, by the graphs of resampled data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from methods.causal.discovery import discover
from methods.causal.graph import Background, Cpdag
from methods.causal.independence import choose_test

Array = np.ndarray


def bootstrap_graphs(
    data: Array,
    groups: Array,
    draws: int,
    *,
    seed: int,
    alpha: float = 0.01,
    names: Sequence[str] | None = None,
    background: Background | None = None,
    test: str = "auto",
    uc_rule: int | None = None,
    uc_priority: int | None = None,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> tuple[Cpdag, ...]:
    """Discover the graphs of bootstrap samples of whole groups (artists).

    Rows of one group depend on one another, so groups are drawn with replacement, not rows.
    `edge_confidence` summarises the graphs.

    Parameters
    ----------
    data : array (n, p)
    groups : array (n,)
        Group of each row; ``numpy.arange(n)`` where rows are independent.
    draws : int
        Number of graphs.
    seed : int
    alpha, names, background, test, uc_rule, uc_priority
        As in `discover`; ``auto`` chooses one test for all draws, by the original data.
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
    data = np.asarray(data)
    test = choose_test(data) if test == "auto" else test
    _, codes = np.unique(groups, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    graphs = []
    for _ in track(range(draws)):
        chosen = rng.integers(len(rows), size=len(rows))
        sample = data[np.concatenate([rows[i] for i in chosen])]
        graphs.append(
            discover(sample, alpha, names, background, test=test, uc_rule=uc_rule, uc_priority=uc_priority)
        )
    return tuple(graphs)


@dataclass(frozen=True)
class EdgeConfidence:
    """Shares of bootstrap graphs that contain each edge.

    Attributes
    ----------
    directed : array (p, p)
        ``[i, j]``: share with i -> j.
    undirected, bidirected : array (p, p)
        Share with i -- j and with i <-> j; symmetric.
    adjacent : array (p, p)
        Share with any edge between i and j; symmetric.
    """

    directed: Array
    undirected: Array
    bidirected: Array
    adjacent: Array


def edge_confidence(graphs: Sequence[Cpdag]) -> EdgeConfidence:
    """Compute the share of graphs that contain each edge, by kind of edge."""
    marks = np.array([graph.matrix for graph in graphs])
    far_marks = marks.transpose(0, 2, 1)
    kinds = (
        (marks == -1) & (far_marks == 1),
        (marks == -1) & (far_marks == -1),
        (marks == 1) & (far_marks == 1),
    )
    return EdgeConfidence(*(kind.mean(axis=0) for kind in (*kinds, marks != 0)))

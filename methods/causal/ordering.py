"""Causal discovery by a score: the best order of the variables (BOSS)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from methods.causal.discovery import check_columns, knowledge, varying
from methods.causal.graph import Background, Cpdag, cpdag_of_dag
from methods.causal.independence import choose_test
from methods.causal.inputs import named_columns
from methods.causal.scores import Score, bic

Array = np.ndarray


def boss(
    data: Array,
    names: Sequence[str] | None = None,
    background: Background | None = None,
    *,
    test: str = "auto",
    starts: int = 5,
    seed: int,
) -> Cpdag:
    r"""Discover a causal graph by the best order of the variables.

    Every order of the variables gives a graph: the parents of a variable are those before it that raise
    its score, grown and shrunk greedily. Variables move to better positions until no move raises the
    sum of the scores (`scores.bic`). Unlike PC there is no level, and one wrong decision does not
    decide others.

    Parameters
    ----------
    data, names, test
        As in `discover`; the test only chooses the score.
    background : Background, optional
        Time order and forbidden edges; required edges are not supported.
    starts : int >= 1
        Random orders to start from; the graph with the highest score is returned.
    seed : int

    Returns
    -------
    Cpdag

    Raises
    ------
    ValueError
        As `discover`, and if the background requires edges.

    References
    ----------
    Andrews, Ramsey, Sanchez Romero, Camchong and Kummerfeld, Fast scalable and accurate discovery of
    DAGs using the best order score search and grow-shrink trees, NeurIPS 36 (2023).
    """
    names, data = named_columns(data, names)
    background = background or Background()
    background.check(names)
    if background.required or starts < 1:
        raise ValueError(
            f"boss needs starts >= 1 (got {starts}) and no required edges (got {list(background.required)})"
        )
    columns, background = varying(data, names, background)
    kept = tuple(names[i] for i in columns)
    data = data[:, columns]
    test = choose_test(data) if test == "auto" else test
    check_columns(data, kept, test)
    matrix = np.zeros((len(names), len(names)), dtype=int)
    if len(kept) > 1:
        parents = _best_parents(bic(data, test), _forbidden(kept, background), starts, seed)
        edges = [(kept[i], kept[j]) for j, of_j in enumerate(parents) for i in of_j]
        found = cpdag_of_dag(kept, edges).matrix
        matrix[np.ix_(columns, columns)] = _directed(found, kept, background)
    return Cpdag(names, matrix)


def _forbidden(names: Sequence[str], background: Background) -> list[list[int]]:
    """Return the variables that cannot be parents of each variable, itself included."""
    tier = {name: number for number, tier in enumerate(background.tiers) for name in tier}
    pairs = set(map(tuple, background.forbidden))
    return [
        [
            i
            for i, source in enumerate(names)
            if source == target
            or (source, target) in pairs
            or (source in tier and target in tier and tier[source] > tier[target])
        ]
        for target in names
    ]


def _best_parents(score: Score, forbidden: list[list[int]], starts: int, seed: int) -> list[list[int]]:
    from causallearn.search.PermutationBased.BOSS import better_mutation
    from causallearn.search.PermutationBased.gst import GST

    p, rng = len(forbidden), random.Random(seed)
    # causal-learn's trees read the number of columns and the score from this object.
    given = SimpleNamespace(score_nocache=score, data=np.empty((0, p)))
    trees = [GST(variable, given) for variable in range(p)]
    for tree, banned in zip(trees, forbidden, strict=True):
        tree.forbidden = banned
    best: tuple[float, list[list[int]]] = (-np.inf, [])
    for _ in range(starts):
        order = rng.sample(range(p), p)
        moved = True
        while moved:
            moved = sum(better_mutation(variable, order, trees) for variable in rng.sample(range(p), p)) > 0
        parents: list[list[int]] = [[] for _ in range(p)]
        for position, variable in enumerate(order):
            trees[variable].trace(order[:position], parents[variable])
        total = sum(score(variable, of_it) for variable, of_it in enumerate(parents))
        best = max(best, (total, parents), key=lambda pair: pair[0])
    return best[1]


def _directed(matrix: Array, names: Sequence[str], background: Background) -> Array:
    """Direct the edges that the background and Meek's rules direct."""
    from causallearn.graph.Edge import Edge
    from causallearn.graph.Endpoint import Endpoint
    from causallearn.graph.GraphClass import CausalGraph
    from causallearn.utils.PCUtils import Meek
    from causallearn.utils.PCUtils.BackgroundKnowledgeOrientUtils import orient_by_background_knowledge

    known: Any = knowledge(background)
    if known is None:
        return matrix
    graph = CausalGraph(len(names), list(names))
    nodes = graph.G.nodes
    ends = {-1: Endpoint.TAIL, 1: Endpoint.ARROW}
    for i, j in zip(*np.triu_indices(len(names), 1), strict=True):
        graph.G.remove_edge(graph.G.get_edge(nodes[i], nodes[j]))
        if matrix[i, j]:
            graph.G.add_edge(Edge(nodes[i], nodes[j], ends[matrix[i, j]], ends[matrix[j, i]]))
    orient_by_background_knowledge(graph, known)
    return np.asarray(Meek.meek(graph, background_knowledge=known).G.graph.astype(int))

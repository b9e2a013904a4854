"""Change statistics: the difference of each statistic with and without a tie.

Every term is one of a few kinds. Statistics of shared partners sum a function f over the ties,
``sum over ties (i, j) of f(number of paths i -> k -> j)``; statistics of degree sum a function over the
nodes. A term is therefore its kind and a table of f. Path counts are updated with every tie, so a change
takes time proportional to the degrees of i and j. A term of a layer (see `state`) changes if the tie does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.compiled import compiled
from methods.ergm.state import NO_TIE, Node, State, empty_state, layer_of, toggle, toggle_copy

(EDGES, MUTUAL, MATCH, FACTOR_OUT, FACTOR_IN, VALUE_OUT, VALUE_IN, DIFFERENCE, MATRIX,
 PATHS_FORTH, PATHS_BACK, TIES_BY_PATHS, DEGREE_OUT, DEGREE_IN, TIES_BY_CYCLES) = range(15)  # fmt: skip
"""Kinds of terms; those up to `MATRIX`, except `MUTUAL`, do not depend on other ties."""


class Terms(NamedTuple):
    """Terms as arrays, one row per term.

    `column` is the column of the first statistic of the term; `codes` (terms, n) are levels, -1 for none;
    `values` (terms, n) covariates; `tables` (terms, n + 1) the function f of shared partners or degree;
    `matrices` (k, n, n) covariates of dyads. `layer` is 0 for the network, 1 for its union with the network
    `before` (n, n), 2 for their intersection.
    """

    kind: NDArray[np.int64]
    column: NDArray[np.int64]
    codes: NDArray[np.int32]
    values: NDArray[np.float64]
    tables: NDArray[np.float64]
    matrices: NDArray[np.float64]
    matrix: NDArray[np.int64]
    layer: NDArray[np.int64]
    before: NDArray[np.bool_]


def statistics(
    n: int, directed: bool, edges: NDArray[np.int64], terms: Terms, columns: int, with_shared: bool
) -> NDArray[np.float64]:
    """Compute the statistics of a network, by adding its ties one by one."""
    state = empty_state(n, directed, edges, None, with_shared, terms.before)
    total = np.zeros(columns)
    # Nodes without a tie count by f(0); in undirected graphs one of the two rows of a term counts them.
    kinds = (DEGREE_OUT, DEGREE_IN) if directed else (DEGREE_OUT,)
    for t in np.flatnonzero(np.isin(terms.kind, kinds)):
        total[terms.column[t]] += n * terms.tables[t, 0]
    return _add_ties(state, terms, edges, total)


@compiled
def _add_ties(state: State, terms: Terms, edges: np.ndarray, total: np.ndarray) -> np.ndarray:
    delta, n = np.zeros(total.size), state.nodes
    if state.before.size:
        for i in range(n):
            for j in range(0 if state.directed else i + 1, n):
                if state.before[i, j]:
                    delta[:] = 0.0
                    _change_layer(state, terms, 1, i, j, delta)
                    total += delta
                    toggle_copy(state, i + n, j + n)
    for k in range(edges.shape[0]):
        i, j = edges[k, 0], edges[k, 1]
        change(state, terms, i, j, delta)
        total += delta
        toggle(state, i, j)
    return total


@compiled(inline="always")
def change(state: State, terms: Terms, i: Node, j: Node, delta: np.ndarray) -> None:
    """Fill `delta` with each statistic with the tie i -> j less that without it."""
    for c in range(delta.size):
        delta[c] = 0.0
    _change_layer(state, terms, 0, i, j, delta)
    if state.before.size:
        _change_layer(state, terms, layer_of(state.before, i, j), i, j, delta)


@compiled
def _change_layer(state: State, terms: Terms, layer: int, a: Node, b: Node, delta: np.ndarray) -> None:
    """Add the changes of the terms of one layer by the tie a -> b."""
    i, j = a + layer * state.nodes, b + layer * state.nodes
    tie = 0 if state.slot[i, j] == NO_TIE else 1
    for t in range(terms.kind.size):
        if terms.layer[t] != layer:
            continue
        kind, c = terms.kind[t], terms.column[t]
        if kind == EDGES:
            delta[c] += 1.0
        elif kind == MUTUAL:
            delta[c] += 1.0 if state.slot[j, i] != NO_TIE else 0.0
        elif kind == MATCH:
            if terms.codes[t, a] == terms.codes[t, b]:
                # `values` is the distance between the columns of two levels: 1, or 0 for a single column.
                delta[c + terms.codes[t, a] * int(terms.values[t, 0])] += 1.0
        elif kind == FACTOR_OUT:
            if terms.codes[t, a] >= 0:
                delta[c + terms.codes[t, a]] += 1.0
        elif kind == FACTOR_IN:
            if terms.codes[t, b] >= 0:
                delta[c + terms.codes[t, b]] += 1.0
        elif kind == VALUE_OUT:
            delta[c] += terms.values[t, a]
        elif kind == VALUE_IN:
            delta[c] += terms.values[t, b]
        elif kind == DIFFERENCE:
            delta[c] += abs(terms.values[t, a] - terms.values[t, b])
        elif kind == MATRIX:
            delta[c] += terms.matrices[terms.matrix[t], a, b]
        elif kind == PATHS_FORTH:
            delta[c] += state.shared[i, j]
        elif kind == PATHS_BACK:
            delta[c] += state.shared[j, i]
        elif kind == TIES_BY_PATHS:
            delta[c] += _by_paths(state, terms.tables, t, i, j, tie)
        elif kind == TIES_BY_CYCLES:
            delta[c] += _by_cycles(state, terms.tables, t, i, j, tie)
        elif kind == DEGREE_OUT:
            degree = state.out_degree[i] - tie
            delta[c] += terms.tables[t, degree + 1] - terms.tables[t, degree]
        elif kind == DEGREE_IN:
            degree = state.in_degree[j] - tie
            delta[c] += terms.tables[t, degree + 1] - terms.tables[t, degree]


@compiled(inline="always")
def _by_paths(state: State, tables: np.ndarray, t: int, i: Node, j: Node, tie: int) -> float:
    """Sum f of the tie and the changes of f where i -> j completes a path."""
    total = tables[t, state.shared[i, j]]
    # Ties i -> h that gain the path i -> j -> h: h follows both; iterate over the shorter list.
    a, b = (i, j) if state.out_degree[i] < state.out_degree[j] else (j, i)
    for k in range(state.out_degree[a]):
        h = state.out_neighbours[a, k]
        if h != b and state.slot[b, h] != NO_TIE:
            paths = state.shared[i, h] - tie
            total += tables[t, paths + 1] - tables[t, paths]
    # Ties h -> j that gain the path h -> i -> j.
    a, b = (i, j) if state.in_degree[i] < state.in_degree[j] else (j, i)
    for k in range(state.in_degree[a]):
        h = state.in_neighbours[a, k]
        if h != b and state.slot[h, b] != NO_TIE:
            paths = state.shared[h, j] - tie
            total += tables[t, paths + 1] - tables[t, paths]
    return total


@compiled(inline="always")
def _by_cycles(state: State, tables: np.ndarray, t: int, i: Node, j: Node, tie: int) -> float:
    """Sum f of the paths back from the tie, and the changes of f in its cycles."""
    total = tables[t, state.shared[j, i]]
    # In a cycle i -> j -> h -> i, the tie h -> i gains the path i -> j -> h, and j -> h the path h -> i -> j.
    for k in range(state.out_degree[j]):
        h = state.out_neighbours[j, k]
        if h != i and state.slot[h, i] != NO_TIE:
            paths = state.shared[i, h] - tie
            total += tables[t, paths + 1] - tables[t, paths]
            paths = state.shared[h, j] - tie
            total += tables[t, paths + 1] - tables[t, paths]
    return total

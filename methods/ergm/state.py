"""State of the sampler: a network with constant-time access to ties.

Lookup and random draw of a tie take constant time; adding and removing a tie i -> j takes time
proportional to the degrees of i and j. Memory grows with the square of the number of nodes: 4 bytes per
dyad, 2 more for models with shared partners, 1 more with a risk set.

*Layers.* Operators over time evaluate terms on the union and on the intersection with the network before.
Then there are three copies of the nodes: node i is also i + n in the union and i + 2 n in the intersection.
A tie that existed before changes the intersection, another tie changes the union.
"""

from __future__ import annotations

from typing import NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from methods.compiled import compiled

Node = int | np.int64
"""Position of a node in `graph.nodes`."""

NO_TIE = -1
FIXED_TIE = -2
MOST_NODES = 20_000


class State(NamedTuple):
    """A network of `nodes` nodes.

    If undirected, `in_*` and `out_*` are the same arrays. `slot[i, j]` is the position of the tie in
    `tails`, `heads`, or `NO_TIE`, or `FIXED_TIE` for a tie outside the risk set. `shared[i, j]` counts the
    paths i -> k -> j; it is empty if no term needs it. `free[i, j]` marks the dyads at risk; it is empty if
    all dyads are. `before[i, j]` marks the ties of the network before; it is empty without layers.
    """

    directed: bool
    slot: NDArray[np.int32]
    shared: NDArray[np.int16]
    free: NDArray[np.bool_]
    out_neighbours: NDArray[np.int32]
    out_degree: NDArray[np.int64]
    in_neighbours: NDArray[np.int32]
    in_degree: NDArray[np.int64]
    tails: NDArray[np.int32]
    heads: NDArray[np.int32]
    ties: NDArray[np.int64]
    dyads: int
    nodes: int
    before: NDArray[np.bool_]


def check_graph(graph: nx.Graph) -> None:
    """Raise ValueError unless `graph` is a simple graph of a supported size."""
    if not isinstance(graph, nx.Graph) or graph.is_multigraph():
        raise ValueError(
            f"ergm: found a {type(graph).__name__}; expected a networkx Graph or DiGraph: convert it by "
            "nx.Graph(...) or nx.DiGraph(...)"
        )
    n, loops = graph.number_of_nodes(), nx.number_of_selfloops(graph)
    if loops:
        raise ValueError(f"ergm: the graph has self-loops ({loops}); remove them first")
    if not 3 <= n <= MOST_NODES:
        raise ValueError(
            f"ergm: the graph has {n} nodes; expected 3 to {MOST_NODES} (memory grows with n squared)"
        )


def edge_array(graph: nx.Graph) -> NDArray[np.int64]:
    """Return the ties as (m, 2) positions in `graph.nodes`."""
    position = {node: k for k, node in enumerate(graph.nodes)}
    pairs = [(position[a], position[b]) for a, b in graph.edges]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def make_state(
    n: int,
    directed: bool,
    edges: NDArray[np.int64],
    free: NDArray[np.bool_] | None,
    with_shared: bool,
    before: NDArray[np.bool_] | None = None,
) -> State:
    """Build a network; ties outside the risk set `free` (n, n) are never toggled."""
    state = empty_state(n, directed, edges, free, with_shared, before)
    if state.before.size:
        _add_before(state)
    _add_ties(state, edges)
    return state


def empty_state(
    n: int,
    directed: bool,
    edges: NDArray[np.int64],
    free: NDArray[np.bool_] | None,
    with_shared: bool,
    before: NDArray[np.bool_] | None = None,
) -> State:
    """Create a network without ties, with capacity for three times `edges`.

    A sampler that exceeds the capacity has diverged. The union with the network before is empty too.
    """
    mask = np.zeros((0, 0), dtype=bool) if free is None else _risk_set(free, directed)
    earlier = np.zeros((0, 0), dtype=bool) if before is None else before
    size = 3 * n if earlier.size else n
    degrees = np.bincount(edges.ravel(), minlength=n)
    if earlier.size:
        degrees = degrees + np.maximum(earlier.sum(axis=0), earlier.sum(axis=1))
    width = min(n, 2 * int(degrees.max(initial=0)) + 16)
    out = np.zeros((size, width), dtype=np.int32), np.zeros(size, dtype=np.int64)
    into = (np.zeros((size, width), dtype=np.int32), np.zeros(size, dtype=np.int64)) if directed else out
    dyads = n * (n - 1) if free is None else int(mask.sum())
    dyads = dyads if directed else dyads // 2
    capacity = min(dyads, 3 * len(edges) + 2000) + 1
    return State(
        directed, np.full((size, size), NO_TIE, dtype=np.int32),
        np.zeros((size, size) if with_shared else (0, 0), dtype=np.int16), mask, *out, *into,
        np.zeros(capacity, dtype=np.int32), np.zeros(capacity, dtype=np.int32), np.zeros(1, dtype=np.int64),
        dyads, n, earlier,
    )  # fmt: skip


@compiled
def _add_before(state: State) -> None:
    """Add the ties of the network before to the union."""
    n = state.nodes
    for i in range(n):
        for j in range(0 if state.directed else i + 1, n):
            if state.before[i, j]:
                toggle_copy(state, i + n, j + n)


@compiled
def _add_ties(state: State, edges: np.ndarray) -> None:
    for k in range(edges.shape[0]):
        toggle(state, edges[k, 0], edges[k, 1])


def _risk_set(free: NDArray[np.bool_], directed: bool) -> NDArray[np.bool_]:
    mask = np.array(free, dtype=bool)
    np.fill_diagonal(mask, False)
    if not directed and (mask != mask.T).any():
        raise ValueError(
            "ergm: the risk set is not symmetric; expected a symmetric matrix for an undirected graph"
        )
    return mask


def widen(state: State) -> State:
    """Return the network with capacity for twice the degree."""
    rows, width = state.out_neighbours.shape
    more = np.zeros((rows, min(state.nodes, 2 * width) - width), dtype=np.int32)
    out = np.hstack([state.out_neighbours, more])
    into = np.hstack([state.in_neighbours, more]) if state.directed else out
    return state._replace(out_neighbours=out, in_neighbours=into)


def edges_of(state: State) -> NDArray[np.int64]:
    """Return all ties, including fixed ones, as sorted (m, 2); i < j if undirected."""
    rows, columns = np.nonzero(state.slot[: state.nodes, : state.nodes] != NO_TIE)
    selected = slice(None) if state.directed else rows < columns
    return np.column_stack([rows[selected], columns[selected]])


@compiled
def has_capacity(state: State, i: Node, j: Node) -> bool:
    """Return whether the lists of neighbours have capacity for the tie i -> j."""
    width = state.out_neighbours.shape[1]
    if state.before.size:
        k = layer_of(state.before, i, j) * state.nodes
        if state.out_degree[i + k] >= width or state.in_degree[j + k] >= width:
            return False
    return state.out_degree[i] < width and state.in_degree[j] < width


@compiled(inline="always")
def layer_of(before: np.ndarray, i: Node, j: Node) -> int:
    """Return the layer that the tie i -> j changes: 1, union, or 2, intersection."""
    return 2 if before[i, j] else 1


@compiled
def toggle(state: State, i: Node, j: Node) -> None:
    """Add or remove the tie i -> j in the network and in its layer."""
    toggle_copy(state, i, j)
    if state.before.size:
        k = layer_of(state.before, i, j) * state.nodes
        toggle_copy(state, i + k, j + k)


@compiled
def toggle_copy(state: State, i: Node, j: Node) -> None:
    """Add the tie i -> j, or remove it, in one layer."""
    step = 1 if state.slot[i, j] == NO_TIE else -1
    if state.shared.size:
        _count_paths(state, i, j, step)
    if step == 1:
        _insert(state.out_neighbours, state.out_degree, i, j)
        _insert(state.in_neighbours, state.in_degree, j, i)
        _append_tie(state, i, j)
    else:
        _delete(state.out_neighbours, state.out_degree, i, j)
        _delete(state.in_neighbours, state.in_degree, j, i)
        _drop_tie(state, i, j)


@compiled
def _count_paths(state: State, i: Node, j: Node, step: int) -> None:
    shared = state.shared
    for k in range(state.out_degree[j]):
        h = state.out_neighbours[j, k]
        if h != i:
            shared[i, h] += step
            if not state.directed:
                shared[h, i] += step
    for k in range(state.in_degree[i]):
        h = state.in_neighbours[i, k]
        if h != j:
            shared[h, j] += step
            if not state.directed:
                shared[j, h] += step


@compiled
def _insert(neighbours: np.ndarray, degree: np.ndarray, i: Node, j: Node) -> None:
    neighbours[i, degree[i]] = j
    degree[i] += 1


@compiled
def _delete(neighbours: np.ndarray, degree: np.ndarray, i: Node, j: Node) -> None:
    k = 0
    while neighbours[i, k] != j:
        k += 1
    degree[i] -= 1
    neighbours[i, k] = neighbours[i, degree[i]]


@compiled
def _set_slot(state: State, i: Node, j: Node, where: Node) -> None:
    state.slot[i, j] = where
    if not state.directed:
        state.slot[j, i] = where


@compiled
def _append_tie(state: State, i: Node, j: Node) -> None:
    if i >= state.nodes or (state.free.size and not state.free[i, j]):
        _set_slot(state, i, j, FIXED_TIE)
        return
    last = state.ties[0]
    state.tails[last], state.heads[last] = i, j
    _set_slot(state, i, j, np.int64(last))
    state.ties[0] = last + 1


@compiled
def _drop_tie(state: State, i: Node, j: Node) -> None:
    here, last = state.slot[i, j], state.ties[0] - 1
    _set_slot(state, i, j, NO_TIE)
    if here == FIXED_TIE:
        return
    if here != last:
        a, b = np.int64(state.tails[last]), np.int64(state.heads[last])
        state.tails[here], state.heads[here] = a, b
        _set_slot(state, a, b, np.int64(here))
    state.ties[0] = last

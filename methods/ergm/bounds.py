"""Attainable values of statistics: where an estimate is infinite.

A statistic at its least or greatest attainable value has an infinite coefficient (Barndorff-Nielsen 1978).
Sums over ties attain their bounds tie by tie. Statistics that no tie lowers (triangles, shared partners,
stars, geometrically weighted degrees) are least without and greatest with all ties at risk. Counts of
nodes of a degree are bounded node by node; within a risk set of an undirected graph, that bound may be too
wide, and an infinite estimate is then not recognised.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.compiled import compiled
from methods.ergm.change import DEGREE_IN, DEGREE_OUT, Terms, change
from methods.ergm.state import NO_TIE, State, layer_of, toggle
from methods.ergm.terms import Model

Array = NDArray[np.float64]


class Boundary(NamedTuple):
    """Infinite coefficients (p,), else 0, and a sentence for each infinite one."""

    coef: Array
    reasons: tuple[str, ...]


def find_boundary(state: State, model: Model, observed: Array, missing: NDArray[np.bool_]) -> Boundary:
    """Find the statistics at their least or greatest attainable value.

    With `missing` ties, (n, n) or empty, a statistic is at a bound if all completions of the network are;
    sums over ties count known ties only, since the others drop out of the likelihood.
    """
    now, low, high = _sums(state, model.terms, len(observed), missing)
    near = 1e-9 * np.maximum(1.0, np.abs(now))
    least = model.independent & (now <= low + near)
    greatest = model.independent & (now >= high - near)
    counts = model.degree >= 0
    if counts.any() and not missing.size:
        low, high = _degree_bounds(state, model)
        least |= counts & (observed <= low)
        greatest |= counts & (observed >= high) & ~least
    rising = ~(model.independent | counts | model.is_decay)
    if rising.any():
        least |= rising & ~_moved(state, model, rising, missing, False)
        greatest |= rising & ~least & ~_moved(state, model, rising, missing, True)
    coef = np.select([least, greatest], [-np.inf, np.inf], 0.0)
    reasons = [
        f"{name} is {value:g}, its {'smallest' if c < 0 else 'largest'} attainable value" if c else ""
        for name, value, c in zip(model.names, observed, coef, strict=True)
    ]
    for column in np.flatnonzero(model.is_decay & ~np.isfinite(np.roll(coef, 1))):
        coef[column] = np.nan
        reasons[column] = f"the coefficient of {model.names[column - 1]} is infinite: no decay is identified"
    return Boundary(coef, tuple(reasons))


@compiled
def _sums(
    state: State, terms: Terms, columns: int, missing: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum changes of known dyads at risk: of ties, the negative, the positive."""
    now, low, high, delta = np.zeros(columns), np.zeros(columns), np.zeros(columns), np.zeros(columns)
    for i in range(state.nodes):
        for j in range(0 if state.directed else i + 1, state.nodes):
            if i == j or (state.free.size and not state.free[i, j]) or (missing.size and missing[i, j]):
                continue
            change(state, terms, i, j, delta)
            if state.slot[i, j] != NO_TIE:
                now += delta
            low += np.minimum(delta, 0.0)
            high += np.maximum(delta, 0.0)
    return now, low, high


def _moved(
    state: State, model: Model, wanted: NDArray[np.bool_], missing: NDArray[np.bool_], add: bool
) -> NDArray[np.bool_]:
    """Return which statistics change while all ties are added, or removed."""
    n, directed = state.nodes, state.directed
    width = np.zeros((len(state.slot), n), dtype=np.int32)
    width[:, : state.out_neighbours.shape[1]] = state.out_neighbours
    into = width
    if directed:
        into = np.zeros_like(width)
        into[:, : state.in_neighbours.shape[1]] = state.in_neighbours
    # Capacity for all ties; the system provides the memory only where it is used.
    tails, heads = np.zeros((2, state.dyads + 1), dtype=np.int32)
    tails[: len(state.tails)], heads[: len(state.heads)] = state.tails, state.heads
    copy = state._replace(
        slot=state.slot.copy(), shared=state.shared.copy(), out_neighbours=width, in_neighbours=into,
        out_degree=(degree := state.out_degree.copy()),
        in_degree=state.in_degree.copy() if directed else degree,
        tails=tails, heads=heads, ties=state.ties.copy(),
    )  # fmt: skip
    moved = np.zeros(len(wanted), dtype=bool)
    if missing.size:
        _set(copy, missing, not add)
    _toggle_all(copy, model.terms, add, wanted, moved)
    return moved


@compiled
def _set(state: State, dyads: np.ndarray, add: bool) -> None:
    for i in range(state.nodes):
        for j in range(0 if state.directed else i + 1, state.nodes):
            if i != j and dyads[i, j] and (state.slot[i, j] == NO_TIE) == add:
                toggle(state, i, j)


@compiled
def _toggle_all(state: State, terms: Terms, add: bool, wanted: np.ndarray, moved: np.ndarray) -> None:
    delta = np.zeros(wanted.size)
    for i in range(state.nodes):
        for j in range(0 if state.directed else i + 1, state.nodes):
            if i == j or (state.free.size and not state.free[i, j]):
                continue
            if (state.slot[i, j] == NO_TIE) != add:
                continue
            change(state, terms, i, j, delta)
            for c in range(delta.size):
                moved[c] = moved[c] or abs(delta[c]) > 1e-12
            if (moved | ~wanted).all():
                return
            toggle(state, i, j)


def _degree_bounds(state: State, model: Model) -> tuple[Array, Array]:
    """Bound counts of nodes of degree k by the degrees that each node can have."""
    low, high = np.zeros((2, len(model.names)))
    fixed, free = _degrees(state)
    done = set()
    for t, column in enumerate(model.terms.column):
        k, kind, layer = model.degree[column], model.terms.kind[t], model.terms.layer[t]
        if k < 0 or column in done or kind not in (DEGREE_OUT, DEGREE_IN):
            continue
        done.add(column)
        side = 0 if kind == DEGREE_OUT else 1
        least, most = fixed[layer, side], fixed[layer, side] + free[layer, side]
        low[column] = ((least == k) & (most == k)).sum()
        high[column] = ((least <= k) & (k <= most)).sum()
        # The sum of all degrees is even.
        if not state.directed and layer == 0 and not state.free.size and k * state.nodes % 2:
            high[column] -= 1
    return low, high


@compiled
def _degrees(state: State) -> tuple[np.ndarray, np.ndarray]:
    """Count fixed ties and free dyads: (layer, out or in, node)."""
    n = state.nodes
    fixed, free = np.zeros((3, 2, n), dtype=np.int64), np.zeros((3, 2, n), dtype=np.int64)
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            at_risk = not state.free.size or state.free[i, j]
            tie = not at_risk and state.slot[i, j] != NO_TIE
            layer = layer_of(state.before, i, j) if state.before.size else 0
            for part in (0, layer):
                if part == 0 or layer > 0:
                    fixed[part, 0, i] += tie
                    fixed[part, 1, j] += tie
                    free[part, 0, i] += at_risk
                    free[part, 1, j] += at_risk
                if layer == 0:
                    break
            if layer == 2:
                # Ties of before stay in the union.
                fixed[1, 0, i] += 1
                fixed[1, 1, j] += 1
    return fixed, free

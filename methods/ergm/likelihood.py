"""Likelihoods that need no simulation: of dyads, exact where they are independent; else pseudo.

Given everything else, a tie has log odds ``coef . change``; the product over all dyads is the
pseudo-likelihood (Strauss and Ikeda 1990), and the likelihood itself if no term looks at another tie.
With `mutual`, a pair has four states, with neither, either and both ties, and the product over
pairs is exact (Holland and Leinhardt 1981). Both are concave; Newton finds their maxima.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.compiled import compiled
from methods.ergm.change import Terms, change
from methods.ergm.state import NO_TIE, State
from methods.ergm.terms import Model

Array = NDArray[np.float64]


class InfiniteEstimateError(ValueError):
    """The likelihood has no maximum at finite coefficients."""


class Maximum(NamedTuple):
    coef: Array
    log_likelihood: float
    information: Array
    decided: int
    """Dyads without choice, since a coefficient is infinite."""


def maximise(
    state: State,
    model: Model,
    coef: Array,
    *,
    exact: bool,
    moving: NDArray[np.bool_] | None = None,
    keep: float = 1.0,
    seed: int = 0,
) -> Maximum:
    """Newton's method.

    Parameters
    ----------
    coef : (p,) start; infinite entries are held.
    moving : (p,) bool, the finite entries to estimate; all unless given.
    exact : the pairwise likelihood (right where `model.dyad_independent`), else the pseudo-likelihood.
    keep : share of dyads without a tie that the pseudo-likelihood looks at, weighted up.

    Raises
    ------
    ValueError
        If statistics are collinear, or the maximum lies at infinity.
    """
    moving = np.isfinite(coef) & (True if moving is None else moving)

    def evaluate(at: Array) -> tuple[float, Array, Array]:
        if exact and model.mutual >= 0:
            return _pairs(state, model.terms, at, model.mutual)
        return _ties(state, model.terms, at, keep, np.random.default_rng(seed))

    block = np.ix_(moving, moving)
    value, gradient, information = evaluate(coef)
    at_start = _refuse_collinear(information[block], np.array(model.names)[moving])
    for _ in range(100):
        if np.linalg.eigvalsh(information[block] / at_start)[0] < 1e-9:
            break
        step = np.zeros(len(coef))
        step[moving] = np.linalg.solve(information[block], gradient[moving])
        if gradient @ step < 1e-20 * max(1.0, abs(value)):
            return Maximum(coef, value, information, _decided(state, model.terms, coef))
        scale, new = 1.0, evaluate(coef + step)
        # A sum over millions of dyads is known to about so many digits; below them no step is a gain.
        while not new[0] >= value - 1e-10 * abs(value) and scale > 1e-6:
            scale /= 2
            new = evaluate(coef + scale * step)
        coef, (value, gradient, information) = coef + scale * step, new
    name = model.names[int(np.argmax(np.where(moving, np.abs(coef), 0)))]
    raise InfiniteEstimateError(
        f"ergm: the estimate of '{name}' runs off to infinity: its statistic, with the others, tells ties "
        "from non-ties without error; take it out or join its levels"
    )


def _refuse_collinear(information: Array, names: Array) -> Array:
    """Scale (p, p) of the information: the products of the roots of its diagonal."""
    scale = np.sqrt(np.maximum(np.diag(information), 0))
    flat = names[scale == 0]
    if len(flat):
        raise ValueError(f"ergm: no dyad at risk changes {', '.join(flat)}; take the term out")
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    if values[0] < 1e-10:
        tied = names[np.abs(vectors[:, 0]) > 1e-4]
        raise ValueError(f"ergm: the statistics {', '.join(tied)} are collinear; take one of them out")
    return np.outer(scale, scale)


def pseudo_share(state: State, most: float = 4e6) -> float:
    """Share of dyads to look at so that they are about `most`."""
    return min(1.0, most / max(state.dyads, 1))


def ranges(state: State, model: Model) -> tuple[Array, Array]:
    """Least and greatest value (p,) of each statistic, were no tie to matter to another."""
    return _ranges(state, model.terms, len(model.names))


@compiled
def _ranges(state: State, terms: Terms, columns: int) -> tuple[np.ndarray, np.ndarray]:
    n = state.slot.shape[0]
    low, high, delta = np.zeros(columns), np.zeros(columns), np.zeros(columns)
    for i in range(n):
        for j in range(0 if state.directed else i + 1, n):
            if i == j:
                continue
            change(state, terms, i, j, delta)
            if state.free.size and not state.free[i, j]:
                if state.slot[i, j] != NO_TIE:
                    low += delta
                    high += delta
                continue
            low += np.minimum(delta, 0.0)
            high += np.maximum(delta, 0.0)
    return low, high


@compiled
def _score(coef: np.ndarray, delta: np.ndarray) -> float:
    """`coef . delta`, where 0 times an infinite coefficient is 0."""
    total = 0.0
    for c in range(coef.size):
        if delta[c] != 0.0:
            total += coef[c] * delta[c]
    return total


@compiled
def _decided(state: State, terms: Terms, coef: np.ndarray) -> int:
    n, count, delta = state.slot.shape[0], 0, np.zeros(coef.size)
    if np.isfinite(coef).all():
        return 0
    for i in range(n):
        for j in range(0 if state.directed else i + 1, n):
            if i == j or (state.free.size and not state.free[i, j]):
                continue
            change(state, terms, i, j, delta)
            count += 0 if np.isfinite(_score(coef, delta)) else 1
    return count


@compiled
def _add_outer(information: np.ndarray, delta: np.ndarray, weight: float) -> None:
    for a in range(delta.size):
        if delta[a] != 0.0:
            for b in range(delta.size):
                information[a, b] += weight * delta[a] * delta[b]


@compiled
def _ties(
    state: State, terms: Terms, coef: np.ndarray, keep: float, rng: np.random.Generator
) -> tuple[float, np.ndarray, np.ndarray]:
    n, p = state.slot.shape[0], coef.size
    value, gradient, information = 0.0, np.zeros(p), np.zeros((p, p))
    delta = np.zeros(p)
    for i in range(n):
        for j in range(0 if state.directed else i + 1, n):
            if i == j or (state.free.size and not state.free[i, j]):
                continue
            tie = state.slot[i, j] != NO_TIE
            weight = 1.0
            if not tie and keep < 1.0:
                if rng.random() >= keep:
                    continue
                weight = 1.0 / keep
            change(state, terms, i, j, delta)
            odds = _score(coef, delta)
            # log(1 + e^x) without overflow
            normal = max(odds, 0.0) + np.log1p(np.exp(-abs(odds)))
            probability = np.exp(odds - normal) if odds < np.inf else 1.0
            if np.isfinite(odds):
                value += weight * ((odds if tie else 0.0) - normal)
            elif tie != (odds > 0):
                value = -np.inf
            for c in range(p):
                gradient[c] += weight * ((1.0 if tie else 0.0) - probability) * delta[c]
            _add_outer(information, delta, weight * probability * (1.0 - probability))
    return value, gradient, information


@compiled
def _pairs(state: State, terms: Terms, coef: np.ndarray, mutual: int) -> tuple[float, np.ndarray, np.ndarray]:
    n, p = state.slot.shape[0], coef.size
    value, gradient, information = 0.0, np.zeros(p), np.zeros((p, p))
    states, odds, weights = np.zeros((4, p)), np.zeros(4), np.zeros(4)
    there, back, mean = np.zeros(p), np.zeros(p), np.zeros(p)
    for i in range(n):
        for j in range(i + 1, n):
            free_there = not state.free.size or state.free[i, j]
            free_back = not state.free.size or state.free[j, i]
            if not (free_there or free_back):
                continue
            change(state, terms, i, j, there)
            change(state, terms, j, i, back)
            there[mutual] = back[mutual] = 0.0
            y_there, y_back = state.slot[i, j] != NO_TIE, state.slot[j, i] != NO_TIE
            for s in range(4):
                a, b = s % 2 == 1, s >= 2
                # Loops, for temporary arrays would take most of the time.
                for c in range(p):
                    states[s, c] = (there[c] if a else 0.0) + (back[c] if b else 0.0)
                states[s, mutual] = 1.0 if a and b else 0.0
                possible = (free_there or a == y_there) and (free_back or b == y_back)
                odds[s] = _score(coef, states[s]) if possible else -np.inf
            top, total = max(max(odds[0], odds[1]), max(odds[2], odds[3])), 0.0
            for s in range(4):
                weights[s] = np.exp(odds[s] - top)
                total += weights[s]
            seen = (1 if y_there else 0) + (2 if y_back else 0)
            value += odds[seen] - top - np.log(total)
            for c in range(p):
                mean[c] = 0.0
                for s in range(4):
                    mean[c] += weights[s] / total * states[s, c]
                gradient[c] += states[seen, c] - mean[c]
            for s in range(4):
                if weights[s] > 0:
                    for c in range(p):
                        states[s, c] -= mean[c]
                    _add_outer(information, states[s], weights[s] / total)
    return value, gradient, information

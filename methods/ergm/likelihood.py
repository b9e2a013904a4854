"""Likelihoods without simulation: exact for independent dyads, else pseudo.

Given all other ties, a tie has log odds ``coef . change``. The product over all dyads is the
pseudo-likelihood (Strauss and Ikeda 1990); it is the likelihood if no term depends on another tie.
With `mutual`, a pair has four states (neither, either and both ties) and the product over pairs is exact
(Holland and Leinhardt 1981). Both are concave; Newton's method finds their maxima.
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


NONE_MISSING = np.zeros((0, 0), dtype=bool)


class InfiniteEstimateError(ValueError):
    """The likelihood has no maximum at finite coefficients."""


class Maximum(NamedTuple):
    """Maximum of a likelihood, with the observed information."""

    coef: Array
    log_likelihood: float
    information: Array
    decided: int
    """Number of dyads that an infinite coefficient determines."""


def maximise(
    state: State,
    model: Model,
    coef: Array,
    *,
    exact: bool,
    moving: NDArray[np.bool_] | None = None,
    keep: float = 1.0,
    seed: int = 0,
    missing: NDArray[np.bool_] = NONE_MISSING,
) -> Maximum:
    """Maximise a likelihood by Newton's method.

    Parameters
    ----------
    coef : (p,) start; infinite entries stay fixed.
    moving : (p,) bool, the finite entries to estimate; all by default.
    exact : use the pairwise likelihood (correct if `model.dyad_independent`), else the pseudo-likelihood.
    keep : share of dyads without a tie that enter the pseudo-likelihood, with higher weight.
    missing : (n, n) bool or empty, dyads whose state is unknown. They drop out of products over dyads; a
        pair with one unknown tie has the sum of the probabilities of its possible states.

    Raises
    ------
    ValueError
        If statistics are collinear, or the maximum lies at infinity.
    """
    moving = np.isfinite(coef) & (True if moving is None else moving)

    def evaluate(at: Array) -> tuple[float, Array, Array]:
        if exact and model.mutual >= 0:
            return _pairs(state, model.terms, at, model.mutual, missing)
        return _ties(state, model.terms, at, keep, np.random.default_rng(seed), missing)

    block = np.ix_(moving, moving)
    value, gradient, information = evaluate(coef)
    if not moving.any():
        return Maximum(coef, value, information, _decided(state, model.terms, coef, missing))
    initial_scale = _check_collinearity(information[block], np.array(model.names)[moving])
    for _ in range(100):
        if np.linalg.eigvalsh(information[block] / initial_scale)[0] < 1e-9:
            break
        step = np.zeros(len(coef))
        step[moving] = np.linalg.solve(information[block], gradient[moving])
        if gradient @ step < 1e-20 * max(1.0, abs(value)):
            return Maximum(coef, value, information, _decided(state, model.terms, coef, missing))
        scale, new = 1.0, evaluate(coef + step)
        # A sum over millions of dyads has about this precision; smaller gains are rounding errors.
        while not new[0] >= value - 1e-10 * abs(value) and scale > 1e-6:
            scale /= 2
            new = evaluate(coef + scale * step)
        coef, (value, gradient, information) = coef + scale * step, new
    name = model.names[int(np.argmax(np.where(moving, np.abs(coef), 0)))]
    raise InfiniteEstimateError(
        f"ergm: the estimate of '{name}' diverges: with the other statistics it separates ties from "
        "non-ties perfectly; remove the term or merge its levels"
    )


def _check_collinearity(information: Array, names: Array) -> Array:
    """Refuse collinear statistics; return the scale (p, p) of the information.

    The scale is the outer product of the roots of its diagonal.
    """
    scale = np.sqrt(np.maximum(np.diag(information), 0))
    constant = names[scale == 0]
    if len(constant):
        raise ValueError(f"ergm: no dyad at risk changes {', '.join(constant)}; remove the term")
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    if values[0] < 1e-10:
        collinear = names[np.abs(vectors[:, 0]) > 1e-4]
        raise ValueError(f"ergm: the statistics {', '.join(collinear)} are collinear; remove one of them")
    return np.outer(scale, scale)


def pseudo_share(state: State, most: float = 4e6) -> float:
    """Compute the share of dyads to use so that there are about `most`."""
    return min(1.0, most / max(state.dyads, 1))


@compiled
def _score(coef: np.ndarray, delta: np.ndarray) -> float:
    """Compute `coef . delta`, where 0 times an infinite coefficient is 0."""
    total = 0.0
    for c in range(coef.size):
        if delta[c] != 0.0:
            total += coef[c] * delta[c]
    return total


@compiled
def _decided(state: State, terms: Terms, coef: np.ndarray, missing: np.ndarray) -> int:
    n, count, delta = state.nodes, 0, np.zeros(coef.size)
    if np.isfinite(coef).all():
        return 0
    for i in range(n):
        for j in range(0 if state.directed else i + 1, n):
            if i == j or (state.free.size and not state.free[i, j]) or (missing.size and missing[i, j]):
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
    state: State,
    terms: Terms,
    coef: np.ndarray,
    keep: float,
    rng: np.random.Generator,
    missing: np.ndarray,
) -> tuple[float, np.ndarray, np.ndarray]:
    n, p = state.nodes, coef.size
    value, gradient, information = 0.0, np.zeros(p), np.zeros((p, p))
    delta = np.zeros(p)
    for i in range(n):
        for j in range(0 if state.directed else i + 1, n):
            if i == j or (state.free.size and not state.free[i, j]) or (missing.size and missing[i, j]):
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
def _pairs(
    state: State, terms: Terms, coef: np.ndarray, mutual: int, missing: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    n, p = state.nodes, coef.size
    value, gradient, information = 0.0, np.zeros(p), np.zeros((p, p))
    states, odds, first, weights = np.zeros((4, p)), np.zeros(4), np.zeros(4), np.zeros(4)
    there, back, mean, known = np.zeros(p), np.zeros(p), np.zeros(p), np.zeros(p)
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
            # A dyad outside the risk set has one state; a missing one agrees with both.
            open_there = free_there and missing.size > 0 and missing[i, j]
            open_back = free_back and missing.size > 0 and missing[j, i]
            for s in range(4):
                a, b = s % 2 == 1, s >= 2
                # Loops: temporary arrays would take most of the time.
                for c in range(p):
                    states[s, c] = (there[c] if a else 0.0) + (back[c] if b else 0.0)
                states[s, mutual] = 1.0 if a and b else 0.0
                possible = (free_there or a == y_there) and (free_back or b == y_back)
                odds[s], first[s] = 0.0, 0.0 if possible else -np.inf
                # Infinite coefficients come first: they choose the possible states.
                for c in range(p):
                    if np.isfinite(coef[c]):
                        odds[s] += coef[c] * states[s, c]
                    elif possible:
                        first[s] += np.sign(coef[c]) * states[s, c]
            leading = first.max()
            for s in range(4):
                odds[s] = odds[s] if first[s] == leading else -np.inf
            top, total, agreeing = odds.max(), 0.0, 0.0
            mean[:] = 0.0
            known[:] = 0.0
            for s in range(4):
                weights[s] = np.exp(odds[s] - top)
                total += weights[s]
                agrees = (open_there or (s % 2 == 1) == y_there) and (open_back or (s >= 2) == y_back)
                for c in range(p):
                    mean[c] += weights[s] * states[s, c]
                    known[c] += weights[s] * states[s, c] if agrees else 0.0
                agreeing += weights[s] if agrees else 0.0
            value += np.log(agreeing) - np.log(total)
            if open_there or open_back:
                for s in range(4):
                    agrees = (open_there or (s % 2 == 1) == y_there) and (open_back or (s >= 2) == y_back)
                    if agrees and weights[s] > 0:
                        _add_outer(information, states[s] - known / agreeing, -weights[s] / agreeing)
            for c in range(p):
                mean[c] /= total
                gradient[c] += known[c] / agreeing - mean[c]
            for s in range(4):
                if weights[s] > 0:
                    for c in range(p):
                        states[s, c] -= mean[c]
                    _add_outer(information, states[s], weights[s] / total)
    return value, gradient, information

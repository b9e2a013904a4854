"""Implicit midpoint rule: a symplectic integrator for a moving metric.

With H(q, p) = p' g(q)^-1 p / 2 + L(q) the kinetic energy depends on q, so that kick and drift have no exact
solutions. The midpoint rule takes both derivatives at the mean of the old and the new state,

    q' = q + h dH/dp(m),    p' = p - h dH/dq(m),    m = ((q + q') / 2, (p + p') / 2)

It is symplectic and symmetric for every H, of order 2. Both hold only for the solution of the equation, so
that the fixed-point iteration runs to a tolerance near the rounding error, never for a fixed number of
rounds. Friction encloses a step: p <- exp(-gamma h / 2) p before and after it.

References
----------
Hairer, Lubich and Wanner (2006), "Geometric numerical integration", §II.1.4, §VI.4 and §VIII.6. Girolami and
Calderhead (2011) for the Hamiltonian. Specification 4 §3.3 as corrected.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from methods.sifa.optimiser import Paths

Hamiltonian: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""q (d,), p (d,) -> H, a scalar that PyTorch can differentiate."""

TOLERANCE = 1e-14
"""Largest change of the state in the last round, relative to the largest entry of the state or 1."""

MOST_ROUNDS = 500
"""Rounds after which the step is given up as too long."""


def riemannian(loss: Callable[[Tensor], Tensor], metric: Callable[[Tensor], Tensor]) -> Hamiltonian:
    """Return H = p' g(q)^-1 p / 2 + L(q).

    Parameters
    ----------
    loss : callable
        q (d,) -> L, a scalar.
    metric : callable
        q (d,) -> g (d, d), symmetric and positive definite.
    """

    def energy(q: Tensor, p: Tensor) -> Tensor:
        return p @ torch.linalg.solve(metric(q), p) / 2 + loss(q)

    return energy


def implicit_midpoint(
    hamiltonian: Hamiltonian,
    q: ArrayLike,
    p: ArrayLike,
    h: float,
    steps: int,
    friction: float = 0.0,
) -> Paths:
    """Integrate Hamilton's equations with friction.

    Parameters
    ----------
    hamiltonian : callable
        q (d,), p (d,) -> H in float64.
    q, p : array_like, shape (d,)
        State at the start.
    h : float
        Step. A negative one integrates backward.
    steps : int
        0 or more.
    friction : float
        gamma, 0 or more, per unit of time.

    Raises
    ------
    ValueError
        If the shapes differ, a value is out of its range, or the equation of a step is not solved.
    """
    position, momentum = (torch.tensor(np.asarray(start), dtype=torch.float64) for start in (q, p))
    if position.ndim != 1 or position.shape != momentum.shape:
        raise ValueError(
            f"q has shape {tuple(position.shape)} and p {tuple(momentum.shape)}; expected vectors of "
            "one length"
        )
    if not math.isfinite(h) or steps < 0 or friction < 0:
        raise ValueError(
            f"found h = {h}, steps = {steps}, friction = {friction}; expected a finite h, both >= 0"
        )
    size = len(position)
    slopes = torch.func.grad(hamiltonian, argnums=(0, 1))

    def motion(state: Tensor) -> Tensor:
        by_position, by_momentum = slopes(state[:size], state[size:])
        return torch.cat([by_momentum, -by_position])

    shrink = torch.ones(2 * size, dtype=torch.float64)
    shrink[size:] = math.exp(-friction * h / 2)
    state = torch.cat([position, momentum])
    states = [state]
    for step in range(steps):
        state = shrink * _solve(motion, shrink * state, h, step)
        states.append(state)
    path = torch.stack(states).numpy()
    return Paths(path[:, :size], path[:, size:])


def _solve(motion: Callable[[Tensor], Tensor], state: Tensor, h: float, step: int) -> Tensor:
    """Return the state after one step, by fixed-point iteration from an Euler step."""
    change = h * motion(state)
    for _ in range(MOST_ROUNDS):
        previous, change = change, h * motion(state + change / 2)
        scale = max(1.0, float(state.abs().max()))
        error = float((change - previous).abs().max())
        if error <= TOLERANCE * scale:
            return state + change
        if not math.isfinite(error):
            break
    raise ValueError(
        f"step {step}: the midpoint equation is not solved within {MOST_ROUNDS} rounds; expected a step "
        f"shorter than {h:g}"
    )

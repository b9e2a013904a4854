r"""Natural-gradient and gradient ascent of the mean-field bound.

Both move all factors at once and search for the step length in the same way. They differ in direction.

.. math::
    \tilde\nabla_\lambda L = F^{-1}(\lambda) \nabla_\lambda L = \lambda^* - \lambda, \qquad
    \lambda \leftarrow \lambda + \alpha \tilde\nabla_\lambda L

where ``lambda*`` is the natural parameter of the optimal factor given the others. With one factor at a
time and ``alpha = 1`` this is coordinate ascent. The ordinary gradient uses the common unbounded
coordinates, (mean, log variance) and (log shape, log rate).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from methods.variational.families import Factor, Pair
from methods.variational.mean_field import FACTORS, Fit, MeanField, bound, fit_of, initial, optimal
from methods.variational.model import Careers, Prior

Direction = dict[str, Pair]
Move = Callable[[MeanField, Direction, float], MeanField]


def natural_gradient(name: str, q: MeanField, careers: Careers, prior: Prior) -> Pair:
    """Compute the natural gradient of the bound by one factor (spec 3 section 6.2).

    Parameters
    ----------
    name : str
        One of `FACTORS`.
    q, careers, prior
        All for the same careers.

    Returns
    -------
    pair of arrays
        Optimal minus current natural parameter; equals the gradient by the mean parameters.
    """
    target, current = optimal(name, q, careers, prior).natural, getattr(q, name).natural
    return target[0] - current[0], target[1] - current[1]


def natural_step(factor: Factor, direction: Pair, length: float) -> Factor:
    """Move the natural parameters of a factor; up to length 1 they stay valid."""
    first, second = factor.natural
    return type(factor).from_natural(first + length * direction[0], second + length * direction[1])


def natural_gradient_ascent(
    careers: Careers, prior: Prior | None = None, *, tolerance: float = 1e-8, max_steps: int = 2000
) -> Fit:
    """Fit by natural-gradient ascent, with steps of at most 1.

    A step is halved until the bound rises.

    Parameters
    ----------
    careers : Careers
    prior : Prior, optional
    tolerance : float
        Stop when a step gains less than this share of the bound's size.
    max_steps : int
        Maximum number of steps; trials of a step length do not count.

    Returns
    -------
    Fit
        `elbo` has one value per step.
    """

    def directions(q: MeanField) -> Direction:
        return {name: natural_gradient(name, q, careers, prior or Prior()) for name in FACTORS}

    def move(q: MeanField, by: Direction, length: float) -> MeanField:
        moved: dict[str, Any] = {name: natural_step(getattr(q, name), by[name], length) for name in FACTORS}
        return replace(q, **moved)

    return _ascend(careers, prior or Prior(), directions, move, 1.0, tolerance, max_steps)


def gradient_ascent(
    careers: Careers, prior: Prior | None = None, *, tolerance: float = 1e-8, max_steps: int = 2000
) -> Fit:
    """Fit by gradient ascent in unbounded coordinates.

    A step starts at twice the last length and is halved until the bound rises. Parameters and result are
    those of `natural_gradient_ascent`.
    """

    def directions(q: MeanField) -> Direction:
        return {name: plain_gradient(name, q, careers, prior or Prior()) for name in FACTORS}

    def move(q: MeanField, by: Direction, length: float) -> MeanField:
        moved: dict[str, Any] = {name: _free_step(getattr(q, name), by[name], length) for name in FACTORS}
        return replace(q, **moved)

    return _ascend(careers, prior or Prior(), directions, move, float("inf"), tolerance, max_steps)


def plain_gradient(name: str, q: MeanField, careers: Careers, prior: Prior) -> Pair:
    """Compute the gradient of the bound by the unbounded coordinates of one factor.

    For the parameters see `natural_gradient`.
    """
    factor: Factor = getattr(q, name)
    return factor.free_gradient(*natural_gradient(name, q, careers, prior))


def _free_step(factor: Factor, direction: Pair, length: float) -> Factor:
    first, second = factor.free
    return type(factor).from_free(first + length * direction[0], second + length * direction[1])


def _ascend(
    careers: Careers, prior: Prior, directions: Callable[[MeanField], Direction], move: Move,
    longest: float, tolerance: float, max_steps: int,
) -> Fit:  # fmt: skip
    q, length = initial(careers, prior), 1.0
    trace = [bound(q, careers, prior)]
    for _ in range(max_steps):
        by = directions(q)
        length = min(longest, 2 * length)
        while True:
            # A trial that is too long overflows; its bound is NaN and the step is halved.
            with np.errstate(all="ignore"):
                moved = move(q, by, length)
                reached = bound(moved, careers, prior)
            if reached > trace[-1] or length < 1e-12:
                break
            length /= 2
        if not reached > trace[-1]:
            break
        q = moved
        trace.append(reached)
        if trace[-1] - trace[-2] < tolerance * abs(trace[-1]):
            break
    return fit_of(q, careers, trace, tolerance)

"""Conformal leapfrog: a symplectic integrator with friction, and an optimiser.

A loss L is the potential of a particle with position q, momentum p and metric g,

    H(q, p) = p' g^-1 p / 2 + L(q),    dq/dt = g^-1 p,    dp/dt = -dL/dq - gamma p

Each of three parts has an exact solution: the kick K (p changes), the drift D (q changes) and the friction F
(p shrinks by exp(-gamma t)). `leapfrog` composes them symmetrically, with mu = exp(-gamma h):

    K: p <- p - h/2 dL/dq      F: p <- sqrt(mu) p      D: q <- q + h p      F: p <- sqrt(mu) p      K

- Every part is linear in p with determinant 1, but F twice: the Jacobian determinant of a step is mu^d,
  exactly.
- Without friction the map is symplectic and reversible, and the error of H is O(h^2) and does not grow.
- Between two kicks the scaled momentum v = sqrt(mu) (p - h/2 dL/dq) follows

      v <- mu v - h sqrt(mu) dL/dq,    q <- q + h v

  which is the heavy ball with momentum mu and rate h^2 sqrt(mu). Both ways need one gradient a step.

`ConformalLeapfrog` runs this recursion with the constants of the heavy ball: v <- mu v - lr dL/dq, q <- q +
lr v, mu = exp(-friction lr). Its positions are those of `torch.optim.SGD(lr=lr**2, momentum=mu)` and, with
the momentum p = -h/2 dL/dq at the start, those of `leapfrog` with the step h = lr mu^(-1/4) and the friction
gamma = friction mu^(1/4), so that gamma h = friction lr.

A metric that moves with q makes H not separable, and an explicit leapfrog is then not symplectic. The metric
of the optimiser is therefore constant within a window of steps: symplectic inside of it, and nothing is
claimed across. `methods.sifa.midpoint` integrates where the metric moves.

References
----------
França, Sulam, Robinson and Vidal (2020), "Conformal symplectic and relativistic optimization". Hairer,
Lubich and Wanner (2006), "Geometric numerical integration". Polyak (1964) for the heavy ball. Specification
4 §3.3 and §4.2 as corrected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Array = NDArray[np.float64]


class Paths(NamedTuple):
    """Positions and momenta, shape (steps + 1, ...), with the start."""

    q: Array
    p: Array


def leapfrog(
    gradient: Callable[[Array], ArrayLike],
    q: ArrayLike,
    p: ArrayLike,
    h: float,
    steps: int,
    friction: float = 0.0,
) -> Paths:
    """Integrate the equations of motion with unit metric.

    Second order in h, with and without friction. One gradient a step, and one at the start.

    Parameters
    ----------
    gradient : callable
        q -> dL/dq, of the shape of q.
    q, p : array_like
        Position and momentum at the start, of one shape.
    h : float
        Step. A negative one integrates backward.
    steps : int
        0 or more.
    friction : float
        gamma, 0 or more, per unit of time.

    Returns
    -------
    Paths
        Can be unpacked: positions, momenta.

    Raises
    ------
    ValueError
        If the shapes of q, p or the gradient differ, or a value is out of its range.
    """
    position, momentum = np.array(q, dtype=np.float64), np.array(p, dtype=np.float64)
    if position.shape != momentum.shape:
        raise ValueError(f"q has shape {position.shape} and p {momentum.shape}; expected one shape")
    if not math.isfinite(h) or steps < 0 or friction < 0:
        raise ValueError(
            f"found h = {h}, steps = {steps}, friction = {friction}; expected a finite h, both >= 0"
        )
    shrink = math.exp(-friction * h / 2)
    paths = Paths(*(np.empty((steps + 1, *position.shape)) for _ in range(2)))
    paths.q[0], paths.p[0] = position, momentum
    force = _force(gradient, position)
    for step in range(1, steps + 1):
        momentum = shrink * (momentum + h / 2 * force)
        position = position + h * momentum
        force = _force(gradient, position)
        momentum = shrink * momentum + h / 2 * force
        paths.q[step], paths.p[step] = position, momentum
    return paths


def _force(gradient: Callable[[Array], ArrayLike], position: Array) -> Array:
    force = -np.asarray(gradient(position.copy()), dtype=np.float64)
    if force.shape != position.shape:
        raise ValueError(f"the gradient has shape {force.shape}; expected {position.shape}, the shape of q")
    return force


class ConformalLeapfrog(torch.optim.Optimizer):
    """Minimise a loss by the conformal leapfrog, with one gradient a step.

        v <- exp(-friction lr) v - lr dL/dq,    q <- q + lr g^-1 v

    With `damping` the metric is diagonal: the running mean f of squared gradients (an empirical Fisher
    diagonal of mini-batches) plus damping times its mean over the group, scaled so that the mean of g is 1,

        g = (f + damping mean(f)) / ((1 + damping) mean(f))

    The scale of g is a unit of time only, so that a rate means the same for each damping. A large damping
    gives the unit metric. g is constant within a window of steps, 1 in the first one.

    Parameters
    ----------
    params : iterable
        Parameters, or groups with settings of their own.
    lr : float
        Step of the integrator, greater than 0. The rate of the heavy ball is its square.
    friction : float
        gamma, 0 or more, per unit of time. At 0 the loss does not settle.
    damping : float, optional
        Greater than 0; None for the unit metric.
    window : int
        Steps for which the metric is constant, 1 or more.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        friction: float = 0.0,
        damping: float | None = None,
        window: int = 50,
    ) -> None:
        defaults = {"lr": lr, "friction": friction, "damping": damping, "window": window, "steps": 0}
        super().__init__(params, defaults)
        for group in self.param_groups:
            _require_settings(group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step and return the loss before it.

        Parameters
        ----------
        closure : callable
            Sets the gradients to zero, computes the loss, calls `backward` and returns the loss. It is called
            once.

        Raises
        ------
        ValueError
            If there is no closure.
        """
        if closure is None:
            raise ValueError(
                "ConformalLeapfrog.step() has no closure; pass a function that calls zero_grad(), computes "
                "the loss, calls backward() and returns the loss"
            )
        with torch.enable_grad():
            loss = closure()
        for group in self.param_groups:
            rate = group["lr"]
            keep = math.exp(-group["friction"] * rate)
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in parameters:
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].mul_(keep).sub_(parameter.grad, alpha=rate)
            if group["damping"] is None:
                for parameter in parameters:
                    parameter.add_(self.state[parameter]["momentum"], alpha=rate)
            elif parameters:
                self._drift(parameters, group)
            group["steps"] += 1
        return loss

    def _drift(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Move the parameters by the velocity; renew the metric where a window starts."""
        decay = 1 - 1 / group["window"] if group["window"] > 1 else 0.0
        states = [self.state[parameter] for parameter in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if "square" not in state:
                state["square"] = torch.zeros_like(parameter)
                state["metric"] = torch.ones_like(parameter)
            gradient = parameter.grad
            state["square"].mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
        if group["steps"] and group["steps"] % group["window"] == 0:
            total = sum(float(state["square"].sum()) for state in states)
            mean = total / sum(state["square"].numel() for state in states)
            if mean > 0:
                for state in states:
                    state["metric"] = (state["square"] / mean + group["damping"]) / (1 + group["damping"])
        for parameter, state in zip(parameters, states, strict=True):
            parameter.addcdiv_(state["momentum"], state["metric"], value=group["lr"])


def _require_settings(group: dict[str, Any]) -> None:
    damping = group["damping"]
    ranges = {
        "lr": (group["lr"], group["lr"] > 0, "greater than 0"),
        "friction": (group["friction"], group["friction"] >= 0, "0 or more"),
        "damping": (damping, damping is None or damping > 0, "greater than 0, or None"),
        "window": (group["window"], group["window"] >= 1, "1 or more"),
    }
    for name, (value, valid, expected) in ranges.items():
        if not valid:
            raise ValueError(f"found {name} = {value}; expected {expected}")

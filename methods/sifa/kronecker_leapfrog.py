"""Conformal leapfrog whose metric is the Kronecker-factored Fisher matrix.

    H(q, p) = p' g^-1 p / 2 + L(q),    g = A (x) G  for each linear layer

A = E[a a'] are the inputs of the layer and G = E[s s'] the derivatives by its outputs
(`methods.sifa.fisher.kronecker_factors`), averaged over the windows so far and damped as those of
`methods.sifa.kfac`. For the gradient of a layer as a matrix, the bias as its last column, a step is

    p <- exp(-gamma h) p - h dL/dW,    W <- W + h G^-1 p A^-1

- The metric is measured at the start of a window of steps and held fixed in it. Then H is separable, and the
  step is conformal symplectic: its Jacobian determinant is exp(-gamma h d), exactly. With the half kicks
  divided otherwise it is `methods.sifa.optimiser.leapfrog` in the coordinates g^(1/2) q, in which the metric
  is 1. Without friction it is reversible, and the error of H is O(h^2).
- Nothing is claimed across windows. The momentum, a covector, is kept where the metric changes; K-FAC keeps
  the velocity g^-1 p. This is the only difference to K-FAC with the rate h^2 and the momentum exp(-gamma h).
- A step needs one gradient. A window needs one measurement beside it, a forward and a backward pass.

It is a class of its own because it needs the layers of a model and a way to measure them;
`ConformalLeapfrog` needs parameters only.

References
----------
Martens and Grosse (2015), "Optimizing neural networks with Kronecker-factored approximate curvature". França,
Sulam, Robinson and Vidal (2020), "Conformal symplectic and relativistic optimization". Specification 4 §3.3
and §4.2 as corrected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from methods.sifa.fisher import Factors
from methods.sifa.kfac import joined_gradient, linear_layers, move, renew


class KroneckerLeapfrog(torch.optim.Optimizer):
    """Minimise a loss of linear layers by the leapfrog in the metric of K-FAC.

    Parameters
    ----------
    model : Module
        Every trained parameter belongs to a linear layer.
    measure : callable
        Returns the factors of the model on the rows of now, by the name of the layer.
    lr : float
        Step h of the integrator, greater than 0. The rate of K-FAC is its square.
    friction : float
        gamma, 0 or more, per unit of time. At 0 the loss does not settle.
    damping : float
        Greater than 0.
    window : int
        Steps for which the metric is constant, 1 or more.

    Raises
    ------
    ValueError
        If a setting is out of its range, or a trained parameter belongs to another layer.
    """

    def __init__(
        self,
        model: nn.Module,
        measure: Callable[[], Mapping[str, Factors]],
        lr: float,
        friction: float = 0.0,
        damping: float = 1e-2,
        window: int = 10,
    ) -> None:
        if not (lr > 0 and friction >= 0 and damping > 0 and window >= 1):
            raise ValueError(
                f"found lr = {lr}, friction = {friction}, damping = {damping}, window = {window}; expected "
                "lr > 0, friction of 0 or more, damping > 0 and window >= 1"
            )
        self._layers = linear_layers(model)
        self._measure = measure
        defaults = {"lr": lr, "friction": friction, "damping": damping, "window": window, "steps": 0}
        super().__init__([value for value in model.parameters() if value.requires_grad], defaults)

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
                "KroneckerLeapfrog.step() has no closure; pass a function that calls zero_grad(), computes "
                "the loss, calls backward() and returns the loss"
            )
        with torch.enable_grad():
            loss = closure()
        group = self.param_groups[0]
        if group["steps"] % group["window"] == 0:
            with torch.enable_grad():
                measured = self._measure()
            for name, layer in self._layers.items():
                renew(self.state[layer.weight], measured[name], group["damping"])
        keep = math.exp(-group["friction"] * group["lr"])
        for layer in self._layers.values():
            state = self.state[layer.weight]
            state["momentum"] = keep * state.get("momentum", 0.0) - group["lr"] * joined_gradient(layer)
            move(layer, state["outputs_inverse"] @ state["momentum"] @ state["inputs_inverse"], group["lr"])
        group["steps"] += 1
        return loss

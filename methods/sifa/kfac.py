"""K-FAC as an optimiser: momentum on the natural gradient of Kronecker factors.

    v <- momentum v + G^-1 dL/dW A^-1,    W <- W - lr v

A = E[a a'] are the inputs of a linear layer and G = E[g g'] the derivatives by its outputs
(`methods.sifa.fisher.kronecker_factors`), averaged over refreshes. Damping is divided between the factors,

    A + pi sqrt(damping) I,    G + sqrt(damping) / pi I,    pi^2 = (tr A / dim A) / (tr G / dim G)

Between two refreshes the factors are constant, and this is the conformal leapfrog with the metric A (x) G,
lr = h^2 and momentum = exp(-gamma h). At a refresh K-FAC keeps its velocity, and the leapfrog
(`methods.sifa.kronecker_leapfrog`) its momentum: the two part there.

References
----------
Martens and Grosse (2015), "Optimizing neural networks with Kronecker-factored approximate curvature", §6.3
for the damping. Their adaptive damping and rescaling are left out: the rate and the damping are searched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from methods.sifa.fisher import Factors


class KFAC(torch.optim.Optimizer):
    """Minimise a loss of a network of linear layers by K-FAC with momentum.

    Parameters
    ----------
    model : Module
        Every trained parameter belongs to a linear layer.
    measure : callable
        Returns the factors of the model on the rows of now, by the name of the layer.
    lr : float
        Rate, greater than 0.
    momentum : float
        0 to below 1.
    damping : float
        Greater than 0.
    refresh : int
        Steps between two measurements, 1 or more.

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
        momentum: float = 0.9,
        damping: float = 1e-2,
        refresh: int = 10,
    ) -> None:
        if not (lr > 0 and 0 <= momentum < 1 and damping > 0 and refresh >= 1):
            raise ValueError(
                f"found lr = {lr}, momentum = {momentum}, damping = {damping}, refresh = {refresh}; expected "
                "lr > 0, momentum of 0 to below 1, damping > 0 and refresh >= 1"
            )
        self._layers = linear_layers(model)
        self._measure = measure
        defaults = {"lr": lr, "momentum": momentum, "damping": damping, "refresh": refresh, "steps": 0}
        super().__init__([value for value in model.parameters() if value.requires_grad], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step and return the loss before it, if there is a closure.

        Parameters
        ----------
        closure : callable, optional
            Sets the gradients to zero, computes the loss, calls `backward` and returns the loss. By default
            the gradients are those that the parameters have.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        group = self.param_groups[0]
        if group["steps"] % group["refresh"] == 0:
            with torch.enable_grad():
                measured = self._measure()
            for name, layer in self._layers.items():
                renew(self.state[layer.weight], measured[name], group["damping"])
        for layer in self._layers.values():
            state = self.state[layer.weight]
            natural = state["outputs_inverse"] @ joined_gradient(layer) @ state["inputs_inverse"]
            state["velocity"] = group["momentum"] * state.get("velocity", 0.0) + natural
            move(layer, state["velocity"], -group["lr"])
        group["steps"] += 1
        return loss


def linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """Return the trained linear layers by name.

    Raises
    ------
    ValueError
        If a trained parameter belongs to another layer.
    """
    layers = {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and layer.weight.requires_grad
    }
    known = {id(value) for layer in layers.values() for value in layer.parameters()}
    for name, value in model.named_parameters():
        if value.requires_grad and id(value) not in known:
            raise ValueError(
                f"parameter '{name}' belongs to no linear layer; K-FAC expects linear layers only"
            )
    return layers


def damped_inverses(factors: Factors, damping: float) -> tuple[Tensor, Tensor]:
    """Return the inverses of the damped factors of the inputs and of the outputs."""
    inputs, outputs = factors.inputs, factors.outputs
    tiny = torch.finfo(inputs.dtype).tiny
    ratio = (inputs.trace() / len(inputs)).clamp(min=tiny) / (outputs.trace() / len(outputs)).clamp(min=tiny)
    split, root = ratio.sqrt(), damping**0.5
    return (
        torch.linalg.inv(inputs + split * root * torch.eye(len(inputs), dtype=inputs.dtype)),
        torch.linalg.inv(outputs + root / split * torch.eye(len(outputs), dtype=outputs.dtype)),
    )


def joined_gradient(layer: nn.Linear) -> Tensor:
    """Return the gradient of the weights with that of the bias as the last column."""
    gradient = layer.weight.grad
    if gradient is None:
        raise ValueError(
            "a layer has no gradient; pass a closure that calls backward(), or call it before step()"
        )
    if layer.bias is None or layer.bias.grad is None:
        return gradient
    return torch.cat([gradient, layer.bias.grad[:, None]], dim=1)


def move(layer: nn.Linear, direction: Tensor, length: float) -> None:
    """Add a multiple of a direction, in the layout of `joined_gradient`."""
    layer.weight.add_(direction[:, : layer.in_features], alpha=length)
    if layer.bias is not None:
        layer.bias.add_(direction[:, layer.in_features], alpha=length)


def renew(state: dict[str, Any], measured: Factors, damping: float) -> None:
    """Average the factors with those before, up to about 20, and invert them."""
    count = state["count"] = state.get("count", 0) + 1
    share = max(1 / count, 0.05)
    for name, value in (("inputs", measured.inputs), ("outputs", measured.outputs)):
        state[name] = value if count == 1 else (1 - share) * state[name] + share * value
    averaged = Factors(state["inputs"], state["outputs"], measured.bias)
    state["inputs_inverse"], state["outputs_inverse"] = damped_inverses(averaged, damping)

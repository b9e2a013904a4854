"""Fisher information of exponential families and of networks.

    F = E_x sum_k g_k g_k',    g_k = J(x)' s_k(x)

J is the Jacobian of a network's outputs f(x) by its parameters, and the s_k are vectors in the space of the
outputs, derivatives of log p(y | f). They make four different matrices:

    exact       E over all labels y ~ p(y | f(x)). Classification: s_k = sqrt(p_k) (e_k - p), so that
                sum s s' = diag(p) - p p'. Regression with unit variance: s_k = e_k.
    sampled     one label drawn from p(y | f(x)) in place of the expectation: right on average, noisy.
    empirical   the observed label. It is not the Fisher matrix unless the model is right: it is the uncentred
                covariance of the training gradients, and vanishes where a model fits every label.
    K-FAC       one block a linear layer, E[a a'] (x) E[g g'] in place of E[a a' (x) g g'] for its inputs a
                (1 is added for the bias) and derivatives g by its outputs. It is exact for one row or where a
                and g are independent, and knows no pair of layers.

The exact, sampled and empirical matrix can be held for a few thousand parameters; `fisher_trace` needs no
matrix.

References
----------
Amari (1998), "Natural gradient works efficiently in learning". Martens and Grosse (2015), "Optimizing neural
networks with Kronecker-factored approximate curvature". Kunstner, Balles and Hennig (2019), "Limitations of
the empirical Fisher approximation for natural gradient descent". Specification 4 §2.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["classification", "regression"]
Labels = Literal["exact", "sampled", "empirical"]

CHUNK = 64
"""Rows whose gradients are in memory at the same time."""


def hessian_of_log_partition(log_partition: Callable[[Tensor], Tensor], natural: Tensor) -> Tensor:
    """Return the Fisher matrix of an exponential family, the Hessian of A.

    Parameters
    ----------
    log_partition : callable
        eta (d,) -> A(eta), a scalar, for p(x) ~ exp(eta' T(x) - A(eta)).
    natural : Tensor, shape (d,)
        eta.
    """
    return torch.func.hessian(log_partition)(natural)


def covariance_of_statistics(statistics: Tensor, natural: Tensor, base: Tensor | None = None) -> Tensor:
    """Return the Fisher matrix of a family on finitely many outcomes, cov T.

    Parameters
    ----------
    statistics : Tensor, shape (outcomes, d)
        T of each outcome.
    natural : Tensor, shape (d,)
        eta.
    base : Tensor, shape (outcomes,), optional
        Logarithm of the base measure. By default 0.
    """
    scores = statistics @ natural
    weights = torch.softmax(scores if base is None else scores + base, dim=0)
    centred = statistics - weights @ statistics
    return centred.T @ (weights[:, None] * centred)


def output_scores(
    outputs: Tensor, kind: Kind, labels: Labels, y: Tensor | None = None, seed: int = 0
) -> Tensor:
    """Return the vectors s with sum s s' the Fisher matrix of the outputs.

    Parameters
    ----------
    outputs : Tensor, shape (rows, outputs)
        Logits, or means of unit variance.
    kind : {'classification', 'regression'}
    labels : {'exact', 'sampled', 'empirical'}
    y : Tensor, shape (rows,) or (rows, outputs), optional
        Class numbers or values, for 'empirical' only.
    seed : int
        Seed of the labels, for 'sampled' only.

    Returns
    -------
    Tensor, shape (rows, draws, outputs)
        As many draws as outputs for 'exact', else one.

    Raises
    ------
    ValueError
        If the outputs are no matrix, a name is unknown, or `y` is missing.
    """
    if outputs.ndim != 2:
        raise ValueError(f"the outputs have shape {tuple(outputs.shape)}; expected (rows, outputs)")
    if kind not in ("classification", "regression") or labels not in ("exact", "sampled", "empirical"):
        raise ValueError(
            f"found kind '{kind}' and labels '{labels}'; expected 'classification' or 'regression', and "
            "'exact', 'sampled' or 'empirical'"
        )
    if labels == "empirical" and y is None:
        raise ValueError("the empirical Fisher matrix needs the observed labels; pass y")
    outputs, size = outputs.detach(), outputs.shape[1]
    unit = torch.eye(size, dtype=outputs.dtype)
    generator = torch.Generator().manual_seed(seed)
    if kind == "regression":
        if labels == "exact":
            return unit.expand(len(outputs), size, size)
        if labels == "empirical" and y is not None:
            return (y.reshape(outputs.shape) - outputs)[:, None]
        return torch.randn(outputs.shape, generator=generator, dtype=outputs.dtype)[:, None]
    shares = torch.softmax(outputs, dim=1)
    if labels == "exact":
        return shares.sqrt()[:, :, None] * (unit - shares[:, None])
    if labels == "empirical" and y is not None:
        return (unit[y.long()] - shares)[:, None]
    return (unit[torch.multinomial(shares, 1, generator=generator)[:, 0]] - shares)[:, None]


def fisher_matrix(
    module: nn.Module, x: Tensor, kind: Kind, labels: Labels = "exact", y: Tensor | None = None, seed: int = 0
) -> Tensor:
    """Return the Fisher matrix of the trainable parameters, averaged over rows.

    Parameters
    ----------
    module : Module
        x (rows, ...) -> (rows, outputs), each row on its own.
    x, kind, labels, y, seed
        As in `output_scores`.

    Returns
    -------
    Tensor, shape (parameters, parameters)
        In the order of `module.parameters()`.
    """
    total = None
    for gradients in _gradients(module, x, kind, output_scores(module(x), kind, labels, y, seed)):
        part = gradients.T @ gradients
        total = part if total is None else total + part
    if total is None:
        raise ValueError("x has no rows; expected one or more")
    return total / len(x)


def fisher_trace(
    module: nn.Module, x: Tensor, kind: Kind, labels: Labels = "exact", y: Tensor | None = None, seed: int = 0
) -> float:
    """Return the trace of `fisher_matrix` without the matrix."""
    scores = output_scores(module(x), kind, labels, y, seed)
    return sum(float(part.square().sum()) for part in _gradients(module, x, kind, scores)) / len(x)


def _gradients(module: nn.Module, x: Tensor, kind: Kind, scores: Tensor) -> list[Tensor]:
    """Return g = J' s for the rows of each chunk, (rows times draws, parameters)."""
    learnt = {name: value.detach() for name, value in module.named_parameters() if value.requires_grad}

    def of_row(row: Tensor, row_scores: Tensor) -> Tensor:
        def output(values: dict[str, Tensor]) -> Tensor:
            return torch.func.functional_call(module, values, (row[None],))[0]

        pull = torch.func.vjp(output, learnt)[1]
        (by_name,) = torch.func.vmap(pull)(row_scores)
        return torch.cat([by_name[name].flatten(1) for name in learnt], dim=1)

    parts = zip(x.split(CHUNK), scores.split(CHUNK), strict=True)
    return [torch.func.vmap(of_row)(rows, part).flatten(0, 1) for rows, part in parts]


@dataclass(frozen=True)
class Factors:
    """Kronecker factors of one linear layer.

    Attributes
    ----------
    inputs : Tensor, shape (in, in) or, with a bias, (in + 1, in + 1)
        E[a a']; the bias is the last input.
    outputs : Tensor, shape (out, out)
        E[g g'].
    bias : bool
    """

    inputs: Tensor
    outputs: Tensor
    bias: bool

    def block(self) -> Tensor:
        """Return the block of the Fisher matrix, in the order weight, bias."""
        size, wide = len(self.outputs), len(self.inputs)
        order = torch.arange(size * wide).reshape(size, wide)
        if self.bias:
            order = torch.cat([order[:, :-1].flatten(), order[:, -1]])
        return torch.kron(self.outputs, self.inputs)[order.flatten()][:, order.flatten()]


def kronecker_factors(
    module: nn.Module, x: Tensor, kind: Kind, labels: Labels = "exact", y: Tensor | None = None, seed: int = 0
) -> dict[str, Factors]:
    """Return the factors of every linear layer that is trained, by its name.

    It costs one forward pass, and a backward pass for each draw of `output_scores`.

    Parameters
    ----------
    module, x, kind, labels, y, seed
        As in `fisher_matrix`. Each linear layer is used once, on inputs (rows, in).

    Raises
    ------
    ValueError
        If a layer is used more than once, or on another shape.
    """
    layers = {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and layer.weight.requires_grad
    }
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if name in seen or output.ndim != 2:
                found = "is used twice" if name in seen else f"has outputs of shape {tuple(output.shape)}"
                raise ValueError(f"layer '{name}' {found}; K-FAC expects one use on (rows, features)")
            seen[name] = (inputs[0].detach(), output)

        return keep

    handles = [layer.register_forward_hook(hook(name)) for name, layer in layers.items()]
    try:
        with torch.enable_grad():
            outputs = module(x)
    finally:
        for handle in handles:
            handle.remove()
    scores = output_scores(outputs, kind, labels, y, seed)
    unused = [name for name in layers if name not in seen]
    if unused:
        raise ValueError(f"layer '{unused[0]}' is not used by the forward pass; expected one use")
    totals = dict.fromkeys(layers, torch.zeros(()))
    targets = [seen[name][1] for name in layers]
    for draw in range(scores.shape[1]):
        last = draw == scores.shape[1] - 1
        slopes = torch.autograd.grad(outputs, targets, scores[:, draw], retain_graph=not last)
        for name, slope in zip(layers, slopes, strict=True):
            totals[name] = totals[name] + slope.T @ slope / len(x)
    found = {}
    for name, layer in layers.items():
        inputs = seen[name][0]
        bias = layer.bias is not None
        if bias:
            inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1)
        found[name] = Factors(inputs.T @ inputs / len(x), totals[name], bias)
    return found

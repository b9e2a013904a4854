"""Train the neural operators, with modality dropout and early stopping.

    x_m    standardised columns, missing cells at the mean
    c_m    their first principal components, divided by the deviation of the first one
    loss   cross entropy or squared error of a network that sees a random part of the present modalities

Modality dropout makes a network predict from any set of modalities. The number of updates is fixed, so that
the time of a training does not grow with the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.fusion.networks import (
    AttentionNetwork,
    HierarchyNetwork,
    InteractionNetwork,
    NetworkOutput,
    TensorNetwork,
)
from methods.fusion.training import mask_modalities
from methods.fusion.views import Details, Fitted, Floats, Ints, Problem, Scaler, Views, present
from methods.training import Cosine, Objective, Settings, Validation, fit, seeded, shuffled


@dataclass(frozen=True)
class Budget:
    """Size and training of a network.

    Attributes
    ----------
    updates : int
        Number of updates of a training that does not stop early.
    components : int
        Maximum number of principal components of a modality.
    width, heads, rank : int
        Width of a token, attention heads, number of products.
    dropout : float
        Probability that a unit is dropped.
    lost : float
        Probability that a present modality is masked in training.
    """

    updates: int = 400
    components: int = 32
    width: int = 32
    heads: int = 4
    rank: int = 8
    dropout: float = 0.2
    lost: float = 0.2
    rate: float = 5e-3
    decay: float = 1e-2
    validation: float = 0.15


@dataclass(frozen=True)
class Reduction:
    """Standardisation and principal components of one modality."""

    scaler: Scaler
    axes: Floats
    scale: float

    @classmethod
    def fit(cls, x: Floats, components: int) -> Reduction:
        """Estimate from the rows that have the modality."""
        rows = x[~np.isnan(x).all(axis=1)]
        if len(rows) < 2:
            scaler = Scaler(np.zeros(x.shape[1]), np.full(x.shape[1], np.inf))
            return cls(scaler, np.eye(x.shape[1], 1), 1.0)
        scaler = Scaler.fit(rows)
        _, values, axes = np.linalg.svd(scaler.apply(rows), full_matrices=False)
        kept = max(int((values[:components] > 1e-8 * max(values[0], 1e-300)).sum()), 1)
        scale = values[0] / math.sqrt(len(rows)) or 1.0
        return cls(scaler, axes[:kept].T, float(scale))

    def apply(self, x: Floats) -> Floats:
        """Return the components, (rows, components); 0 where the modality is absent."""
        return np.asarray(self.scaler.apply(x) @ self.axes / self.scale)


def fit_neural(
    name: str, views: Views, y: Floats, problem: Problem, seed: int, groups: Ints | None = None
) -> Fitted:
    """Fit a network: tensor, interaction, attention or hierarchy.

    A share of the rows (or groups) validates the training, and does not train.
    """
    budget = Budget()
    reductions = {m: Reduction.fit(x, budget.components) for m, x in views.items()}
    vectors, shown = _tensors(views, reductions)
    centre = 0.0 if problem.classes else float(np.mean(y))
    scale = 1.0 if problem.classes else float(np.std(y)) or 1.0
    targets = torch.as_tensor(np.asarray(y, int) if problem.classes else (y - centre) / scale)
    targets = targets.long() if problem.classes else targets.float()
    columns = {m: reduction.axes.shape[1] for m, reduction in reductions.items()}
    train, validation = _divide(len(y), groups, budget.validation, seed)
    with _one_thread(), seeded(seed) as generator:
        network = _network(name, columns, problem.outputs, budget)
        _train(network, (vectors, shown, targets), (train, validation), budget, generator)

    def output(later: Views) -> NetworkOutput:
        network.eval()
        with _one_thread(), torch.no_grad():
            result: NetworkOutput = network(*_tensors(later, reductions))
        return result

    def predict(later: Views) -> Floats:
        scores = output(later).scores.double()
        if problem.classes:
            return np.asarray(scores.softmax(dim=-1).numpy())
        return np.asarray(scores[:, 0].numpy() * scale + centre)

    return Fitted(name, predict, _details(output(views), tuple(views)))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: the fastest for small networks, with fixed sums."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train(
    network: nn.Module,
    data: tuple[dict[str, Tensor], Tensor, Tensor],
    parts: tuple[Tensor, Tensor],
    budget: Budget,
    generator: torch.Generator,
) -> None:
    vectors, shown, targets = data
    train, validation = parts

    def loss_of(rows: Tensor, visible: Tensor) -> Tensor:
        scores = network({m: x[rows] for m, x in vectors.items()}, visible).scores
        if targets.dtype == torch.long:
            return functional.cross_entropy(scores, targets[rows])
        return functional.mse_loss(scores[:, 0], targets[rows])

    size = int(min(max(len(train) // 16, 16), 256))
    updates = math.ceil(len(train) / size)
    epochs = max(budget.updates // updates, 5)
    objective = Objective(
        batches=shuffled(train, size, generator),
        loss=lambda rows: loss_of(rows, mask_modalities(shown[rows], budget.lost, generator)),
        validate=lambda _: Validation(float(loss_of(validation, shown[validation]))),
        generators=(generator,),
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=budget.rate, weight_decay=budget.decay, fused=True)
    rate = Cosine(steps=epochs * updates, warm_up=updates)
    fit(network, optimiser, objective, Settings(epochs, rate=rate, clip=1.0, patience=max(epochs // 3, 3)))


def _network(name: str, columns: Mapping[str, int], outputs: int, budget: Budget) -> nn.Module:
    if name == "tensor":
        return TensorNetwork(columns, budget.width, outputs, budget.dropout)
    if name == "interaction":
        return InteractionNetwork(columns, budget.rank, outputs)
    if name == "attention":
        return AttentionNetwork(columns, budget.width, budget.heads, outputs, budget.dropout)
    if name == "hierarchy":
        return HierarchyNetwork(columns, budget.width, budget.heads, outputs, budget.dropout)
    raise ValueError(f"there is no network {name}; expected tensor, interaction, attention or hierarchy")


def _tensors(views: Views, reductions: Mapping[str, Reduction]) -> tuple[dict[str, Tensor], Tensor]:
    vectors = {m: torch.as_tensor(r.apply(views[m])).float() for m, r in reductions.items()}
    return vectors, torch.as_tensor(present({m: views[m] for m in reductions}))


def _divide(count: int, groups: Ints | None, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Divide rows into training and validation, never a group."""
    unit = np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(unit.max()) + 1
    held = np.random.default_rng(seed).permutation(units)[: max(round(share * units), 1)]
    validation = np.isin(unit, held)
    if validation.all():
        validation = np.arange(count) == 0
    return torch.as_tensor(np.flatnonzero(~validation)), torch.as_tensor(np.flatnonzero(validation))


def _details(output: NetworkOutput, names: tuple[str, ...]) -> Details:
    importance = {}
    if output.alpha is not None:
        mean = output.alpha.double().mean(dim=0)
        importance = dict(zip(names, map(float, mean / mean.sum().clamp_min(1e-12)), strict=True))
    entropy = {query: float(values.mean()) for query, values in output.entropy.items()}
    attention = {
        level: np.asarray(weights.double().mean(dim=0).numpy()) for level, weights in output.attention.items()
    }
    return Details(importance=importance, entropy=entropy, attention=attention)

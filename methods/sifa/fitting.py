"""Train a model of the architecture by AdamW or by the conformal leapfrog.

Both see the same batches and the same cosine schedule of their step. Weight decay of AdamW is a part of its
step; for the leapfrog, whose force is the gradient of a loss, it is the potential ``decay / 2 |theta|^2``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from methods.sifa.model import Settings
from methods.sifa.optimiser import ConformalLeapfrog
from methods.training import Cosine, Objective, fit, shuffled
from methods.training import Settings as Loop

CLIP = 5.0
"""Largest norm of the gradient of all weights."""


@dataclass(frozen=True)
class Recipe:
    """Steps of a training.

    Attributes
    ----------
    epochs, batch : int
        Epochs at effort 1, and rows of a batch.
    rate, decay : float
        Largest rate and weight decay of AdamW.
    step, friction, potential : float
        Largest step h of the leapfrog, its friction per unit of time, and the weight of its potential.
    """

    epochs: int
    batch: int
    rate: float
    decay: float
    step: float
    friction: float
    potential: float


def minimise(
    model: nn.Module,
    loss: Callable[[Tensor], Tensor],
    rows: int,
    recipe: Recipe,
    settings: Settings,
    *,
    symplectic: bool,
    generator: torch.Generator,
) -> tuple[float, ...]:
    """Train a model in place, leave it in evaluation mode, and return its losses.

    Parameters
    ----------
    loss : callable
        Row numbers of a batch -> scalar.
    rows : int
        Number of training rows.
    symplectic : bool
        Whether the conformal leapfrog takes the steps.
    generator : torch.Generator
        Draws the batches.

    Returns
    -------
    tuple of float
        Mean loss of each epoch.
    """
    epochs = max(1, round(recipe.epochs * settings.effort))
    updates = epochs * -(-rows // recipe.batch)
    schedule = Cosine(updates, warm_up=updates // 10)
    batches = shuffled(torch.arange(rows), recipe.batch, generator)
    if not symplectic:
        adaptive = torch.optim.AdamW(
            model.parameters(), lr=recipe.rate * settings.rate, weight_decay=recipe.decay
        )
        objective = Objective(batches=batches, loss=loss, generators=(generator,))
        fitted = fit(model, adaptive, objective, Loop(epochs=epochs, rate=schedule, clip=CLIP))
        return tuple(epoch.train_loss for epoch in fitted.history)
    # The rate of the heavy ball is the square of the step.
    optimiser = ConformalLeapfrog(
        model.parameters(),
        lr=recipe.step * settings.rate**0.5,
        friction=recipe.friction * settings.friction,
    )
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda update: max(schedule(update), 1e-6))
    losses = []
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for chosen in batches(epoch):
            total += len(chosen) * _integrate(model, optimiser, partial(loss, chosen), recipe.potential)
            rate.step()
        losses.append(total / rows)
    model.eval()
    return tuple(losses)


def _integrate(
    model: nn.Module, optimiser: ConformalLeapfrog, loss: Callable[[], Tensor], potential: float
) -> float:
    """Take one step and return the loss before it, without the potential."""
    weights = list(model.parameters())

    def closure() -> float:
        optimiser.zero_grad(set_to_none=True)
        value = loss()
        squares = torch.stack([weight.square().sum() for weight in weights]).sum()
        (value + potential / 2 * squares).backward()
        nn.utils.clip_grad_norm_(weights, CLIP)
        return float(value.detach())

    return float(optimiser.step(closure))

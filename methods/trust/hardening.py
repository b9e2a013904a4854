r"""Adversarial training: minimise the loss of the worst inputs near each example.

.. math:: \min_\theta E \left[ \max_{\|\delta\| \le \epsilon} L(\theta, x + \delta, y) \right]

The inner maximum is found by a few steps of projected gradient ascent on each batch (`attacks`). A share
of the loss is that of the clean inputs, which keeps most of the clean accuracy.

References
----------
Specification 3, §8.1. Madry et al., "Towards deep learning models resistant to adversarial attacks", ICLR
(2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from methods.training import Cosine, Objective, Settings, fit, shuffled
from methods.trust.attacks import Ball, frozen, maximise

RowLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """Settings of the training of a network.

    Attributes
    ----------
    epochs, batch_size : int
    learning_rate, weight_decay : float
    steps : int
        Steps of the inner ascent.
    clean_share : float
        Weight of the clean loss, 0 to 1; 1 is ordinary training.
    seed : int
        Order of the batches.
    """

    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    steps: int = 5
    clean_share: float = 0.3
    seed: int = 0


def train(
    model: nn.Module, x: Tensor, y: Tensor, loss: RowLoss, ball: Ball | None, recipe: Recipe
) -> list[float]:
    """Train a network in place, against the worst inputs of a ball if one is given.

    Parameters
    ----------
    model : torch.nn.Module
    x : (n, ...) float
    y : (n, ...) int or float
    loss : callable
        From outputs and targets to (n,) losses.
    ball : Ball or None
        None: ordinary training.
    recipe : Recipe

    Returns
    -------
    list of float
        Mean loss of each epoch.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    updates = recipe.epochs * -(-len(x) // recipe.batch_size)
    fitted = fit(
        model,
        torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay),
        Objective(
            shuffled(torch.arange(len(x)), recipe.batch_size, generator),
            lambda rows: _mixed_loss(model, (x[rows], y[rows]), loss, ball, recipe),
            generators=(generator,),
        ),
        Settings(recipe.epochs, Cosine(updates)),
    )
    return [epoch.train_loss for epoch in fitted.history]


def _mixed_loss(
    model: nn.Module, batch: tuple[Tensor, Tensor], loss: RowLoss, ball: Ball | None, recipe: Recipe
) -> Tensor:
    """Return the loss of a batch, of which a part is that of its worst inputs."""
    inputs, targets = batch
    clean = loss(model(inputs), targets).mean()
    if ball is None or recipe.clean_share == 1:
        return clean
    with frozen(model):
        worst = maximise(
            partial(_row_loss, model, loss, targets), inputs, ball,
            steps=recipe.steps, restarts=1, seed=recipe.seed,
        )  # fmt: skip
    hard = loss(model(worst), targets).mean()
    return recipe.clean_share * clean + (1 - recipe.clean_share) * hard


def _row_loss(model: nn.Module, loss: RowLoss, targets: Tensor, inputs: Tensor) -> Tensor:
    return loss(model(inputs), targets)

"""Train a fusion by filling in modalities that were hidden from it.

Each step hides every present modality with probability `hide` (at least one stays), and asks
for all that the release has, what was hidden and what was not:

    loss = sum_i [ MSE_i over hidden + kept * MSE_i over shown ]     known values only

References
----------
Specification 3 §3.1; correction to specification 2 §7.6 (early stopping: stop when the best
validation loss is `patience` epochs old; restore the best weights). Loshchilov and Hutter
(2019) for the optimiser, AdamW.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from methods.fusion.model import Batch, CrossModalFusion, Fused, Shape


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes
    ----------
    epochs : int
        At most so many.
    batch_size : int
    learning_rate, weight_decay : float
        Of AdamW; the rate falls to zero along half a cosine.
    clip : float
        Largest norm of a gradient.
    balance : float
        Releases are drawn with weight ``(releases that have the same modalities) ** -balance``: 0 draws
        every release equally often, 1 every combination of modalities.
    hide : float
        Probability that a modality is hidden, 0 to 1.
    kept : float
        Weight of what was not hidden in the loss.
    average : float
        Decay a step of the moving average of the weights that is validated and kept; 0 keeps the last.
    patience : int
        Epochs without a better validation loss before it stops.
    seed : int
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    clip: float
    balance: float
    hide: float
    kept: float
    average: float
    patience: int
    seed: int


@dataclass(frozen=True)
class Epoch:
    """Losses of one epoch; `hidden` and `shown` are parts of the validation loss."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_hidden: float
    validation_shown: float


@dataclass(frozen=True)
class Trained:
    """The model with its best weights, and how it came to them."""

    model: CrossModalFusion
    history: list[Epoch]
    best_epoch: int


def train(
    training: Batch,
    validation: Batch,
    shape: Shape,
    recipe: Recipe,
    *,
    track: Callable[[Iterable[int]], Iterable[int]] = lambda epochs: epochs,
) -> Trained:
    """Fit a fusion on `training`, and stop by `validation`.

    Parameters
    ----------
    training, validation : Batch
    shape : Shape
    recipe : Recipe
    track : callable
        Wraps the epochs, e.g. in a progress bar.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = CrossModalFusion(shape)
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs)
        history: list[Epoch] = []
        best, best_weights = 0, copy.deepcopy(model.state_dict())
        for number in track(range(1, recipe.epochs + 1)):
            loss = _run_epoch(model, averaged, optimiser, training, recipe, generator)
            schedule.step()
            history.append(
                _validate(cast(CrossModalFusion, averaged.module), validation, number, loss, recipe.kept)
            )
            if history[-1].validation_loss <= min(epoch.validation_loss for epoch in history):
                best, best_weights = number, copy.deepcopy(averaged.module.state_dict())
            elif number - best >= recipe.patience:
                break
    model.load_state_dict(best_weights)
    return Trained(model.eval(), history, best)


def _run_epoch(
    model: CrossModalFusion,
    averaged: AveragedModel,
    optimiser: torch.optim.Optimizer,
    training: Batch,
    recipe: Recipe,
    generator: torch.Generator,
) -> float:
    model.train()
    total = 0.0
    weights = pattern_weights(training.present, recipe.balance)
    drawn = torch.multinomial(weights, len(training), replacement=True, generator=generator)
    for rows in drawn.split(recipe.batch_size):
        batch = training.take(rows)
        shown = hide_modalities(batch.present, recipe.hide, generator)
        hidden_loss, shown_loss = losses(model(batch, shown), batch, shown)
        loss = hidden_loss + recipe.kept * shown_loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimiser.step()
        averaged.update_parameters(model)
        total += float(loss.detach()) * len(rows)
    return total / len(training)


def pattern_weights(present: Tensor, balance: float) -> Tensor:
    """Weight of each row in the draw, ``(rows with its combination of modalities) ** -balance``."""
    _, member, counts = torch.unique(present, dim=0, return_inverse=True, return_counts=True)
    return counts[member].double() ** -balance


def hide_modalities(present: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Hide modalities at random, but never all that a row has.

    Parameters
    ----------
    present : (rows, modalities) of bool
    probability : float
        Of hiding one that is present.

    Returns
    -------
    (rows, modalities) of bool
        True where present and not hidden.
    """
    draw = torch.rand(present.shape, generator=generator)
    lucky = draw.masked_fill(~present, -1.0).argmax(dim=-1, keepdim=True)
    shown = present & (draw >= probability)
    return shown.scatter(-1, lucky, True)


def losses(fused: Fused, batch: Batch, shown: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared errors over known values, of hidden and of shown modalities, each summed."""
    hidden_loss = shown_loss = fused.state.new_zeros(())
    for index, (name, decoded) in enumerate(fused.decoded.items()):
        squares = (decoded - batch.values[name]) ** 2 * batch.known[name]
        hidden_loss = hidden_loss + _mean_over(squares, batch.known[name], ~shown[:, index])
        shown_loss = shown_loss + _mean_over(squares, batch.known[name], shown[:, index])
    return hidden_loss, shown_loss


def _mean_over(squares: Tensor, known: Tensor, rows: Tensor) -> Tensor:
    count = known[rows].sum()
    return squares[rows].sum() / count.clamp_min(1.0)


@torch.no_grad()
def _validate(model: CrossModalFusion, batch: Batch, number: int, loss: float, kept: float) -> Epoch:
    """Each modality held out in turn from the rows that have others; and nothing held out."""
    model.eval()
    _, shown = losses(model(batch), batch, batch.present)
    hidden = torch.zeros(())
    for index in range(batch.present.shape[1]):
        rows = torch.nonzero(batch.present[:, index] & (batch.present.sum(dim=-1) > 1)).flatten()
        part = batch.take(rows)
        seen = part.present.clone()
        seen[:, index] = False
        hidden = hidden + losses(model(part, seen), part, seen)[0]
    return Epoch(number, loss, float(hidden + kept * shown), float(hidden), float(shown))

"""Train a fusion to reconstruct masked modalities.

Each step masks every present modality with the probability `hide`, but leaves at least one. The model
reconstructs all modalities of the release, masked and visible:

    loss = sum_i [ MSE_i over masked + kept * MSE_i over visible ]     known values only

References
----------
Specification 3 §3.1; specification 2 §7.6 as corrected (early stopping: stop when the best
validation loss is `patience` epochs old, then restore the best weights). Loshchilov and Hutter
(2019) for the optimiser, AdamW.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.fusion.model import Batch, CrossModalFusion, FusionOutput, Shape
from methods.training import Cosine, Objective, Settings, Validation, fit, seeded


@dataclass(frozen=True)
class Recipe:
    """Settings of the training.

    Attributes
    ----------
    epochs : int
        Maximum number of epochs.
    batch_size : int
    learning_rate, weight_decay : float
        Settings of AdamW. The rate falls to zero along half a cosine.
    clip : float
        Maximum norm of a gradient.
    balance : float
        Exponent of the sampling weight ``(releases with the same modalities) ** -balance``: 0 draws
        every release equally often, 1 every combination of modalities.
    hide : float
        Probability that a modality is masked, 0 to 1.
    kept : float
        Weight of the visible modalities in the loss.
    average : float
        Decay per step of the moving average of the weights. The average is validated and returned; 0
        returns the last weights.
    patience : int
        Epochs without a lower validation loss before training stops.
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
    """Losses of one epoch.

    `validation_hidden` and `validation_shown` are the parts of the validation loss over masked and over
    visible modalities.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_hidden: float
    validation_shown: float


@dataclass(frozen=True)
class TrainingResult:
    """The model with its best weights, and the history of its training."""

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
) -> TrainingResult:
    """Fit a fusion to `training`, with early stopping on `validation`.

    Parameters
    ----------
    training, validation : Batch
    shape : Shape
    recipe : Recipe
    track : callable
        Wraps the epochs, for example in a progress bar.
    """
    with seeded(recipe.seed) as generator:
        model = CrossModalFusion(shape)
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        weights = pattern_weights(training.present, recipe.balance)

        def batches(epoch: int) -> Sequence[Tensor]:
            drawn = torch.multinomial(weights, len(training), replacement=True, generator=generator)
            return drawn.split(recipe.batch_size)

        def loss(rows: Tensor) -> Tensor:
            batch = training.take(rows)
            visible = mask_modalities(batch.present, recipe.hide, generator)
            masked_loss, visible_loss = losses(model(batch, visible), batch, visible)
            return masked_loss + recipe.kept * visible_loss

        fitted = fit(
            model,
            optimiser,
            Objective(batches, loss, lambda judged: _validate(judged, validation, recipe.kept), (generator,)),
            Settings(
                epochs=recipe.epochs,
                rate=Cosine(recipe.epochs, every=math.ceil(len(training) / recipe.batch_size)),
                clip=recipe.clip,
                average=recipe.average,
                patience=recipe.patience,
            ),
            track=track,
        )
    history = [Epoch(e.epoch, e.train_loss, e.validation_loss, **e.scores) for e in fitted.history]
    return TrainingResult(model, history, fitted.best_epoch)


def pattern_weights(present: Tensor, balance: float) -> Tensor:
    """Return the sampling weights ``(rows with the same modalities) ** -balance``."""
    _, member, counts = torch.unique(present, dim=0, return_inverse=True, return_counts=True)
    return counts[member].double() ** -balance


def mask_modalities(present: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Mask modalities at random, but never all that a row has.

    Parameters
    ----------
    present : (rows, modalities) of bool
    probability : float
        Probability that a present modality is masked.

    Returns
    -------
    (rows, modalities) of bool
        True where a modality is present and not masked.
    """
    draw = torch.rand(present.shape, generator=generator)
    retained = draw.masked_fill(~present, -1.0).argmax(dim=-1, keepdim=True)
    visible = present & (draw >= probability)
    return visible.scatter(-1, retained, True)


def losses(fused: FusionOutput, batch: Batch, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Return the squared errors of masked and of visible modalities.

    Each is the mean over the known values of a modality, summed over the modalities.
    """
    masked_loss = visible_loss = fused.state.new_zeros(())
    for index, (name, decoded) in enumerate(fused.decoded.items()):
        squares = (decoded - batch.values[name]) ** 2 * batch.known[name]
        masked_loss = masked_loss + _mean_over(squares, batch.known[name], ~visible[:, index])
        visible_loss = visible_loss + _mean_over(squares, batch.known[name], visible[:, index])
    return masked_loss, visible_loss


def _mean_over(squares: Tensor, known: Tensor, rows: Tensor) -> Tensor:
    count = known[rows].sum()
    return squares[rows].sum() / count.clamp_min(1.0)


def _validate(model: nn.Module, batch: Batch, kept: float) -> Validation:
    """Compute the validation loss.

    Each modality is held out in turn, from the rows that have other modalities; then none is held out.
    """
    _, visible = losses(model(batch), batch, batch.present)
    masked = torch.zeros(())
    for index in range(batch.present.shape[1]):
        rows = torch.nonzero(batch.present[:, index] & (batch.present.sum(dim=-1) > 1)).flatten()
        part = batch.take(rows)
        remaining = part.present.clone()
        remaining[:, index] = False
        masked = masked + losses(model(part, remaining), part, remaining)[0]
    parts = {"validation_hidden": float(masked), "validation_shown": float(visible)}
    return Validation(float(masked + kept * visible), parts)

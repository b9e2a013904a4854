"""Fine-tune a causal language model.

The optimiser is AdamW, with warm-up, a cosine schedule, clipped gradients and early stopping.

The loss of a batch is the mean over its tokens that count: those of an answer, or all of a text. Examples are
processed one by one, without padding, and their gradients are added.

References
----------
Specification 2, sections 2.3, 2.4, 6.1-6.3 and 7.6 as corrected (stop when the best validation loss is
`patience` checks old, then restore the best weights).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from methods.language.perplexity import Example, mean_loss, negative_log_likelihood
from methods.training import Checkpoint, Cosine, Objective, Settings, Validation, fit, seeded

Track = Callable[[Iterable[int]], Iterable[int]]


@dataclass(frozen=True)
class Recipe:
    """Settings of the training.

    Attributes
    ----------
    steps : int
        Maximum number of updates.
    batch_size : int
        Examples per update.
    learning_rate, lowest_rate : float
        Learning rate at the maximum and at the end of the cosine.
    warm_up : float
        Share of the steps, 0 to below 1.
    weight_decay : float
    clip : float
        Maximum norm of the gradient.
    check_every : int
        Steps between two computations of the validation loss.
    patience : int
        Checks without a lower validation loss before training stops.
    seed : int
        Seed of the order and of dropout.
    """

    steps: int
    batch_size: int
    learning_rate: float
    lowest_rate: float
    warm_up: float
    weight_decay: float
    clip: float
    check_every: int
    patience: int
    seed: int


@dataclass(frozen=True)
class Check:
    """Losses per token at a check; `train_loss` is the mean since the last check."""

    step: int
    train_loss: float
    validation_loss: float


@dataclass(frozen=True)
class FineTuningResult:
    """History of a training; the model has the weights of `best_step`."""

    history: list[Check]
    best_step: int


def fine_tune(
    model: Any,
    examples: Sequence[Example],
    held_out: Sequence[Example],
    recipe: Recipe,
    *,
    track: Track = iter,
    checkpoint: Checkpoint | None = None,
) -> FineTuningResult:
    """Train the weights that require a gradient.

    The model is changed in place, and left in evaluation mode.

    Parameters
    ----------
    model : transformers or peft model
    examples, held_out : sequence of Example
        Examples for training and for early stopping.
    recipe : Recipe
    track : callable
        Wraps the steps, for example in a progress bar.
    checkpoint : Checkpoint, optional
        Where the training saves its state, and resumes.

    Raises
    ------
    ValueError
        If there are no examples or no held-out examples.
    """
    if not examples or not held_out:
        raise ValueError(
            f"{len(examples)} examples and {len(held_out)} held out; expected at least one of each"
        )
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    progress = iter(track(range(1, recipe.steps + 1)))
    batches = _batches(len(examples), recipe)

    def round_of(number: int) -> list[Tensor]:
        """Return the batches up to the next check."""
        return batches[(number - 1) * recipe.check_every : number * recipe.check_every]

    def loss(rows: Tensor) -> Iterator[Tensor]:
        next(progress, None)
        batch = [examples[index] for index in rows.tolist()]
        counted = sum(example.counted for example in batch)
        return (negative_log_likelihood(model, example) / counted for example in batch)

    with seeded(recipe.seed):
        fitted = fit(
            model,
            optimiser,
            Objective(round_of, loss, lambda judged: Validation(mean_loss(judged, held_out))),
            Settings(
                epochs=math.ceil(recipe.steps / recipe.check_every),
                rate=Cosine(
                    recipe.steps,
                    int(recipe.warm_up * recipe.steps),
                    recipe.lowest_rate / recipe.learning_rate,
                ),
                clip=recipe.clip,
                patience=recipe.patience,
            ),
            checkpoint=checkpoint,
        )
    history = [
        Check(min(check.epoch * recipe.check_every, recipe.steps), check.train_loss, check.validation_loss)
        for check in fitted.history
    ]
    return FineTuningResult(history, history[fitted.best_epoch - 1].step)


def _batches(examples: int, recipe: Recipe) -> list[Tensor]:
    """Return the batches of all steps: every example once, in a new order each time."""
    generator = torch.Generator().manual_seed(recipe.seed)
    passes = math.ceil(recipe.steps * recipe.batch_size / examples)
    order = torch.cat([torch.randperm(examples, generator=generator) for _ in range(passes)])
    return list(order.split(recipe.batch_size)[: recipe.steps])

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

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from methods.language.perplexity import Example, mean_loss, negative_log_likelihood
from methods.vision.training import rate_factor

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

    Raises
    ------
    ValueError
        If there are no examples or no held-out examples.
    """
    if not examples or not held_out:
        raise ValueError(
            f"{len(examples)} examples and {len(held_out)} held out; expected at least one of each"
        )
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    optimiser = torch.optim.AdamW(weights.values(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    warm_up, lowest = int(recipe.warm_up * recipe.steps), recipe.lowest_rate / recipe.learning_rate
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: rate_factor(step, recipe.steps, warm_up, lowest)
    )
    batches = _batches(examples, recipe)
    history: list[Check] = []
    best, best_weights, losses = 0, _copy(weights), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        for step in track(range(1, recipe.steps + 1)):
            model.train()
            losses.append(_step(model, next(batches), optimiser, weights, recipe))
            schedule.step()
            if step % recipe.check_every and step < recipe.steps:
                continue
            validation_loss = mean_loss(model, held_out)
            history.append(Check(step, sum(losses) / len(losses), validation_loss))
            losses = []
            if validation_loss <= min(check.validation_loss for check in history):
                best, best_weights = len(history), _copy(weights)
            elif len(history) - best >= recipe.patience:
                break
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(best_weights[name])
    model.eval()
    return FineTuningResult(history, history[best - 1].step)


def _copy(weights: dict[str, Any]) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in weights.items()}


def _batches(examples: Sequence[Example], recipe: Recipe) -> Iterator[list[Example]]:
    """Yield batches without end: every example once, in a new order each time."""
    generator = torch.Generator().manual_seed(recipe.seed)
    remaining: list[int] = []
    while True:
        while len(remaining) < recipe.batch_size:
            remaining += torch.randperm(len(examples), generator=generator).tolist()
        batch, remaining = remaining[: recipe.batch_size], remaining[recipe.batch_size :]
        yield [examples[index] for index in batch]


def _step(
    model: Any,
    batch: list[Example],
    optimiser: torch.optim.Optimizer,
    weights: dict[str, Any],
    recipe: Recipe,
) -> float:
    counted = sum(example.counted for example in batch)
    optimiser.zero_grad(set_to_none=True)
    total = 0.0
    for example in batch:
        loss = negative_log_likelihood(model, example) / counted
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(weights.values(), recipe.clip)
    optimiser.step()
    return total

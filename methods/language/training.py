"""Fine-tune a causal language model: AdamW, warm-up and cosine, clipped gradients, early stopping.

The loss of a batch is the mean over its tokens that count (an answer's, or all of a text's). Examples
pass one by one, without padding, and their gradients add up.

References
----------
Specification 2, sections 2.3, 2.4, 6.1-6.3 and 7.6 as corrected (stop when the best validation loss is
`patience` checks old; restore the best weights).
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
    """How to train.

    Attributes
    ----------
    steps : int
        At most so many updates.
    batch_size : int
        Examples an update.
    learning_rate, lowest_rate : float
        At the top and at the end of the cosine.
    warm_up : float
        Share of the steps, 0 to below 1.
    weight_decay : float
    clip : float
        Largest norm of the gradient.
    check_every : int
        Steps between two looks at the validation loss.
    patience : int
        Checks without a better one after which training stops.
    seed : int
        Of the order and of dropout.
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
    """Losses a token at a check; the training loss is the mean since the last one."""

    step: int
    train_loss: float
    validation_loss: float


@dataclass(frozen=True)
class Tuned:
    """What was seen on the way; the model has the weights of `best_step`."""

    history: list[Check]
    best_step: int


def fine_tune(
    model: Any,
    examples: Sequence[Example],
    held_out: Sequence[Example],
    recipe: Recipe,
    *,
    track: Track = iter,
) -> Tuned:
    """Train the weights that ask for a gradient; the model is changed in place and left in evaluation mode.

    Parameters
    ----------
    model : transformers or peft model
    examples, held_out : sequence of Example
        To learn from, and to stop by.
    recipe : Recipe
    track : callable
        Wraps the steps, to show progress.

    Raises
    ------
    ValueError
        If there is nothing to learn from or to stop by.
    """
    if not examples or not held_out:
        raise ValueError(f"{len(examples)} examples and {len(held_out)} held out; expected some of both")
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    optimiser = torch.optim.AdamW(weights.values(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    warm_up, lowest = int(recipe.warm_up * recipe.steps), recipe.lowest_rate / recipe.learning_rate
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: rate_factor(step, recipe.steps, warm_up, lowest)
    )
    batches = _batches(examples, recipe)
    history: list[Check] = []
    best, best_weights, losses = 0, _copied(weights), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        for step in track(range(1, recipe.steps + 1)):
            model.train()
            losses.append(_step(model, next(batches), optimiser, weights, recipe))
            schedule.step()
            if step % recipe.check_every and step < recipe.steps:
                continue
            found = mean_loss(model, held_out)
            history.append(Check(step, sum(losses) / len(losses), found))
            losses = []
            if found <= min(check.validation_loss for check in history):
                best, best_weights = len(history), _copied(weights)
            elif len(history) - best >= recipe.patience:
                break
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(best_weights[name])
    model.eval()
    return Tuned(history, history[best - 1].step)


def _copied(weights: dict[str, Any]) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in weights.items()}


def _batches(examples: Sequence[Example], recipe: Recipe) -> Iterator[list[Example]]:
    """Batches without end: every example once, in a new order each time."""
    generator = torch.Generator().manual_seed(recipe.seed)
    waiting: list[int] = []
    while True:
        while len(waiting) < recipe.batch_size:
            waiting += torch.randperm(len(examples), generator=generator).tolist()
        batch, waiting = waiting[: recipe.batch_size], waiting[recipe.batch_size :]
        yield [examples[place] for place in batch]


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

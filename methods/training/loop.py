"""Train a model: one loop for every neural stage.

    for each epoch:   for each batch of rows:   g = gradient of the loss, clipped;   update the weights
                      validate;   keep the best weights;   stop if they are `patience` epochs old

The caller builds the model and the optimiser, and says how a batch gives a loss. The loop does what all
trainings share: learning rates, clipping, averaged weights, bfloat16, early stopping that restores the
best weights, and checkpoints from which a killed training resumes with equal bits.

    with seeded(0) as generator:
        model = nn.Linear(4, 1)
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
        objective = Objective(
            batches=shuffled(torch.arange(len(x)), 64, generator),
            loss=lambda rows: functional.mse_loss(model(x[rows]), y[rows]),
            validate=lambda model: Validation(float(functional.mse_loss(model(x_later), y_later))),
            generators=(generator,),
        )
        fitted = fit(model, optimiser, objective, Settings(epochs=100, patience=10))

References
----------
Specification 2 §6 and §7.6 as corrected (stop when the best validation loss is `patience` epochs old, then
restore the best weights); specification 3 §11.2. Loshchilov and Hutter (2019) for AdamW.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor, nn

from methods.training import checkpoint as files
from methods.training.checkpoint import Checkpoint
from methods.training.randomness import Generator
from methods.training.schedule import Plateau
from methods.training.state import Epoch, TrainingState

Loss: TypeAlias = Tensor | Iterator[Tensor]


@dataclass(frozen=True)
class Validation:
    """Loss of a model on held-out data, and further scores for the history."""

    loss: float
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Objective:
    """Loss to minimise, and the data that it is computed on.

    Attributes
    ----------
    batches : callable
        Takes the number of an epoch, from 1, and returns the rows of each of its batches. A training that
        resumes within an epoch does not call it again for that epoch.
    loss : callable
        Takes the rows of a batch and returns its mean loss, a scalar with a gradient. An iterator of scalars
        is a sum of parts: each is differentiated before the next one is computed, which needs the memory of
        one part only.
    validate : callable, optional
        Takes the model whose weights are judged: the average of the weights if there is one. It is called
        without gradients and in evaluation mode. Without it no training stops early, and the last weights
        are kept.
    generators : sequence of torch.Generator or numpy.random.Generator
        The generators from which `batches` and `loss` draw, beside the global ones. A checkpoint has their
        states.
    """

    batches: Callable[[int], Sequence[Tensor]]
    loss: Callable[[Tensor], Loss]
    validate: Callable[[nn.Module], Validation] | None = None
    generators: Sequence[Generator] = ()


@dataclass(frozen=True)
class Settings:
    """Settings of the loop; those of AdamW are given to the optimiser itself.

    Attributes
    ----------
    epochs : int
        Maximum number of epochs.
    rate : callable, optional
        Factor of the learning rates at each update, counted from 0, such as `Cosine`. By default 1.
    plateau : Plateau, optional
        Reduction of the rates when the validation loss no longer falls.
    clip : float
        Maximum norm of the gradient of all weights.
    average : float
        Decay per update of the exponential moving average of the weights, 0 to below 1. The average is
        validated and returned. At 0 there is no average.
    patience : int, optional
        Training stops when the lowest validation loss is this many epochs old. By default it never does.
    bfloat16 : bool
        Whether to compute the loss in mixed precision: matrix products in bfloat16, weights, gradients and
        updates in float32.
    """

    epochs: int
    rate: Callable[[int], float] | None = None
    plateau: Plateau | None = None
    clip: float = math.inf
    average: float = 0.0
    patience: int | None = None
    bfloat16: bool = False


@dataclass(frozen=True)
class Fit:
    """History of a training, and the epoch whose weights the model has, from 1."""

    history: list[Epoch]
    best_epoch: int


def fit(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    objective: Objective,
    settings: Settings,
    *,
    checkpoint: Checkpoint | None = None,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Fit:
    """Train a model in place, and leave it with its best weights in evaluation mode.

    Parameters
    ----------
    model : Module
        Weights that require no gradient stay as they are and are not copied.
    optimiser : Optimizer
        Its rates are the maximum of the schedule.
    objective : Objective
    settings : Settings
    checkpoint : Checkpoint, optional
        Where to save the state. A training that was interrupted resumes there, at the same update of the
        same epoch, and ends with the same bits.
    track : callable
        Wraps the epochs, for example in a progress bar.

    Raises
    ------
    ValueError
        If a loss is not finite, or the checkpoint belongs to another training.
    """
    state = TrainingState.start(model, optimiser, settings.average)
    settings_text = re.sub(" at 0x[0-9a-f]+", "", repr(settings))  # functions have another address each time
    if checkpoint is not None and (saved := files.read(checkpoint.folder)):
        state.restore(saved, objective.generators, settings_text)

    def save(*, end: bool = False) -> None:
        if checkpoint is not None and (end or state.updates % checkpoint.every == 0):
            files.write(checkpoint.folder, state.saved(objective.generators, settings_text))

    for epoch in track(range(state.epoch, 0 if state.stopped else settings.epochs + 1)):
        if not state.batches:
            state.begin(epoch, objective.batches(epoch))
        model.train()
        while state.position < len(state.batches):
            _update(state, objective, settings)
            save()
        _end_epoch(state, objective, settings)
        save(end=state.stopped or epoch == settings.epochs)
        if state.stopped:
            break
    state.restore_best()
    model.eval()
    return Fit(state.history, state.best_epoch)


def _update(state: TrainingState, objective: Objective, settings: Settings) -> None:
    rows = state.batches[state.position]
    state.set_rates(1.0 if settings.rate is None else settings.rate(state.updates))
    state.optimiser.zero_grad(set_to_none=True)
    total = 0.0
    for part in _parts(objective.loss, rows, state.device, settings.bfloat16):
        part.backward()
        total += float(part.detach())
    _require_finite(state.epoch, "loss", total)
    if math.isfinite(settings.clip):
        nn.utils.clip_grad_norm_(state.learnt.values(), settings.clip)
    state.optimiser.step()
    state.count(total, len(rows))


def _parts(
    loss: Callable[[Tensor], Loss], rows: Tensor, device: torch.device, bfloat16: bool
) -> Iterator[Tensor]:
    """Yield the parts of a loss; only their forward passes are in mixed precision."""

    def mixed() -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16)

    with mixed():
        value = loss(rows)
    if isinstance(value, Tensor):
        yield value
        return
    while True:
        with mixed():
            part = next(value, None)
        if part is None:
            return
        yield part


def _end_epoch(state: TrainingState, objective: Objective, settings: Settings) -> None:
    judged = state.judged
    if objective.validate is None:
        state.end_epoch(math.nan, {}, best=True)
        return
    judged.eval()
    with torch.no_grad():
        validation = objective.validate(judged)
    _require_finite(state.epoch, "validation loss", validation.loss)
    lowest = min((epoch.validation_loss for epoch in state.history), default=math.inf)
    state.end_epoch(validation.loss, validation.scores, best=validation.loss < lowest)
    if settings.plateau is not None:
        state.plateau.update(settings.plateau, validation.loss)
    if settings.patience is not None:
        state.stopped = len(state.history) - state.best_epoch >= settings.patience


def _require_finite(epoch: int, name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"epoch {epoch}: {name} {value}; expected a finite number, lower the learning rate")

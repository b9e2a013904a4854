"""State of a training that changes from update to update, and its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from methods.training.checkpoint import Saved
from methods.training.randomness import Generator, RandomStates, random_states, restore_random_states
from methods.training.schedule import PlateauState


@dataclass(frozen=True)
class Epoch:
    """Losses and scores of one epoch; `rate` is that of its last update.

    `train_loss` is the mean over the rows, while the weights changed. `validation_loss` is NaN if there is
    no validation.
    """

    epoch: int
    rate: float
    train_loss: float
    validation_loss: float
    scores: Mapping[str, float]


@dataclass
class TrainingState:
    """Model, optimiser, average of the weights, position in the data, and history."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    average: AveragedModel | None
    best: dict[str, Tensor]
    top_rates: list[float]
    epoch: int = 1
    batches: Sequence[Tensor] = ()
    position: int = 0
    updates: int = 0
    rate: float = 0.0
    loss: float = 0.0
    rows: int = 0
    stopped: bool = False
    best_epoch: int = 0
    plateau: PlateauState = field(default_factory=PlateauState)
    history: list[Epoch] = field(default_factory=list)

    @classmethod
    def start(cls, model: nn.Module, optimiser: torch.optim.Optimizer, decay: float) -> TrainingState:
        """Return the state before the first update."""
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None
        rates = [group["lr"] for group in optimiser.param_groups]
        return cls(model, optimiser, average, _copy(changing(model)), rates)

    @cached_property
    def learnt(self) -> dict[str, Tensor]:
        """Weights of the model that require a gradient."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return next(self.model.parameters()).device

    @property
    def judged(self) -> nn.Module:
        """Model that is validated: with averaged weights, if there is an average."""
        return self.model if self.average is None else self.average.module

    def begin(self, epoch: int, batches: Sequence[Tensor]) -> None:
        """Start an epoch with its batches.

        Raises
        ------
        ValueError
            If there are none.
        """
        if not len(batches):
            raise ValueError(f"epoch {epoch} has no batches; expected at least one, with rows to train on")
        self.epoch, self.batches, self.position, self.loss, self.rows = epoch, batches, 0, 0.0, 0

    def set_rates(self, factor: float) -> None:
        """Set the rates of the optimiser to a share of their maxima."""
        for group, top in zip(self.optimiser.param_groups, self.top_rates, strict=True):
            group["lr"] = top * factor * self.plateau.scale
        self.rate = self.optimiser.param_groups[0]["lr"]

    def count(self, loss: float, rows: int) -> None:
        """Record an update: average the weights, add the loss, and advance."""
        if self.average is not None:
            self.average.update_parameters(self.model)
        self.loss, self.rows = self.loss + loss * rows, self.rows + rows
        self.position, self.updates = self.position + 1, self.updates + 1

    def end_epoch(self, validation_loss: float, scores: Mapping[str, float], *, best: bool) -> None:
        """Record an epoch and, if it is the best, its weights."""
        mean = self.loss / self.rows
        self.history.append(Epoch(self.epoch, self.rate, mean, validation_loss, dict(scores)))
        if best:
            self.best_epoch, self.best = self.epoch, _copy(changing(self.judged))
        self.epoch, self.batches = self.epoch + 1, ()

    def restore_best(self) -> None:
        """Give the model the weights of its best epoch."""
        _assign(changing(self.model), self.best)

    def saved(self, generators: Sequence[Generator], settings: str) -> Saved:
        """Return all that determines the rest of the training."""
        random = random_states(generators)
        slots = self.optimiser.state_dict()["state"]
        tensors: dict[str, Tensor] = {
            **_prefixed("model", changing(self.model)),
            **_prefixed("best", self.best),
            **_prefixed("random", random.tensors),
            **({"batches": torch.cat(list(self.batches))} if self.batches else {}),
            **_prefixed(
                "optimiser", {f"{i}.{key}": t for i, slot in slots.items() for key, t in slot.items()}
            ),
        }
        if self.average is not None:
            tensors |= _prefixed("average", changing(self.average))
        values = {name: getattr(self, name) for name in _PLAIN}
        return Saved(
            tensors,
            {
                **values,
                "batches": [len(rows) for rows in self.batches],
                "plateau": asdict(self.plateau),
                "history": [asdict(epoch) for epoch in self.history],
                "random": random.values,
                "training": self._identity(settings),
            },
        )

    def restore(self, saved: Saved, generators: Sequence[Generator], settings: str) -> None:
        """Set everything to a saved state.

        Raises
        ------
        ValueError
            If the state was saved with other settings, or for a model of other shapes.
        """
        values = saved.values
        if values["training"] != self._identity(settings):
            raise ValueError(
                f"the checkpoint is of the training {values['training']}, but this is "
                f"{self._identity(settings)}; train with those settings, or delete the checkpoint"
            )
        _assign(changing(self.model), _part(saved, "model"))
        if self.average is not None:
            _assign(changing(self.average), _part(saved, "average"))
        self.best = _part(saved, "best")
        self._restore_optimiser(_part(saved, "optimiser"))
        sizes = values["batches"]
        self.batches = saved.tensors["batches"].split(sizes) if sizes else ()
        for name in _PLAIN:
            setattr(self, name, values[name])
        self.plateau = PlateauState(**values["plateau"])
        self.history = [Epoch(**epoch) for epoch in values["history"]]
        restore_random_states(RandomStates(_part(saved, "random"), values["random"]), generators)

    def _restore_optimiser(self, tensors: Mapping[str, Tensor]) -> None:
        slots: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            index, _, name = key.partition(".")
            slots.setdefault(int(index), {})[name] = tensor
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": slots, "param_groups": groups})

    def _identity(self, settings: str) -> dict[str, Any]:
        shapes = {name: list(weight.shape) for name, weight in changing(self.model).items()}
        return {"settings": settings, "optimiser": type(self.optimiser).__name__, "shapes": shapes}


_PLAIN = ("epoch", "position", "updates", "rate", "loss", "rows", "stopped", "best_epoch")
"""Fields of the state that JSON holds as they are. A float64 keeps all its bits."""


def changing(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors that a training may change: learnt weights, and buffers.

    Frozen weights are left out, so that an adapter of a large model has small copies.
    """
    learnt = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    return learnt | dict(model.named_buffers())


def _copy(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@torch.no_grad()
def _assign(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    # Copying keeps the memory of the weights: the optimiser refers to it, and its alignment, on which the
    # order of vectorised sums depends, stays that of a training without interruption.
    for name, tensor in tensors.items():
        tensor.copy_(values[name])


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def _part(saved: Saved, prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}/"
    return {
        name.removeprefix(start): tensor.clone()
        for name, tensor in saved.tensors.items()
        if name.startswith(start)
    }

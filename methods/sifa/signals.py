"""Classify signals whose class does not change when they are shifted.

    lifted:     convolutions that wrap around, block means                  20 tokens
    attended:   tokens + SymmetricInformationField(tokens), no positions    20 tokens, and 10 blocks of them
    pooled:     mean and maximum over tokens; logits

The group is the cyclic group of the places. A convolution lifts a signal to it: channel c at place h is the
filter c, shifted by h, times the signal. What follows commutes with shifts: attention without positions
commutes with every order of the tokens, so the field itself has the trivial group. Block means keep the
shifts by whole blocks only: the logits are invariant under shifts by multiples of 4 of the 40 places, and by
multiples of 2 without coarse blocks.

Without the symmetry convolutions end at the edges, the field knows the positions, and the head reads every
token at its place, through a projection that makes the number of parameters about the same.

References
----------
Greydanus and Kobak, "Scaling down deep learning with MNIST-1D", ICML (2024): its signals are shifted along a
circle before noise is added.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.sifa.fitting import Recipe, minimise
from methods.sifa.groups import cyclic
from methods.sifa.layers import SymmetricInformationField
from methods.sifa.model import ABLATIONS, Array, Parts, Settings, Task, Trained
from methods.sifa.regularise import bottleneck
from methods.sifa.renormalise import coarsen_tokens
from methods.training import seeded

RECIPE = Recipe(epochs=12, batch=100, rate=6e-3, decay=0.05, step=0.3, friction=0.35, potential=5e-4)


@dataclass(frozen=True)
class Size:
    """Channels of the convolutions, and other sizes."""

    first: int = 24
    second: int = 48
    heads: int = 4
    rank: int = 2
    positions: int = 16
    places: int = 6
    dropout: float = 0.2


class SignalField(nn.Module):
    """Classify signals with logits that shifts by whole blocks do not change.

    Parameters
    ----------
    points : int
        Length of a signal, a multiple of 4.
    classes : int
    parts : Parts
        `symmetry`, `metric` and `renormalise` change the network.
    size : Size
    """

    def __init__(self, points: int, classes: int, parts: Parts, size: Size) -> None:
        super().__init__()
        self.parts = parts

        def stage(inputs: int, outputs: int, width: int) -> nn.Module:
            padding: Literal["circular", "zeros"] = "circular" if parts.symmetry else "zeros"
            return nn.Sequential(
                nn.Conv1d(inputs, outputs, width, padding=width // 2, padding_mode=padding, bias=False),
                nn.BatchNorm1d(outputs),
                nn.ReLU(),
            )

        channels = size.second
        self.stem = nn.Sequential(
            stage(1, size.first, 5),
            stage(size.first, size.first, 5),
            nn.AvgPool1d(2),
            stage(size.first, channels, 3),
        )
        self.before = nn.BatchNorm1d(channels)
        self.field = SymmetricInformationField(
            cyclic(1),
            channels,
            size.heads,
            metric=size.rank if parts.metric else 0,
            positions=0 if parts.symmetry else size.positions,
        )
        self.after = stage(channels, channels, 3)
        self.places = None if parts.symmetry else nn.Conv1d(channels, size.places, 1)
        tokens = points // 2 + (points // 4 if parts.renormalise else 0)
        pooled = 2 * channels * (2 if parts.renormalise else 1) if parts.symmetry else size.places * tokens
        self.dropout = nn.Dropout(size.dropout)
        self.head = nn.Linear(pooled, classes)

    def features(self, signals: Tensor) -> Tensor:
        """Return the pooled features, (rows, width), of signals, (rows, points)."""
        line = self.stem(signals[:, None])
        fine = self._pooled(self.after(self._attended(line)))
        if not self.parts.renormalise:
            return fine
        blocks = coarsen_tokens(line.mT, 2).values.mT
        return torch.cat([fine, self._pooled(self._attended(blocks))], dim=1)

    def logits(self, features: Tensor) -> Tensor:
        """Map pooled features to logits."""
        result: Tensor = self.head(self.dropout(features))
        return result

    def forward(self, signals: Tensor) -> Tensor:
        """Map (rows, points) to (rows, classes) logits."""
        return self.logits(self.features(signals))

    def _attended(self, line: Tensor) -> Tensor:
        positions = None
        if not self.parts.symmetry:
            angle = torch.arange(line.shape[-1], dtype=line.dtype) * (2 * math.pi / line.shape[-1])
            positions = torch.stack([angle.cos(), angle.sin()], dim=-1)[None]
        return line + self.field(self.before(line).mT, positions).mT

    def _pooled(self, line: Tensor) -> Tensor:
        if self.places is not None:
            return self.places(line).flatten(1)
        return torch.cat([line.mean(-1), line.amax(-1)], dim=1)


def train(
    variant: str,
    name_of_set: str,
    x: Array,
    y: NDArray[np.float64] | NDArray[np.int64],
    task: Task,
    *,
    seed: int,
    settings: Settings,
) -> Trained:
    """Train the architecture, or the architecture without a part, on signals.

    See `methods.sifa.model.train`. `x` is (rows, points).
    """
    from methods.sifa.size import count_flops, count_parameters

    parts, size = ABLATIONS[variant], Size()
    signals = torch.as_tensor(np.ascontiguousarray(x), dtype=torch.float32)
    labels = torch.as_tensor(np.asarray(y, dtype=np.int64))
    with seeded(seed) as generator:
        model = SignalField(signals.shape[1], task.classes, parts, size)

        def loss(rows: Tensor) -> Tensor:
            batch = signals[rows]
            features = model.features(batch)
            value = functional.cross_entropy(model.logits(features), labels[rows])
            if parts.information:
                term = bottleneck(features, batch, labels[rows], classes=task.classes)
                value = value + settings.information * term
            return value

        losses = minimise(
            model, loss, len(x), RECIPE, settings, symplectic=parts.symplectic, generator=generator
        )
    return Trained(
        predict=partial(predict, model),
        parameters=count_parameters(model),
        flops=count_flops(model, signals[:1]),
        module=model,
        losses=losses,
    )


def predict(model: nn.Module, x: Array) -> Array:
    """Return the probabilities of the classes, (rows, classes)."""
    with torch.no_grad():
        logits: Tensor = model(torch.as_tensor(np.ascontiguousarray(x), dtype=torch.float32))
    return logits.double().softmax(1).numpy()

"""Classify small pictures whose class does not change when they are turned.

    lifted:     convolution with each filter turned to 0, 90, 180 and 270 degrees     8 x 8 pixels, 4 elements
    convolved:  convolutions over pixels and elements, block means                     4 x 4 tokens
    attended:   tokens + gain * (attention of the tokens + attention of their 2 x 2 blocks), a convolution
    pooled:     mean over tokens, then the largest element; logits

Each layer commutes with the turns, which move pixels and permute elements. Only the last step drops the
element, so the logits do not change at all. Without the symmetry the group is trivial and the channels are
twice as many: the number of parameters is the same. That form sees pictures turned at random in training,
where the set has turned pictures.

References
----------
Cohen and Welling, "Group equivariant convolutional networks", ICML (2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.sifa.augmentation import jittered, turned
from methods.sifa.fitting import Recipe, minimise
from methods.sifa.groups import cyclic
from methods.sifa.layers import SymmetricInformationField, grid_positions
from methods.sifa.model import ABLATIONS, Array, Parts, Settings, Task, Trained
from methods.sifa.regularise import bottleneck
from methods.sifa.renormalise import coarsen_grid
from methods.training import seeded

TURNED_SETS = ("digits", "digits500")
"""Sets whose pictures are turned at random, in training and test rows."""

RECIPE = Recipe(epochs=160, batch=50, rate=4e-3, decay=0.05, step=0.45, friction=0.35, potential=1e-3)
MORE_ROWS = Recipe(epochs=80, batch=50, rate=4e-3, decay=0.05, step=0.3, friction=0.35, potential=3e-3)


@dataclass(frozen=True)
class Size:
    """Sizes of the network, and what keeps it from learning few rows by heart.

    Attributes
    ----------
    first, second : int
        Channels of both stages for each of the four elements.
    heads, rank, positions : int
        Attention maps, rank of the metric, features of the positions.
    gain, drop : float
        Factor of what attention adds to the tokens, and the part of the pictures of a batch for which it adds
        nothing (stochastic depth). With 100 rows full attention costs accuracy.
    dropout, smoothing : float
        Of the pooled features, and of the labels.
    """

    first: int = 12
    second: int = 24
    heads: int = 4
    rank: int = 2
    positions: int = 16
    gain: float = 0.1
    drop: float = 0.5
    dropout: float = 0.3
    smoothing: float = 0.1


class TurnedConvolution(nn.Module):
    """Convolution over pixels and the elements of the cyclic group.

    The filter of element h is that of element 0 turned by h, its elements shifted by h. Channels have the
    elements innermost, as the regular representation of `methods.sifa.layers` has.

    Parameters
    ----------
    inputs, outputs : int
        Channels for each element.
    order : int
        1, 2 or 4 turns.
    lifts : bool
        Whether the input has pixels only.
    """

    def __init__(self, inputs: int, outputs: int, order: int, *, lifts: bool = False) -> None:
        super().__init__()
        depth = 1 if lifts else order
        self.order, self.lifts = order, lifts
        self.weight = nn.Parameter(
            torch.randn(outputs, inputs, depth, 3, 3) * math.sqrt(2 / (9 * inputs * depth))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (rows, inputs * elements, side, side) to as many outputs."""
        turns = []
        for element in range(self.order):
            filters = torch.rot90(self.weight, element * 4 // self.order, (-2, -1))
            turns.append(filters if self.lifts else filters.roll(element, 2))
        return functional.conv2d(x, torch.stack(turns, 1).flatten(0, 1).flatten(1, 2), padding=1)


class ElementNorm(nn.Module):
    """Batch normalisation whose statistics are shared by the elements of a channel."""

    def __init__(self, channels: int, order: int) -> None:
        super().__init__()
        self.order = order
        self.norm = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (rows, channels * elements, side, side)."""
        normalised: Tensor = self.norm(x.unflatten(1, (-1, self.order)))
        return normalised.flatten(1, 2)


def stage(inputs: int, outputs: int, order: int, *, lifts: bool = False) -> nn.Module:
    """Return a convolution over pixels and elements, its normalisation and a ReLU."""
    return nn.Sequential(
        TurnedConvolution(inputs, outputs, order, lifts=lifts), ElementNorm(outputs, order), nn.ReLU()
    )


class PictureField(nn.Module):
    """Classify pictures with logits that quarter turns do not change.

    Parameters
    ----------
    classes : int
    parts : Parts
        `symmetry`, `metric` and `renormalise` change the network.
    size : Size
    """

    def __init__(self, classes: int, parts: Parts, size: Size) -> None:
        super().__init__()
        self.order = order = 4 if parts.symmetry else 1
        # Filters of one element with twice the channels have as many parameters as those of four.
        first, second = (size.first, size.second) if parts.symmetry else (2 * size.first, 2 * size.second)
        self.stem = nn.Sequential(
            stage(1, first, order, lifts=True),
            stage(first, first, order),
            nn.AvgPool2d(2),
            stage(first, second, order),
        )
        self.before = ElementNorm(second, order)
        self.field = SymmetricInformationField(
            cyclic(order),
            second * order,
            size.heads,
            representation="regular",
            metric=size.rank if parts.metric else 0,
            positions=size.positions,
        )
        self.after = stage(second, second, order)
        self.renormalise, self.gain, self.drop = parts.renormalise, size.gain, size.drop
        self.dropout = nn.Dropout(size.dropout)
        self.head = nn.Linear(second, classes)
        for side in (4, 2):
            points = torch.tensor(grid_positions(side), dtype=torch.get_default_dtype())[None]
            self.register_buffer(f"positions{side}", points, persistent=False)

    def features(self, pictures: Tensor) -> Tensor:
        """Return the pooled features, (rows, channels), of pictures, (rows, side, side)."""
        grid = self.stem(pictures[:, None])
        change = self._change(grid)
        if self.renormalise:
            blocks = coarsen_grid(grid.movedim(1, -1), 2).values.movedim(-1, 1)
            change = change + functional.interpolate(self._change(blocks), scale_factor=2.0)
        if self.training:
            kept = torch.rand(len(grid), 1, 1, 1, dtype=grid.dtype) >= self.drop
            change = change * kept / (1 - self.drop)
        tokens = self.after(grid + self.gain * change)
        return tokens.mean((2, 3)).unflatten(1, (-1, self.order)).amax(-1)

    def logits(self, features: Tensor) -> Tensor:
        """Map pooled features to logits."""
        result: Tensor = self.head(self.dropout(features))
        return result

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (rows, side, side) to (rows, classes) logits."""
        return self.logits(self.features(pictures))

    def _change(self, grid: Tensor) -> Tensor:
        """Return what attention adds to a grid of tokens."""
        side = grid.shape[-1]
        tokens = self.before(grid).flatten(2).mT
        attended: Tensor = self.field(tokens, getattr(self, f"positions{side}"))
        return attended.mT.unflatten(2, (side, side))


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
    """Train the architecture, or the architecture without a part, on pictures.

    See `methods.sifa.model.train`. `x` is (rows, 8, 8) in [0, 1].
    """
    from methods.sifa.size import count_flops, count_parameters

    parts, size = ABLATIONS[variant], Size()
    pictures = torch.as_tensor(np.ascontiguousarray(x), dtype=torch.float32)
    labels = torch.as_tensor(np.asarray(y, dtype=np.int64))
    with seeded(seed) as generator:
        model = PictureField(task.classes, parts, size)

        def loss(rows: Tensor) -> Tensor:
            batch = pictures[rows]
            if not parts.symmetry and name_of_set in TURNED_SETS:
                batch = turned(batch, generator)
            batch = jittered(batch, generator)
            features = model.features(batch)
            value = functional.cross_entropy(
                model.logits(features), labels[rows], label_smoothing=size.smoothing
            )
            if parts.information:
                term = bottleneck(features, batch, labels[rows], classes=task.classes)
                value = value + settings.information * term
            return value

        losses = minimise(
            model,
            loss,
            len(x),
            RECIPE if len(x) <= 250 else MORE_ROWS,
            settings,
            symplectic=parts.symplectic,
            generator=generator,
        )
    return Trained(
        predict=partial(predict, model),
        parameters=count_parameters(model),
        flops=count_flops(model, pictures[:1]),
        module=model,
        losses=losses,
    )


def predict(model: nn.Module, x: Array) -> Array:
    """Return the probabilities of the classes, (rows, classes)."""
    with torch.no_grad():
        logits: Tensor = model(torch.as_tensor(np.ascontiguousarray(x), dtype=torch.float32))
    return logits.double().softmax(1).numpy()

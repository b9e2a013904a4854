"""Baselines for pictures and signals, without a built-in symmetry.

A plain transformer has as many parameters as the architecture, or as many operations (``plain-flops``); the
same transformer, a convolutional network and a perceptron learn from the rows, ``augmented`` from their
images under the group. Support vector machines stand for the best classical method on few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.sifa.augmentation import jittered
from methods.sifa.model import Array, Parts, Settings, Task, Trained
from methods.sifa.networks import Transformer, convolutional, perceptron
from methods.sifa.size import count_flops, count_parameters, width_for

VARIANTS = ("plain", "plain-flops", "augmented", "cnn", "mlp", "svc", "svc-augmented", "kernel")
SHIFTS = (0, -2, -1, 1, 2)
"""Movements of a signal, in points, that augmentation uses."""
BATCH = 64
UPDATES = 800
"""Updates of the weights at effort 1."""


@dataclass(frozen=True)
class Recipe:
    """Training of a network: rate and decay of AdamW."""

    rate: float = 3e-3
    decay: float = 0.05


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
    """Train one baseline; see `methods.sifa.model.train`.

    Raises
    ------
    ValueError
        If the variant is unknown, or the task is a regression.
    """
    if variant not in VARIANTS or task.kind != "classification":
        raise ValueError(
            f"variant '{variant}' of set '{name_of_set}' ({task.kind}) is unknown; known variants of a "
            f"classification are {', '.join(VARIANTS)}"
        )
    labels = np.asarray(y, np.int64)
    machines = {"svc": "plain", "svc-augmented": "augmented", "kernel": "averaged"}
    if variant in machines:
        from methods.sifa.kernels import train_machine

        return train_machine(x, labels, images_of, form=machines[variant], seed=seed)
    from methods.training import seeded

    with seeded(seed) as generator:
        model = build(variant, x.shape[1:], task.classes)
        model(torch.zeros(2, *x.shape[1:]))  # layers that take the width of their first input
        augment = variant == "augmented"
        return train_network(
            model, x, labels, settings=settings, generator=generator, recipe=Recipe(), augment=augment
        )


def images_of(x: Array) -> Sequence[Array]:
    """Return rows under each element of the group, the identity first."""
    if x.ndim == 3:
        return [np.rot90(x, turns, axes=(1, 2)) for turns in range(4)]
    return [np.roll(x, shift, axis=1) for shift in SHIFTS]


def build(variant: str, shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return an untrained network of a variant."""
    if variant == "cnn":
        return convolutional(shape, classes)
    if variant == "mlp":
        return perceptron(shape, classes)
    parameters, flops = reference_size(shape, classes)
    sizes = {
        "parameters": lambda width: count_parameters(Transformer(shape, classes, width)),
        "flops": lambda width: count_flops(Transformer(shape, classes, width), torch.zeros(1, *shape)),
    }
    measure, wanted = ("flops", flops) if variant == "plain-flops" else ("parameters", parameters)
    return Transformer(shape, classes, width_for(sizes[measure], wanted, range(8, 257, 4)))


def reference_size(shape: tuple[int, ...], classes: int) -> tuple[int, int]:
    """Return parameters and operations of the architecture for examples of a shape."""
    from methods.sifa import images, signals

    whole = (
        images.PictureField(classes, Parts(), images.Size())
        if len(shape) == 2
        else signals.SignalField(shape[0], classes, Parts(), signals.Size())
    )
    return count_parameters(whole), count_flops(whole, torch.zeros(1, *shape))


def train_network(
    model: nn.Module,
    x: Array,
    y: NDArray[np.int64],
    *,
    settings: Settings,
    generator: torch.Generator,
    recipe: Recipe,
    augment: bool,
) -> Trained:
    """Train a classifier by AdamW with a cosine schedule and cross-entropy.

    Parameters
    ----------
    augment : bool
        Whether each row of a batch is moved by a random element of the group, and a picture a little too.
    """
    from methods.training import Cosine, Objective, fit, shuffled
    from methods.training import Settings as Loop

    inputs, labels = torch.as_tensor(x.copy(), dtype=torch.float32), torch.as_tensor(y)
    images = torch.stack([torch.as_tensor(image.copy(), dtype=torch.float32) for image in images_of(x)])
    # Drawn with the image as its own row, so that an epoch has as many updates with augmentation.
    batches = -(-len(x) // BATCH)
    epochs = max(1, round(settings.effort * UPDATES / batches))

    def loss(rows: Tensor) -> Tensor:
        batch = inputs[rows]
        if augment:
            element = torch.randint(len(images), (len(rows),), generator=generator)
            batch = images[element, rows]
            if batch.ndim == 3:  # as the architecture does
                batch = jittered(batch, generator)
        return functional.cross_entropy(model(batch), labels[rows])

    objective = Objective(
        batches=shuffled(torch.arange(len(x)), BATCH, generator), loss=loss, generators=(generator,)
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    loop = Loop(epochs=epochs, rate=Cosine(epochs * batches, warm_up=epochs * batches // 20), clip=1.0)
    fitted = fit(model, optimiser, objective, loop)
    return Trained(
        predict=partial(predict, model),
        parameters=count_parameters(model),
        flops=count_flops(model, inputs[:1]),
        module=model,
        losses=tuple(epoch.train_loss for epoch in fitted.history),
    )


def predict(model: nn.Module, x: Array) -> Array:
    """Return (rows, classes) probabilities of a network."""
    model.eval()
    with torch.no_grad():
        logits: Tensor = model(torch.as_tensor(x.copy(), dtype=torch.float32))
    return logits.double().softmax(dim=1).numpy()

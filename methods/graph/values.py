"""Predict values of the nodes of a graph from features and known values.

    h = layer_2(relu(layer_1([x, m y, m], A)), A) + W [x, m y, m]

``m`` is 1 where the value of a node is given to the model and 0 elsewhere. In training a random fifth of the
known values is hidden in each epoch, and the loss is the squared error of the hidden ones: no node sees
its own value, not even by way of a neighbour (Shi et al., 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.graph.snapshots import SnapshotRecipe, WeightedEncoder
from methods.training import Cosine, Objective, Settings, Validation, fit, seeded

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HIDDEN = 5
"""One in so many known values is hidden in an epoch."""


@dataclass(frozen=True)
class ValueGraph:
    """A weighted graph with features and values of the nodes.

    Attributes
    ----------
    x : Tensor of shape (n, d)
    edges : Tensor of shape (2, E)
        Both directions of each tie.
    weight : Tensor of shape (E,)
    y : Tensor of shape (n, k)
        Values of about unit scale; the model reads those that it is given only.
    """

    x: Tensor
    edges: Tensor
    weight: Tensor
    y: Tensor


@dataclass(frozen=True)
class PredictedValues:
    """Values of all nodes, shape (n, k), and the loss on the validation nodes."""

    values: Floats
    validation_loss: float


def predict_values(
    graph: ValueGraph, train: Ints, validation: Ints, recipe: SnapshotRecipe
) -> PredictedValues:
    """Fit to some nodes, end by others, and return the values of all nodes.

    The prediction gives the model the values of both groups, so it is honest for the other nodes only.
    """
    with seeded(recipe.seed) as generator:
        width = graph.x.shape[1] + graph.y.shape[1] + 1
        model = WeightedEncoder(recipe.name, width, recipe.width, graph.y.shape[1], recipe.dropout)
        known, held = torch.as_tensor(train), torch.as_tensor(validation)

        def loss(rows: Tensor) -> Tensor:
            order = rows[torch.randperm(len(rows), generator=generator)]
            hidden, given = order.split([len(rows) // HIDDEN, len(rows) - len(rows) // HIDDEN])
            return (_values(model, graph, given)[hidden] - graph.y[hidden]).square().mean()

        fitted = fit(
            model,
            torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay),
            Objective(
                lambda _: [known],
                loss,
                lambda judged: Validation(
                    float((_values(judged, graph, known)[held] - graph.y[held]).square().mean())
                ),
                (generator,),
            ),
            Settings(recipe.epochs, Cosine(recipe.epochs, 2), patience=recipe.patience, clip=1.0),
        )
        with torch.no_grad():
            result = _values(model, graph, torch.cat([known, held]))
    lowest = min(epoch.validation_loss for epoch in fitted.history)
    return PredictedValues(result.numpy().astype(float), lowest)


def _values(model: nn.Module, graph: ValueGraph, given: Tensor) -> Tensor:
    mask = graph.x.new_zeros(len(graph.x), 1)
    mask[given] = 1.0
    # A value that is not given is never read: it may be missing.
    shown = torch.where(mask > 0, graph.y, 0.0)
    values: Tensor = model(torch.cat([graph.x, shown, mask], -1), graph.edges, graph.weight)
    return values

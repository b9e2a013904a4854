"""Predict ties of a time from the network of all earlier ties, by layers of PyG.

    h   = layer_2(relu(layer_1(x_t, A_t)), A_t)               A_t: ties strictly earlier than t
    P(tie i, j at t) = sigmoid(MLP([P h_i, Q h_j, P h_i * Q h_j, features of the pair]))

Each moment has its own network and its own features of the nodes. The networks of several moments are one
graph without edges between the moments, so that an epoch has one forward pass. A node without earlier ties
has its features only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.graph.links import Links
from methods.graph.weights import mean_weights, weighted_layer
from methods.training import Cosine, Objective, Settings, Validation, fit, seeded

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Snapshots:
    """Networks of several moments as one graph.

    Attributes
    ----------
    x : Tensor of shape (m n, d)
        Features of the n nodes at each of m moments.
    edges : Tensor of shape (2, E)
        Both directions of each tie, by rows of `x`.
    weight : Tensor of shape (E,)
        Positive weights.
    """

    x: Tensor
    edges: Tensor
    weight: Tensor


def snapshots(
    features: list[Floats], links: Links, weight: Floats, time: Floats, moments: Floats
) -> Snapshots:
    """Return the network of ties strictly before each moment.

    Parameters
    ----------
    features : list of ndarray of shape (n, d)
        Features of the nodes at each moment.
    links : ndarray of shape (2, E)
    weight, time : ndarray of shape (E,)
    moments : ndarray of shape (m,)
    """
    nodes = len(features[0])
    parts, weights = [], []
    for number, moment in enumerate(moments):
        earlier = time < moment
        ends = links[:, earlier] + number * nodes
        parts += [ends, ends[::-1]]
        weights += [weight[earlier], weight[earlier]]
    return Snapshots(
        torch.tensor(np.concatenate(features)).float(),
        torch.as_tensor(np.concatenate(parts, axis=1)),
        torch.tensor(np.concatenate(weights)).float(),
    )


@dataclass(frozen=True)
class JudgedPairs:
    """Pairs to judge, by rows of `Snapshots.x`; `y` is 1 for a tie.

    `source`, `target` and `y` have shape (n,), `features` (n, d).
    """

    source: Tensor
    target: Tensor
    features: Tensor
    y: Tensor


@dataclass(frozen=True)
class SnapshotRecipe:
    """Settings of a model of two layers (``gcn``, ``sage`` or ``gat``)."""

    name: str
    width: int = 32
    dropout: float = 0.2
    epochs: int = 40
    patience: int = 12
    learning_rate: float = 3e-2
    weight_decay: float = 1e-3
    seed: int = 0


class WeightedEncoder(nn.Module):
    """Two layers on a weighted graph, beside a linear map of the features."""

    def __init__(self, name: str, features: int, width: int, out: int, dropout: float) -> None:
        super().__init__()
        self.name, self.dropout = name, dropout
        self.first = weighted_layer(name, features, width)
        self.last = weighted_layer(name, width, out, last=True)
        self.own = nn.Linear(features, out)

    def forward(self, x: Tensor, edges: Tensor, weight: Tensor) -> Tensor:
        """Return the states of all nodes, shape (n, out)."""
        if self.name == "sage":
            weight = mean_weights(edges, weight, len(x))
        h = functional.dropout(self.first(x, edges, weight).relu(), self.dropout, self.training)
        states: Tensor = self.last(h, edges, weight) + self.own(x)
        return states


class SnapshotModel(nn.Module):
    """Encoder of the nodes, and the logit of a pair."""

    def __init__(self, nodes: int, pairs: int, recipe: SnapshotRecipe) -> None:
        super().__init__()
        width = recipe.width
        self.encoder = WeightedEncoder(recipe.name, nodes, width, width, recipe.dropout)
        self.source, self.target = nn.Linear(width, width), nn.Linear(width, width)
        self.score = nn.Sequential(
            nn.Linear(3 * width + pairs, width), nn.ReLU(), nn.Dropout(recipe.dropout), nn.Linear(width, 1)
        )

    def forward(self, graph: Snapshots, pairs: JudgedPairs) -> Tensor:
        """Return the logit of each pair."""
        h = self.encoder(graph.x, graph.edges, graph.weight).relu()
        source, target = self.source(h)[pairs.source], self.target(h)[pairs.target]
        logits: Tensor = self.score(torch.cat([source, target, source * target, pairs.features], -1))
        return logits.squeeze(-1)


def fit_snapshots(
    train: tuple[Snapshots, JudgedPairs],
    validation: tuple[Snapshots, JudgedPairs],
    recipe: SnapshotRecipe,
) -> SnapshotModel:
    """Fit to the pairs of some moments; end by the loss on those of later ones.

    Parameters
    ----------
    train, validation : tuple of Snapshots and JudgedPairs
        Features are expected to be of about unit scale.
    recipe : SnapshotRecipe

    Returns
    -------
    SnapshotModel
        The model with the weights of the best epoch, in evaluation mode.
    """
    graph, pairs = train
    with seeded(recipe.seed):
        model = SnapshotModel(graph.x.shape[1], pairs.features.shape[1], recipe)
        fit(
            model,
            torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay),
            Objective(
                lambda _: [torch.arange(1)],  # an epoch has one batch: all moments
                lambda _: functional.binary_cross_entropy_with_logits(model(graph, pairs), pairs.y),
                lambda judged: Validation(
                    float(functional.binary_cross_entropy_with_logits(judged(*validation), validation[1].y))
                ),
            ),
            Settings(recipe.epochs, Cosine(recipe.epochs, 2), patience=recipe.patience, clip=1.0),
        )
    return model

"""Predict links over time by attention over the last events of both nodes.

    h_j   = ReLU(V token of event j)
    a_ij  = softmax_j LeakyReLU(a . [W q_i || W h_j])          over the last k events of node i before t
    z_i   = sum_j a_ij W h_j = W sum_j a_ij h_j
    P(link i, j at t) = sigmoid(MLP([z_i || z_j || features of the pair]))

The attention is that of Velickovic et al. (2018) over neighbours strictly earlier than the event
(specification 3 §3.3.3 as corrected). A token has the logarithm of the age of the event, its direction,
whether it was with the other node of the pair, and how often its partner is among the last events of
either node (Yu et al., 2023). No node has a vector of its own, so new nodes need no training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.graph.encoders import NEGATIVE_SLOPE
from methods.graph.temporal import Events, History, Pairs, Recent, pair_features
from methods.training import Cosine, Objective, Settings, Validation, fit, seeded, shuffled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TOKEN = 7
"""Columns of a token."""


@dataclass(frozen=True)
class Recipe:
    """Settings of the model and its training.

    Attributes
    ----------
    events : int
        Last events of a node that it attends to.
    width, heads : int
        Width of the states, a multiple of the heads.
    with_features : bool
        Whether the last layer also reads the hand-made features of the pair.
    epochs, batch_size, learning_rate, patience, dropout
        Training by AdamW with a cosine schedule and early stopping.
    """

    events: int = 20
    width: int = 32
    heads: int = 4
    with_features: bool = True
    epochs: int = 15
    batch_size: int = 512
    learning_rate: float = 3e-3
    patience: int = 4
    dropout: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Inputs:
    """Tensors of pairs.

    Tokens have shape (n, 2, k, TOKEN), their existence (n, 2, k), features (n, 14).
    """

    tokens: Tensor
    exists: Tensor
    features: Tensor

    def rows(self, index: Tensor) -> Inputs:
        """Return the inputs of some pairs."""
        return Inputs(self.tokens[index], self.exists[index], self.features[index])


class TemporalAttention(nn.Module):
    """Attention over the last events of both nodes of a pair."""

    def __init__(self, features: int, recipe: Recipe, token: int = TOKEN) -> None:
        super().__init__()
        if recipe.width % recipe.heads:
            raise ValueError(f"width is {recipe.width}; expected a multiple of the {recipe.heads} heads")
        width, self.heads, self.with_features = recipe.width, recipe.heads, recipe.with_features
        self.embed = nn.Sequential(nn.Linear(token, width), nn.ReLU())
        self.project = nn.Linear(width, width)
        self.query = nn.Parameter(torch.zeros(2, self.heads))
        self.key = nn.Parameter(torch.randn(self.heads, width // self.heads) * (width // self.heads) ** -0.5)
        read = 2 * width + (features if recipe.with_features else 0)
        self.score = nn.Sequential(
            nn.Dropout(recipe.dropout), nn.Linear(read, 2 * width), nn.ReLU(), nn.Dropout(recipe.dropout),
            nn.Linear(2 * width, 1),
        )  # fmt: skip

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the logit of each pair."""
        h = self.embed(inputs.tokens)
        # W is linear: a . W h = (W' a) . h and sum a W h = W sum a h need no product of W with each event
        matrix = self.project.weight.unflatten(0, (self.heads, -1))
        bias = self.project.bias.unflatten(0, (self.heads, -1))
        score = h @ torch.einsum("hd,hdw->wh", self.key, matrix) + (self.key * bias).sum(-1)
        # a . [W q || W h] is a sum of two terms; the one of the query differs by end of the pair only
        weight = functional.leaky_relu(score + self.query[None, :, None], NEGATIVE_SLOPE)
        exists = inputs.exists[..., None]
        # a node without events has no neighbour to attend to: its state is 0
        weight = weight.masked_fill(~exists, -1e9).softmax(dim=2) * exists
        pooled = weight.transpose(2, 3) @ h
        state = torch.einsum("nshw,hdw->nshd", pooled, matrix) + bias * weight.sum(2)[..., None]
        state = state.flatten(1)
        parts = [state, inputs.features] if self.with_features else [state]
        result: Tensor = self.score(torch.cat(parts, -1)).squeeze(-1)
        return result


def tokens(history: History, pairs: Pairs, events: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Describe the last events of both nodes of each pair.

    Returns
    -------
    (n, 2, k, TOKEN) float32, (n, 2, k) bool
        Tokens, 0 where there is no event; and whether there is one.
    """
    ends = (
        history.recent(pairs.source, pairs.time, events),
        history.recent(pairs.target, pairs.time, events),
    )
    result = np.zeros((len(pairs.time), 2, events, TOKEN), np.float32)
    exists = np.stack([end.partner >= 0 for end in ends], axis=1)
    for side, other in ((0, pairs.target), (1, pairs.source)):
        own, across = ends[side], ends[1 - side]
        result[:, side] = np.stack(
            [
                np.log1p(own.age) / 10, own.sent, own.partner == other[:, None], _share(own, own),
                _share(own, across), np.full(own.age.shape, float(side)), np.ones(own.age.shape),
            ],
            axis=-1,
        )  # fmt: skip
    return result * exists[..., None], exists


def _share(of: Recent, among: Recent) -> Floats:
    """Return the share of a node's last events that are with each partner."""
    result = np.zeros(of.age.shape)
    for column in among.partner.T:
        result += of.partner == column[:, None]
    return result / of.age.shape[1]


class LinkPredictor:
    """A fitted model.

    Parameters
    ----------
    describe : callable
        Returns the features of pairs, shape (n, d), from events strictly earlier than each.
    resemblance : callable, optional
        Takes two arrays of nodes of equal shape and returns how they resemble each other, with one more axis
        of `width`. It is added to each token: the partner of the event beside the other node of the pair.
    width : int
        Columns of `resemblance`.

    Attributes
    ----------
    validation : list of float
        Validation loss by epoch.
    """

    def __init__(
        self,
        events: Events,
        recipe: Recipe,
        describe: Callable[[Events, Pairs], Floats] = pair_features,
        resemblance: Callable[[Ints, Ints], Floats] | None = None,
        width: int = 0,
    ) -> None:
        self.events, self.recipe, self.history = events, recipe, History(events)
        self.describe, self.resemblance, self.width = describe, resemblance, width
        self.mean, self.deviation = np.zeros(1), np.ones(1)
        self.validation: list[float] = []

    def inputs(self, pairs: Pairs) -> Inputs:
        """Return the tensors of pairs."""
        rows, exists = tokens(self.history, pairs, self.recipe.events)
        if self.resemblance is not None:
            rows = np.concatenate([rows, self._resembling(pairs, exists)], axis=-1)
        features = (self.describe(self.events, pairs) - self.mean) / self.deviation
        return Inputs(torch.from_numpy(rows), torch.from_numpy(exists), torch.tensor(features).float())

    def _resembling(self, pairs: Pairs, exists: NDArray[np.bool_]) -> NDArray[np.float32]:
        assert self.resemblance is not None
        parts = []
        for own, other in ((pairs.source, pairs.target), (pairs.target, pairs.source)):
            partner = np.maximum(self.history.recent(own, pairs.time, self.recipe.events).partner, 0)
            parts.append(self.resemblance(partner, np.broadcast_to(other[:, None], partner.shape)))
        return np.asarray(np.stack(parts, axis=1) * exists[..., None], np.float32)

    def predict(self, pairs: Pairs, size: int = 8192) -> Floats:
        """Return the logits of pairs, shape (n,)."""
        inputs = self.inputs(pairs)
        with torch.no_grad():
            index = torch.arange(len(pairs.time))
            parts = [self.model(inputs.rows(part)) for part in index.split(size)]
        return torch.cat(parts).numpy().astype(float)

    def fit(
        self,
        train: tuple[Pairs, Pairs],
        validation: tuple[Pairs, Pairs],
        track: Callable[[Iterable[int]], Iterable[int]] = iter,
    ) -> LinkPredictor:
        """Fit to events and other pairs; end by the loss on later ones."""
        features = self.describe(self.events, joined(*train))
        self.mean, self.deviation = features.mean(0), features.std(0) + 1e-9
        inputs, later = self.inputs(joined(*train)), self.inputs(joined(*validation))
        y, y_later = labels(*train), labels(*validation)
        recipe = self.recipe
        with seeded(recipe.seed) as generator:
            self.model = TemporalAttention(features.shape[1], recipe, TOKEN + self.width)
            steps = recipe.epochs * -(-len(y) // recipe.batch_size)
            fitted = fit(
                self.model,
                torch.optim.AdamW(self.model.parameters(), lr=recipe.learning_rate),
                Objective(
                    shuffled(torch.arange(len(y)), recipe.batch_size, generator),
                    lambda rows: functional.binary_cross_entropy_with_logits(
                        self.model(inputs.rows(rows)), y[rows]
                    ),
                    lambda model: Validation(
                        float(functional.binary_cross_entropy_with_logits(model(later), y_later))
                    ),
                    (generator,),
                ),
                Settings(recipe.epochs, Cosine(steps, steps // 20), patience=recipe.patience, clip=1.0),
                track=track,
            )
        self.validation = [epoch.validation_loss for epoch in fitted.history]
        return self


def joined(*parts: Pairs) -> Pairs:
    """Join pairs in order."""
    return Pairs(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def labels(events: Pairs, others: Pairs) -> Tensor:
    """Return 1 for each event, then 0 for each other pair."""
    return torch.cat([torch.ones(len(events.time)), torch.zeros(len(others.time))])

r"""Attention over past releases of an artist, to correct a state-space model.

Specification 3, §1.1, `eta_i(t) = f(x, l, c, eta_i(t-), Theta_i)`: the past releases (audio x,
lyrics l, context c, fused states eta) are keys and values, the posterior of the artist's own
parameters Theta_i is the query.

.. math::
    \alpha_{ij} &= softmax_j( q_i^T k_j / \sqrt{d} - softplus(\delta) \Delta_{ij} + \beta \log n_j ) \\
    z_i &= [\textstyle\sum_j \alpha_{ij} v_j,\ \theta_i] \\
    y_i &\sim N( m_i + \sqrt{s_i} W z_i',\ s_i e^{g(z_i')} )

with m the forecast of the state-space model, s its variance (including the sampling noise of the
target in training), Δ years and n songs. `W` starts at zero, so training starts at m.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.training import Cosine, Objective, Settings, Validation, fit, seeded, shuffled

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Histories:
    """Past releases of each target, with parameters of its artist.

    Attributes
    ----------
    tokens : (r + 1, f) float32
        One row per release; the last row is all zeros, for padding.
    past : (n, l) int
        Rows of `tokens` that each target attends to; r as padding if there are fewer than l.
    gap : (n, l) float32
        Years from the release to the target.
    songs : (n, l) float32
        Logarithm of the number of songs.
    query : (n, q) float32
        Standardised parameters of the artist.
    prior, variance : (n, d) float32
        Forecast to correct and the variance of its error, including the noise of targets.
    """

    tokens: Floats32
    past: NDArray[np.int64]
    gap: Floats32
    songs: Floats32
    query: Floats32
    prior: Floats32
    variance: Floats32


@dataclass(frozen=True)
class Recipe:
    """Width of the network and settings of its training.

    Attributes
    ----------
    width, heads : int
        Width of keys and values (a multiple of `heads`) and of the hidden layer.
    dropout : float
        Probability, 0 to 1.
    learning_rate, weight_decay : float
        Settings of AdamW; the rate decays to zero along half a cosine.
    epochs, patience : int
        Maximum number of epochs; training stops when the best held-out loss is `patience` epochs old.
    batch_size : int
    seed : int
    """

    width: int
    heads: int
    dropout: float
    learning_rate: float
    weight_decay: float
    epochs: int
    patience: int
    batch_size: int
    seed: int


@dataclass(frozen=True)
class Epoch:
    """Losses of one epoch in nats per value, relative to the state-space model."""

    epoch: int
    train_loss: float
    validation_loss: float


class HistoryAttention(nn.Module):
    """Correct a forecast by attending over past releases.

    Shapes: tokens (b, l, f), gap and songs (b, l), query (b, q) to mean and log-variance
    corrections (b, d) in units of the forecast's standard deviation.
    """

    def __init__(self, inputs: int, query: int, outputs: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width is {width}; expected a multiple of heads = {heads}")
        self.heads = heads
        self.outputs = outputs
        self.embed = nn.Linear(inputs, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.ask = nn.Linear(query, width)
        self.decay = nn.Parameter(torch.linspace(-4.0, 0.0, heads))
        self.trust = nn.Parameter(torch.full((heads,), 0.5))
        self.drop = nn.Dropout(dropout)
        self.hidden = nn.Linear(width + query, width)
        self.direct = nn.Linear(query, outputs, bias=False)
        self.head = nn.Linear(width, 2 * outputs)
        for parameter in (self.head.weight, self.head.bias, self.direct.weight):
            nn.init.zeros_(parameter)

    def attend(
        self, tokens: Tensor, seen: Tensor, gap: Tensor, songs: Tensor, query: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the pooled past (b, width) and the attention weights (b, heads, l)."""
        b, length, _ = tokens.shape
        e = functional.relu(self.embed(tokens))
        k = self.key(e).view(b, length, self.heads, -1)
        v = self.value(e).view(b, length, self.heads, -1)
        q = self.ask(query).view(b, self.heads, -1)
        # sums of products are much faster here than many tiny matrix products
        logits = (q[:, None] * k).sum(dim=-1).transpose(1, 2) / math.sqrt(q.shape[-1])
        logits = (
            logits
            - functional.softplus(self.decay)[:, None] * gap[:, None]
            + self.trust[:, None] * songs[:, None]
        )
        weights = logits.masked_fill(~seen[:, None], -1e9).softmax(dim=-1)
        return (weights.transpose(1, 2)[..., None] * v).sum(dim=1).reshape(b, -1), weights

    def forward(
        self, tokens: Tensor, seen: Tensor, gap: Tensor, songs: Tensor, query: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute corrections of mean and log-variance (b, outputs)."""
        pooled, _ = self.attend(tokens, seen, gap, songs, query)
        z = functional.gelu(self.hidden(self.drop(torch.cat([pooled, query], dim=-1))))
        mean, log_variance = self.head(self.drop(z)).chunk(2, dim=-1)
        return mean + self.direct(query), 2 * torch.tanh(log_variance / 2)


def _tensors(histories: Histories) -> dict[str, Tensor]:
    out = {name: torch.from_numpy(np.ascontiguousarray(getattr(histories, name))) for name in vars(histories)}
    out["seen"] = out["past"] < len(histories.tokens) - 1
    return out


def _apply(model: HistoryAttention, data: dict[str, Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
    tokens = data["tokens"][data["past"][rows]]
    return model(tokens, data["seen"][rows], data["gap"][rows], data["songs"][rows], data["query"][rows])


def gaussian_loss(mean: Tensor, log_variance: Tensor, error: Tensor) -> Tensor:
    """Compute the negative log-likelihood `((e - mean)^2 / v + log v) / 2`."""
    return 0.5 * ((error - mean) ** 2 * torch.exp(-log_variance) + log_variance)


def train(
    histories: Histories,
    truth: Floats32,
    learn: NDArray[np.bool_],
    hold: NDArray[np.bool_],
    weight: Floats32,
    recipe: Recipe,
    track: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> tuple[HistoryAttention, list[Epoch]]:
    """Train the correction; return the model of the best held-out epoch.

    Parameters
    ----------
    histories : Histories
    truth : (n, d) float32
        Only rows of `learn` and `hold` are read.
    learn, hold : (n,) bool
        Training rows, and held-out rows for early stopping.
    weight : (d,) float32
        Weight of each dimension in the loss.
    recipe : Recipe
    """
    torch.use_deterministic_algorithms(True)
    with seeded(recipe.seed) as generator:
        model = HistoryAttention(
            histories.tokens.shape[1], histories.query.shape[1], truth.shape[1],
            recipe.width, recipe.heads, recipe.dropout,
        )  # fmt: skip
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        data = _tensors(histories)
        error = (torch.from_numpy(truth) - data["prior"]) / data["variance"].sqrt()
        weights = torch.from_numpy(weight / weight.sum())
        rows, held_out = (torch.from_numpy(np.flatnonzero(mask)) for mask in (learn, hold))

        def loss(part: Tensor) -> Tensor:
            mean, log_variance = _apply(model, data, part)
            return (gaussian_loss(mean, log_variance, error[part]) * weights).sum(dim=-1).mean()

        fitted = fit(
            model,
            optimiser,
            Objective(
                shuffled(rows, recipe.batch_size, generator),
                loss,
                lambda _: Validation(float(loss(held_out))),
                (generator,),
            ),
            Settings(
                epochs=recipe.epochs,
                rate=Cosine(recipe.epochs, every=math.ceil(len(rows) / recipe.batch_size)),
                clip=1.0,
                patience=recipe.patience,
            ),
            track=track,
        )
    return model, [Epoch(e.epoch, e.train_loss, e.validation_loss) for e in fitted.history]


def predict(model: HistoryAttention, histories: Histories) -> tuple[Floats32, Floats32]:
    """Compute the corrected forecast and the factor of its variance, (n, d) each."""
    data = _tensors(histories)
    with torch.no_grad():
        parts = [_apply(model, data, rows) for rows in torch.arange(len(histories.past)).split(2048)]
    mean = torch.cat([part[0] for part in parts])
    log_variance = torch.cat([part[1] for part in parts])
    corrected = data["prior"] + data["variance"].sqrt() * mean
    return corrected.numpy(), torch.exp(log_variance).numpy()

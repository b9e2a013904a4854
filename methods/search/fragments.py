"""Predict the cost of a program by attention between its fragments.

A program is a sequence of positions (engine, threads, batch size, operators), and each position has
alternative fragments. The fragment `c_i` at position `i` asks the fragments before it and the features of
the tables what it costs there::

    q_i = E[c_i] + P_i
    a_i = Attention(q_i, {x_f U_f + V_f} and {E[c_j] + P_j, j < i})
    s_i = MLP([q_i; a_i])
    log cost = s_1 + ... + s_p

A score depends on earlier fragments only, so a prefix of a program has the same score in every program that
starts with it, and a layer is chosen given the layers before it. Only differences between programs of one
group (one specification on one table) are learnt, since a choice needs no more.

References
----------
Specification 5 §3, as corrected. Gorishniy et al. (2021), Revisiting Deep Learning Models for Tabular Data:
a number `x_f` as the token ``x_f U_f + V_f``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

WIDTH, HEADS, HIDDEN = 16, 2, 32


@dataclass(frozen=True)
class Programs:
    """Programs as numbers.

    Attributes
    ----------
    fragments : (n, positions) of int
        Number of the fragment at each position, in one vocabulary for all positions.
    features : (n, features) of float
        Features of the tables and of the specification, such as the logarithm of the rows.
    vocabulary : int
        Number of fragments that exist; also those that no program has.
    """

    fragments: Whole
    features: Floats
    vocabulary: int


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation by which features are standardised."""

    mean: Floats
    deviation: Floats

    def __call__(self, features: Floats) -> Floats:
        """Return standardised features."""
        return (features - self.mean) / self.deviation


@dataclass(frozen=True)
class CostModel:
    """Trained model: its network and the scale of its features."""

    network: nn.Module
    scale: Scale

    def predict(self, programs: Programs) -> Floats:
        """Return predicted log costs, (n, costs), comparable within one group."""
        return self.scores(programs).sum(axis=1)

    def scores(self, programs: Programs) -> Floats:
        """Return scores, (n, positions, costs); their sum is the prediction."""
        import torch

        with torch.no_grad():
            scores, _ = self.network(*_tensors(programs, self.scale))
        return np.asarray(scores.numpy(), np.float64)

    def weights(self, programs: Programs) -> Floats:
        """Return the weights of attention, (n, positions, features + positions).

        They are means over heads. The first keys are features, the others positions; a position reads earlier
        ones only.
        """
        import torch

        with torch.no_grad():
            _, weights = self.network(*_tensors(programs, self.scale))
        return np.asarray(weights.mean(dim=1).numpy(), np.float64)


def fit(
    programs: Programs,
    log_costs: Floats,
    groups: NDArray[np.generic],
    *,
    seed: int,
    epochs: int = 300,
    attend: bool = True,
) -> CostModel:
    """Fit the model to measured programs of several groups.

    Parameters
    ----------
    programs : Programs
    log_costs : (n, costs)
        Natural logarithms of the costs, such as CPU and wall seconds.
    groups : (n,)
        Group of each program; the mean of each group is removed.
    seed : int
    epochs : int
        Updates with all programs.
    attend : bool
        Without it, a position reads the features but not earlier fragments: the ablation.

    Raises
    ------
    ValueError
        If the lengths differ or a cost is not finite.
    """
    import torch

    if not len(programs.fragments) == len(programs.features) == len(log_costs) == len(groups):
        raise ValueError(
            f"{len(programs.fragments)} programs, {len(programs.features)} rows of features, "
            f"{len(log_costs)} costs and {len(groups)} groups; expected equal numbers"
        )
    if not np.isfinite(log_costs).all():
        raise ValueError("a log cost is not finite; leave out programs that failed")
    _, number = np.unique(groups, return_inverse=True)
    centred = log_costs - _group_means(log_costs, number)[number]
    deviation = programs.features.std(axis=0)
    scale = Scale(programs.features.mean(axis=0), np.where(deviation > 0, deviation, 1.0))
    torch.manual_seed(seed)
    network = _network(programs, log_costs.shape[1], attend)
    inputs = _tensors(programs, scale)
    target = torch.as_tensor(centred, dtype=torch.float32)
    group = torch.as_tensor(number)
    counts = torch.bincount(group)[:, None]
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        optimiser.zero_grad()
        predicted = network(*inputs)[0].sum(dim=1)
        means = torch.zeros(len(counts), predicted.shape[1]).index_add_(0, group, predicted) / counts
        loss = (predicted - means[group] - target).square().mean()
        loss.backward()
        optimiser.step()
        schedule.step()
    return CostModel(network.eval(), scale)


def _group_means(values: Floats, number: NDArray[np.intp]) -> Floats:
    sums = np.zeros((int(number.max()) + 1, values.shape[1]))
    np.add.at(sums, number, values)
    return sums / np.bincount(number)[:, None]


def _tensors(programs: Programs, scale: Scale) -> tuple[Tensor, Tensor]:
    import torch

    features = torch.as_tensor(scale(programs.features), dtype=torch.float32)
    return torch.as_tensor(programs.fragments), features


def _network(programs: Programs, costs: int, attend: bool) -> nn.Module:
    """Return the untrained network for the positions and features of the programs."""
    import torch
    from torch import nn

    from methods.attention import MultiHeadAttention

    positions, features = programs.fragments.shape[1], programs.features.shape[1]
    earlier = torch.ones(positions, positions).tril(-1).bool() & attend
    readable = torch.cat([torch.ones(positions, features).bool(), earlier], dim=1)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fragment = nn.Embedding(programs.vocabulary, WIDTH)
            self.position = nn.Parameter(0.1 * torch.randn(positions, WIDTH))
            self.slope = nn.Parameter(0.3 * torch.randn(features, WIDTH))
            self.level = nn.Parameter(0.3 * torch.randn(features, WIDTH))
            self.attention = MultiHeadAttention(WIDTH, HEADS)
            self.head = nn.Sequential(nn.Linear(2 * WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, costs))

        def forward(self, fragments: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            queries = self.fragment(fragments) + self.position
            numbers = values[..., None] * self.slope + self.level
            mask = readable.expand(len(fragments), -1, -1)
            attended, weights = self.attention(queries, torch.cat([numbers, queries], dim=1), mask)
            return self.head(torch.cat([queries, attended], dim=-1)), weights

    return Network()

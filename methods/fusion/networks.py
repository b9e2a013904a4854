"""Networks of the neural operators: components of the modalities in, scores out.

Every network takes the principal components of each modality and the mask of the present ones, and returns
one score for each class, or one value. An absent modality has no effect on them.

| network | model |
| --- | --- |
| `TensorNetwork` | `sum_i alpha_i T_i (x) W_i` of encoded modalities, then a linear map |
| `InteractionNetwork` | low-rank products of all modalities, beside their sum |
| `AttentionNetwork` | attention between the modalities, weighted fusion, then a linear map |
| `HierarchyNetwork` | attention from the result to modalities to components |

References
----------
Specification 1 §2.2, §3.1 and §4.1.1, as corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.attention import AdaptiveAttention, MultiHeadAttention, normalised_entropy
from methods.attention.few_keys import attend
from methods.attention.hierarchy import HierarchicalAttention
from methods.fusion.interaction import InteractionFusion
from methods.fusion.tensor import WeightedTensorFusion

Vectors = Mapping[str, Tensor]

LEAVES = 8
"""Components of a modality that the hierarchy reads: one token each."""


@dataclass(frozen=True)
class NetworkOutput:
    """Scores of a batch, and the weights that explain them.

    Attributes
    ----------
    scores : (rows, outputs)
    alpha : (rows, modalities), optional
        Share of each modality, 0 where absent.
    entropy : mapping of str to (rows,)
        Normalised entropy of the attention of each query, mean over the heads. Empty in training mode, where
        nothing reads it.
    attention : mapping of str to (rows, queries, keys)
        Empty in training mode.
    """

    scores: Tensor
    alpha: Tensor | None = None
    entropy: Mapping[str, Tensor] = field(default_factory=dict)
    attention: Mapping[str, Tensor] = field(default_factory=dict)


class Dropout(nn.Module):
    """Dropout by uniform numbers: torch's Bernoulli ones cost four times as much.

    Parameters
    ----------
    probability : float
        Probability that a unit is 0 in training; the others are divided by its complement.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Drop units in training mode."""
        if not self.training:
            return x
        kept = torch.rand_like(x) >= self.probability
        return x * (kept / (1 - self.probability))


class Encoders(nn.Module):
    """One encoder per modality: ``LayerNorm(gelu(W x + b))``."""

    def __init__(self, columns: Mapping[str, int], width: int, dropout: float) -> None:
        super().__init__()
        self.names = tuple(columns)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(count, width), nn.GELU(), nn.LayerNorm(width), Dropout(dropout))
            for count in columns.values()
        )

    def forward(self, vectors: Vectors) -> list[Tensor]:
        """Return the token of each modality, (rows, width)."""
        return [layer(vectors[name]) for name, layer in zip(self.names, self.layers, strict=True)]


class TensorNetwork(nn.Module):
    """Weighted tensor fusion of encoded modalities."""

    def __init__(self, columns: Mapping[str, int], width: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.encoders = Encoders(columns, width, dropout)
        self.fusion = WeightedTensorFusion(dict.fromkeys(columns, (width,)), width)
        # Weights of norm 1 shrink the variance by their number of columns; the result gets it back.
        self.scale = float(width**0.5 * len(columns))
        self.result = nn.Linear(width, outputs)

    def forward(self, vectors: Vectors, present: Tensor) -> NetworkOutput:
        """Compute the scores of a batch."""
        tokens = dict(zip(self.encoders.names, self.encoders(vectors), strict=True))
        fused = self.fusion(tokens, present)
        return NetworkOutput(self.result(self.scale * fused.vector), fused.alpha)


class InteractionNetwork(nn.Module):
    """Products of all modalities of low rank, beside a linear map of each."""

    def __init__(self, columns: Mapping[str, int], rank: int, outputs: int) -> None:
        super().__init__()
        self.names = tuple(columns)
        self.linear = nn.ModuleList(nn.Linear(count, outputs) for count in columns.values())
        self.product = InteractionFusion(columns, outputs, rank)

    def forward(self, vectors: Vectors, present: Tensor) -> NetworkOutput:
        """Compute the scores of a batch."""
        parts = [
            layer(vectors[name]).masked_fill(~present[:, index, None], 0.0)
            for index, (name, layer) in enumerate(zip(self.names, self.linear, strict=True))
        ]
        return NetworkOutput(torch.stack(parts).sum(dim=0) + self.product(vectors, present))


class AttentionNetwork(nn.Module):
    """Attention between the modalities, then their weighted fusion."""

    def __init__(
        self, columns: Mapping[str, int], width: int, heads: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        self.encoders = Encoders(columns, width, dropout)
        self.modality = nn.Parameter(0.02 * torch.randn(len(columns), width))
        self.attention = AdaptiveAttention(MultiHeadAttention(width, heads))
        self.fusion = WeightedTensorFusion(dict.fromkeys(columns, (width,)), width)
        self.scale = float(width**0.5 * len(columns))
        self.result = nn.Linear(width, outputs)

    def forward(self, vectors: Vectors, present: Tensor) -> NetworkOutput:
        """Compute the scores of a batch."""
        tokens = torch.stack(self.encoders(vectors), dim=1) + self.modality
        tokens = tokens.masked_fill(~present[..., None], 0.0)
        attended, weights = attend(self.attention.attention, tokens, tokens, present)
        mixed = tokens + self.attention.activation(attended)
        names = self.encoders.names
        fused = self.fusion({name: mixed[:, index] for index, name in enumerate(names)}, present)
        scores = self.result(self.scale * fused.vector)
        if self.training:
            return NetworkOutput(scores, fused.alpha)
        entropy = normalised_entropy(weights, present).mean(dim=1)
        return NetworkOutput(
            scores,
            fused.alpha,
            {name: entropy[:, index] for index, name in enumerate(names)},
            {"modalities": weights.mean(dim=1)},
        )


class HierarchyNetwork(nn.Module):
    """Attention from the result to the modalities, then to their components."""

    parents: Tensor

    def __init__(
        self, columns: Mapping[str, int], width: int, heads: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        self.names = tuple(columns)
        self.counts = [min(count, LEAVES) for count in columns.values()]
        leaves = sum(self.counts)
        self.direction = nn.Parameter(torch.randn(leaves, width))
        self.offset = nn.Parameter(0.5 * torch.randn(leaves, width))
        parents = [index for index, count in enumerate(self.counts) for _ in range(count)]
        self.attention = HierarchicalAttention(width, heads, [parents, [0] * len(columns)])
        self.register_buffer("parents", torch.tensor(parents))
        self.dropout = Dropout(dropout)
        self.result = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))

    def forward(self, vectors: Vectors, present: Tensor) -> NetworkOutput:
        """Compute the scores of a batch."""
        values = [vectors[name][:, :count] for name, count in zip(self.names, self.counts, strict=True)]
        leaves = torch.cat(values, dim=1)[..., None]
        tokens = functional.gelu(torch.addcmul(self.offset, leaves, self.direction))
        output = self.attention(self.dropout(tokens), present[:, self.parents])
        scores = self.result(output.tokens[:, 0])
        if self.training:
            return NetworkOutput(scores)
        top, below = output.levels
        entropy = {"result": normalised_entropy(top.weights, top.mask).mean(dim=1)[:, 0]}
        parts = normalised_entropy(below.weights, below.mask).mean(dim=1)
        entropy |= {name: parts[:, index] for index, name in enumerate(self.names)}
        adjacency = top.adjacency()
        return NetworkOutput(
            scores,
            adjacency[:, 0],
            entropy,
            {"modalities": adjacency, "components": below.adjacency()},
        )

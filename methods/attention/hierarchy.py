"""Attend from level to level: columns, modalities, result.

    h_i^(l) = F( sum_j A_ij^(l) V h_j^(l+1) ),   A_i^(l) = softmax over the children of i that are present

Each node has a learned query and reads its children only, so that the cost of a level is that of its edges'
matrix and a weight can be read as a share within one parent. A node without a present child is absent, and
its parent does not read it; this holds up to the result.

References
----------
Specification 1 §3.1. Yang et al. (2016), Hierarchical Attention Networks for Document Classification.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.attention.few_keys import attend_shared
from methods.attention.graph import AttentionGraph
from methods.attention.multi_head import MultiHeadAttention


@dataclass(frozen=True)
class LevelWeights:
    """Attention from one level to the next.

    Attributes
    ----------
    weights : (rows, heads, n_l, n_(l+1))
        A row sums to 1, or to 0 for an absent node.
    mask : (rows, n_l, n_(l+1)) of bool
        True where the node of level `l` has the other as a child that is present.
    """

    weights: Tensor
    mask: Tensor

    def adjacency(self) -> Tensor:
        """Return the mean over the heads, (rows, n_l, n_(l+1))."""
        return self.weights.mean(dim=1)


@dataclass(frozen=True)
class HierarchyOutput:
    """Vectors of the first level, and the attention of each level.

    Attributes
    ----------
    tokens : (rows, n_1, width)
        0 for an absent node.
    levels : tuple of LevelWeights
        From the result to the input.
    """

    tokens: Tensor
    levels: tuple[LevelWeights, ...]


class HierarchicalAttention(nn.Module):
    """Attention from each node to its children, over any number of levels.

    Parameters
    ----------
    width : int
        Width of all vectors, a multiple of `heads`.
    heads : int
    parents : sequence of sequence of int
        Starting from the input: the parent of each node, as its position in the level above. For five
        columns of two modalities, ``[[0, 0, 0, 1, 1], [0, 0]]``.
    """

    def __init__(self, width: int, heads: int, parents: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for depth, level in enumerate(parents):
            count = len(parents[depth + 1]) if depth + 1 < len(parents) else max(level) + 1
            if set(level) != set(range(count)):
                raise ValueError(
                    f"the parents of level {len(parents) + 1 - depth} are {list(level)}; expected every "
                    f"number from 0 to {count - 1}, the nodes of the level above"
                )
            self.layers.append(_Level(width, heads, level, count))

    def forward(self, leaves: Tensor, present: Tensor | None = None) -> HierarchyOutput:
        """Compute the vectors of the first level.

        Parameters
        ----------
        leaves : (rows, n_L, width)
            The vectors of absent leaves have no effect; they may be NaN.
        present : (rows, n_L) of bool, optional
            By default every leaf is present.
        """
        if present is None:
            present = torch.ones(leaves.shape[:2], dtype=torch.bool, device=leaves.device)
        tokens = leaves.masked_fill(~present[..., None], 0.0)
        levels: list[LevelWeights] = []
        for layer in self.layers:
            tokens, level = layer(tokens, present)
            present = level.mask.any(dim=-1)
            levels.insert(0, level)
        return HierarchyOutput(tokens, tuple(levels))


class _Level(nn.Module):
    """Attention of the nodes of one level to their children."""

    children_of: Tensor

    def __init__(self, width: int, heads: int, parents: Sequence[int], count: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(count, width))
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.update = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.register_buffer("children_of", torch.arange(count)[:, None] == torch.tensor(parents))

    def forward(self, tokens: Tensor, present: Tensor) -> tuple[Tensor, LevelWeights]:
        mask = self.children_of & present[:, None, :]
        attended, weights = attend_shared(self.attention, self.queries, self.norm(tokens), mask)
        updated = attended + self.update(attended)
        return updated.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0), LevelWeights(weights, mask)


def mean_graph(names: Sequence[Sequence[str]], levels: Sequence[LevelWeights]) -> AttentionGraph:
    """Return the graph of the mean attention over rows.

    The mean of a node is over the rows in which it is present.

    Parameters
    ----------
    names : sequence of sequence of str
        Names of the nodes of each level, from the result to the input.
    levels : sequence of LevelWeights
    """
    adjacency = []
    for level in levels:
        rows = level.mask.any(dim=-1).sum(dim=0).clamp_min(1)
        adjacency.append((level.adjacency().double().sum(dim=0) / rows[:, None]).detach().cpu().numpy())
    return AttentionGraph(tuple(tuple(level) for level in names), tuple(adjacency))

"""Compute self-attention over a long sequence at the cost O(n log n).

    near:  a query reads the keys of its own block and of the two beside it exactly
    far:   it reads blocks of 1, 2, 4, ... times the length as a few means, the longer the farther away

The sequence is divided into blocks. At each level, two neighbouring blocks make one of the next level. A
query reads a far block at the first level at which it is no neighbour of its own block, but their parents
are: at most three blocks a level, as in the fast multipole method. Each far block has the same number of
points, each the mean key and the mean value of `c` tokens, with the score

    s = q' k_mean / sqrt(d) + log c,

so that one softmax runs over near keys and far points, and equal keys in a far block give the exact result.
A row of weights sums to 1, and every key is read exactly once, directly or within a mean.

Cost: ``O(n (3 b + 3 p log2(n / b)) d)`` for `n` tokens, blocks of the length `b` and `p` points; the memory
is the same without `d` where gradients are needed, and ``O(n d)`` otherwise. Full attention costs
``O(n^2 d)``.

The result is exact for sequences of at most two blocks, and an approximation beyond that assumes that far
keys vary smoothly with their position, or matter little. For tokens in random order it is a poor one. The
error is measured (``python -m benchmarks.fusion attention``), not bounded.

References
----------
Specification 1 §8.2, as corrected. Greengard and Rokhlin (1987), A Fast Algorithm for Particle Simulations.
Zhu and Soricut (2021), H-Transformer-1D: Fast One-Dimensional Hierarchical Attention for Sequences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

NEAR = torch.tensor([-1, 0, 1])
FAR = torch.tensor([[-2, 2, 3], [-3, -2, 2]])
"""Offsets of the blocks that an even and an odd block read: not neighbours, but their parents are."""
CHUNK = 16
"""Blocks whose queries are computed at once, so that their scores stay in the cache of a processor."""


@dataclass(frozen=True)
class _Points:
    """Mean keys and values of some tokens each.

    Attributes
    ----------
    keys, values : (batch, heads, points, d)
    counts : (batch, points)
        Number of tokens of each point.
    """

    keys: Tensor
    values: Tensor
    counts: Tensor

    def pooled(self, size: int) -> _Points:
        """Return the means of every `size` neighbouring points, weighted by counts."""
        counts = self.counts.unflatten(-1, (-1, size))
        total = counts.sum(dim=-1)
        weights = (counts / total.clamp_min(1.0)[..., None])[:, None, :, :, None]
        keys, values = (
            (part.unflatten(2, (-1, size)) * weights).sum(dim=3) for part in (self.keys, self.values)
        )
        return _Points(keys, values, total)

    def padded(self, length: int) -> _Points:
        """Return the points, with empty ones at the end."""
        counts = torch.nn.functional.pad(self.counts, (0, length - self.counts.shape[1]))
        return _Points(_padded(self.keys, length), _padded(self.values, length), counts)


def multilevel_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *, block: int = 64, points: int = 8
) -> Tensor:
    """Approximate ``softmax(Q K' / sqrt(d)) V`` for queries and keys of one sequence.

    Parameters
    ----------
    query, key : (batch, heads, n, d)
    value : (batch, heads, n, d_v)
    mask : (batch, n) of bool, optional
        True where the key exists. By default all keys exist.
    block : int
        Length of a block, a multiple of `points`.
    points : int
        Means by which a far block is read. With ``points = block``, four blocks are exact too.

    Returns
    -------
    (batch, heads, n, d_v)
        0 in an item of the batch without a key.
    """
    if points < 1 or block % points:
        raise ValueError(f"block is {block}; expected a multiple of points, which is {points}")
    batch, _, length, width = query.shape
    exists = torch.ones(batch, length, dtype=torch.bool, device=query.device) if mask is None else mask
    value = value.masked_fill(~exists[:, None, :, None], 0.0)
    chunk = block * min(CHUNK, 2 ** math.ceil(math.log2(math.ceil(length / block))))
    queries = _padded(query / math.sqrt(width), math.ceil(length / chunk) * chunk)
    reads = _reads(_Points(key, value, exists.to(query.dtype)), (block, points), chunk, queries.shape[2])
    # A row of -inf only has no softmax: an item without a key has no finite score.
    empty = ~exists.any(dim=-1)[:, None, None, None]
    parts = []
    for start in range(0, queries.shape[2], chunk):
        part = queries[:, :, start : start + chunk]
        scores = torch.cat([read.scores(part, start) for read in reads], dim=-1)
        weights = scores.masked_fill_(empty, 0.0).softmax(dim=-1)
        shares = weights.split([read.keys.shape[-2] for read in reads], dim=-1)
        parts.append(
            reduce(torch.add, (read.attended(w, start) for read, w in zip(reads, shares, strict=True)))
        )
    return torch.cat(parts, dim=2)[:, :, :length].masked_fill(empty, 0.0)


def _padded(tokens: Tensor, length: int) -> Tensor:
    """Return tokens of shape (batch, heads, n, d) with zeros up to a length."""
    missing = length - tokens.shape[2]
    return torch.nn.functional.pad(tokens, (0, 0, 0, missing)) if missing else tokens


def _reads(tokens: _Points, sizes: tuple[int, int], chunk: int, queries: int) -> list[_Read]:
    """Return the near keys, and the far points of each level.

    Parameters
    ----------
    tokens : _Points
    sizes : tuple of int
        Length of a block, and points of a far block.
    chunk, queries : int
        Number of queries of a chunk, and of all chunks.
    """
    block, points = sizes
    count = math.ceil(tokens.keys.shape[2] / block)
    tokens = tokens.padded(count * block)
    own = torch.arange(queries // block).clamp(max=count - 1)  # padding belongs to the last block
    reads = [_Read.of(tokens, own[:, None] + NEAR, count, block)]
    level, size = tokens.pooled(block // points), block
    while count > 2:
        step = min(size, chunk)
        own = (torch.arange(queries // step) * step // size).clamp(max=count - 1)
        reads.append(_Read.of(level, own[:, None] + FAR[own % 2], count, step))
        count, size = math.ceil(count / 2), 2 * size
        level = level.padded(2 * count * points).pooled(2)
    return reads


@dataclass(frozen=True)
class _Read:
    """Points that the queries read, by groups of neighbouring queries.

    Attributes
    ----------
    keys, values : (batch, heads, groups, points, d)
    logs : (batch, groups, points)
        Logarithm of the count of tokens of each point, -inf for a point outside the sequence.
    size : int
        Number of queries of a group: those of a block, or of a chunk if that is smaller.
    """

    keys: Tensor
    values: Tensor
    logs: Tensor
    size: int

    @classmethod
    def of(cls, level: _Points, blocks: Tensor, count: int, size: int) -> _Read:
        """Return the points of the blocks that each group reads, (groups, reads)."""
        outside = (blocks < 0) | (blocks >= count)
        inside = blocks.clamp(0, count - 1)
        keys, values = (
            part.unflatten(2, (count, -1))[:, :, inside].flatten(3, 4) for part in (level.keys, level.values)
        )
        logs = level.counts.log().unflatten(1, (count, -1))[:, inside]
        return cls(keys, values, logs.masked_fill(outside[..., None], -torch.inf).flatten(2), size)

    def scores(self, queries: Tensor, start: int) -> Tensor:
        """Return the scores of a chunk of queries, (batch, heads, chunk, points)."""
        part = self._groups(queries, start)
        scores = queries.unflatten(2, (-1, self.size)) @ self.keys[:, :, part].transpose(-2, -1)
        scores += self.logs[:, None, part, None]
        return scores.flatten(2, 3)

    def attended(self, weights: Tensor, start: int) -> Tensor:
        """Return the weighted sums of the values, (batch, heads, chunk, d_v)."""
        part = self._groups(weights, start)
        return (weights.unflatten(2, (-1, self.size)) @ self.values[:, :, part]).flatten(2, 3)

    def _groups(self, chunk: Tensor, start: int) -> slice:
        return slice(start // self.size, (start + chunk.shape[2]) // self.size)

"""Compute cross-modal attention over tokens, and the entropy of its weights.

    Attention(Q, K, V) = softmax(Q K' / sqrt(d_k)) V,   softmax over the keys that exist

A missing modality is a masked key: its weight is exactly zero.

Shapes
------
Tokens have shape ``(batch, length, width)``, inside the module ``(batch, heads, length, width /
heads)``. Weights have shape ``(batch, heads, queries, keys)``. A key mask has shape ``(batch,
keys)`` and is true where the key exists.

References
----------
Vaswani et al. (2017), Attention Is All You Need. Specification 1 §2.1, §4.1.1 and §4.2;
specification 3 §3.1.2 and §3.1.3, as corrected.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def scaled_dot_product(
    query: Tensor, key: Tensor, value: Tensor, key_mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute ``softmax(Q K' / sqrt(d_k)) V`` over the keys that exist.

    Parameters
    ----------
    query : (batch, heads, queries, d_k)
    key : (batch, heads, keys, d_k)
    value : (batch, heads, keys, d_v)
    key_mask : (batch, keys) of bool, optional
        True where the key exists. By default all keys exist.

    Returns
    -------
    attended : (batch, heads, queries, d_v)
    weights : (batch, heads, queries, keys)
        In [0, 1]. Each row sums to 1. The weight of a key that does not exist is exactly 0.

    Raises
    ------
    ValueError
        If the widths of queries and keys differ, or an item of the batch has no key.
    """
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(f"queries have width {query.shape[-1]} and keys {key.shape[-1]}; they must be equal")
    scores = query @ key.transpose(-2, -1) / math.sqrt(key.shape[-1])
    if key_mask is not None:
        scores = scores.masked_fill(~_check_mask(key_mask)[:, None, None, :], -torch.inf)
    weights = scores.softmax(dim=-1)
    return weights @ value, weights


def _check_mask(key_mask: Tensor) -> Tensor:
    """Return the mask if every item of the batch has a key."""
    empty = torch.nonzero(~key_mask.any(dim=-1)).flatten()
    if len(empty):
        raise ValueError(
            f"item {int(empty[0])} of the batch has no key to attend to ({len(empty)} such items); "
            "every item needs at least one modality"
        )
    return key_mask


class MultiHeadAttention(nn.Module):
    """Attention of several parallel heads: ``Concat(head_1, ..., head_h) W_O``.

    ``head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)``. One matrix holds the projections of all heads
    as its blocks.

    Parameters
    ----------
    width : int
        Width of the tokens, a multiple of `heads`.
    heads : int
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width is {width}; expected a multiple of the {heads} heads")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, key_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the attended tokens and the attention weights."""
        attended, weights = scaled_dot_product(
            self._split(self.query(queries)),
            self._split(self.key(keys)),
            self._split(self.value(keys)),
            key_mask,
        )
        return self.output(attended.transpose(1, 2).flatten(start_dim=2)), weights

    def _split(self, tokens: Tensor) -> Tensor:
        """Reshape (batch, length, width) to (batch, heads, length, width / heads)."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def trended_encoding(time: Tensor, width: int, alpha: Tensor, beta: Tensor) -> Tensor:
    """Encode time by sinusoids and a linear trend.

        PE(t, 2i)     = sin(t / 10000^(2i / width)) + alpha t
        PE(t, 2i + 1) = cos(t / 10000^(2i / width)) + beta t

    Parameters
    ----------
    time : (batch,)
        In units in which the fastest sinusoid has the period 2 pi.
    width : int
        Even.
    alpha, beta : scalars
        Trend per unit of time: alpha of the even entries, beta of the odd ones.

    Returns
    -------
    (batch, width)
    """
    if width % 2:
        raise ValueError(f"the width of the encoding is {width}; expected an even number")
    rates = 10000.0 ** (-torch.arange(0, width, 2, dtype=time.dtype) / width)
    angles = time[:, None] * rates
    trend = time[:, None]
    pairs = torch.stack([angles.sin() + alpha * trend, angles.cos() + beta * trend], dim=-1)
    return pairs.flatten(start_dim=1)


class TrendedEncoding(nn.Module):
    """Time encoding by `trended_encoding` with learned trends that start at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.alpha = nn.Parameter(torch.zeros(()))
        self.beta = nn.Parameter(torch.zeros(()))

    def forward(self, time: Tensor) -> Tensor:
        """Encode times of shape (batch,) as vectors of shape (batch, width)."""
        return trended_encoding(time, self.width, self.alpha, self.beta)


def normalised_entropy(weights: Tensor, key_mask: Tensor | None = None) -> Tensor:
    """Compute the normalised entropy ``H(a) / log n`` of each row of weights.

    ``H(a) = -sum_i a_i log a_i`` is at most ``log n``, with equality at ``a_i = 1 / n``.
    Lemma 1 of the specification shows this bound only, not that attention preserves entropy.

    Parameters
    ----------
    weights : (batch, heads, queries, keys)
        Rows that sum to 1.
    key_mask : (batch, keys) of bool, optional
        True where the key exists. `n` counts these keys only.

    Returns
    -------
    (batch, heads, queries)
        In [0, 1]. With one key ``H = log n = 0``, and the result is 1 by definition.
    """
    entropy = torch.special.entr(weights).sum(dim=-1)
    if key_mask is None:
        count = torch.full((len(weights),), weights.shape[-1])
    else:
        count = key_mask.sum(dim=-1)
    bound = count.to(weights.dtype).log()[:, None, None]
    ratio = torch.where(bound > 0, entropy / bound.clamp_min(1e-12), torch.ones_like(entropy))
    return ratio.clamp(0.0, 1.0)

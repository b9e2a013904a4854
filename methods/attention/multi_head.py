"""Compute multi-head and cross-modal attention, and the entropy of its weights.

    Attention(Q, K, V) = softmax(Q K' / sqrt(d_k)) V,   softmax over the keys that exist

A missing modality is a masked key: its weight is exactly zero. A query without any key reads nothing: its
weights and its result are exactly zero, where `torch.nn.MultiheadAttention` returns NaN.

Shapes
------
Tokens have shape ``(batch, length, width)``, inside the module ``(batch, heads, length, width /
heads)``. Weights have shape ``(batch, heads, queries, keys)``. A mask has shape ``(batch, keys)``, or
``(batch, queries, keys)`` if each query has its own keys, and is true where the key exists.

References
----------
Vaswani et al. (2017), Attention Is All You Need. Specification 1 §2.1, §4.1.1 and §4.2;
specification 3 §3.1.2, as corrected.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


def scaled_dot_product(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute ``softmax(Q K' / sqrt(d_k)) V`` over the keys that exist.

    Parameters
    ----------
    query : (batch, heads, queries, d_k)
    key : (batch, heads, keys, d_k)
    value : (batch, heads, keys, d_v)
    mask : (batch, keys) or (batch, queries, keys) of bool, optional
        True where the key exists. By default all keys exist.

    Returns
    -------
    attended : (batch, heads, queries, d_v)
    weights : (batch, heads, queries, keys)
        In [0, 1]. Each row sums to 1. The weight of a key that does not exist is exactly 0, and so are the
        weights and the result of a query without a key.

    Raises
    ------
    ValueError
        If the widths of queries and keys differ.
    """
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(f"queries have width {query.shape[-1]} and keys {key.shape[-1]}; they must be equal")
    scores = query @ key.transpose(-2, -1) / math.sqrt(key.shape[-1])
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:
        exists = by_query(mask)[:, None]
        empty = ~exists.any(dim=-1, keepdim=True)
        # A row of -inf only has no softmax, so the rows without a key keep their scores until then.
        weights = scores.masked_fill(~(exists | empty), -torch.inf).softmax(dim=-1).masked_fill(empty, 0.0)
    return weights @ value, weights


def by_query(mask: Tensor) -> Tensor:
    """Return a mask of keys as (batch, queries or 1, keys)."""
    return mask[:, None, :] if mask.ndim == 2 else mask


class MultiHeadAttention(nn.Module):
    """Attention of several parallel heads: ``Concat(head_1, ..., head_h) W_O + b_O``.

    ``head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)``. One matrix holds the projections of all heads
    as its blocks. In cross-modal attention, the queries are tokens of one modality, and the keys and values
    are tokens of another one.

    Parameters
    ----------
    width : int
        Width of the queries and of the result, a multiple of `heads`.
    heads : int
    source_width : int, optional
        Width of the tokens that are read, by default `width`.
    """

    def __init__(self, width: int, heads: int, source_width: int | None = None) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width is {width}; expected a multiple of the {heads} heads")
        source = width if source_width is None else source_width
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(source, width)
        self.value = nn.Linear(source, width)
        self.output = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the attended tokens and the attention weights.

        Parameters
        ----------
        queries : (batch, queries, width)
        keys : (batch, keys, source_width)
            The tokens that are read, as keys and as values.
        mask : (batch, keys) or (batch, queries, keys) of bool, optional

        Returns
        -------
        attended : (batch, queries, width)
            0 for a query without a key.
        weights : (batch, heads, queries, keys)
        """
        attended, weights = scaled_dot_product(
            self._split(self.query(queries)),
            self._split(self.key(keys)),
            self._split(self.value(keys)),
            mask,
        )
        tokens = self.output(attended.transpose(1, 2).flatten(start_dim=2))
        if mask is not None:
            tokens = tokens.masked_fill(~by_query(mask).any(dim=-1, keepdim=True), 0.0)
        return tokens, weights

    def _split(self, tokens: Tensor) -> Tensor:
        """Reshape (batch, length, width) to (batch, heads, length, width / heads)."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class AdaptiveAttention(nn.Module):
    """Attention with an activation: ``M(Q, K, V) = sigma(W Attention(Q, K, V) + b)``.

    `W` and `b` are the output projection of the heads. A query without a key gives ``sigma(0)``, which is 0
    for gelu, relu and tanh.

    Parameters
    ----------
    attention : MultiHeadAttention
    activation : callable
        ``sigma``, by default gelu.
    """

    def __init__(
        self,
        attention: MultiHeadAttention,
        activation: Callable[[Tensor], Tensor] = nn.functional.gelu,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.activation = activation

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the activated tokens and the attention weights."""
        tokens, weights = self.attention(queries, keys, mask)
        return self.activation(tokens), weights


def normalised_entropy(weights: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute the normalised entropy ``H(a) / log n`` of each row of weights.

    ``H(a) = -sum_i a_i log a_i`` is at most ``log n``, with equality at ``a_i = 1 / n``.
    Lemma 1 of the specification shows this bound only, not that attention preserves entropy.

    Parameters
    ----------
    weights : (batch, heads, queries, keys)
        Rows that sum to 1, or to 0 without a key.
    mask : (batch, keys) or (batch, queries, keys) of bool, optional
        True where the key exists. `n` counts these keys only.

    Returns
    -------
    (batch, heads, queries)
        In [0, 1]. With at most one key there is nothing to choose, and the result is 1 by definition.
    """
    entropy = torch.special.entr(weights).sum(dim=-1)
    if mask is None:
        count = torch.full((len(weights), 1), weights.shape[-1])
    else:
        count = by_query(mask).sum(dim=-1)
    bound = count.to(weights.dtype).log()[:, None]
    ratio = torch.where(bound > 0, entropy / bound.clamp_min(1e-12), torch.ones_like(entropy))
    return ratio.clamp(0.0, 1.0)

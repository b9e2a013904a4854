"""Fuse the modalities of a release into one state vector.

    h_i  = MLP_i(x_i) + e_i + PE(t)                          one encoder per modality
    T_i  = h_i + gelu(MultiHead(h, h, h)_i)                  cross-modal attention, missing keys masked
    z    = sum_i a_i T_i W_i,   a = softmax(T_i u + b_i)     weighted tensor fusion over present modalities
    x^_i = MLP_i'(z)                                         one decoder per modality, also for missing ones

The arrays of a modality are ``(rows, columns_i)`` with NaN where a value is missing; a modality
is present in a row that has at least one value of it. The state of a row depends on that row only.

References
----------
Specification 1 §2.2 (``sum_i alpha_i T_i (x) W_i``) and §4.1.1 (``sigma(W Attention + b)``);
specification 3 §3.1. Training is in `methods.fusion.training`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from methods.attention import MultiHeadAttention, TrendedEncoding

Array = np.ndarray


@dataclass(frozen=True)
class Shape:
    """Sizes of a model.

    Attributes
    ----------
    columns : mapping of str to int
        Columns of each modality, in the order of the tokens.
    width : int
        Width of the fused state.
    token_width : int
        Width of a modality's token: even, and a multiple of `heads`.
    heads : int
    hidden : int
        Width of the hidden layer of encoders and decoders.
    dropout : float
        Share of hidden units that training drops.
    """

    columns: Mapping[str, int]
    width: int
    token_width: int
    heads: int
    hidden: int
    dropout: float


@dataclass(frozen=True)
class Batch:
    """Releases as tensors.

    Attributes
    ----------
    values : dict of str to (rows, columns_i)
        0 where a value is missing.
    known : dict of str to (rows, columns_i)
        1 where the value is known, 0 where it is missing.
    present : (rows, modalities) of bool
    time : (rows,)
    """

    values: dict[str, Tensor]
    known: dict[str, Tensor]
    present: Tensor
    time: Tensor

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: Tensor) -> Batch:
        """Return the given rows."""
        return Batch(
            {name: value[rows] for name, value in self.values.items()},
            {name: value[rows] for name, value in self.known.items()},
            self.present[rows],
            self.time[rows],
        )


@dataclass(frozen=True)
class FusionOutput:
    """Output of the model for a batch.

    Attributes
    ----------
    state : (rows, width)
    decoded : dict of str to (rows, columns_i)
    attention : (rows, heads, modalities, modalities)
        Weight of each key (last) for each query.
    importance : (rows, modalities)
        The weights ``a`` of the fusion, in [0, 1]. They are 0 where missing and sum to 1.
    """

    state: Tensor
    decoded: dict[str, Tensor]
    attention: Tensor
    importance: Tensor


class CrossModalFusion(nn.Module):
    """Model of encoders, attention, weighted fusion and decoders."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        token = shape.token_width
        self.encoders = nn.ModuleDict(
            {name: _encoder(count, token, shape) for name, count in shape.columns.items()}
        )
        self.modality = nn.Parameter(0.02 * torch.randn(len(shape.columns), token))
        self.missing = nn.Parameter(0.02 * torch.randn(len(shape.columns), token))
        self.time = TrendedEncoding(token)
        self.attention = MultiHeadAttention(token, shape.heads)
        self.importance = nn.Parameter(torch.zeros(token))
        self.importance_bias = nn.Parameter(torch.zeros(len(shape.columns)))
        weights = torch.empty(len(shape.columns), token, shape.width)
        self.fusion = nn.Parameter(nn.init.uniform_(weights, -(token**-0.5), token**-0.5))
        self.decoders = nn.ModuleDict(
            {name: _SkipMLP(shape.width, count, shape) for name, count in shape.columns.items()}
        )

    def forward(self, batch: Batch, present: Tensor | None = None) -> FusionOutput:
        """Fuse the modalities marked in `present`, by default all that the batch has."""
        present = batch.present if present is None else present & batch.present
        tokens = self._tokens(batch, present)
        mixed, attention = self.attention(tokens, tokens, present)
        tensors = tokens + nn.functional.gelu(mixed)
        scores = tensors @ self.importance + self.importance_bias
        importance = scores.masked_fill(~present, -torch.inf).softmax(dim=-1)
        state = torch.einsum("bm,bmt,mtw->bw", importance, tensors, self.fusion)
        decoded = {name: decoder(state) for name, decoder in self.decoders.items()}
        return FusionOutput(state, decoded, attention, importance)

    def _tokens(self, batch: Batch, present: Tensor) -> Tensor:
        encoded = torch.stack(
            [
                encoder(torch.cat([batch.values[name], batch.known[name]], dim=-1))
                for name, encoder in self.encoders.items()
            ],
            dim=1,
        )
        encoded = torch.where(present[..., None], encoded, self.missing)
        return encoded + self.modality + self.time(batch.time)[:, None, :]


class _SkipMLP(nn.Module):
    """Multilayer perceptron with a linear skip connection, ``A x + MLP(x)``."""

    def __init__(self, inputs: int, outputs: int, shape: Shape) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.mlp = nn.Sequential(
            nn.Linear(inputs, shape.hidden),
            nn.GELU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.hidden, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.mlp(x)


def _encoder(columns: int, token: int, shape: Shape) -> nn.Module:
    """Return an encoder of the values and of the mask of known values."""
    return _SkipMLP(2 * columns, token, shape)


def to_batch(values: Mapping[str, Array], time: Array) -> Batch:
    """Convert arrays with NaN for missing values to tensors.

    Parameters
    ----------
    values : mapping of str to (rows, columns_i)
    time : (rows,)
        Time in the unit of the time encoding.

    Raises
    ------
    ValueError
        If a row has no modality.
    """
    tensors = {name: torch.tensor(np.asarray(array), dtype=torch.float32) for name, array in values.items()}
    known = {name: tensor.isfinite() for name, tensor in tensors.items()}
    present = torch.stack([mark.any(dim=-1) for mark in known.values()], dim=-1)
    if not present.any(dim=-1).all():
        row = int(torch.nonzero(~present.any(dim=-1))[0])
        raise ValueError(
            f"row {row} has no value in any of {', '.join(values)}; drop the row before the fusion"
        )
    return Batch(
        {name: torch.where(known[name], tensor, 0.0) for name, tensor in tensors.items()},
        {name: mark.float() for name, mark in known.items()},
        present,
        torch.tensor(np.asarray(time), dtype=torch.float32),
    )


@torch.no_grad()
def fuse(model: CrossModalFusion, batch: Batch, *, without: str | None = None) -> FusionOutput:
    """Fuse all rows, optionally with one modality held out.

    Parameters
    ----------
    model : CrossModalFusion
    batch : Batch
    without : str, optional
        Modality to hold out from the input.
    """
    model.eval()
    present = batch.present.clone()
    if without is not None:
        present[:, list(model.shape.columns).index(without)] = False
    return model(batch, present)

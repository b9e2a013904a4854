"""Fuse tensors of several modalities by a weighted sum of contractions.

    T_fusion = sum_i alpha_i T_i (x) W_i,   alpha on the simplex,   ||W_i||_F = 1

``T (x) W`` contracts all axes of a modality's tensor with those of its weights: a tensor of the shape
``(n_1, ..., n_d)`` and weights of the shape ``(n_1, ..., n_d, out)`` give a vector of the width `out`.
The modalities may have tensors of different orders and shapes.

A factor could move from ``W_i`` to ``alpha_i`` and change nothing. With ``||W_i|| = 1``, ``alpha_i`` is the
share of a modality, if the tensors have the same scale: give every entry the variance 1. An absent modality
has the share 0, and the shares of the others are divided by their sum.

References
----------
Specification 1 §2.2, as corrected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


def weighted_fusion(tensors: Sequence[Tensor], weights: Sequence[Tensor], alpha: Tensor) -> Tensor:
    """Compute ``sum_i alpha_i T_i (x) W_i``.

    Parameters
    ----------
    tensors : sequence of (rows, n_1, ..., n_d)
        One per modality, each of its own order `d` of at least 1.
    weights : sequence of (n_1, ..., n_d, out)
    alpha : (rows, modalities)

    Returns
    -------
    (rows, out)

    Raises
    ------
    ValueError
        If the shapes of a tensor and its weights differ.
    """
    fused = tensors[0].new_zeros(len(tensors[0]), weights[0].shape[-1])
    for index, (tensor, weight) in enumerate(zip(tensors, weights, strict=True)):
        if tensor.shape[1:] != weight.shape[:-1]:
            raise ValueError(
                f"modality {index} has tensors of the shape {tuple(tensor.shape[1:])}; expected "
                f"{tuple(weight.shape[:-1])}, the shape of its weights"
            )
        contracted = tensor.flatten(start_dim=1) @ weight.flatten(end_dim=-2)
        fused = fused + alpha[:, index, None] * contracted
    return fused


def shares(logits: Tensor, present: Tensor) -> Tensor:
    """Return the softmax of scores over the modalities that a row has.

    Parameters
    ----------
    logits : (modalities,)
    present : (rows, modalities) of bool

    Returns
    -------
    (rows, modalities)
        In [0, 1], with the sum 1. The rows without any modality are 0.
    """
    empty = ~present.any(dim=-1, keepdim=True)
    # A row of -inf only has no softmax, so the rows without a modality keep their scores until then.
    scores = logits.expand(present.shape).masked_fill(~(present | empty), -torch.inf)
    return scores.softmax(dim=-1).masked_fill(empty, 0.0)


@dataclass(frozen=True)
class Fusion:
    """Fused vectors and the shares of the modalities.

    Attributes
    ----------
    vector : (rows, out)
        0 in a row without any modality.
    alpha : (rows, modalities)
        In [0, 1], 0 where the modality is absent; the sum of a row is 1, or 0 without any modality.
    """

    vector: Tensor
    alpha: Tensor


class WeightedTensorFusion(nn.Module):
    """Weighted sum of contractions of the modalities' tensors.

    Parameters
    ----------
    shapes : mapping of str to sequence of int
        Shape ``(n_1, ..., n_d)`` of the tensor of each modality, without the axis of the rows.
    out : int
        Width of the fused vector.
    """

    def __init__(self, shapes: Mapping[str, Sequence[int]], out: int) -> None:
        super().__init__()
        if not shapes or any(not shape or min(shape) < 1 for shape in shapes.values()):
            raise ValueError(f"shapes are {dict(shapes)}; expected one axis or more per modality")
        self.names = tuple(shapes)
        self.logits = nn.Parameter(torch.zeros(len(shapes)))
        self.directions = nn.ParameterList(
            torch.randn(*shape, out) / math.sqrt(math.prod(shape) * out) for shape in shapes.values()
        )

    @property
    def alpha(self) -> Tensor:
        """Shares of the modalities in a row that has all of them, of shape (modalities,)."""
        return self.logits.softmax(dim=0)

    @property
    def weights(self) -> list[Tensor]:
        """Weights ``W_i`` of shape (n_1, ..., n_d, out), of the norm 1."""
        return [direction / torch.linalg.vector_norm(direction) for direction in self.directions]

    def forward(self, tensors: Mapping[str, Tensor], present: Tensor | None = None) -> Fusion:
        """Fuse the tensors of the modalities.

        Parameters
        ----------
        tensors : mapping of str to (rows, n_1, ..., n_d)
            The entries of an absent modality have no effect; they may be NaN.
        present : (rows, modalities) of bool, optional
            In the order of `shapes`. By default every modality is present in every row.
        """
        values = [tensors[name] for name in self.names]
        if present is None:
            present = torch.ones(len(values[0]), len(values), dtype=torch.bool, device=values[0].device)
        values = [
            value.masked_fill(~present[:, index].reshape(-1, *[1] * (value.ndim - 1)), 0.0)
            for index, value in enumerate(values)
        ]
        alpha = shares(self.logits, present)
        return Fusion(weighted_fusion(values, self.weights, alpha), alpha)

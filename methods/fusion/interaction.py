"""Fuse modalities by their products: the low-rank outer product of all of them.

    h = b + sum_r c_r * prod_m ( [x_m; 1] W_m^r )

The outer product of the vectors ``[x_m; 1]`` has every product of entries of different modalities, up to
the order of their number, and, because of the 1, every product of fewer of them. A linear map of it would
have ``prod_m (d_m + 1)`` weights per output. With weights of rank `R`, the outer product is never built: the
cost is ``R out sum_m (d_m + 1)``.

An average of predictions from single modalities cannot find a target such as ``sign(x_1 x_2)``, where no
modality alone says anything; this operator can.

References
----------
Zadeh, Chen, Poria, Cambria and Morency (2017), Tensor Fusion Network for Multimodal Sentiment Analysis.
Liu, Shen, Lakshminarasimhan, Liang, Zadeh and Morency (2018), Efficient Low-rank Multimodal Fusion with
Modality-Specific Factors. Specification 1 §2.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class InteractionFusion(nn.Module):
    """Sum of products of linear maps of all modalities, of low rank.

    An absent modality has the vector 0, the mean of scaled columns: its factor is the constant one.

    Parameters
    ----------
    columns : mapping of str to int
        Width ``d_m`` of the vector of each modality.
    out : int
        Width of the result, for example one score per class.
    rank : int
        Number `R` of products per output.
    """

    def __init__(self, columns: Mapping[str, int], out: int, rank: int) -> None:
        super().__init__()
        if not columns or min(*columns.values(), out, rank) < 1:
            raise ValueError(f"columns {dict(columns)}, out {out}, rank {rank}; expected 1 or more of each")
        self.names = tuple(columns)
        # At the start every factor is near 1, so that a product of many neither vanishes nor overflows.
        self.factors = nn.ParameterList(
            0.5 * torch.randn(rank, width, out) / math.sqrt(width) for width in columns.values()
        )
        self.constants = nn.Parameter(1.0 + 0.1 * torch.randn(len(columns), rank, out))
        self.mixture = nn.Parameter(torch.randn(rank, out) / math.sqrt(rank))
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, vectors: Mapping[str, Tensor], present: Tensor | None = None) -> Tensor:
        """Return the fused vectors of shape (rows, out).

        Parameters
        ----------
        vectors : mapping of str to (rows, columns_m)
            Centred and scaled. The entries of an absent modality have no effect; they may be NaN.
        present : (rows, modalities) of bool, optional
            In the order of `columns`. By default every modality is present in every row.
        """
        product: Tensor = self.mixture
        for index, (name, factor) in enumerate(zip(self.names, self.factors, strict=True)):
            vector = vectors[name]
            if present is not None:
                vector = vector.masked_fill(~present[:, index, None], 0.0)
            term = torch.einsum("nd,rdo->nro", vector, factor) + self.constants[index]
            product = product * term
        return product.sum(dim=1) + self.bias

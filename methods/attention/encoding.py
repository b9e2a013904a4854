"""Encode time by sinusoids and a linear trend.

References
----------
Specification 3 §3.1.3, as corrected.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


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

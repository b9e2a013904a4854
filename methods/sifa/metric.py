r"""Scale attention by the Fisher metric of the distribution it draws keys from.

Attention with the query :math:`q` draws key :math:`j` with probability
:math:`p_j \propto \exp(q \cdot k_j / \sqrt d)`: an exponential family with parameter :math:`q`. Its Fisher
metric at :math:`q = 0`, where no key is preferred, is the covariance of the keys,

.. math:: F = \frac{1}{d} \operatorname{Cov}(k).

By the law of total variance the covariance is that between `rank` soft clusters of keys plus that within
them. Here it is low-rank plus diagonal, :math:`g = U U' + \operatorname{diag}(s)`: the part between clusters
is kept whole, of the part within them the diagonal. The diagonal of `g` is that of `F`, plus a floor. Then

.. math:: \log\det g = \sum_i \log s_i + \log\det(I + U' \operatorname{diag}(s)^{-1} U)

by the determinant lemma, which costs :math:`O(d r^2)`, and scores are multiplied by the temperature

.. math:: \tau = \exp\Big(-\frac{\log\det g}{2 d}\Big),

the geometric mean of the inverse standard deviations. It does not depend exponentially on the width, as the
specification's division by :math:`\sqrt{\det g}` does, and scores do not change when all keys are multiplied
by a constant (above the floor).

A metric is computed for each item, head and element of the group from the keys there. A group element
permutes the elements, so that the temperatures move with the keys and the layer stays equivariant; they do
not depend on the order of the tokens.

References
----------
Specification 4 §4.2 as corrected. Amari, "Information geometry and its applications" (2016), §2.1. Harville,
"Matrix algebra from a statistician's perspective" (1997), theorem 18.1.1 (determinant lemma).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

FLOOR = 1e-4
"""Smallest value of the diagonal: keys that are all equal have a temperature of at most 100."""


def log_determinant(factor: Tensor, diagonal: Tensor) -> Tensor:
    """Compute ``log det(U U' + diag(s))`` by the determinant lemma.

    Parameters
    ----------
    factor : (..., d, r)
        ``U``.
    diagonal : (..., d)
        ``s``, greater than 0.

    Returns
    -------
    (...)
    """
    scaled = factor / diagonal.sqrt().unsqueeze(-1)
    small = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device) + scaled.mT @ scaled
    return diagonal.log().sum(-1) + 2 * torch.linalg.cholesky(small).diagonal(dim1=-2, dim2=-1).log().sum(-1)


def temperature(factor: Tensor, diagonal: Tensor) -> Tensor:
    """Compute ``exp(-log det(U U' + diag(s)) / (2 d))``.

    Shapes are those of `log_determinant`.
    """
    return torch.exp(-log_determinant(factor, diagonal) / (2 * diagonal.shape[-1]))


def low_rank_covariance(keys: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Divide the covariance of keys into that between clusters and the rest.

    Parameters
    ----------
    keys : (..., n, d)
    weights : (..., n, r)
        Part of each key in each cluster; rows sum to 1.

    Returns
    -------
    factor : (..., d, r)
        ``U U'`` is the covariance of the means of the clusters.
    diagonal : (..., d)
        Variances within the clusters, 0 or more. With ``diag(U U')`` they sum to the variances of the keys.
    """
    centred = keys - keys.mean(-2, keepdim=True)
    share = weights.mean(-2).clamp_min(1e-12)  # an empty cluster has a gradient too
    means = (centred.mT @ weights) / (keys.shape[-2] * share).unsqueeze(-2)
    factor = means * share.sqrt().unsqueeze(-2)
    within = centred.square().mean(-2) - factor.square().sum(-1)
    return factor, within.clamp_min(0.0)


class MetricTemperature(nn.Module):
    """Compute the temperature of attention from the Fisher metric of its keys.

    Parameters
    ----------
    width : int
        Width d of a key.
    rank : int
        Number of clusters, 1 to d; rank 1 leaves the diagonal.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        if not 1 <= rank <= width:
            raise ValueError(f"rank {rank}; expected 1 to the width of a key, {width}")
        self.clusters = nn.Parameter(torch.randn(width, rank) / math.sqrt(width))

    def metric(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return factor (..., d, r) and diagonal (..., d) for keys (..., n, d)."""
        width = keys.shape[-1]
        centred = keys - keys.mean(-2, keepdim=True)
        # not std: its gradient is not a number where all keys are equal
        scale = (centred.square().mean((-2, -1), keepdim=True) + FLOOR**2).sqrt()
        factor, within = low_rank_covariance(keys, torch.softmax(centred / scale @ self.clusters, dim=-1))
        return factor / math.sqrt(width), within / width + FLOOR

    def forward(self, keys: Tensor) -> Tensor:
        """Return the temperatures (..., 1, 1) of keys (..., n, d)."""
        return temperature(*self.metric(keys))[..., None, None]

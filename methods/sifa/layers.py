r"""Attend to tokens on the axis of a group: equivariant, and of full rank.

Tokens :math:`x_n` have a representation :math:`\rho` of the group on their width. The layer

.. math::
    q_n(h) &= W_q\, \rho(h)^{-1} x_n + b_q \quad\text{for each element } h
        \text{, likewise } k_n(h), v_n(h) \\
    a_n(h) &= \sum_m \operatorname{softmax}_m\big(\tau(h)\, q_n(h) \cdot k_m(h) / \sqrt{d}\big)\, v_m(h) \\
    f(x)_n &= \sum_h \rho(h)\, \big(W_o\, a_n(h) + b_o\big) / |G|

lifts features to the axis of the group, attends to tokens there, and pools last. From
:math:`\rho(h)^{-1} \rho(g) = \rho(g^{-1} h)^{-1}` an element of the group permutes the lifted features, and
so :math:`f(\rho(g) x) = \rho(g) f(x)`. The average over the group *before* attention, as in the
specification's code, is the projection onto the invariant subspace: for signed permutations it is zero.

Cost
----
Lifted features have about ``width / |G|`` channels for each element, `width` in all; the heads are divided
among the elements. The matrices ``W rho(h)^{-1}`` are computed once for all tokens. Projections and attention
then cost what those of plain attention of equal width and heads do. The trivial group is plain attention.

Positions
---------
Tokens may have coordinates that the group moves: :math:`q_n(h)` and :math:`k_n(h)` then have a further term
:math:`P(h^{-1} p_n)`. Where the group maps the set of positions to itself, as quarter turns do with the
pixels of a square, moving the coordinates is a permutation of the tokens, given by `token_permutations`.

References
----------
Specification 4 §4.2 as corrected. Cohen and Welling, "Group equivariant convolutional networks", ICML
(2016). Romero and Cordonnier, "Group equivariant stand-alone self-attention for vision", ICLR (2021).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.sifa.groups import Group
from methods.sifa.metric import MetricTemperature


class Representation:
    r"""A representation of a group on a width: copies of a block, then scalars.

    .. math:: \rho(g) = (I_c \otimes M_g) \oplus I_r

    Channels are in this order: the block of copy 0, of copy 1, and so on, then `r` scalars that no element
    changes.

    Parameters
    ----------
    group : Group
    width : int
    kind : {"defining", "regular"}
        The block is the element's own matrix, of size d, or its permutation of the g elements.

    Raises
    ------
    ValueError
        If the width has no place for one block.
    """

    def __init__(self, group: Group, width: int, kind: Literal["defining", "regular"] = "defining") -> None:
        blocks = group.matrices if kind == "defining" else group.regular()
        self.size = blocks.shape[-1]
        if width < self.size:
            raise ValueError(
                f"width {width} has no place for the {kind} representation of size {self.size};"
                f" expected a width of at least {self.size}, best a multiple of it"
            )
        # float64 whatever the type of the weights: rounded matrices are not a group to 1e-10.
        self.blocks = torch.from_numpy(blocks.copy())
        self.inverse_blocks = self.blocks[torch.from_numpy(group.inverses.copy())]
        self.width = width
        self.copies, self.scalars = divmod(width, self.size)

    def matrix(self, element: int) -> Tensor:
        """Return the matrix of an element on the width, float64."""
        copies = torch.kron(torch.eye(self.copies, dtype=torch.float64), self.blocks[element])
        return torch.block_diag(copies, torch.eye(self.scalars, dtype=torch.float64))

    def lift(self, weight: Tensor) -> Tensor:
        """Return ``W rho(h)^{-1}`` for each element h: (m, width) to (g, m, width)."""
        return self._times(weight, self.inverse_blocks.to(weight))

    def lower(self, weight: Tensor) -> Tensor:
        """Return ``rho(h) W`` for each element h: (width, m) to (g, width, m)."""
        return self._times(weight.mT, self.blocks.to(weight).mT).mT

    def is_kept_by(self, channels: int) -> bool:
        """Return whether some lift to this many channels is injective.

        Almost every weight has the largest rank, so that one drawn at random decides.
        """
        weight = torch.from_numpy(np.random.default_rng(0).standard_normal((channels, self.width)))
        return int(torch.linalg.matrix_rank(self.lift(weight).flatten(0, 1))) == self.width

    def _times(self, weight: Tensor, blocks: Tensor) -> Tensor:
        """Multiply (..., width) by the block-diagonal matrices of all elements."""
        elements = len(blocks)
        inside = weight[:, : self.copies * self.size].unflatten(-1, (self.copies, self.size))
        moved = torch.einsum("mck,gkl->gmcl", inside, blocks).flatten(-2)
        if self.scalars == 0:
            return moved
        rest = weight[:, self.copies * self.size :].expand(elements, -1, -1)
        return torch.cat([moved, rest], dim=-1)


class SymmetricInformationField(nn.Module):
    """Multi-head attention that is equivariant under a group.

    Parameters
    ----------
    group : Group
    width : int
        Width of a token, at least the size of one block of the representation. What remains after whole
        blocks are scalars.
    heads : int
        Number of attention maps, rounded up to a multiple of ``|G|``: the group permutes the maps of its
        elements, as many for each.
    representation : {"regular", "defining"}, optional
        Block on the width; see `Representation`. By default the regular one if its size ``|G|`` divides the
        width, otherwise the defining one.
    metric : int
        Rank of the Fisher metric that sets the temperature (`methods.sifa.metric`). At 0 it is 1.
    positions : int
        Number of features of the encoding of coordinates; at 0 tokens have none.

    Raises
    ------
    ValueError
        If the width has no place for a block, or `heads` is less than 1.
    """

    def __init__(
        self,
        group: Group,
        width: int,
        heads: int,
        *,
        representation: Literal["regular", "defining"] | None = None,
        metric: int = 0,
        positions: int = 0,
    ) -> None:
        super().__init__()
        if heads < 1:
            raise ValueError(f"heads = {heads}; expected at least 1")
        self.group, self.width = group, width
        self.heads = math.ceil(heads / len(group))  # of each element
        self.representation = Representation(
            group, width, representation or ("defining" if width % len(group) else "regular")
        )
        self.channels = self.heads * math.ceil(width / (len(group) * self.heads))
        while not self.representation.is_kept_by(self.channels):
            self.channels += self.heads
        self.lifting = nn.Parameter(torch.empty(3 * self.channels, width))
        self.lifting_bias = nn.Parameter(torch.zeros(3 * self.channels))
        self.lowering = nn.Parameter(torch.empty(width, self.channels))
        self.lowering_bias = nn.Parameter(torch.zeros(width))
        nn.init.normal_(self.lifting, std=1 / math.sqrt(width))
        nn.init.normal_(self.lowering, std=1 / math.sqrt(self.channels * len(group)))
        size = self.channels // self.heads
        self.metric = MetricTemperature(size, min(metric, size)) if metric else None
        self.encoding = (
            nn.Sequential(
                nn.Linear(group.degree, positions), nn.GELU(), nn.Linear(positions, 2 * self.channels)
            )
            if positions
            else None
        )

    def represent(self, i: int) -> Tensor:
        """Return the matrix of element i on the width, in the type of the weights."""
        return self.representation.matrix(i).to(self.lifting)

    def forward(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        """Return the attended tokens.

        Parameters
        ----------
        tokens : (batch, n, width)
        positions : (batch or 1, n, d), optional
            Coordinates on which the matrices of the group act; needed if the layer encodes positions.

        Returns
        -------
        (batch, n, width)
        """
        order, channels = len(self.group), self.channels
        weight = self.representation.lift(self.lifting).flatten(0, 1)
        lifted = functional.linear(tokens, weight, self.lifting_bias.repeat(order))
        # (batch, n, g, 3 m) to three of (batch, g, heads, n, m / heads)
        lifted = lifted.unflatten(-1, (order, 3, self.heads, -1))
        query, key, value = lifted.permute(3, 0, 2, 4, 1, 5)
        if self.encoding is not None:
            if positions is None:
                raise ValueError("the layer encodes positions; give the coordinates of the tokens")
            place = self._encode(positions)
            query, key = query + place[0], key + place[1]
        if self.metric is not None:
            query = query * self.metric(key)
        attended = functional.scaled_dot_product_attention(
            query.flatten(1, 2), key.flatten(1, 2), value.flatten(1, 2)
        )
        attended = attended.unflatten(1, (order, self.heads)).permute(0, 3, 1, 2, 4).flatten(2)
        out = self.representation.lower(self.lowering).permute(1, 0, 2).reshape(self.width, order * channels)
        bias = self.representation.lower(self.lowering_bias[:, None]).mean(0)[:, 0]
        return functional.linear(attended, out, bias)

    def _encode(self, positions: Tensor) -> Tensor:
        """Return the terms of queries and keys, (2, batch, g, heads, n, m / heads)."""
        assert self.encoding is not None
        inverses = torch.from_numpy(self.group.matrices[self.group.inverses]).to(positions)
        moved = torch.einsum("gij,bnj->bgni", inverses, positions)
        return self.encoding(moved).unflatten(-1, (2, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)


def grid_positions(side: int) -> NDArray[np.float64]:
    """Return the centres of the cells of a square, (side ** 2, 2), in [-1, 1].

    Rows of a picture come first, as in ``picture.flatten()``. The first coordinate points right, the second
    up, so that `numpy.rot90` is the turn by 90 degrees of `methods.sifa.groups.cyclic`.
    """
    line = (2 * np.arange(side) + 1) / side - 1
    up, right = np.meshgrid(-line, line, indexing="ij")
    return np.stack([right.ravel(), up.ravel()], axis=-1)


def token_permutations(group: Group, positions: ArrayLike) -> NDArray[np.int64]:
    """Return the permutation of tokens that moves them with their positions.

    Parameters
    ----------
    group : Group
    positions : (n, d)
        Distinct coordinates.

    Returns
    -------
    (g, n) of int
        ``tokens[result[i]]`` has at each position the token that element i moves there.

    Raises
    ------
    ValueError
        If an element moves a position to where there is none.
    """
    points = np.asarray(positions, dtype=np.float64)
    result = np.empty((len(group), len(points)), dtype=np.int64)
    for i, matrix in enumerate(group.matrices):
        distances = np.abs(points[:, None] - points @ matrix.T).max(axis=-1)
        result[i] = distances.argmin(axis=1)
        gap = distances.min(axis=1)
        if gap.max() > 1e-9:
            raise ValueError(
                f"element {i} moves no token to position {points[gap.argmax()].tolist()}; the group does not"
                " map the positions to themselves"
            )
    return result

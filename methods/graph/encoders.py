"""Encoders of nodes, wired on PyG's layers: GraphSAGE (mean, max-pool, LSTM), GAT and GCN.

    z = layer_L(... dropout(relu(norm(layer_1(x, edges))))) ; P(link i, j) = sigmoid(z_i . z_j)

The specification's forward pass (2 §4.2) puts ReLU and dropout behind the last layer too. Read so, no
embedding has a negative entry, every product is 0 or more and every probability at least one half: no pair
could be called absent. Here the last layer is linear.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GATConv, GCNConv, SAGEConv

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENCODERS = ("sage-mean", "sage-max", "sage-lstm", "gat", "gcn")
NEGATIVE_SLOPE = 0.2


def layer(name: str, width_in: int, width_out: int, *, heads: int = 4) -> nn.Module:
    """One layer of the encoder `name`, `width_in` to `width_out` numbers a node.

    SAGE: ``W [h_v || AGG(h_u)] + b``; max-pool takes ``relu(W_pool h_u + b)``. GAT: `heads` heads side by
    side, ``softmax_j LeakyReLU(a [W h_i || W h_j])`` over a node's neighbours and itself, as in the paper.

    Raises
    ------
    ValueError
        If there is no such encoder, or `heads` does not divide `width_out`.
    """
    if name.startswith("sage-") and name in ENCODERS:
        aggregation = name.removeprefix("sage-")
        return SAGEConv(width_in, width_out, aggr=aggregation, project=aggregation == "max")
    if name == "gat":
        if width_out % heads:
            raise ValueError(f"width {width_out} is no multiple of {heads} heads")
        return GATConv(width_in, width_out // heads, heads=heads, negative_slope=NEGATIVE_SLOPE)
    if name == "gcn":
        return GCNConv(width_in, width_out)
    raise ValueError(f"there is no encoder '{name}'; expected one of {', '.join(ENCODERS)}")


class Inputs(nn.Module):
    """What a node starts with: given features through a linear map, a learnt vector, or their sum.

    Parameters
    ----------
    nodes : int
    given : int
        Width of the given features; 0 where there are none.
    width : int
        Width of what comes out.
    learnt : bool
        Whether each node has a vector of its own. It cannot serve a node that training has not seen.
    """

    def __init__(self, nodes: int, given: int, width: int, *, learnt: bool) -> None:
        super().__init__()
        if not given and not learnt:
            raise ValueError("nodes have neither given features nor learnt vectors; expected one at least")
        self.project = nn.Linear(given, width) if given else None
        self.own = nn.Embedding(nodes, width) if learnt else None
        if self.own is not None:
            nn.init.normal_(self.own.weight, std=width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(n, given)`` to ``(n, width)``."""
        parts = [] if self.project is None else [self.project(x)]
        return sum(parts if self.own is None else [*parts, self.own.weight], torch.zeros(()))


class Encoder(nn.Module):
    """Layers of one kind: batch normalisation, ReLU and dropout between them, the last one linear.

    Parameters
    ----------
    name : str
        One of `ENCODERS`.
    inputs : Inputs or Identity
        What maps features to the first width.
    widths : tuple of int
        Of the input and of every layer, e.g. ``(128, 256, 256, 128)``.
    dropout : float
        In [0, 1), between the layers.
    normalise : bool
        Whether batch normalisation stands between the layers.
    variational : bool
        Whether the last layer is doubled, for mean and logarithm of the standard deviation (VGAE).
    """

    def __init__(
        self,
        name: str,
        inputs: nn.Module,
        widths: tuple[int, ...],
        *,
        dropout: float = 0.3,
        heads: int = 4,
        normalise: bool = True,
        variational: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) < 2 or not 0 <= dropout < 1:
            raise ValueError(
                f"widths {widths}, dropout {dropout}; expected two widths or more, 0 <= dropout < 1"
            )
        self.name, self.inputs, self.dropout = name, inputs, dropout
        sizes = list(pairwise(widths))
        self.layers = nn.ModuleList(layer(name, a, b, heads=heads) for a, b in sizes)
        norms = [nn.BatchNorm1d(b) if normalise else nn.Identity() for _, b in sizes[:-1]]
        self.norms = nn.ModuleList(norms)
        self.spread = layer(name, *sizes[-1], heads=heads) if variational else None

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Features ``(n, d)`` and edge index ``(2, E)`` to embeddings ``(n, widths[-1])``."""
        h = self.inputs(x)
        for convolve, norm in zip(self.layers[:-1], self.norms, strict=True):
            h = functional.dropout(norm(convolve(h, edge_index)).relu(), self.dropout, self.training)
        z = self.layers[-1](h, edge_index)
        return z if self.spread is None else (z, self.spread(h, edge_index))


def sampled_neighbours(edge_index: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """Exactly `size` incoming neighbours of every node that has one, drawn with replacement, in random order.

    An LSTM needs it: PyG pads short sequences and reads the last place, so that sequences of one length are
    the only ones that it reads right. Hamilton et al. (2017) sample in the same way.
    """
    source, target = (cast("NDArray[np.int64]", end) for end in edge_index.numpy())
    order = np.argsort(target, kind="stable")
    receives, start, degree = np.unique(target[order], return_index=True, return_counts=True)
    drawn = start[:, None] + rng.integers(degree[:, None], size=(len(receives), size))
    return torch.from_numpy(np.stack([source[order][drawn].ravel(), np.repeat(receives, size)]))

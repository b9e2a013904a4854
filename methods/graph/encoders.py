"""Encode the nodes of a graph by layers of PyG: GraphSAGE, GAT and GCN.

    z = layer_L(... dropout(relu(norm(layer_1(x, edges))))) ; P(link i, j) = sigmoid(z_i . z_j)

GraphSAGE aggregates neighbours by mean, max-pool or LSTM.

The forward pass of the specification (2 §4.2) applies ReLU and dropout after the last layer too. Then no
embedding has a negative entry, every dot product is at least 0 and every probability at least one half, so
no pair could be predicted absent. Here the last layer is linear.
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
    """Return a layer of the encoder `name`, of `width_in` to `width_out` features.

    SAGE: ``W [h_v || AGG(h_u)] + b``; max-pool aggregates ``relu(W_pool h_u + b)``. GAT: `heads` parallel
    heads, ``softmax_j LeakyReLU(a [W h_i || W h_j])`` over the neighbours of a node and the node itself, as
    in the paper.

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
            raise ValueError(f"width is {width_out}; expected a multiple of the {heads} heads")
        return GATConv(width_in, width_out // heads, heads=heads, negative_slope=NEGATIVE_SLOPE)
    if name == "gcn":
        return GCNConv(width_in, width_out)
    raise ValueError(f"unknown encoder '{name}'; expected one of {', '.join(ENCODERS)}")


class InputLayer(nn.Module):
    """First layer of a node: projected features, a learnt vector, or their sum.

    Parameters
    ----------
    nodes : int
    given : int
        Width of the given features; 0 if there are none.
    width : int
        Width of the output.
    learnt : bool
        Whether each node has a learnt vector. Such a layer cannot encode a node that was not in training.
    """

    def __init__(self, nodes: int, given: int, width: int, *, learnt: bool) -> None:
        super().__init__()
        if not given and not learnt:
            raise ValueError(
                "nodes have neither given features nor learnt vectors; expected at least one of them"
            )
        self.project = nn.Linear(given, width) if given else None
        self.own = nn.Embedding(nodes, width) if learnt else None
        if self.own is not None:
            nn.init.normal_(self.own.weight, std=width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map features of shape (n, given) to (n, width)."""
        parts = [] if self.project is None else [self.project(x)]
        return sum(parts if self.own is None else [*parts, self.own.weight], torch.zeros(()))


class Encoder(nn.Module):
    """Encoder of several layers of one kind, the last one linear.

    Batch normalisation, ReLU and dropout stand between the layers.

    Parameters
    ----------
    name : str
        One of `ENCODERS`.
    inputs : InputLayer or Identity
        Maps features to the first width.
    widths : tuple of int
        Width of the input and of every layer, for example ``(128, 256, 256, 128)``.
    dropout : float
        Share of units that training drops between the layers, in [0, 1).
    normalise : bool
        Whether to normalise between the layers.
    variational : bool
        Whether to double the last layer, for mean and logarithm of the standard deviation (VGAE).
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
        """Map features (n, d) and edge index (2, E) to embeddings (n, widths[-1])."""
        h = self.inputs(x)
        for convolve, norm in zip(self.layers[:-1], self.norms, strict=True):
            h = functional.dropout(norm(convolve(h, edge_index)).relu(), self.dropout, self.training)
        z = self.layers[-1](h, edge_index)
        return z if self.spread is None else (z, self.spread(h, edge_index))


def sample_neighbours(edge_index: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """Sample `size` incoming neighbours of every node that has one, with replacement.

    The neighbours are in random order. An LSTM needs sequences of one length, because PyG pads shorter ones
    and then reads the last position, which is padding. Hamilton et al. (2017) sample in the same way.
    """
    source, target = (cast("NDArray[np.int64]", end) for end in edge_index.numpy())
    order = np.argsort(target, kind="stable")
    receives, start, degree = np.unique(target[order], return_index=True, return_counts=True)
    drawn = start[:, None] + rng.integers(degree[:, None], size=(len(receives), size))
    return torch.from_numpy(np.stack([source[order][drawn].ravel(), np.repeat(receives, size)]))

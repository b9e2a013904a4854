"""Classify the nodes of a graph of which a few have a label, by layers of PyG.

    p = softmax(layer_2(dropout(sigma(layer_1(dropout(x), edges))), edges))

The recipes are those of the papers: GCN (Kipf and Welling, 2017), GraphSAGE with mean (Hamilton et al.,
2017), and GAT with 8 heads (Velickovic et al., 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GATConv, GCNConv, SAGEConv

from methods.graph.encoders import NEGATIVE_SLOPE
from methods.training import Objective, Settings, Validation, fit, seeded

Ints = NDArray[np.int64]
Name = Literal["gcn", "sage", "gat"]


@dataclass(frozen=True)
class Graph:
    """A graph with features and classes.

    Attributes
    ----------
    x : Tensor of shape (n, d)
        Features, dense or sparse (COO). Bags of words are sparse, and an epoch is then some times faster.
    edges : Tensor of shape (2, E)
        Both directions of each edge.
    y : Tensor of shape (n,)
        Class of each node, 0 to `classes` - 1; others are never read.
    """

    x: Tensor
    edges: Tensor
    y: Tensor
    classes: int


@dataclass(frozen=True)
class NodeRecipe:
    """Settings of a model and its training by Adam.

    Attributes
    ----------
    width : int
        Hidden width, over all heads.
    weight_decay : float
        Of the first layer; for GAT of both.
    """

    name: Name
    width: int
    dropout: float
    learning_rate: float
    weight_decay: float
    epochs: int
    patience: int
    heads: int = 1


RECIPES: dict[str, NodeRecipe] = {
    "gcn": NodeRecipe("gcn", 16, 0.5, 0.01, 5e-4, 400, 100),
    "sage": NodeRecipe("sage", 16, 0.5, 0.01, 5e-4, 400, 100),
    "gat": NodeRecipe("gat", 64, 0.6, 0.005, 5e-4, 600, 100, heads=8),
}
"""Recipes of the papers, with early stopping."""


class ProjectedSAGE(SAGEConv):
    """GraphSAGE with mean that projects features before it averages them.

    ``W mean(x) = mean(W x)``: the sum is that of PyG's layer, and cheaper where the features are wider than
    the output. Features may be sparse.
    """

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return the states of all nodes."""
        h = functional.linear(x, self.lin_l.weight)
        mean: Tensor = self.propagate(edge_index, x=(h, h), size=None)
        return mean + self.lin_l.bias + functional.linear(x, self.lin_r.weight)


class NodeClassifier(nn.Module):
    """Two layers of one kind; returns logits of shape (n, classes)."""

    def __init__(self, features: int, classes: int, recipe: NodeRecipe) -> None:
        super().__init__()
        self.dropout = recipe.dropout
        self.first: nn.Module
        self.last: nn.Module
        if recipe.name == "gat":
            options = {"dropout": recipe.dropout, "negative_slope": NEGATIVE_SLOPE}
            self.first = GATConv(features, recipe.width // recipe.heads, heads=recipe.heads, **options)
            self.last = GATConv(recipe.width, classes, heads=1, **options)
            self.activation: Callable[[Tensor], Tensor] = functional.elu
        else:
            layer = GCNConv if recipe.name == "gcn" else ProjectedSAGE
            self.first, self.last = layer(features, recipe.width), layer(recipe.width, classes)
            self.activation = functional.relu

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """Return the logits of all nodes."""
        h = _dropout(x, self.dropout, self.training)
        h = self.activation(self.first(h, edges))
        logits: Tensor = self.last(functional.dropout(h, self.dropout, self.training), edges)
        return logits


def _dropout(x: Tensor, share: float, training: bool) -> Tensor:
    """Drop values of a matrix; of a sparse one the stored values, since a dropped 0 is 0."""
    if not x.is_sparse:
        return functional.dropout(x, share, training)
    values = functional.dropout(x.values(), share, training)
    return torch.sparse_coo_tensor(x.indices(), values, x.shape, is_coalesced=True, check_invariants=False)


def classify_nodes(graph: Graph, train: Ints, validation: Ints, recipe: NodeRecipe, *, seed: int) -> Tensor:
    """Fit to some nodes, end by others, and return the logits of all nodes.

    The weights are those of the epoch with the highest validation accuracy, and of these the one with the
    lowest validation loss.

    Raises
    ------
    ValueError
        If a node for training or validation has no class.
    """
    for name, rows in (("training", train), ("validation", validation)):
        if not ((graph.y[rows] >= 0) & (graph.y[rows] < graph.classes)).all():
            raise ValueError(f"a node for {name} has no class from 0 to {graph.classes - 1}")
    held = torch.as_tensor(validation, dtype=torch.long)
    with seeded(seed):
        model = NodeClassifier(graph.x.shape[1], graph.classes, recipe)
        decay = recipe.weight_decay
        groups = [
            {"params": model.first.parameters(), "weight_decay": decay},
            {"params": model.last.parameters(), "weight_decay": decay if recipe.name == "gat" else 0.0},
        ]

        def validate(judged: nn.Module) -> Validation:
            logits = judged(graph.x, graph.edges)[held]
            loss = float(functional.cross_entropy(logits, graph.y[held]))
            accuracy = float((logits.argmax(-1) == graph.y[held]).float().mean())
            # one more node right outweighs any loss: the loss decides between equal accuracies
            return Validation(-accuracy * len(held) + loss / (1 + loss), {"accuracy": accuracy})

        fit(
            model,
            torch.optim.Adam(groups, lr=recipe.learning_rate),
            Objective(
                lambda _: [torch.as_tensor(train, dtype=torch.long)],
                lambda rows: functional.cross_entropy(model(graph.x, graph.edges)[rows], graph.y[rows]),
                validate,
            ),
            Settings(recipe.epochs, patience=recipe.patience),
        )
    with torch.no_grad():
        logits: Tensor = model(graph.x, graph.edges)
    return logits

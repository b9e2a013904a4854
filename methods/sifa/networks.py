"""Networks without a built-in symmetry.

References
----------
Vaswani et al., "Attention is all you need", NeurIPS (2017), with normalisation before each part (Xiong et
al., ICML 2020). Greydanus and Kobak, "Scaling down deep learning with MNIST-1D", ICML (2024): the
convolutional network of the signals.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH = 2
"""Side of a patch of a picture, and half the points of a token of a signal."""


def tokens_of(x: Tensor) -> Tensor:
    """Return (rows, tokens, features): patches, or four points of a signal."""
    if x.ndim == 3:
        patches = x.unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH)
        return patches.reshape(len(x), -1, PATCH * PATCH)
    return x.unflatten(1, (-1, 2 * PATCH))


class Block(nn.Module):
    """One layer of a transformer: attention among tokens, then a perceptron.

    Causal attention sees no later token; the perceptron is `expansion` times as wide.
    """

    def __init__(self, width: int, heads: int, *, expansion: int = 2, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.before = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.combine = nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, expansion * width),
            nn.GELU(),
            nn.Linear(expansion * width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (rows, tokens, width) to the same shape."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.project(self.before(x)).chunk(3, dim=2)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        x = x + self.combine(mixed.transpose(1, 2).flatten(2))
        return x + self.perceptron(x)


class Transformer(nn.Module):
    """Plain transformer over the patches of a picture, or pieces of a signal.

    Parameters
    ----------
    shape : tuple of int
        Shape of one example: (side, side) or (points,).
    classes : int
    width : int
        Divisible by `heads`.
    """

    def __init__(
        self, shape: tuple[int, ...], classes: int, width: int, *, heads: int = 4, depth: int = 2
    ) -> None:
        super().__init__()
        tokens, features = tokens_of(torch.zeros(1, *shape)).shape[1:]
        self.embed = nn.Linear(features, width)
        self.position = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map (rows, ...) to (rows, classes) logits."""
        logits: Tensor = self.head(self.blocks(self.embed(tokens_of(x)) + self.position).mean(dim=1))
        return logits


def convolutional(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return a convolutional network: two layers for pictures, three for signals."""
    if len(shape) == 2:
        return nn.Sequential(
            nn.Unflatten(1, (1, shape[0])),
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.25),
            nn.LazyLinear(classes),
        )
    return nn.Sequential(
        nn.Unflatten(1, (1, shape[0])),
        nn.Conv1d(1, 25, 5, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv1d(25, 25, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv1d(25, 25, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.LazyLinear(classes),
    )


def perceptron(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return a perceptron with two hidden layers of 100 units."""
    return nn.Sequential(
        nn.Flatten(), nn.LazyLinear(100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, classes)
    )

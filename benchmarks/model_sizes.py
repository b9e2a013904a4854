"""Count the parameters of the models in specification 2 from published shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Llama:
    """Shapes of a Llama decoder with grouped-query attention, by default Llama-3-8B.

    Source: configuration of Meta-Llama-3-8B (Grattafiori et al., 2024).
    """

    width: int = 4096
    keys: int = 1024
    inner: int = 14_336
    layers: int = 32
    vocabulary: int = 128_256

    def matrices(self) -> list[tuple[int, int]]:
        """Return (d, k) of the matrices of a layer: q, k, v, o, gate, up, down."""
        w, i = self.width, self.inner
        return [(w, w), (self.keys, w), (self.keys, w), (w, w), (i, w), (i, w), (w, i)]

    def parameters(self) -> int:
        """Count all weights: embedding, head, layers with two norms each, last norm."""
        layer = sum(d * k for d, k in self.matrices()) + 2 * self.width
        return 2 * self.vocabulary * self.width + self.layers * layer + self.width


def lora_parameters(matrices: Sequence[tuple[int, int]], rank: int) -> int:
    """Return the sum of ``r (d + k)`` over matrices (d, k): specification 2, §2.2."""
    return sum(rank * (d + k) for d, k in matrices)


def vit_parameters(width: int = 768, layers: int = 12, patch: int = 16, size: int = 224) -> int:
    """Count the parameters of a vision transformer without its head.

    References
    ----------
    Dosovitskiy et al. (2020), table 1: ViT-Base has 86M.
    """
    patches = (size // patch) ** 2
    embedding = (3 * patch * patch + 1) * width + (patches + 2) * width
    attention, perceptron, norms = 4 * width * (width + 1), 2 * 4 * width * width + 5 * width, 4 * width
    return embedding + layers * (attention + perceptron + norms) + 2 * width


def sage_parameters(widths: Sequence[int]) -> int:
    """Count the parameters of GraphSAGE with a batch normalisation per layer.

    A layer is ``W [h, mean of neighbours] + b``, as in specification 2, section 4.2.
    """
    return sum((2 * into + 1) * out + 2 * out for into, out in pairwise(widths))


def layer_products(length: int, width: int) -> tuple[int, int]:
    """Count the products of a ViT layer on a sequence.

    They are ``12 n d^2`` by weights and ``2 n^2 d`` in the attention.
    """
    return 12 * length * width**2, 2 * length**2 * width

"""Divide a vision transformer into a frozen lower and a trainable upper part.

The lower part is the embedding and the first layers. The upper part is the other layers, the last
normalisation and the pooling, which is the pooler of the model or the first position.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

LAYER_ATTRIBUTES = (("", "layers"), ("encoder", "layers"), ("encoder", "layer"))
"""Attributes, as (parent, name), in which models of `transformers` store their layers."""


class PooledModel(nn.Module):
    """A model of `transformers` that returns one vector per picture."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the pooled output, or the mean over positions if there is none."""
        output = self.model(pixel_values=pictures)
        pooled = getattr(output, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1)
        hidden = output.last_hidden_state
        return hidden.flatten(2).mean(-1) if hidden.ndim == 4 else hidden.mean(1)


class _Lower(nn.Module):
    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pixel_values=pictures).last_hidden_state


class _Upper(nn.Module):
    def __init__(self, layers: nn.ModuleList, norm: nn.Module, pooler: nn.Module | None):
        super().__init__()
        self.layers, self.norm, self.pooler = layers, norm, pooler

    def forward(self, hidden: Tensor) -> Tensor:
        for layer in self.layers:
            output = layer(hidden)
            hidden = output[0] if isinstance(output, tuple) else output
        hidden = self.norm(hidden)
        return hidden[:, 0] if self.pooler is None else self.pooler(hidden)


def divide(model: Any, frozen: int, size: tuple[int, int]) -> tuple[nn.Module, nn.Module]:
    """Return the lower and the upper part of a ViT of `transformers`.

    The model itself is changed.

    Parameters
    ----------
    model : Module
        A model with embeddings, a list of layers, `layernorm` and optionally a `pooler`.
    frozen : int
        Number of layers in the lower part.
    size : tuple of int
        Height and width of the pictures.

    Raises
    ------
    ValueError
        If the model has no such parts or fewer layers, or the output of the parts differs from its own.
    """
    holder, name = _layers(model)
    layers = getattr(holder, name)
    if not 0 <= frozen <= len(layers):
        raise ValueError(f"frozen is {frozen}; expected 0 to {len(layers)} layers, or null for all of them")
    whole = PooledModel(model).eval()
    picture = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = whole(picture)
    upper = _Upper(nn.ModuleList(layers[frozen:]), model.get_submodule("layernorm"), _pooler(model)).eval()
    setattr(holder, name, nn.ModuleList(layers[:frozen]))
    model.layernorm, model.pooler = nn.Identity(), None
    lower = _Lower(model).eval()
    with torch.no_grad():
        same = torch.allclose(upper(lower(picture)), expected, rtol=1e-3, atol=1e-4)
    if not same:
        raise ValueError(
            "the output of its two parts differs from that of the whole model; set frozen to null"
        )
    return lower.requires_grad_(False), upper.requires_grad_(True)


def _layers(model: nn.Module) -> tuple[Any, str]:
    if isinstance(getattr(model, "layernorm", None), nn.Module):
        for parent, name in LAYER_ATTRIBUTES:
            holder = getattr(model, parent, None) if parent else model
            if isinstance(getattr(holder, name, None), nn.ModuleList):
                return holder, name
    raise ValueError("it is not a vision transformer with a list of layers; set frozen to null")


def _pooler(model: nn.Module) -> nn.Module | None:
    pooler = getattr(model, "pooler", None)
    return pooler if isinstance(pooler, nn.Module) else None

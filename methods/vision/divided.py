"""A vision transformer in two parts: its first layers, frozen, and the others, which can learn.

The lower part embeds a picture and passes it through the first layers; the upper part goes on with the
other layers and the last normalisation, then pools: by the model's pooler, or by the first position.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

PLACES = (("", "layers"), ("encoder", "layers"), ("encoder", "layer"))
"""Where models of `transformers` keep their layers."""


class Pooled(nn.Module):
    """A model of `transformers` and what it makes of a picture as one vector."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        """The pooled output, or the mean over positions where the model pools nothing."""
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
            found = layer(hidden)
            hidden = found[0] if isinstance(found, tuple) else found
        hidden = self.norm(hidden)
        return hidden[:, 0] if self.pooler is None else self.pooler(hidden)


def divide(model: Any, frozen: int, size: tuple[int, int]) -> tuple[nn.Module, nn.Module]:
    """Both parts of a model of `transformers` that is as ViT is; the model itself is taken apart.

    Parameters
    ----------
    model : Module
        Embeddings, a list of layers, `layernorm` and perhaps a `pooler`.
    frozen : int
        Layers of the lower part.
    size : tuple of int
        Height and width of the pictures.

    Raises
    ------
    ValueError
        If the model has no such parts, fewer layers, or the parts do not make what the whole makes.
    """
    holder, name = _layers(model)
    layers = getattr(holder, name)
    if not 0 <= frozen <= len(layers):
        raise ValueError(f"frozen is {frozen}, expected 0 to {len(layers)} layers, or null for all of it")
    whole = Pooled(model).eval()
    picture = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = whole(picture)
    upper = _Upper(nn.ModuleList(layers[frozen:]), model.get_submodule("layernorm"), _pooler(model)).eval()
    setattr(holder, name, nn.ModuleList(layers[:frozen]))
    model.layernorm, model.pooler = nn.Identity(), None
    lower = _Lower(model).eval()
    with torch.no_grad():
        same = torch.allclose(upper(lower(picture)), wanted, rtol=1e-3, atol=1e-4)
    if not same:
        raise ValueError("its layers in two parts do not make what the whole makes; set frozen to null")
    return lower.requires_grad_(False), upper.requires_grad_(True)


def _layers(model: nn.Module) -> tuple[Any, str]:
    if isinstance(getattr(model, "layernorm", None), nn.Module):
        for place, name in PLACES:
            holder = getattr(model, place, None) if place else model
            if isinstance(getattr(holder, name, None), nn.ModuleList):
                return holder, name
    raise ValueError("it is no vision transformer with a list of layers to divide; set frozen to null")


def _pooler(model: nn.Module) -> nn.Module | None:
    pooler = getattr(model, "pooler", None)
    return pooler if isinstance(pooler, nn.Module) else None

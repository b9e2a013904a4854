"""Gradient checkpointing: store the inputs of layers, and recompute the rest.

A backward pass needs the activations of every layer, ``O(L a)`` for `L` layers of `a` bytes. With their
inputs of `i` bytes alone it needs ``O(L i + a)``, at the cost of a second forward pass.

References
----------
Chen et al. (2016); specification 3 §11.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute_layers(layers: Iterable[nn.Module]) -> None:
    """Make layers recompute their activations in the backward pass.

    The layers are changed in place; names of weights, gradients and random draws stay the same, bit by bit.
    Evaluation and passes without gradients are not affected.

    Parameters
    ----------
    layers : iterable of Module
        Layers whose outputs are small beside what they store, such as the blocks of a transformer.
    """
    for layer in layers:
        # A method, unlike a closure, is bound to the copy when a model is copied for averaged weights.
        layer.forward = MethodType(_forward, layer)


def _forward(layer: nn.Module, *inputs: Any, **options: Any) -> Any:
    plain = partial(type(layer).forward, layer)
    if layer.training and torch.is_grad_enabled():
        return checkpoint(plain, *inputs, use_reentrant=False, **options)
    return plain(*inputs, **options)

"""Parameters and operations of models, and the width for a wanted size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(module: nn.Module) -> int:
    """Return the number of trained parameters of a module."""
    return sum(weights.numel() for weights in module.parameters() if weights.requires_grad)


def count_flops(module: nn.Module, example: torch.Tensor) -> int:
    """Return the operations of the prediction of one example.

    Products of matrices, convolutions and attention are counted, a product and a sum as two operations.

    Parameters
    ----------
    module : nn.Module
    example : Tensor, shape (1, ...)
    """
    training = module.training
    module.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(example)
    module.train(training)
    return int(counter.get_total_flops())


def width_for(size: Callable[[int], int], wanted: int, widths: range) -> int:
    """Return the width whose size is nearest to the wanted one.

    Parameters
    ----------
    size : callable
        Width -> size, which grows with the width.
    wanted : int
    widths : range
        Allowed widths, ascending.
    """
    low, high = 0, len(widths) - 1
    while low < high:
        middle = (low + high) // 2
        if size(widths[middle]) < wanted:
            low = middle + 1
        else:
            high = middle
    nearest = widths[max(low - 1, 0) : low + 1] if low else widths[:1]
    return min(nearest, key=lambda width: abs(size(width) - wanted))

"""Classify a feature vector by several linear heads behind a shared layer.

    h = dropout(x)   or   dropout(gelu(W x + b))        shared
    z_k = W_k h + b_k                                   head k
    loss = sum_k w_k * mean over rows with a label for head k of CE(z_k, y_k)

With label smoothing s the target is 1 - s for the class, plus s / classes for every class. A row without a
label for a head gives that head no gradient. A head without any label is not built.

References
----------
Specification 2 §3, §6 (label smoothing). Szegedy et al. (2016) for label smoothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

UNLABELLED = -1


@dataclass(frozen=True)
class Head:
    """Classes of a head, in the order of its logits, and the weight of its loss."""

    classes: tuple[str, ...]
    weight: float = 1.0


def split_heads(
    heads: Mapping[str, Head], labels: Mapping[str, Tensor]
) -> tuple[dict[str, Head], dict[str, str]]:
    """Return the heads that can be trained, and the reason for each other head.

    Parameters
    ----------
    heads : mapping of Head
    labels : mapping of (rows,) of int64
        `UNLABELLED` where a row has no label. A head may be missing.
    """
    off = {}
    for name, head in heads.items():
        known = labels[name][labels[name] != UNLABELLED] if name in labels else torch.empty(0)
        if len(known) == 0:
            off[name] = "no label in the training rows"
        elif len(head.classes) < 2 or len(torch.unique(known)) < 2:
            off[name] = "one class only in the training rows"
    return {name: head for name, head in heads.items() if name not in off}, off


class Heads(nn.Module):
    """Heads that map features of shape (rows, width) to logits.

    Parameters
    ----------
    width : int
    heads : mapping of Head
        At least one.
    hidden : int
        Width of the shared layer; 0 for no shared layer, so that each head is a linear classifier.
    dropout : float
    """

    def __init__(self, width: int, heads: Mapping[str, Head], *, hidden: int = 0, dropout: float = 0.0):
        super().__init__()
        if not heads:
            raise ValueError("there is no head with labels to train on; expected at least one")
        shared: list[nn.Module] = [nn.Linear(width, hidden), nn.GELU()] if hidden else []
        self.shared = nn.Sequential(*shared, nn.Dropout(dropout))
        self.heads = nn.ModuleDict(
            {name: nn.Linear(hidden or width, len(head.classes)) for name, head in heads.items()}
        )

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Return the logits (rows, classes) of each head."""
        shared = self.shared(features)
        return {name: head(shared) for name, head in self.heads.items()}


def multi_task_loss(
    logits: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    heads: Mapping[str, Head],
    smoothing: float = 0.0,
) -> Tensor:
    """Return the weighted sum of the mean cross-entropy of each head.

    The mean of a head is over the rows with a label for it.

    Parameters
    ----------
    logits : mapping of (rows, classes) of float
    labels : mapping of (rows,) of int64
        `UNLABELLED` where a row has no label.
    heads : mapping of Head
    smoothing : float
        Label smoothing, 0 to below 1.

    Returns
    -------
    () of float
        Zero, with a zero gradient, if no row has a label.
    """
    total = next(iter(logits.values())).new_zeros(())
    for name, values in logits.items():
        count = (labels[name] != UNLABELLED).sum().clamp_min(1)
        entropy = functional.cross_entropy(
            values, labels[name], ignore_index=UNLABELLED, label_smoothing=smoothing, reduction="sum"
        )
        total = total + heads[name].weight * entropy / count
    return total

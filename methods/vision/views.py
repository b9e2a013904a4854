"""Compute views of photographs through the frozen lower part of a backbone.

The frozen part processes each view once, before training. An epoch then computes the upper part only.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from methods.vision.augment import Augmentation, random_views, resize
from methods.vision.backbone import Backbone

LENGTH = 30.0


def training_views(
    backbone: Backbone,
    pictures: NDArray[np.uint8],
    count: int,
    how: Augmentation,
    seed: int,
    batch_size: int = 64,
) -> Tensor:
    """Return the plain view and `count - 1` random views through the lower part.

    Parameters
    ----------
    backbone : Backbone
    pictures : (n, height, width, 3) of uint8
    count : int
        Number of views per picture, 1 or more.
    how : Augmentation
    seed : int

    Returns
    -------
    (count, n, ...) of float16
    """
    generator = torch.Generator().manual_seed(seed)
    plain = [backbone.maps(resize(part, backbone.size)) for part in _batches(pictures, batch_size)]
    views = [torch.cat(plain)]
    for _ in range(count - 1):
        parts = [
            backbone.maps(random_views(part, backbone.size, how, generator))
            for part in _batches(pictures, batch_size)
        ]
        views.append(torch.cat(parts))
    return torch.stack(views)


def plain_views(backbone: Backbone, pictures: NDArray[np.uint8], batch_size: int = 64) -> Tensor:
    """Return pictures and mirror images after the lower part: (2, n, ...) of float16."""
    resized = [resize(part, backbone.size) for part in _batches(pictures, batch_size)]
    plain = torch.cat([backbone.maps(part) for part in resized])
    mirrored = torch.cat([backbone.maps(part.flip(-1)) for part in resized])
    return torch.stack([plain, mirrored])


def rooted(features: Tensor) -> Tensor:
    """Return ``30 sqrt(x) / |sqrt(x)|``, where negative features count as 0.

    Few features of a rectified network are large. The root increases the weight of the others (Arandjelovic
    and Zisserman 2012, for histograms).
    """
    return LENGTH * functional.normalize(features.clamp_min(0).sqrt(), dim=-1)


def _batches(pictures: NDArray[np.uint8], size: int) -> list[Tensor]:
    starts = range(0, len(pictures), size)
    return [
        torch.from_numpy(pictures[start : start + size].copy()).permute(0, 3, 1, 2).float() / 255
        for start in starts
    ]

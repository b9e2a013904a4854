"""What a classifier learns from: several views a photograph, as the maps of a frozen lower part.

The frozen part sees each view once, before training; an epoch then costs the upper part alone.
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
    """The plain view of each picture and `count - 1` random ones, through the lower part.

    Parameters
    ----------
    backbone : Backbone
    pictures : (n, height, width, 3) of uint8
    count : int
        1 or more.
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
    """Each picture and its mirror image through the lower part: (2, n, ...) of float16."""
    resized = [resize(part, backbone.size) for part in _batches(pictures, batch_size)]
    plain = torch.cat([backbone.maps(part) for part in resized])
    mirrored = torch.cat([backbone.maps(part.flip(-1)) for part in resized])
    return torch.stack([plain, mirrored])


def rooted(features: Tensor) -> Tensor:
    """``30 sqrt(x) / |sqrt(x)|``: the root of each feature (negative ones are 0), to one length.

    Few of the features of a rectified network are large; the root lets the others count
    (Arandjelovic and Zisserman 2012, for histograms).
    """
    return LENGTH * functional.normalize(features.clamp_min(0).sqrt(), dim=-1)


def _batches(pictures: NDArray[np.uint8], size: int) -> list[Tensor]:
    starts = range(0, len(pictures), size)
    return [
        torch.from_numpy(pictures[start : start + size].copy()).permute(0, 3, 1, 2).float() / 255
        for start in starts
    ]

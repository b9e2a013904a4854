r"""Move pictures a little, so that few rows show what does not change their class.

A picture is drawn through the random map

.. math::
    x \mapsto s\, R(\alpha)\, x + t, \quad |\alpha| \le 15^\circ, \ |\log s| \le 0.1,
    \ |t_i| \le 1 \text{ pixel}

with bilinear interpolation and zeros outside. All models of pictures may use it, so that none has more
knowledge of handwriting than another.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

ANGLE = math.radians(15)
STRETCH = 0.1
SHIFT = 1.0
"""Largest angle in radians, logarithm of the scale, and movement in pixels."""


def jittered(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Return pictures that are turned, scaled and shifted a little, each at random.

    Parameters
    ----------
    pictures : (rows, side, side)
    generator : torch.Generator
    """
    rows, side = pictures.shape[0], pictures.shape[-1]

    def uniform(limit: float) -> Tensor:
        return limit * (2 * torch.rand(rows, generator=generator, dtype=pictures.dtype) - 1)

    angle, scale = uniform(ANGLE), uniform(STRETCH).exp()
    right, down = uniform(2 * SHIFT / side), uniform(2 * SHIFT / side)  # the side of a picture is 2
    cos, sin = angle.cos() * scale, angle.sin() * scale
    first = torch.stack([cos, -sin, right], dim=-1)
    maps = torch.stack([first, torch.stack([sin, cos, down], dim=-1)], dim=1)
    grid = functional.affine_grid(maps, [rows, 1, side, side], align_corners=False)
    return functional.grid_sample(pictures[:, None], grid, align_corners=False)[:, 0]


def turned(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Return pictures turned by multiples of 90 degrees, each at random."""
    quarters = torch.randint(4, (len(pictures),), generator=generator)
    images = torch.stack([torch.rot90(pictures, k, (1, 2)) for k in range(4)])
    return images[quarters, torch.arange(len(pictures))]

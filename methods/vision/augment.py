"""Augment photographs by a random affine map and a colour jitter.

A view is a photograph that is rotated, zoomed, shifted and possibly mirrored by one bilinear interpolation.
Its brightness, contrast and saturation are then changed. Pixels outside the photograph are reflected at its
edge. Whole batches are processed at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """Bounds of random changes; each amount is drawn uniformly between its bounds.

    Attributes
    ----------
    mirror, upside_down : float
        Probability of a horizontal and of a vertical flip, 0 to 1.
    turn : float
        Maximum angle of rotation, in degrees.
    zoom : tuple of float
        Minimum and maximum share of each side that is visible; below 1 crops.
    move : float
        Maximum shift, as a share of the margin that zooming leaves on either side.
    light, contrast, colour : float
        Maximum relative change of brightness, contrast and saturation.
    """

    mirror: float = 0.5
    upside_down: float = 0.5
    turn: float = 20.0
    zoom: tuple[float, float] = (0.7, 1.0)
    move: float = 1.0
    light: float = 0.2
    contrast: float = 0.2
    colour: float = 0.2


def resize(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize pictures by bilinear interpolation with antialiasing.

    Parameters
    ----------
    pictures : (n, 3, height, width) of float
    size : tuple of int
        Height and width of the result.
    """
    return functional.interpolate(pictures, size=size, mode="bilinear", antialias=True)


def random_views(
    pictures: Tensor, size: tuple[int, int], how: Augmentation, generator: torch.Generator
) -> Tensor:
    """Return a random view of each picture.

    Parameters
    ----------
    pictures : (n, 3, height, width) of float
        Values 0 to 1.
    size : tuple of int
        Height and width of the views. A view that is smaller than its picture is not antialiased.
    how : Augmentation
    generator : torch.Generator

    Returns
    -------
    (n, 3, *size) of float
        Values 0 to 1.
    """

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(pictures), generator=generator)

    angle = draw(-how.turn, how.turn) * math.pi / 180
    zoom = draw(*how.zoom)
    flips = [1 - 2 * (draw(0, 1) < chance).float() for chance in (how.mirror, how.upside_down)]
    shift = [how.move * (1 - zoom) * draw(-1, 1) for _ in range(2)]
    # Coordinates are from -1 to 1 along both sides, so a rotation depends on the ratio of the sides.
    ratio = pictures.shape[-2] / pictures.shape[-1]
    theta = torch.stack(
        [
            torch.stack([zoom * flips[0] * angle.cos(), -zoom * flips[1] * angle.sin() * ratio, shift[0]], 1),
            torch.stack([zoom * flips[0] * angle.sin() / ratio, zoom * flips[1] * angle.cos(), shift[1]], 1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta, [len(pictures), 3, *size], align_corners=False)
    views = functional.grid_sample(
        pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    changes = [1 + draw(-most, most) for most in (how.light, how.contrast, how.colour)]
    return jitter(views, *changes)


def jitter(pictures: Tensor, light: Tensor, contrast: Tensor, colour: Tensor) -> Tensor:
    """Scale the brightness, the contrast and the saturation of each picture.

    The contrast scales the distance from the mean, the saturation the distance from grey.

    Parameters
    ----------
    pictures : (n, 3, height, width) of float
        Values 0 to 1.
    light, contrast, colour : (n,) of float
        Factors; 1 changes nothing, and a colour of 0 gives a grey picture.
    """
    light, contrast, colour = (factor.view(-1, 1, 1, 1) for factor in (light, contrast, colour))
    pictures = pictures * light
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    pictures = mean + contrast * (pictures - mean)
    grey = (pictures * pictures.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    return (grey + colour * (pictures - grey)).clamp(0, 1)

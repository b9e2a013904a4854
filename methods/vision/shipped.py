"""The features that ship with the photographs' labels, made anew from any picture.

EfficientNet-Lite0 of a picture brought to 224 x 224 (bicubic), normalised by ImageNet's mean and
deviation, averaged with that of its mirror image. The network's own authors normalise otherwise; the
shipped table was made so, and heads that learnt from it must be given the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from methods.vision.backbone import EFFICIENTNET, Backbone, Normalise, load_backbone

Features = Callable[[NDArray[np.float32]], NDArray[np.float32]]
SIDE = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def shipped_backbone() -> Backbone:
    """EfficientNet-Lite0 that normalises by ImageNet's mean and deviation."""
    own = load_backbone(EFFICIENTNET, size=(SIDE, SIDE))
    assert isinstance(own.lower, nn.Sequential)
    by_imagenet = Normalise([255 * value for value in MEAN], [255 * value for value in DEVIATION])
    return replace(own, lower=nn.Sequential(by_imagenet, *list(own.lower)[1:]))


def torch_features() -> Features:
    """The features of whole pictures by torch: (n, 3, 224, 224) in [0, 1] to (n, 1280)."""
    backbone = shipped_backbone()
    return lambda pictures: backbone.features(torch.from_numpy(pictures)).numpy()


def both_ways(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Pictures (height, width, 3) of any size as (2, n, 3, 224, 224) in [0, 1]: plain, and mirrored."""
    from PIL import Image

    small = [
        np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in pictures
    ]
    plain = np.stack(small).transpose(0, 3, 1, 2).astype(np.float32) / 255
    return np.stack([plain, plain[..., ::-1]])


def shipped_features(features_of: Features, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Features (n, 1280) of pictures, to the half precision in which they ship.

    `features_of` is `torch_features` or what gives the same sooner.
    """
    views = both_ways(pictures)
    found = features_of(views.reshape(-1, *views.shape[2:])).reshape(2, len(pictures), -1)
    return found.mean(axis=0).astype(np.float16).astype(np.float32)

"""The features that ship with the photographs' labels, made anew from any picture.

EfficientNet-Lite0 of a picture brought to 224 x 224 (bicubic), normalised by ImageNet's mean and
deviation, averaged with that of its mirror image. The network's own authors normalise otherwise; the
shipped table was made so, and heads that learnt from it must be given the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.vision.backbone import EFFICIENTNET, Backbone, Normalise, load_backbone

SIDE = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def shipped_backbone() -> Backbone:
    """EfficientNet-Lite0 that normalises by ImageNet's mean and deviation."""
    own = load_backbone(EFFICIENTNET, size=(SIDE, SIDE))
    assert isinstance(own.lower, nn.Sequential)
    by_imagenet = Normalise([255 * value for value in MEAN], [255 * value for value in DEVIATION])
    return replace(own, lower=nn.Sequential(by_imagenet, *list(own.lower)[1:]))


def both_ways(pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Pictures (height, width, 3) of any size as (2, n, 3, 224, 224) in [0, 1]: plain, and mirrored."""
    from PIL import Image

    small = [
        np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in pictures
    ]
    plain = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255
    return torch.stack([plain, plain.flip(-1)])


def shipped_features(backbone: Backbone, pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Features (n, 1280) of pictures, to the half precision in which they ship."""
    views = both_ways(pictures)
    features = backbone.features(views.flatten(0, 1)).unflatten(0, views.shape[:2])
    return features.mean(0).half().float()

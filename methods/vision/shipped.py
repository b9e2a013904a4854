"""Compute the features that ship with the labels of the photographs.

They are the output of EfficientNet-Lite0 for a picture resized to 224 x 224 (bicubic) and normalised by the
mean and deviation of ImageNet, averaged with the output for its mirror image. The authors of the network
normalise in another way. The shipped features were computed in this way, so heads that were trained on them
need the same features.
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
    """Return EfficientNet-Lite0 with the normalisation of ImageNet."""
    original = load_backbone(EFFICIENTNET, size=(SIDE, SIDE))
    assert isinstance(original.lower, nn.Sequential)
    by_imagenet = Normalise([255 * value for value in MEAN], [255 * value for value in DEVIATION])
    return replace(original, lower=nn.Sequential(by_imagenet, *list(original.lower)[1:]))


def torch_features() -> Features:
    """Return the feature extractor by torch: (n, 3, 224, 224) in [0, 1] to (n, 1280)."""
    backbone = shipped_backbone()
    return lambda pictures: backbone.features(torch.from_numpy(pictures)).numpy()


def both_ways(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Return resized pictures and their mirror images: (2, n, 3, 224, 224) in [0, 1]."""
    from PIL import Image

    resized = [
        np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        for picture in pictures
    ]
    plain = np.stack(resized).transpose(0, 3, 1, 2).astype(np.float32) / 255
    return np.stack([plain, plain[..., ::-1]])


def shipped_features(features_of: Features, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Compute the features (n, 1280) of pictures, rounded to half precision.

    The shipped features have half precision. `features_of` is the result of `torch_features`, or of a faster
    equivalent.
    """
    views = both_ways(pictures)
    features = features_of(views.reshape(-1, *views.shape[2:])).reshape(2, len(pictures), -1)
    return features.mean(axis=0).astype(np.float16).astype(np.float32)

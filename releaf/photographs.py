"""Material of a photograph, predicted by the heads that the vision stage trained."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.evaluation.calibration import softmax
from methods.vision.augment import resize
from methods.vision.backbone import Backbone
from methods.vision.heads import Head, Heads
from methods.vision.shipped import Features, shipped_features, torch_features
from methods.vision.training import Classifier, predict
from methods.vision.views import rooted

Pictures = Sequence[NDArray[np.uint8]]
Namer = Callable[[Pictures], list[dict[str, float]]]
"""Maps pictures of shape (height, width, 3) to the probability of each material, one dict a picture."""

WIDTH = 1280
"""Number of features of a photograph in the tables that ship."""


def load_namer(
    arrays: Mapping[str, NDArray[np.floating]],
    materials: Sequence[str],
    *,
    hidden: int,
    backbone: Backbone | None = None,
    features_of: Features | None = None,
) -> Namer:
    """Return a function that predicts the materials of pictures.

    Parameters
    ----------
    arrays : mapping of ndarray
        Contents of ``vision_model.safetensors``: ``temperature``, and for each seed
        ``seed_0.body...`` and ``seed_0.heads...``.
    materials : sequence of str
        In the order of the logits.
    hidden : int
        Width of the layer that the heads share; 0 for no such layer.
    backbone : Backbone, optional
        The backbone (same input size and same split into lower and upper part) with which the heads
        were trained on photographs; each seed has its own upper part. None if the heads were trained
        on the features that ship.
    features_of : callable, optional
        Computes those features (default: with torch).

    Returns
    -------
    callable
        The function averages the probabilities of each picture and its mirror image, then those of
        all seeds.
    """
    seeds = sorted({name.partition(".")[0] for name in arrays if "." in name})
    models = [_classifier(arrays, seed, materials, hidden, backbone) for seed in seeds]
    temperature = np.asarray(arrays["temperature"]).item()
    if backbone is not None:
        views_of = partial(_own_views, backbone)
    else:
        views_of = partial(_shipped_views, features_of or torch_features())

    def name(pictures: Pictures) -> list[dict[str, float]]:
        if not pictures:
            return []
        views = views_of(pictures)
        each = [softmax(predict(model, views)["material"].numpy()) for model in models]
        probabilities = softmax(np.log(np.mean(each, axis=0).clip(1e-12)), temperature)
        return [dict(zip(materials, map(float, row), strict=True)) for row in probabilities]

    return name


def _classifier(
    arrays: Mapping[str, NDArray[np.floating]],
    seed: str,
    materials: Sequence[str],
    hidden: int,
    backbone: Backbone | None,
) -> Classifier:
    body = torch.nn.Identity() if backbone is None else copy.deepcopy(backbone.upper)
    width = WIDTH if backbone is None else backbone.width
    model = Classifier(body, Heads(width, {"material": Head(tuple(materials))}, hidden=hidden))
    weights = {
        key.removeprefix(f"{seed}."): torch.from_numpy(np.array(value))
        for key, value in arrays.items()
        # The file may hold a head for items too; only the material is needed here.
        if key.startswith(f"{seed}.") and not key.startswith(f"{seed}.heads.heads.item.")
    }
    model.load_state_dict(weights)
    return model.eval()


def _shipped_views(features_of: Features, pictures: Pictures) -> Tensor:
    return rooted(torch.from_numpy(shipped_features(features_of, pictures)))[None]


def _own_views(backbone: Backbone, pictures: Pictures) -> Tensor:
    tensors = [
        torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255 for picture in pictures
    ]
    plain = torch.cat([resize(tensor, backbone.size) for tensor in tensors])
    return torch.stack([backbone.maps(plain), backbone.maps(plain.flip(-1))])

"""The material of one photograph, by the heads that the vision stage trained."""

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
"""Pictures of shape (height, width, 3) to the probability of each material, one dict a picture."""

WIDTH = 1280


def load_namer(
    arrays: Mapping[str, NDArray[np.floating]],
    materials: Sequence[str],
    *,
    hidden: int,
    backbone: Backbone | None = None,
    features_of: Features | None = None,
) -> Namer:
    """What names the material of pictures, from the arrays of ``vision_model.safetensors``.

    Parameters
    ----------
    arrays : mapping of ndarray
        ``temperature``, and for each seed ``seed_0.body...`` and ``seed_0.heads...``.
    materials : sequence of str
        In the order of the logits.
    hidden : int
        Width of the layer that the heads share; 0 for none.
    backbone : Backbone, optional
        Of the size and division that the heads were trained with on photographs, each seed with an upper
        part of its own; None if they were trained on the features that ship.
    features_of : callable, optional
        What gives those features; torch unless it is told otherwise.

    Returns
    -------
    callable
        A picture and its mirror image are averaged, and so are the seeds' probabilities.
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
        found = softmax(np.log(np.mean(each, axis=0).clip(1e-12)), temperature)
        return [dict(zip(materials, map(float, row), strict=True)) for row in found]

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
        # A head of items may be there too; what is asked for is the material.
        if key.startswith(f"{seed}.") and not key.startswith(f"{seed}.heads.heads.item.")
    }
    model.load_state_dict(weights)
    return model.eval()


def _shipped_views(features_of: Features, pictures: Pictures) -> Tensor:
    return rooted(torch.from_numpy(shipped_features(features_of, pictures)))[None]


def _own_views(backbone: Backbone, pictures: Pictures) -> Tensor:
    tensors = [torch.from_numpy(np.array(one)).permute(2, 0, 1)[None].float() / 255 for one in pictures]
    plain = torch.cat([resize(one, backbone.size) for one in tensors])
    return torch.stack([backbone.maps(plain), backbone.maps(plain.flip(-1))])

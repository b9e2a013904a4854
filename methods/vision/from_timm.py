"""A backbone of `timm`, an optional package: weights from a file, or random ones on the caller's word.

``timm:NAME@FILE.safetensors``
    The model of that name with the weights of a file, which are never fetched.
``timm:NAME@random``
    Random weights, to be trained from scratch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

PREFIX = "timm:"
RANDOM = "random"


def load_timm(name: str, size: tuple[int, int]) -> tuple[Any, bool]:
    """The model without its classifier, and whether its weights are random.

    Parameters
    ----------
    name : str
        See the module.
    size : tuple of int
        Height and width of the pictures.

    Raises
    ------
    ValueError
        If `timm` is not installed or has no such model, the name says no weights, the file does not
        fit, or the model takes pictures of another size.
    """
    model_name, _, weights = name.removeprefix(PREFIX).rpartition("@")
    if not model_name or not weights:
        raise ValueError(
            f"'{name}' names no weights: expected {PREFIX}NAME@FILE.safetensors, or {PREFIX}NAME@{RANDOM} "
            "to train it from scratch"
        )
    try:
        import timm
    except ModuleNotFoundError as error:
        raise ValueError(f"'{name}' needs the package timm: `pip install timm`, then try again") from error
    if not timm.is_model(model_name):
        raise ValueError(f"timm has no model '{model_name}'; `timm.list_models()` names them")
    model = timm.create_model(model_name, pretrained=False, num_classes=0)
    about = model.pretrained_cfg
    if about.get("fixed_input_size") and tuple(about["input_size"][1:]) != size:
        height, width = about["input_size"][1:]
        raise ValueError(f"'{name}' takes pictures of height {height} and width {width}, not of {size}")
    if weights == RANDOM:
        if any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in model.modules()):
            raise ValueError(
                f"'{name}': its batch normalisation needs statistics to keep, and random weights have none; "
                "name a file of weights, or a model without, such as a vision transformer"
            )
        return model, True
    _fill(model, about, Path(weights))
    return model, False


def _fill(model: nn.Module, about: dict[str, Any], path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: no weights in safetensors ({error})") from error
    classifier = about.get("classifier") or ()
    dropped = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    kept = {
        key: value for key, value in tensors.items() if not key.startswith(tuple(f"{d}." for d in dropped))
    }
    try:
        model.load_state_dict(kept)
    except RuntimeError as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} holds other weights than the model's ({said})") from error

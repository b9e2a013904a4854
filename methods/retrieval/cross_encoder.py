"""Score pairs of query and document by a cross-encoder on a packaged encoder.

    [CLS] query [SEP] document [SEP]  ->  z = W h_[CLS] + b,  score = sigmoid(z)

The word embeddings are not trained, so that words outside the training queries keep their positions relative
to the others, and half of the weights need not be stored.

References
----------
Specification 2, section 5.4; Nogueira and Cho (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.retrieval.dense import MAX_CHARACTERS
from methods.retrieval.rerank import PairScorer
from methods.text import find_model


class CrossEncoder(nn.Module):
    """Encoder with a linear head on its first token."""

    def __init__(self, model: str):
        super().__init__()
        from transformers import AutoModel, AutoTokenizer

        folder = str(find_model(model))
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.body: Any = AutoModel.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
        self.body.embeddings.requires_grad_(False)
        self.body.pooler = None
        self.head = nn.Linear(self.body.config.hidden_size, 1)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, pairs: list[tuple[str, str]], tokens: int) -> Tensor:
        """Return the logits of the pairs, of shape (pairs,)."""
        first, second = ([text[:MAX_CHARACTERS] for text in side] for side in zip(*pairs, strict=True))
        inputs = self.tokenizer(
            first, second, padding=True, truncation=True, max_length=tokens, return_tensors="pt"
        )
        return self.head(self.body(**inputs).last_hidden_state[:, 0]).squeeze(-1)


def trained_weights(encoder: CrossEncoder) -> dict[str, NDArray[np.float32]]:
    """Return the weights of the layers and the head by name, without the embeddings."""
    return {name: w.detach().numpy().copy() for name, w in encoder.named_parameters() if w.requires_grad}


def build_scorer(
    model: str,
    weights: Mapping[str, NDArray[Any]],
    *,
    batch: int = 32,
    tokens: int = 192,
    bfloat16: bool = False,
) -> PairScorer:
    """Return a scorer with trained weights: pairs to ``sigmoid(z)``, in [0, 1].

    Parameters
    ----------
    model : str
        The encoder that was given to `train`.
    weights : mapping of ndarray
        Weights as returned by `train`.

    Raises
    ------
    ValueError
        If the model is not found, or the weights do not fit it.
    """
    encoder = CrossEncoder(model).eval()
    expected = {name: tuple(w.shape) for name, w in encoder.named_parameters() if w.requires_grad}
    shapes = {name: w.shape for name, w in weights.items()}
    if shapes != expected:
        wrong = sorted(name for name in {*expected, *shapes} if expected.get(name) != shapes.get(name))
        raise ValueError(
            f"{len(wrong)} weights do not fit '{model}', first '{wrong[0]}': found {shapes.get(wrong[0])}, "
            f"expected {expected.get(wrong[0])}; train again from this model"
        )
    encoder.load_state_dict(
        {name: torch.from_numpy(np.array(w)) for name, w in weights.items()}, strict=False
    )

    @torch.inference_mode()
    def score(pairs: list[tuple[str, str]]) -> NDArray[np.float64]:
        scores = np.zeros(len(pairs))
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                logits = encoder([pairs[i] for i in part], tokens)
            scores[part] = torch.sigmoid(logits.double()).numpy()
        return scores

    return score

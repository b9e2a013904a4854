"""A cross-encoder on a packaged encoder: query and document read together, one score a pair.

    [CLS] query [SEP] document [SEP]  ->  z = W h_[CLS] + b,  score = sigmoid(z)

The embeddings of the words stay as they come, so that words which no training query holds keep their
place among the others, and half of the weights need not be kept.

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

from methods.retrieval.dense import MOST_CHARACTERS
from methods.retrieval.rerank import PairScorer
from methods.text import find_model


class CrossEncoder(nn.Module):
    """An encoder and a linear head on its first token."""

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
        """Logits of the pairs, of shape (pairs,)."""
        first, second = ([text[:MOST_CHARACTERS] for text in side] for side in zip(*pairs, strict=True))
        inputs = self.tokenizer(
            first, second, padding=True, truncation=True, max_length=tokens, return_tensors="pt"
        )
        return self.head(self.body(**inputs).last_hidden_state[:, 0]).squeeze(-1)


def taught_weights(encoder: CrossEncoder) -> dict[str, NDArray[np.float32]]:
    """All weights of the layers and the head, by name; the embeddings are as they came."""
    return {name: w.detach().numpy().copy() for name, w in encoder.named_parameters() if w.requires_grad}


def build_scorer(
    model: str,
    weights: Mapping[str, NDArray[Any]],
    *,
    batch: int = 32,
    tokens: int = 192,
    bfloat16: bool = False,
) -> PairScorer:
    """The scorer that `train` made: pairs of query and document to ``sigmoid(z)``, in [0, 1].

    Parameters
    ----------
    model : str
        The encoder that `train` was given.
    weights : mapping of ndarray
        From `train`.

    Raises
    ------
    ValueError
        If there is no such model, or the weights are not of it.
    """
    encoder = CrossEncoder(model).eval()
    wanted = {name: tuple(w.shape) for name, w in encoder.named_parameters() if w.requires_grad}
    found = {name: w.shape for name, w in weights.items()}
    if found != wanted:
        wrong = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        raise ValueError(
            f"{len(wrong)} weights are not of '{model}', first '{wrong[0]}': found {found.get(wrong[0])}, "
            f"expected {wanted.get(wrong[0])}; train again from this model"
        )
    encoder.load_state_dict(
        {name: torch.from_numpy(np.array(w)) for name, w in weights.items()}, strict=False
    )

    @torch.inference_mode()
    def score(pairs: list[tuple[str, str]]) -> NDArray[np.float64]:
        found = np.zeros(len(pairs))
        order = sorted(range(len(pairs)), key=lambda at: len(pairs[at][0]) + len(pairs[at][1]))
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                logits = encoder([pairs[at] for at in part], tokens)
            found[part] = torch.sigmoid(logits.double()).numpy()
        return found

    return score

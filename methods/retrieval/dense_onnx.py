"""Run the sentence encoder of `methods.retrieval.dense` by ONNX Runtime.

The vectors are the same, and faster to compute. The index stores the vectors of torch; this encoder is for
incoming questions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from methods.exchange import ModelCache, export, no_cache, open_model
from methods.retrieval.dense import MAX_CHARACTERS, Encoder, model_digest
from methods.text import find_model

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Runner = Callable[[Mapping[str, NDArray[np.int64]]], NDArray[np.float32]]
"""Runs the exported model: tokens and mask to unit vectors."""
NAMES = ("input_ids", "attention_mask")


def export_encoder(model: str) -> bytes:
    """Export a sentence encoder to ONNX.

    The exported model maps tokens and their mask, (n, length) of int64, to unit vectors.

    Raises
    ------
    ValueError
        If the model is not found.
    """
    folder = find_model(model)
    import torch
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(
        str(folder),
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True},
    )

    class Vectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            output = self.encoder({"input_ids": input_ids, "attention_mask": attention_mask})
            return torch.nn.functional.normalize(output["sentence_embedding"], dim=1)

    # The exporter would merge one tensor for both names into one input.
    examples = {name: torch.ones(2, 5, dtype=torch.int64) for name in NAMES}
    return export(Vectors(), examples, dict.fromkeys(NAMES, ("texts", "length")), "vectors")


def load_onnx_encoder(
    model: str, *, batch: int = 1, threads: int = 1, keep: ModelCache = no_cache
) -> Encoder:
    """Load a sentence encoder: texts to unit vectors (texts, d), rounded to 6 digits.

    Parameters
    ----------
    model : str
        A folder or an installed package, as in `methods.text.find_model`, with a ``tokenizer.json``.
    batch : int
        Texts per batch, in the given order. With 1 no text is padded.
    threads : int
    keep : callable, optional
        Stores the exported model. Without it, the export is repeated and takes about ten seconds.

    Raises
    ------
    ValueError
        If the model or its tokenizer is not found, or `batch` is below 1.
    """
    if batch < 1:
        raise ValueError(f"batch is {batch}; expected 1 or more")
    source = find_model(model)
    exported = keep("text", f"encoder\0{model_digest(model)}", lambda: export_encoder(model))
    run = open_model(exported, threads=threads)
    return encoder_of(run, source, batch)


def encoder_of(run: Runner, source: Path, batch: int) -> Encoder:
    """Return an encoder by an exported model and the tokenizer in `source`."""
    tokenizer = _tokenizer(source)
    empty = run(dict.fromkeys(NAMES, np.ones((1, 1), dtype=np.int64)))[:0]

    def encode_part(texts: list[str]) -> NDArray[np.float32]:
        encodings = tokenizer.encode_batch(texts)
        tokens = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        return run(dict(zip(NAMES, (tokens, mask), strict=True)))

    def encode(texts: list[str]) -> NDArray[np.float64]:
        truncated = [text[:MAX_CHARACTERS] for text in texts]
        starts = range(0, len(truncated), batch)
        parts = [encode_part(truncated[start : start + batch]) for start in starts]
        return np.concatenate([empty, *parts]).astype(np.float64).round(6)

    return encode


def _tokenizer(source: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    path, settings = source / "tokenizer.json", source / "sentence_bert_config.json"
    if not (path.is_file() and settings.is_file()):
        raise ValueError(
            f"{source} has no {path.name} or no {settings.name}; use load_encoder, which needs neither"
        )
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(json.loads(settings.read_text())["max_seq_length"])
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]") or 0)
    return tokenizer

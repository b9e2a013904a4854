"""The sentence encoder of `methods.retrieval.dense` by ONNX Runtime: the same vectors, sooner.

The index keeps torch's vectors; this is for questions as they come.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.exchange import ModelCache, export, no_cache, open_model
from methods.retrieval.dense import MOST_CHARACTERS, Encoder, model_digest
from methods.text import find_model

NAMES = ("input_ids", "attention_mask")


def export_encoder(model: str) -> bytes:
    """The ONNX model of a sentence encoder: tokens and their mask, (n, length) of int64, to unit vectors.

    Raises
    ------
    ValueError
        If there is no such model.
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
            found = self.encoder({"input_ids": input_ids, "attention_mask": attention_mask})
            return torch.nn.functional.normalize(found["sentence_embedding"], dim=1)

    # One tensor for both would be exported as one input.
    examples = {name: torch.ones(2, 5, dtype=torch.int64) for name in NAMES}
    return export(Vectors(), examples, dict.fromkeys(NAMES, ("texts", "length")), "vectors")


def load_onnx_encoder(
    model: str, *, batch: int = 1, threads: int = 1, keep: ModelCache = no_cache
) -> Encoder:
    """Load a sentence encoder: texts to unit vectors of shape (texts, d), rounded to 6 digits.

    Parameters
    ----------
    model : str
        A folder or an installed package, see `methods.text.find_model`, with a ``tokenizer.json``.
    batch : int
        Texts encoded at a time, in the order given; with 1 no text is padded.
    threads : int
    keep : callable, optional
        Keeps the exported model; without one it is exported anew, some ten seconds.

    Raises
    ------
    ValueError
        If there is no such model or no tokenizer, or `batch` is below 1.
    """
    if batch < 1:
        raise ValueError(f"batch is {batch}; expected 1 or more")
    source = find_model(model)
    exported = keep("text", f"encoder\0{model_digest(model)}", lambda: export_encoder(model))
    run = open_model(exported, threads=threads)
    return encoder_of(run, source, batch)


def encoder_of(run, source: Path, batch: int) -> Encoder:  # type: ignore[no-untyped-def]
    """Texts to unit vectors by what runs the exported model and the tokenizer of the model's folder."""
    tokenizer = _tokenizer(source)
    nothing = run(dict.fromkeys(NAMES, np.ones((1, 1), dtype=np.int64)))[:0]

    def encode_part(texts: list[str]) -> NDArray[np.float32]:
        found = tokenizer.encode_batch(texts)
        tokens = np.array([one.ids for one in found], dtype=np.int64)
        mask = np.array([one.attention_mask for one in found], dtype=np.int64)
        return run(dict(zip(NAMES, (tokens, mask), strict=True)))

    def encode(texts: list[str]) -> NDArray[np.float64]:
        cut = [text[:MOST_CHARACTERS] for text in texts]
        parts = [encode_part(cut[start : start + batch]) for start in range(0, len(cut), batch)]
        return np.concatenate([nothing, *parts]).astype(np.float64).round(6)

    return encode


def _tokenizer(source: Path):  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer

    path, settings = source / "tokenizer.json", source / "sentence_bert_config.json"
    if not (path.is_file() and settings.is_file()):
        raise ValueError(f"{source} lacks {path.name} or {settings.name}; load the encoder by torch instead")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(json.loads(settings.read_text())["max_seq_length"])
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]") or 0)
    return tokenizer

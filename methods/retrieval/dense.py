"""Texts as unit vectors, and their cosines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from methods.text import find_model

Encoder = Callable[[list[str]], NDArray[np.float64]]
MOST_CHARACTERS = 8000  # far more than an encoder's window takes; what is beyond is not tokenised at all


def load_encoder(model: str, *, batch: int = 1) -> Encoder:
    """Load a sentence encoder: texts to unit vectors of shape (texts, d), rounded to 6 digits.

    Parameters
    ----------
    model : str
        A folder or an installed package, see `methods.text.find_model`.
    batch : int
        Texts encoded at a time. With 1 the vector of a text does not depend on which texts are encoded
        beside it; with more, padding may change its last digit.

    Raises
    ------
    ValueError
        If there is no such model, or `batch` is below 1.
    """
    if batch < 1:
        raise ValueError(f"batch is {batch}; expected 1 or more")
    folder = find_model(model)
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(
        str(folder),
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True},
    )

    def encode(texts: list[str]) -> NDArray[np.float64]:
        vectors = encoder.encode(
            [text[:MOST_CHARACTERS] for text in texts],
            batch_size=batch,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        width = encoder.get_embedding_dimension() or 0
        return np.asarray(vectors, dtype=np.float64).reshape(len(texts), width).round(6)

    return encode


def model_digest(model: str) -> str:
    """SHA-256 of the files of an encoder that decide its vectors, wherever it lies.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    folder = find_model(model)
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".json", ".safetensors", ".txt", ".model") and path.is_file():
            whole.update(f"{path.relative_to(folder).as_posix()}\0".encode())
            with path.open("rb") as stream:
                whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()


def text_hash(text: str, model: str) -> str:
    """SHA-256 of text and model (its `model_digest`): the key under which a vector is kept."""
    return hashlib.sha256(f"{model}\0{text}".encode()).hexdigest()


def encode_new(
    texts: list[str], keys: list[str], known: Mapping[str, NDArray[np.float64]], encode: Encoder
) -> tuple[NDArray[np.float64], int]:
    """Vectors of all texts; those whose key is not in `known` are encoded, each key once.

    Returns
    -------
    vectors : ndarray of shape (texts, d)
    encoded : int
        How many texts the encoder was given; it is not called for none.
    """
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    new = dict(zip(missing, encode(list(missing.values())), strict=True)) if missing else {}
    found = [new[key] if key in new else known[key] for key in keys]
    return (np.stack(found) if found else np.zeros((0, 0))), len(missing)


def cosine_scores(queries: NDArray[np.float64], documents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of every query with every document, of shape (queries, documents), in [-1, 1].

    Both are unit vectors; what rounding leaves outside the range is clipped.
    """
    return np.clip(queries @ documents.T, -1.0, 1.0)

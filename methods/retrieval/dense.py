"""Encode texts as unit vectors, and compute their cosines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from methods.text import find_model

Encoder = Callable[[list[str]], NDArray[np.float64]]
MAX_CHARACTERS = 8000  # Far more than the window of an encoder; the rest of a text is not tokenised.


def load_encoder(model: str, *, batch: int = 1) -> Encoder:
    """Load a sentence encoder: texts to unit vectors (texts, d), rounded to 6 digits.

    Parameters
    ----------
    model : str
        A folder or an installed package, as in `methods.text.find_model`.
    batch : int
        Texts per batch. With 1 the vector of a text does not depend on the other texts; with more, padding
        may change its last digit.

    Raises
    ------
    ValueError
        If the model is not found, or `batch` is below 1.
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
            [text[:MAX_CHARACTERS] for text in texts],
            batch_size=batch,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        width = encoder.get_embedding_dimension() or 0
        return np.asarray(vectors, dtype=np.float64).reshape(len(texts), width).round(6)

    return encode


def model_digest(model: str) -> str:
    """Return the SHA-256 of the files that determine the vectors of an encoder.

    It does not depend on the location of the folder.

    Raises
    ------
    ValueError
        If the model is not found.
    """
    folder = find_model(model)
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".json", ".safetensors", ".txt", ".model") and path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def text_hash(text: str, model: str) -> str:
    """Return the SHA-256 of a text and a `model_digest`, the key of a stored vector."""
    return hashlib.sha256(f"{model}\0{text}".encode()).hexdigest()


def encode_new(
    texts: list[str], keys: list[str], known: Mapping[str, NDArray[np.float64]], encode: Encoder
) -> tuple[NDArray[np.float64], int]:
    """Return the vectors of all texts, and encode those whose key is not in `known`.

    Each key is encoded once.

    Returns
    -------
    vectors : ndarray of shape (texts, d)
    encoded : int
        Number of texts that were encoded. If it is 0, `encode` was not called.
    """
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    new = dict(zip(missing, encode(list(missing.values())), strict=True)) if missing else {}
    vectors = [new[key] if key in new else known[key] for key in keys]
    return (np.stack(vectors) if vectors else np.zeros((0, 0))), len(missing)


def cosine_scores(queries: NDArray[np.float64], documents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine of every query with every document: (queries, documents).

    Both are unit vectors. Values that rounding puts outside [-1, 1] are clipped.
    """
    return np.clip(queries @ documents.T, -1.0, 1.0)

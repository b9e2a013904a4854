"""Re-rank the first documents of a search by a cross-encoder."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from methods.retrieval.fusion import Scores, min_max, ranks
from methods.text import find_model

PairScorer = Callable[[list[tuple[str, str]]], NDArray[np.float64]]


@dataclass(frozen=True)
class Reranker:
    """A cross-encoder, and how its scores are used.

    Attributes
    ----------
    score_pairs : callable
        Scores in [0, 1] of pairs (query, document).
    depth : int
        Number of documents per query, from the first search, that it scores.
    weight : float
        Weight of its score, 0 to 1; the first search has the rest.
    """

    score_pairs: PairScorer
    depth: int = 20
    weight: float = 0.2


def load_cross_encoder(model: str, *, batch: int = 32) -> PairScorer:
    """Load a cross-encoder: pairs to ``sigmoid(W h_[CLS] + b)``, in [0, 1].

    Parameters
    ----------
    model : str
        A folder, an installed package, or a name in the local Hugging Face cache, such as
        ``cross-encoder/ms-marco-MiniLM-L-6-v2``. Models are never downloaded.

    Raises
    ------
    ValueError
        If the model is not found, its weights cannot be read as safetensors, or it does not return one
        number per pair.

    References
    ----------
    Specification 2, section 5.4.
    """
    folder = find_cross_encoder(model)
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import CrossEncoder

    try:
        encoder = CrossEncoder(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, SafetensorError) as error:
        raise ValueError(f"re-ranker '{model}' in {folder} cannot be read: {error}") from error
    if encoder.num_labels != 1:
        raise ValueError(
            f"re-ranker '{model}' returns {encoder.num_labels} numbers per pair; expected one, "
            "name another model"
        )

    lock = Lock()  # A fast tokenizer that two threads use at once raises "Already borrowed".

    def score(pairs: list[tuple[str, str]]) -> NDArray[np.float64]:
        with lock:
            scores = encoder.predict(
                pairs, batch_size=batch, activation_fn=torch.nn.Sigmoid(), show_progress_bar=False
            )
        return np.asarray(scores, dtype=np.float64)

    return score


def find_cross_encoder(model: str) -> Path:
    """Return the folder of a cross-encoder, named as in `load_cross_encoder`.

    Raises
    ------
    ValueError
        If the model is not found, or is not a cross-encoder.
    """
    folder = _find(model)
    kinds = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    if not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        # Its head would have random weights, so the order would be random.
        raise ValueError(
            f"re-ranker '{model}': {folder / 'config.json'} has the architecture "
            f"{', '.join(kinds) or 'none'}; expected ...ForSequenceClassification, name a "
            "cross-encoder, or null for no re-ranking"
        )
    return folder


def _find(model: str) -> Path:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    with suppress(ValueError):
        folder = find_model(model)
        if (folder / "config.json").is_file():
            return folder
    cached = try_to_load_from_cache(model, "config.json") if model and model.count("/") <= 1 else None
    if isinstance(cached, str):
        return Path(cached).parent
    raise ValueError(
        f"re-ranker '{model}' was not found: no config.json in the folder {Path(model).absolute()}, no "
        f"installed package with get_model_path(), not in the Hugging Face cache {HF_HUB_CACHE}; models are "
        "never downloaded, so put it into one of these locations, or name null for no re-ranking"
    )


def blend(scores: Scores, pair_scores: Scores, weight: float) -> Scores:
    """Return ``weight * pair + (1 - weight) * first`` of the re-ranked documents.

    The other documents follow after them.

    Parameters
    ----------
    scores : ndarray of shape (queries, documents)
        Scores of the first search, which are min-max normalised.
    pair_scores : ndarray of shape (queries, documents)
        In [0, 1]; NaN where the cross-encoder did not score the document.
    weight : float
        In [0, 1].

    Returns
    -------
    ndarray of shape (queries, documents)
        In [0, 1] for re-ranked documents; below 0 or ``-inf`` for the others, in their original order.

    Raises
    ------
    ValueError
        If the weight is outside [0, 1].
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"weight is {weight}; expected a value in [0, 1]")
    scored, first = np.isfinite(pair_scores), min_max(scores)
    mixed = weight * np.where(scored, pair_scores, 0.0) + (1 - weight) * first
    return np.where(scored, mixed, np.where(np.isfinite(scores), first - 2.0, -np.inf))


def rerank(
    queries: list[str],
    documents: list[str],
    scores: Scores,
    score_pairs: PairScorer,
    *,
    top: int = 100,
    weight: float = 1.0,
) -> Scores:
    """Re-rank the first `top` documents of each query by the cross-encoder.

    Parameters
    ----------
    queries, documents : list of str
    scores : ndarray of shape (queries, documents)
        Scores of the first search.
    score_pairs : callable
        Scores in [0, 1] of pairs (query, document).
    weight : float
        Weight of these scores, as in `blend`. With 1 only they count.

    Returns
    -------
    ndarray of shape (queries, documents)
        As returned by `blend`.
    """
    rows, columns = np.nonzero(np.isfinite(ranks(scores, top)))
    pair_scores = np.full(scores.shape, np.nan)
    if len(rows):
        pairs = [(queries[row], documents[column]) for row, column in zip(rows, columns, strict=True)]
        pair_scores[rows, columns] = score_pairs(pairs)
    return blend(scores, pair_scores, weight)

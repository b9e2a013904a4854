"""A cross-encoder reads query and document together and orders the first documents anew."""

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
    """A cross-encoder, and how it is heard.

    Attributes
    ----------
    score_pairs : callable
        Scores in [0, 1] of pairs (query, document).
    depth : int
        Of the first search, documents of each query that it reads.
    weight : float
        Of its score beside that of the first search, 0 to 1.
    """

    score_pairs: PairScorer
    depth: int = 20
    weight: float = 0.2


def load_cross_encoder(model: str, *, batch: int = 32) -> PairScorer:
    """Load a cross-encoder: pairs of query and document to ``sigmoid(W h_[CLS] + b)``, in [0, 1].

    Parameters
    ----------
    model : str
        A folder, an installed package, or a name such as ``cross-encoder/ms-marco-MiniLM-L-6-v2`` of which
        this machine has a copy; nothing is ever fetched.

    Raises
    ------
    ValueError
        If there is no such model here, its weights cannot be read as safetensors, or it does not give one
        number a pair.

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
            f"'{model}' gives {encoder.num_labels} numbers a pair; expected a re-ranker with one"
        )

    one_at_a_time = Lock()  # a fast tokenizer that two threads use at once raises "Already borrowed"

    def score(pairs: list[tuple[str, str]]) -> NDArray[np.float64]:
        with one_at_a_time:
            found = encoder.predict(
                pairs, batch_size=batch, activation_fn=torch.nn.Sigmoid(), show_progress_bar=False
            )
        return np.asarray(found, dtype=np.float64)

    return score


def find_cross_encoder(model: str) -> Path:
    """Find the folder of a cross-encoder, see `load_cross_encoder`.

    Raises
    ------
    ValueError
        If there is none here, or what is here is no cross-encoder.
    """
    folder = _find(model)
    kinds = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    if not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        # Its head would be drawn at random, and the order with it.
        raise ValueError(
            f"re-ranker '{model}': {folder / 'config.json'} is of {', '.join(kinds) or 'no architecture'}, "
            "expected one ...ForSequenceClassification; name a cross-encoder, null switches re-ranking off"
        )
    return folder


def _find(model: str) -> Path:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    with suppress(ValueError):
        folder = find_model(model)
        if (folder / "config.json").is_file():
            return folder
    known = try_to_load_from_cache(model, "config.json") if model and model.count("/") <= 1 else None
    if isinstance(known, str):
        return Path(known).parent
    raise ValueError(
        f"re-ranker '{model}' is not here: no config.json in the folder {Path(model).absolute()}, no "
        f"installed package with get_model_path(), not in the Hugging Face cache {HF_HUB_CACHE}; nothing is "
        "fetched: put it into one of them, null switches re-ranking off"
    )


def blend(scores: Scores, pair_scores: Scores, weight: float) -> Scores:
    """``weight * pair + (1 - weight) * first`` of the documents that were read; the others behind them.

    Parameters
    ----------
    scores : ndarray of shape (queries, documents)
        Of the first search; they count min-max normalised.
    pair_scores : ndarray of shape (queries, documents)
        In [0, 1]; NaN where the cross-encoder did not read the document.
    weight : float
        In [0, 1].

    Returns
    -------
    ndarray of shape (queries, documents)
        In [0, 1] of what was read; of the others below 0, in their old order, or ``-inf``.

    Raises
    ------
    ValueError
        If the weight is out of its range.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"weight is {weight}; expected a value in [0, 1]")
    read, first = np.isfinite(pair_scores), min_max(scores)
    mixed = weight * np.where(read, pair_scores, 0.0) + (1 - weight) * first
    return np.where(read, mixed, np.where(np.isfinite(scores), first - 2.0, -np.inf))


def rerank(
    queries: list[str],
    documents: list[str],
    scores: Scores,
    score_pairs: PairScorer,
    *,
    top: int = 100,
    weight: float = 1.0,
) -> Scores:
    """Order the first `top` documents of each query by the cross-encoder.

    Parameters
    ----------
    queries, documents : list of str
    scores : ndarray of shape (queries, documents)
        Of the first search.
    score_pairs : callable
        Scores in [0, 1] of pairs (query, document).
    weight : float
        Of these scores beside those of the first search, see `blend`; 1: only they count.

    Returns
    -------
    ndarray of shape (queries, documents)
        As from `blend`.
    """
    rows, columns = np.nonzero(np.isfinite(ranks(scores, top)))
    found = np.full(scores.shape, np.nan)
    if len(rows):
        pairs = [(queries[row], documents[column]) for row, column in zip(rows, columns, strict=True)]
        found[rows, columns] = score_pairs(pairs)
    return blend(scores, found, weight)

"""Stage ``releaf-index``: BM25 statistics and vectors of the passages."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from statewright.contracts import ContractError, Table
from tasks.releaf.contracts.tables import Bm25Arrays, Passages, Vectors, Vocabulary
from tasks.releaf.params import IndexParams


class IndexOutputs(NamedTuple):
    """The BM25 index and the vectors of the passages."""

    bm25: Bm25Arrays
    vocabulary: Vocabulary
    vectors: Table[Vectors]


def index(
    passages: Table[Passages], previous_vectors: Table[Vectors] | None, *, params: IndexParams
) -> IndexOutputs:
    """Index the passages.

    A passage keeps the vector of the last run if its text and the model are the same.

    Raises
    ------
    ContractError
        If there is no passage, or the model is missing.
    """
    from methods.retrieval.sparse import fit_bm25, to_arrays

    if passages.empty:
        raise ContractError(
            "passages.parquet has no rows, expected at least one; add cards, then run "
            "`statewright run releaf-preprocess`"
        )
    fitted = fit_bm25(passages["text"].tolist(), k1=params.k1, b=params.b)
    vocabulary = Vocabulary(terms=list(fitted.vocabulary), k1=params.k1, b=params.b, passages=len(passages))
    return IndexOutputs(to_arrays(fitted), vocabulary, embed(passages, previous_vectors, params))


def embed(passages: pd.DataFrame, previous: pd.DataFrame | None, params: IndexParams) -> pd.DataFrame:
    """Return the vectors of all passages, reusing previous ones."""
    from methods.retrieval.dense import encode_new, model_digest, text_hash

    try:
        digest = model_digest(params.model)
    except ValueError as error:
        raise ContractError(f"releaf.index.model: {error}") from error
    texts = passages["text"].tolist()
    keys = [text_hash(text, digest) for text in texts]
    known = {} if previous is None else dict(zip(previous["key"], previous["vector"], strict=True))
    vectors, _ = encode_new(texts, keys, known, lambda missing: _encode(missing, params))
    return pd.DataFrame(
        {"passage_id": passages["passage_id"], "key": keys, "vector": list(vectors.astype(np.float32))}
    )


def _encode(texts: list[str], params: IndexParams) -> np.ndarray:
    """Encode texts, with a progress bar whose total is the number of new passages."""
    from tqdm import tqdm

    from methods.retrieval.dense import load_encoder

    encode = load_encoder(params.model, batch=params.batch)
    steps = range(0, len(texts), params.batch)
    parts = [
        encode(texts[start : start + params.batch])
        for start in tqdm(steps, desc="passages encoded", mininterval=1)
    ]
    return np.concatenate(parts)

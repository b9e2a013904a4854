"""Search on five test collections: BM25, dense vectors, fusions, feedback, re-ranking, with significance.

The collections are read from `data/retrieval` in the folder that STATEWRIGHT_SHARED names, or in `../shared`.
Vectors, the cross-encoder and its scores are kept in `.statewright/retrieval`, so that only the first run is
long (some forty minutes of CPU). What is chosen is chosen on the training and dev queries of SciFact and of
the waste list only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.parts import Found, Skipped
from benchmarks.releaf._collections import (
    CHOSEN_ON,
    NAMES,
    Collection,
    read_collection,
    shared_folder,
    shipped_recipe,
)
from benchmarks.releaf._cross_encoder import DEPTH, best_weight, rank, teach_on
from methods.retrieval.evaluation import MEASURES, compare, query_scores
from methods.retrieval.fusion import reciprocal_rank_fusion
from methods.retrieval.search import Recipe
from methods.retrieval.sparse import bm25_scores, fit_bm25, query_weights
from tasks.report.benchmark import BenchmarkTable

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
NEAREST = 100  # documents that the matrix and Qdrant are both asked for


def tables(repeat: int) -> Found:
    """Plain settings beside known figures, the choice, every system, milliseconds a query."""
    folder = shared_folder()
    if not folder.is_dir():
        yield Skipped(f"{folder} is not there; name the folder above data by STATEWRIGHT_SHARED")
        return
    read = {name: read_collection(folder, name) for name in NAMES}
    yield _plain(read)
    yield _choice(read)
    yield _systems(read)
    yield _speed(read["scifact"].part(True), repeat)


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


def ndcg(collection: Collection, scores: np.ndarray) -> np.ndarray:
    """nDCG@10 of every query."""
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
            [name, *(value for run, known in pairs for value in (float(ndcg(test, run).mean()), known))]
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
                float(ndcg(part, part.run(Recipe(w_dense=w, feedback=feedback, alpha=alpha))).mean())
                for w in GRID
            ]
            for name, part in known.items()
            for feedback, alpha in FEEDBACK
        ],
        decimals=dict.fromkeys(columns[3:], 4) | {"alpha": 1},
    )


def _systems(read: dict[str, Collection]) -> BenchmarkTable:
    taught, dev = teach_on(read)
    weight = best_weight(dev)
    rows: list[list[str | float | None]] = []
    for name, whole in read.items():
        test = whole.part(True)
        ranked = rank(name, test, taught)
        found = {
            row: query_scores(test.run(recipe), test.relevance)
            for row, recipe in compared(shipped_recipe()).items()
        }
        found[f"shipped + re-ranking, {weight:g}"] = ranked.measures(weight)
        found["shipped + re-ranking alone"] = ranked.measures(1.0)
        rows += system_rows(name, found)
    return BenchmarkTable(
        name="systems",
        title="Test queries of five collections; p (Holm within a collection) of nDCG@10 against the better "
        "of BM25 and dense, which has none. Re-ranking: a cross-encoder taught on training queries of "
        f"{' and '.join(CHOSEN_ON)} orders the first {DEPTH}, its weight {weight:g} chosen on dev queries; "
        "alone: by its order only.",
        columns=["collection", "queries", "system", *MEASURES, "p"],
        rows=rows,
        decimals=dict.fromkeys([*MEASURES, "p"], 4),
    )


def system_rows(name: str, found: dict[str, dict[str, np.ndarray]]) -> Iterator[list[str | float | None]]:
    """Means of each system's measures, of shape (queries,), and p against the better of BM25 and dense."""
    best = max(("BM25", "dense"), key=lambda row: found[row]["nDCG@10"].mean())
    p_values = compare({row: scores["nDCG@10"] for row, scores in found.items()}, best)
    for row, scores in found.items():
        yield [name, len(scores["nDCG@10"]), row, *_means(scores), p_values.get(row)]


def _means(scores: dict[str, np.ndarray]) -> list[float]:
    return [float(scores[measure].mean()) for measure in MEASURES]


def _speed(test: Collection, repeat: int) -> BenchmarkTable:
    """Milliseconds a query beside rank_bm25 and Qdrant; the encoder is not counted."""
    from rank_bm25 import BM25Okapi

    from methods.retrieval.sparse import tokenize
    from tasks.releaf.passages.vector_store import fill, nearest, open_store

    store = open_store(None)
    names = [str(place) for place in range(len(test.documents))]
    fill(store, pd.DataFrame({"passage_id": names, "key": names, "vector": list(test.corpus.vectors)}))
    peer = BM25Okapi(tokenize(test.documents), k1=1.5, b=0.75)
    tokens = tokenize(test.queries)
    vectors, asked = test.corpus.vectors, test.query_vectors
    few = min(30, len(tokens))
    runs = {
        "BM25": (lambda: test.run(Recipe(fusion="bm25")), len(tokens)),
        "rank_bm25": (lambda: [peer.get_scores(query) for query in tokens[:few]], few),
        "dense, all queries at once": (lambda: test.run(Recipe(fusion="dense")), len(tokens)),
        "dense, a query at a time": (lambda: [vectors @ query for query in asked], len(tokens)),
        f"first {NEAREST}, matrix": (lambda: nearest_by_matrix(vectors, asked, NEAREST), len(tokens)),
        f"first {NEAREST}, Qdrant inside the process": (lambda: nearest(store, asked, NEAREST), len(tokens)),
        "shipped": (lambda: test.run(shipped_recipe()), len(tokens)),
    }
    found = [[int(name) for name, _ in answer] for answer in nearest(store, asked, NEAREST)]
    agrees = shared_share(found, nearest_by_matrix(vectors, asked, NEAREST))
    return BenchmarkTable(
        name="speed",
        title=f"Milliseconds of CPU a query over {len(test.documents):,} documents, best of "
        f"{max(repeat, 1)}; the query is encoded already. Of the matrix's first {NEAREST} documents Qdrant "
        f"gives {100 * agrees:.2f}%.",
        columns=["search", "ms"],
        rows=[[name, 1000 * _seconds(work, repeat) / queries] for name, (work, queries) in runs.items()],
        decimals={"ms": 2},
    )


def nearest_by_matrix(vectors: np.ndarray, asked: np.ndarray, limit: int) -> list[list[int]]:
    """The `limit` documents of the largest products, the nearest first, a query at a time."""
    found = []
    for query in asked:
        scores = vectors @ query
        first = np.argpartition(-scores, min(limit, len(scores)) - 1)[:limit]
        found.append(first[np.argsort(-scores[first], kind="stable")].tolist())
    return found


def shared_share(found: list[list[int]], expected: list[list[int]]) -> float:
    """Share of all that was expected that was found, query by query, in whatever order."""
    both = sum(len(set(one) & set(other)) for one, other in zip(found, expected, strict=True))
    return both / sum(map(len, expected))


def _seconds(work: Callable[[], object], repeat: int) -> float:
    taken = []
    for _ in range(max(repeat, 1)):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)

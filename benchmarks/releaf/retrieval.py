"""Compare search systems on five test collections, with tests of significance.

The systems are BM25, dense vectors, fusions, feedback and re-ranking. The collections are the external data
`retrieval`, see `benchmarks.parts.external_data`. Vectors, the cross-encoder and its scores are cached in
`.statewright/retrieval`, so only the first run is long (about forty minutes of CPU). All
choices use the training and dev queries of SciFact and of the waste list only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.parts import Omission, Tables, external_data
from benchmarks.releaf._collections import (
    CHOSEN_ON,
    NAMES,
    Collection,
    read_collection,
    shipped_recipe,
)
from benchmarks.releaf._cross_encoder import DEPTH, best_weight, rank, train_on
from methods.retrieval.evaluation import MEASURES, compare, query_scores
from methods.retrieval.fusion import reciprocal_rank_fusion
from methods.retrieval.search import Recipe
from methods.retrieval.sparse import bm25_scores, fit_bm25, query_weights
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

# nDCG@10 published with the collections: BM25 (k1 1.2, b 0.75; waste list 0.9, 0.4), dense, RRF
PUBLISHED = {
    "cranfield": (0.3597, 0.3736, 0.4065),
    "cisi": (0.3814, 0.4193, 0.4484),
    "cacm": (0.4995, 0.4093, 0.5507),
    "scifact": (0.6791, 0.6451, 0.7185),
    "waste_wizard": (0.2459, 0.3037, 0.2887),
}
TINY = 1e-9  # breaks ties between equal scores only
GRID = (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)
FEEDBACK = ((0, 0.0), (3, 0.1), (3, 0.3), (10, 0.1), (10, 0.3))
NEAREST = 100  # documents that are requested from the matrix and from Qdrant


def tables(repeat: int) -> Tables:
    """Yield tables of plain settings, of choices, of all systems, and of speed."""
    folder = external_data("retrieval")
    if isinstance(folder, Omission):
        yield folder
        return
    read = {name: read_collection(folder, name) for name in NAMES}
    yield _plain(read)
    yield _choice(read)
    yield _systems(read)
    yield _speed(read["scifact"].part(True), repeat)


def compared(shipped: Recipe) -> dict[str, Recipe]:
    """Return the recipe of each row of the table of systems."""
    plain = Recipe()
    recipes = {
        "BM25": replace(plain, fusion="bm25"),
        "dense": replace(plain, fusion="dense"),
        "RRF": replace(plain, fusion="rrf"),
        "weighted": plain,
        "BM25 + feedback": replace(plain, fusion="bm25", feedback=3),
        "dense + feedback": replace(plain, fusion="dense", feedback=3),
        "RRF + feedback": replace(plain, fusion="rrf", feedback=3),
        "weighted + feedback": replace(plain, feedback=3),
    }
    return recipes | {"shipped": shipped}


def ndcg(collection: Collection, scores: np.ndarray) -> np.ndarray:
    """Return nDCG@10 of every query."""
    return query_scores(scores, collection.relevance, measures=("nDCG@10",))["nDCG@10"]


def _plain(read: dict[str, Collection]) -> BenchmarkTable:
    rows: list[list[TextOrNumber]] = []
    for name, whole in read.items():
        test = whole.part(True)
        best, early = (_bm25_plain(test, k1, b) for k1, b in ((1.2, 0.75), (0.9, 0.4)))
        dense = test.run(Recipe(fusion="dense"))
        rrf = reciprocal_rank_fusion([early, dense]) + TINY * early
        runs = (early if name == "waste_wizard" else best, dense, rrf)
        pairs = zip(runs, PUBLISHED[name], strict=True)
        rows.append(
            [name, *(value for run, figure in pairs for value in (float(ndcg(test, run).mean()), figure))]
        )
    columns = ["collection", "BM25", "published BM25", "dense", "published dense", "RRF", "published RRF"]
    return BenchmarkTable(
        name="plain",
        title="Plain settings: nDCG@10, and as published (with the same order of ties: equal fused scores by "
        "BM25).",
        columns=columns,
        rows=rows,
        decimals=dict.fromkeys(columns[1:], 4),
    )


def _bm25_plain(test: Collection, k1: float, b: float) -> np.ndarray:
    """Score as in the published figures.

    Documents without a shared term are included, and of equal scores the last document comes first.
    """
    index = fit_bm25(test.documents, k1=k1, b=b)
    return bm25_scores(index, query_weights(index, test.queries)) + TINY * np.arange(len(test.documents))


def _choice(read: dict[str, Collection]) -> BenchmarkTable:
    training = {name: read[name].part(False) for name in CHOSEN_ON}
    counts = ", ".join(f"{name} {len(part.queries)}" for name, part in training.items())
    columns = ["collection", "feedback", "alpha", *(f"w_dense {w}" for w in GRID)]
    rows: list[list[TextOrNumber]] = []
    for name, part in training.items():
        for feedback, alpha in FEEDBACK:
            recipes = [Recipe(w_dense=w, feedback=feedback, alpha=alpha) for w in GRID]
            means = [float(ndcg(part, part.run(recipe)).mean()) for recipe in recipes]
            rows.append([name, feedback, alpha, *means])
    return BenchmarkTable(
        name="choice",
        title=f"Choice on queries outside the test split ({counts}): mean nDCG@10 of the weighted fusion.",
        columns=columns,
        rows=rows,
        decimals=dict.fromkeys(columns[3:], 4) | {"alpha": 1},
    )


def _systems(read: dict[str, Collection]) -> BenchmarkTable:
    scorer, dev = train_on(read)
    weight = best_weight(dev)
    rows: list[list[TextOrNumber]] = []
    for name, whole in read.items():
        test = whole.part(True)
        ranked = rank(name, test, scorer)
        systems = {
            row: query_scores(test.run(recipe), test.relevance)
            for row, recipe in compared(shipped_recipe()).items()
        }
        systems[f"shipped + re-ranking, {weight:g}"] = ranked.measures(weight)
        systems["shipped + re-ranking alone"] = ranked.measures(1.0)
        rows += system_rows(name, systems)
    return BenchmarkTable(
        name="systems",
        title="Test queries of five collections; p (Holm within a collection) of nDCG@10 against the better "
        "of BM25 and dense. Re-ranking: a cross-encoder trained on training queries of "
        f"{' and '.join(CHOSEN_ON)} orders the first {DEPTH}, with the weight {weight:g} chosen on dev "
        "queries; alone: by its order only.",
        columns=["collection", "queries", "system", *MEASURES, "p"],
        rows=rows,
        decimals=dict.fromkeys([*MEASURES, "p"], 4),
    )


def system_rows(name: str, systems: dict[str, dict[str, np.ndarray]]) -> Iterator[list[TextOrNumber]]:
    """Yield the mean measures of each system, and its p-value.

    The test is against the better of BM25 and dense. The measures of a system have shape (queries,).
    """
    best = max(("BM25", "dense"), key=lambda row: systems[row]["nDCG@10"].mean())
    p_values = compare({row: scores["nDCG@10"] for row, scores in systems.items()}, best)
    for row, scores in systems.items():
        yield [name, len(scores["nDCG@10"]), row, *_means(scores), p_values.get(row)]


def _means(scores: dict[str, np.ndarray]) -> list[float]:
    return [float(scores[measure].mean()) for measure in MEASURES]


def _speed(test: Collection, repeat: int) -> BenchmarkTable:
    """Measure the time per query, also of rank_bm25 and Qdrant, without the encoder."""
    from rank_bm25 import BM25Okapi

    from methods.retrieval.sparse import tokenize
    from tasks.releaf.passages.vector_store import fill, nearest, open_store

    store = open_store(None)
    names = [str(row) for row in range(len(test.documents))]
    fill(store, pd.DataFrame({"passage_id": names, "key": names, "vector": list(test.corpus.vectors)}))
    reference = BM25Okapi(tokenize(test.documents), k1=1.5, b=0.75)
    tokens = tokenize(test.queries)
    vectors, queries = test.corpus.vectors, test.query_vectors
    few = min(30, len(tokens))
    runs = {
        "BM25": (lambda: test.run(Recipe(fusion="bm25")), len(tokens)),
        "rank_bm25": (lambda: [reference.get_scores(query) for query in tokens[:few]], few),
        "dense, all queries at once": (lambda: test.run(Recipe(fusion="dense")), len(tokens)),
        "dense, a query at a time": (lambda: [vectors @ query for query in queries], len(tokens)),
        f"first {NEAREST}, matrix": (lambda: nearest_by_matrix(vectors, queries, NEAREST), len(tokens)),
        f"first {NEAREST}, Qdrant inside the process": (
            lambda: nearest(store, queries, NEAREST),
            len(tokens),
        ),
        "shipped": (lambda: test.run(shipped_recipe()), len(tokens)),
    }
    stored = [[int(name) for name, _ in hits] for hits in nearest(store, queries, NEAREST)]
    agreement = shared_share(stored, nearest_by_matrix(vectors, queries, NEAREST))
    return BenchmarkTable(
        name="speed",
        title=f"CPU milliseconds per query over {len(test.documents):,} documents, best of {max(repeat, 1)}, "
        f"without the encoding of the query. Qdrant returns {100 * agreement:.2f}% of the first {NEAREST} "
        "documents of the matrix.",
        columns=["search", "ms"],
        rows=[[name, 1000 * _seconds(function, repeat) / count] for name, (function, count) in runs.items()],
        decimals={"ms": 2},
    )


def nearest_by_matrix(vectors: np.ndarray, queries: np.ndarray, limit: int) -> list[list[int]]:
    """Return the `limit` nearest documents of each query, by dot product, in order."""
    nearest = []
    for query in queries:
        scores = vectors @ query
        first = np.argpartition(-scores, min(limit, len(scores)) - 1)[:limit]
        nearest.append(first[np.argsort(-scores[first], kind="stable")].tolist())
    return nearest


def shared_share(results: list[list[int]], expected: list[list[int]]) -> float:
    """Return the share of the expected documents in the results, in any order."""
    both = sum(len(set(result) & set(wanted)) for result, wanted in zip(results, expected, strict=True))
    return both / sum(map(len, expected))


def _seconds(function: Callable[[], object], repeat: int) -> float:
    durations = []
    for _ in range(max(repeat, 1)):
        began = time.process_time()
        function()
        durations.append(time.process_time() - began)
    return min(durations)

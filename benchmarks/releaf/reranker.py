"""Compare re-ranking by a cross-encoder with the search alone.

One cross-encoder is trained on the training queries of SciFact and of the waste list, another on the names of
the training items of the pipeline. The weight of its score is chosen on held-out queries that are not test
queries; 0 is one of the weights, so the choice can be not to use it. Weights and scores are cached in
`.statewright/retrieval`, so only the first run is long (about half an hour of CPU).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.parts import Omission, Tables, external_data
from benchmarks.releaf._collections import (
    NAMES,
    ROOT,
    Collection,
    read_collection,
    shipped_recipe,
    vectors_of,
)
from benchmarks.releaf._cross_encoder import (
    DEPTH,
    MINED,
    WEIGHTS,
    Ranking,
    TrainedScorer,
    best_weight,
    rank,
    train_on,
    train_scorer,
)
from methods.retrieval.cross_encoder_training import mine
from methods.retrieval.evaluation import compare, randomisation_test
from methods.retrieval.search import Corpus
from methods.retrieval.sparse import fit_bm25
from tasks.report.benchmark import BenchmarkTable, TextOrNumber


def tables(repeat: int) -> Tables:
    """Yield the chosen weight and one evaluation on test queries, for both data sets."""
    yield from _collections()
    yield from _own_cards()


def _collections() -> Tables:
    folder = external_data("retrieval")
    if isinstance(folder, Omission):
        yield folder
        return
    read = {name: read_collection(folder, name) for name in NAMES}
    scorer, dev = train_on(read)
    chosen, choice = _choice("collections", scorer, dev)
    yield choice
    test = [rank(name, whole.part(True), scorer) for name, whole in read.items()]
    yield _test("collections", test, chosen)


def _own_cards() -> Tables:
    from tasks.releaf.passages.judging import ask

    folder = ROOT / "data/releaf"
    if not (folder / "passages.parquet").is_file():
        yield Omission("data/releaf has no passages.parquet; run `statewright run releaf-preprocess`")
        return
    items, cards, passages = (
        pd.read_parquet(folder / f"{name}.parquet") for name in ("items", "cards", "passages")
    )
    questions, texts = ask(items, cards), passages["text"].tolist()
    unit = passages["card_id"].map({card: row for row, card in enumerate(cards["card_id"])}).to_numpy()
    corpus = Corpus(fit_bm25(texts), vectors_of(texts))
    names = questions.table["name"].tolist()
    split = questions.table["split"].to_numpy()
    whole = Collection(texts, names, questions.relevance, split, corpus, vectors_of(names))
    cited = questions.cited()
    training = whole.select(cited & (whole.split == "train"))
    groups = mine(
        training.queries,
        texts,
        training.run(shipped_recipe()),
        training.relevance[:, unit],
        depth=MINED,
        positives=1,
    )
    scorer = train_scorer(groups)
    dev = [rank("own, dev", whole.select(cited & (whole.split == "dev")), scorer, unit)]
    chosen, choice = _choice("own cards", scorer, dev)
    yield choice
    test = rank("own cards", whole.select(cited & (whole.split == "test")), scorer, unit)
    yield _test("own cards", [test], chosen)


def _choice(data: str, scorer: TrainedScorer, dev: list[Ranking]) -> tuple[float, BenchmarkTable]:
    """Return the chosen weight, and the table of all weights."""
    ndcg = {weight: [ranking.measure(weight) for ranking in dev] for weight in WEIGHTS}
    chosen = best_weight(dev)
    best, none = (np.concatenate(ndcg[weight]) for weight in (chosen, 0.0))
    columns = ["queries", "number", *(f"weight {weight}" for weight in WEIGHTS)]
    return chosen, BenchmarkTable(
        name=f"choice {data}",
        title=f"Re-ranking, {data}. {scorer.summary} Weight of the cross-encoder on the first {DEPTH}: "
        f"{chosen} is best on held-out queries (p {randomisation_test(best, none):.4f} against 0). nDCG@10.",
        columns=columns,
        rows=[
            [ranking.name, len(ranking.first), *(float(ndcg[weight][k].mean()) for weight in WEIGHTS)]
            for k, ranking in enumerate(dev)
        ],
        decimals=dict.fromkeys(columns[2:], 4),
    )


def _test(data: str, test: list[Ranking], chosen: float) -> BenchmarkTable:
    """Evaluate search, chosen weight and cross-encoder alone on the test queries."""
    weight = chosen or WEIGHTS[1]
    weights = {"search": 0.0, "weighted": weight, "alone": 1.0}
    rows: list[list[TextOrNumber]] = []
    for ranking in test:
        ndcg = {name: ranking.measure(value) for name, value in weights.items()}
        p_values = compare(ndcg, "search")
        cells = [
            value
            for system in ("weighted", "alone")
            for value in (float(ndcg[system].mean()), float(p_values[system]))
        ]
        rows.append([ranking.name, len(ranking.first), float(ndcg["search"].mean()), *cells, ranking.ms])
    columns = ["test", "queries", "search", "weighted", "p weighted", "alone", "p alone", "ms"]
    return BenchmarkTable(
        name=f"test {data}",
        title=f"Re-ranking, {data}, test queries: nDCG@10 of the search, with weight {weight}, and by the "
        "cross-encoder alone; p (Holm) against the search; CPU milliseconds per query of the cross-encoder.",
        columns=columns,
        rows=rows,
        decimals=dict.fromkeys(columns[2:], 4) | {"ms": 0},
    )

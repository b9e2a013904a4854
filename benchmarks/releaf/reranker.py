"""A cross-encoder taught from the packaged encoder: does it order the first documents better than the search.

One is taught on training queries of SciFact and of the waste list, another on the names of the pipeline's
own training items. The weight of its score beside the search's is chosen on queries that it was not taught
on and that are not test; 0 is among the weights, so nothing forces it to be used. Weights and scores
are kept in `.statewright/retrieval`, so that only the first run is long (some half hour of CPU).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.parts import Found, Skipped
from benchmarks.releaf._collections import (
    NAMES,
    ROOT,
    Collection,
    read_collection,
    shared_folder,
    shipped_recipe,
    vectors_of,
)
from benchmarks.releaf._cross_encoder import (
    DEPTH,
    MINED,
    WEIGHTS,
    Ranked,
    Taught,
    best_weight,
    rank,
    teach,
    teach_on,
)
from methods.retrieval.cross_encoder_training import mine
from methods.retrieval.evaluation import compare, randomisation_test
from methods.retrieval.search import Corpus
from methods.retrieval.sparse import fit_bm25
from tasks.report.benchmark import BenchmarkTable


def tables(repeat: int) -> Found:
    """The choice and one look at the test queries, on the collections and on the own cards."""
    yield from _collections()
    yield from _own_cards()


def _collections() -> Found:
    folder = shared_folder()
    if not folder.is_dir():
        yield Skipped(f"{folder} is not there; name the folder above data by STATEWRIGHT_SHARED")
        return
    read = {name: read_collection(folder, name) for name in NAMES}
    taught, dev = teach_on(read)
    chosen, choice = _choice("collections", taught, dev)
    yield choice
    test = [rank(name, whole.part(True), taught) for name, whole in read.items()]
    yield _test("collections", test, chosen)


def _own_cards() -> Found:
    from tasks.releaf.passages.judging import ask

    folder = ROOT / "data/releaf"
    if not (folder / "passages.parquet").is_file():
        yield Skipped("data/releaf has no passages.parquet: `statewright run releaf-preprocess`")
        return
    items, cards, passages = (
        pd.read_parquet(folder / f"{name}.parquet") for name in ("items", "cards", "passages")
    )
    asked, texts = ask(items, cards), passages["text"].tolist()
    unit = passages["card_id"].map({card: at for at, card in enumerate(cards["card_id"])}).to_numpy()
    corpus = Corpus(fit_bm25(texts), vectors_of(texts))
    names = asked.table["name"].tolist()
    whole = Collection(
        texts, names, asked.relevance, asked.table["split"].to_numpy(), corpus, vectors_of(names)
    )
    cited = asked.cited()
    known = whole.select(cited & (whole.split == "train"))
    groups = mine(
        known.queries, texts, known.run(shipped_recipe()), known.relevance[:, unit], depth=MINED, positives=1
    )
    taught = teach(groups)
    dev = [rank("own, dev", whole.select(cited & (whole.split == "dev")), taught, unit)]
    chosen, choice = _choice("own cards", taught, dev)
    yield choice
    test = rank("own cards", whole.select(cited & (whole.split == "test")), taught, unit)
    yield _test("own cards", [test], chosen)


def _choice(on: str, taught: Taught, dev: list[Ranked]) -> tuple[float, BenchmarkTable]:
    """The weight chosen, and what was seen of all."""
    found = {weight: [one.measure(weight) for one in dev] for weight in WEIGHTS}
    chosen = best_weight(dev)
    best, none = (np.concatenate(found[weight]) for weight in (chosen, 0.0))
    columns = ["queries", "number", *(f"weight {weight}" for weight in WEIGHTS)]
    return chosen, BenchmarkTable(
        name=f"choice {on}",
        title=f"Re-ranking, {on}. {taught.told} Weight of the cross-encoder over the first {DEPTH}: {chosen} "
        f"is best on queries held out (p {randomisation_test(best, none):.4f} against none). nDCG@10.",
        columns=columns,
        rows=[
            [one.name, len(one.first), *(float(found[weight][at].mean()) for weight in WEIGHTS)]
            for at, one in enumerate(dev)
        ],
        decimals=dict.fromkeys(columns[2:], 4),
    )


def _test(on: str, test: list[Ranked], chosen: float) -> BenchmarkTable:
    """One look at the test queries: the search, the weight chosen, and the cross-encoder alone."""
    weight = chosen or WEIGHTS[1]
    rows = []
    for one in test:
        found = {"search": one.measure(0.0), "weighted": one.measure(weight), "alone": one.measure(1.0)}
        p_values = compare(found, "search")
        cells = [
            value
            for system in ("weighted", "alone")
            for value in (float(found[system].mean()), float(p_values[system]))
        ]
        rows.append([one.name, len(one.first), float(found["search"].mean()), *cells, one.ms])
    columns = ["test", "queries", "search", "weighted", "p weighted", "alone", "p alone", "ms"]
    return BenchmarkTable(
        name=f"test {on}",
        title=f"Re-ranking, {on}, test queries: nDCG@10 of the search, with weight {weight}, and in the "
        "cross-encoder's order alone; p (Holm) against the search; milliseconds of CPU a query that the "
        "reading takes.",
        columns=columns,
        rows=rows,
        decimals=dict.fromkeys(columns[2:], 4) | {"ms": 0},
    )

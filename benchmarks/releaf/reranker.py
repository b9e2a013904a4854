"""A cross-encoder taught from the packaged encoder: does it order the first documents better than the search.

One is taught on training queries of SciFact and of the waste list, another on the names of the pipeline's
own training items. The weight of its score beside the search's is chosen on queries that it was not taught
on and that are not test; 0 is among the weights, so nothing forces it to be used. Weights and scores
are kept in `.statewright/retrieval`, so that only the first run is long (some half hour of CPU).
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from benchmarks.parts import Found, Skipped
from benchmarks.releaf.retrieval import (
    CHOSEN_ON,
    MODEL,
    NAMES,
    ROOT,
    Collection,
    read_collection,
    shared_folder,
    shipped_recipe,
    vectors_of,
)
from methods.retrieval.cross_encoder import build_scorer
from methods.retrieval.cross_encoder_training import Group, Recipe, mine, train
from methods.retrieval.dense import model_digest
from methods.retrieval.evaluation import compare, query_scores, randomisation_test
from methods.retrieval.fusion import ranks
from methods.retrieval.rerank import PairScorer, blend
from methods.retrieval.search import Corpus
from methods.retrieval.sparse import fit_bm25
from tasks.report.benchmark import BenchmarkTable

RECIPE = Recipe(negatives=3, epochs=1, tokens=128, bfloat16=True)
MINED = 30  # ranks from which wrong documents are drawn
DEPTH = 20  # documents that are ordered anew
KEPT = ROOT / ".statewright/retrieval"
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Ranked:
    """Queries with the search's scores of all documents, and the cross-encoder's of the first.

    `unit` is what a document belongs to and what is judged: itself, or the card of a passage. `ms`: CPU
    a query that the cross-encoder took.
    """

    name: str
    relevance: np.ndarray
    first: np.ndarray
    pairs: np.ndarray
    unit: np.ndarray
    ms: float

    def measure(self, weight: float) -> np.ndarray:
        """nDCG@10 of every query with so much weight on the cross-encoder."""
        from tasks.releaf.judging import best_passage

        scores = best_passage(blend(self.first, self.pairs, weight), self.unit, self.relevance.shape[1])
        return query_scores(scores, self.relevance, measures=("nDCG@10",))["nDCG@10"]


@dataclass(frozen=True)
class Taught:
    """A cross-encoder, a name for its weights, and what its training took."""

    name: str
    score: PairScorer
    told: str


def tables(repeat: int) -> Found:
    """The choice and one look at the test queries, on the collections and on the own cards."""
    yield from _collections()
    yield from _own_cards()


def held_out(collection: Collection) -> np.ndarray:
    """The part of each query: train, dev or test; a fifth of the training queries is dev where none is."""
    if (collection.split == "dev").any():
        return collection.split
    drawn = [hashlib.sha256(query.encode()).digest()[0] % 5 == 0 for query in collection.queries]
    return np.where((collection.split == "train") & drawn, "dev", collection.split)


def _collections() -> Found:
    folder = shared_folder()
    if not folder.is_dir():
        yield Skipped(f"{folder} is not there; name the folder above data by STATEWRIGHT_SHARED")
        return
    read = {name: read_collection(folder, name) for name in NAMES}
    parts = {name: held_out(whole) for name, whole in read.items()}
    groups = []
    for name in CHOSEN_ON:
        known = select(read[name], parts[name] == "train")
        groups += mine(
            known.queries, known.documents, known.run(shipped_recipe()), known.relevance, depth=MINED
        )
    taught = _teach(groups)
    unit = {name: np.arange(len(whole.documents)) for name, whole in read.items()}
    dev = [_rank(f"{name}, dev", select(read[name], parts[name] == "dev"), unit[name], taught)
           for name in CHOSEN_ON]  # fmt: skip
    chosen, choice = _choice("collections", taught, dev)
    yield choice
    test = [_rank(name, select(whole, parts[name] == "test"), unit[name], taught)
            for name, whole in read.items()]  # fmt: skip
    yield _test("collections", test, chosen)


def _own_cards() -> Found:
    from tasks.releaf.judging import ask

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
    known = select(whole, cited & (whole.split == "train"))
    groups = mine(
        known.queries, texts, known.run(shipped_recipe()), known.relevance[:, unit], depth=MINED, right=1
    )
    taught = _teach(groups)
    dev = [_rank("own, dev", select(whole, cited & (whole.split == "dev")), unit, taught)]
    chosen, choice = _choice("own cards", taught, dev)
    yield choice
    test = _rank("own cards", select(whole, cited & (whole.split == "test")), unit, taught)
    yield _test("own cards", [test], chosen)


def select(whole: Collection, kept: np.ndarray) -> Collection:
    """Some of the queries."""
    return replace(
        whole, queries=[query for query, keep in zip(whole.queries, kept, strict=True) if keep],
        relevance=whole.relevance[kept], split=whole.split[kept], query_vectors=whole.query_vectors[kept],
    )  # fmt: skip


def _teach(groups: list[Group]) -> Taught:
    """The cross-encoder of these groups; its weights are kept under a hash of all that decides them."""
    import torch
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file
    from tqdm import tqdm

    torch.set_num_threads(1)  # the sums keep one order
    name = _hash([model_digest(MODEL), asdict(RECIPE), [asdict(group) for group in groups]])
    path = KEPT / f"{name}.safetensors"
    if not path.exists():
        began = time.process_time()
        weights, losses = train(
            MODEL, groups, RECIPE, track=lambda steps: tqdm(steps, desc="cross-encoder: steps", mininterval=1)
        )
        said = {"seconds": f"{time.process_time() - began:.0f}", "loss": f"{losses[-1]:.3f}"}
        save_file(weights, path, metadata=said)
    with safe_open(path, framework="numpy") as file:
        said = file.metadata()
    score = build_scorer(MODEL, load_file(path), tokens=RECIPE.tokens, bfloat16=RECIPE.bfloat16)
    told = f"Taught on {len(groups)} groups, {said['seconds']} s of CPU, mean loss {said['loss']}."
    return Taught(name, score, told)


def _hash(told: object) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _rank(name: str, asked: Collection, unit: np.ndarray, taught: Taught) -> Ranked:
    """Search, and read the first documents of each query."""
    first = asked.run(shipped_recipe())
    rows, columns = np.nonzero(np.isfinite(ranks(first, DEPTH)))
    texts = [(asked.queries[row], asked.documents[at]) for row, at in zip(rows, columns, strict=True)]
    path = KEPT / f"{_hash([taught.name, texts])}.npz"
    if not path.exists():
        began = time.process_time()
        found = taught.score(texts)
        np.savez(path, found=found, ms=1000 * (time.process_time() - began) / len(asked.queries))
    with np.load(path) as kept:
        pairs = np.full(first.shape, np.nan)
        pairs[rows, columns] = kept["found"]
        return Ranked(name, asked.relevance, first, pairs, unit, float(kept["ms"]))


def _choice(on: str, taught: Taught, dev: list[Ranked]) -> tuple[float, BenchmarkTable]:
    """The weight with the best mean nDCG@10 over the sets, and what was seen of all."""
    found = {weight: [one.measure(weight) for one in dev] for weight in WEIGHTS}
    mean = {weight: float(np.mean([part.mean() for part in parts])) for weight, parts in found.items()}
    chosen = max(WEIGHTS, key=lambda weight: mean[weight])  # of equal ones the smallest
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

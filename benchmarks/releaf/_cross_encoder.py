"""A cross-encoder taught on training queries; weights and scores are kept in `.statewright/retrieval`."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.releaf._collections import CHOSEN_ON, KEPT, MODEL, Collection, shipped_recipe
from methods.retrieval.cross_encoder import build_scorer
from methods.retrieval.cross_encoder_training import Group, Recipe, mine, train
from methods.retrieval.dense import model_digest
from methods.retrieval.evaluation import query_scores
from methods.retrieval.fusion import ranks
from methods.retrieval.rerank import PairScorer, blend

RECIPE = Recipe(negatives=3, epochs=1, tokens=128, bfloat16=True)
MINED = 30  # ranks from which wrong documents are drawn
DEPTH = 20  # documents that are ordered anew
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

    def measures(self, weight: float) -> dict[str, np.ndarray]:
        """Every measure of every query with so much weight on the cross-encoder."""
        from tasks.releaf.passages.judging import best_passage

        scores = best_passage(blend(self.first, self.pairs, weight), self.unit, self.relevance.shape[1])
        return query_scores(scores, self.relevance)

    def measure(self, weight: float) -> np.ndarray:
        """nDCG@10 of every query."""
        return self.measures(weight)["nDCG@10"]


@dataclass(frozen=True)
class Taught:
    """A cross-encoder, a name for its weights, and what its training took."""

    name: str
    score: PairScorer
    told: str


def held_out(collection: Collection) -> np.ndarray:
    """The part of each query: train, dev or test; a fifth of the training queries is dev where none is."""
    if (collection.split == "dev").any():
        return collection.split
    drawn = [hashlib.sha256(query.encode()).digest()[0] % 5 == 0 for query in collection.queries]
    return np.where((collection.split == "train") & drawn, "dev", collection.split)


def teach_on(read: dict[str, Collection]) -> tuple[Taught, list[Ranked]]:
    """One taught on the training queries of the collections to choose on, and their dev queries as ranked."""
    parts = {name: held_out(read[name]) for name in CHOSEN_ON}
    groups: list[Group] = []
    for name in CHOSEN_ON:
        known = read[name].select(parts[name] == "train")
        groups += mine(
            known.queries, known.documents, known.run(shipped_recipe()), known.relevance, depth=MINED
        )
    taught = teach(groups)
    dev = [rank(f"{name}, dev", read[name].select(parts[name] == "dev"), taught) for name in CHOSEN_ON]
    return taught, dev


def best_weight(dev: list[Ranked]) -> float:
    """The weight with the best mean nDCG@10 over the sets, of equal ones the smallest."""
    return max(WEIGHTS, key=lambda weight: float(np.mean([one.measure(weight).mean() for one in dev])))


def teach(groups: list[Group]) -> Taught:
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


def rank(name: str, asked: Collection, taught: Taught, unit: np.ndarray | None = None) -> Ranked:
    """Search, and read the first documents of each query; each is its own unit if none are given."""
    unit = np.arange(len(asked.documents)) if unit is None else unit
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

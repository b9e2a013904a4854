"""Train and apply cross-encoders, with a cache in `.statewright/retrieval`."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.releaf._collections import CACHE, CHOSEN_ON, MODEL, Collection, shipped_recipe
from methods.retrieval.cross_encoder import build_scorer
from methods.retrieval.cross_encoder_training import Group, Recipe, mine, train
from methods.retrieval.dense import model_digest
from methods.retrieval.evaluation import query_scores
from methods.retrieval.fusion import ranks
from methods.retrieval.rerank import PairScorer, blend

RECIPE = Recipe(negatives=3, epochs=1, tokens=128, bfloat16=True)
MINED = 30  # ranks from which irrelevant documents are drawn
DEPTH = 20  # documents that are re-ranked
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Ranking:
    """Queries with the scores of the search and of the cross-encoder.

    The cross-encoder scores the first documents only. `unit` is the judged unit to which each document
    belongs: the document itself, or the card of a passage. `ms` is the CPU time per query of the
    cross-encoder, in milliseconds.
    """

    name: str
    relevance: np.ndarray
    first: np.ndarray
    pairs: np.ndarray
    unit: np.ndarray
    ms: float

    def measures(self, weight: float) -> dict[str, np.ndarray]:
        """Return all measures of every query, with this weight of the cross-encoder."""
        from tasks.releaf.passages.judging import best_passage

        scores = best_passage(blend(self.first, self.pairs, weight), self.unit, self.relevance.shape[1])
        return query_scores(scores, self.relevance)

    def measure(self, weight: float) -> np.ndarray:
        """Return nDCG@10 of every query."""
        return self.measures(weight)["nDCG@10"]


@dataclass(frozen=True)
class TrainedScorer:
    """A trained cross-encoder, the name of its weights, a summary of its training."""

    name: str
    score: PairScorer
    summary: str


def held_out(collection: Collection) -> np.ndarray:
    """Return the split of each query: train, dev or test.

    In a collection without dev queries, a fifth of the training queries become dev queries.
    """
    if (collection.split == "dev").any():
        return collection.split
    is_dev = [hashlib.sha256(query.encode()).digest()[0] % 5 == 0 for query in collection.queries]
    return np.where((collection.split == "train") & is_dev, "dev", collection.split)


def train_on(read: dict[str, Collection]) -> tuple[TrainedScorer, list[Ranking]]:
    """Train on the training queries of `CHOSEN_ON`, and rank their dev queries."""
    parts = {name: held_out(read[name]) for name in CHOSEN_ON}
    groups: list[Group] = []
    for name in CHOSEN_ON:
        training = read[name].select(parts[name] == "train")
        groups += mine(
            training.queries,
            training.documents,
            training.run(shipped_recipe()),
            training.relevance,
            depth=MINED,
        )
    scorer = train_scorer(groups)
    dev = [rank(f"{name}, dev", read[name].select(parts[name] == "dev"), scorer) for name in CHOSEN_ON]
    return scorer, dev


def best_weight(dev: list[Ranking]) -> float:
    """Return the weight with the best mean nDCG@10, the smallest of equal ones."""
    return max(WEIGHTS, key=lambda weight: float(np.mean([r.measure(weight).mean() for r in dev])))


def train_scorer(groups: list[Group]) -> TrainedScorer:
    """Train a cross-encoder, or load it from the cache.

    The key of the cache is a hash of the model, the settings and the groups.
    """
    import torch
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file
    from tqdm import tqdm

    torch.set_num_threads(1)  # Sums have a fixed order, so results are reproducible.
    name = _hash([model_digest(MODEL), asdict(RECIPE), [asdict(group) for group in groups]])
    path = CACHE / f"{name}.safetensors"
    if not path.exists():
        began = time.process_time()
        weights, losses = train(
            MODEL, groups, RECIPE, track=lambda steps: tqdm(steps, desc="cross-encoder: steps", mininterval=1)
        )
        costs = {"seconds": f"{time.process_time() - began:.0f}", "loss": f"{losses[-1]:.3f}"}
        save_file(weights, path, metadata=costs)
    with safe_open(path, framework="numpy") as file:
        costs = file.metadata()
    score = build_scorer(MODEL, load_file(path), tokens=RECIPE.tokens, bfloat16=RECIPE.bfloat16)
    summary = f"Trained on {len(groups)} groups, {costs['seconds']} s of CPU, mean loss {costs['loss']}."
    return TrainedScorer(name, score, summary)


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def rank(name: str, collection: Collection, scorer: TrainedScorer, unit: np.ndarray | None = None) -> Ranking:
    """Search, and score the first documents of each query by the cross-encoder.

    By default each document is its own unit.
    """
    unit = np.arange(len(collection.documents)) if unit is None else unit
    first = collection.run(shipped_recipe())
    rows, columns = np.nonzero(np.isfinite(ranks(first, DEPTH)))
    texts = [
        (collection.queries[row], collection.documents[column])
        for row, column in zip(rows, columns, strict=True)
    ]
    path = CACHE / f"{_hash([scorer.name, texts])}.npz"
    if not path.exists():
        began = time.process_time()
        scores = scorer.score(texts)
        np.savez(path, found=scores, ms=1000 * (time.process_time() - began) / len(collection.queries))
    with np.load(path) as stored:
        pairs = np.full(first.shape, np.nan)
        pairs[rows, columns] = stored["found"]
        return Ranking(name, collection.relevance, first, pairs, unit, float(stored["ms"]))

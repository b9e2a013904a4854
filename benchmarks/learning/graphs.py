"""Graphs: classes of papers, and messages that come next.

The data are the external sets `planetoid` and `learning/temporal_graphs`, see
`benchmarks.parts.external_data`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from benchmarks.parts import Omission, Tables, external_data
from methods.graph.nodes import RECIPES, Graph, classify_nodes
from methods.graph.scores import link_scores, ranked_scores
from methods.graph.temporal import (
    PAIR_FEATURES,
    Events,
    NegativeKind,
    Pairs,
    negative_targets,
    pair_features,
)
from methods.graph.temporal_attention import LinkPredictor, Recipe, joined, labels
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

Floats = np.ndarray
Score = Callable[[Pairs], Floats]

NODE_SEEDS, LINK_SEEDS = 10, 5
KINDS: tuple[NegativeKind, ...] = ("random", "historical", "inductive")
RANKED, RANKED_NEGATIVES = 1000, 100
"""Test events, and negatives of each, for the mean reciprocal rank."""
PERFECT = 0.999
"""Average precision of one single feature above which the negatives are called a leak."""


def tables(repeat: int) -> Tables:
    """Yield tables of node classes, links over time, and leaking negatives."""
    yield _papers()
    yield _messages()
    yield from _leaks()


def _papers() -> BenchmarkTable | Omission:
    rows: list[list[TextOrNumber]] = []
    for name in ("cora", "citeseer"):
        path = external_data(f"planetoid/{name}.npz")
        if isinstance(path, Omission):
            return path
        graph, parts = planetoid(path)
        for recipe in ("gcn", "sage", "gat"):
            accuracy = []
            for seed in range(NODE_SEEDS):
                logits = classify_nodes(graph, parts["train"], parts["val"], RECIPES[recipe], seed=seed)
                test = torch.as_tensor(parts["test"])
                accuracy.append(float((logits[test].argmax(-1) == graph.y[test]).double().mean()) * 100)
            rows.append([f"{name} {recipe}", float(np.mean(accuracy)), float(np.std(accuracy, ddof=1))])
    return BenchmarkTable(
        name="papers",
        title=f"Test accuracy in percent, public split, mean and deviation of {NODE_SEEDS} seeds; the epoch "
        "is chosen on validation. Published: Cora GCN 81.5, GAT 83.0; CiteSeer GCN 70.3, GAT 72.5.",
        columns=["set and layers", "accuracy", "deviation"],
        rows=rows,
        decimals={"accuracy": 1, "deviation": 1},
    )  # fmt: skip


def planetoid(path: Path) -> tuple[Graph, dict[str, np.ndarray]]:
    """Return a citation graph, with rows that sum to 1, and its parts."""
    data = np.load(path)
    x = sparse.csr_matrix((data["x_data"], data["x_indices"], data["x_indptr"]), tuple(data["x_shape"]))
    x = x.toarray()
    edges = torch.as_tensor(data["edges"].T.astype(np.int64))
    y = torch.as_tensor(data["y"].astype(np.int64))
    graph = Graph(
        torch.as_tensor(x / np.maximum(x.sum(1, keepdims=True), 1)).float(),
        torch.cat([edges, edges.flip(0)], 1), y, int(y.max()) + 1,
    )  # fmt: skip
    return graph, {part: data[f"{part}_idx"].astype(np.int64) for part in ("train", "val", "test")}


class Split(NamedTuple):
    """Events, and how many of them are for training, and for training and validation."""

    events: Events
    train: int
    known: int

    def happened(self, rows: slice) -> Pairs:
        """Return the events of a range of rows as pairs."""
        return Pairs(self.events.source[rows], self.events.target[rows], self.events.time[rows])


def read_events(path: Path) -> Split:
    """Return events, divided at the 70 % and 85 % quantiles of time."""
    data = pd.read_parquet(path).sort_values("t", kind="stable")
    names, ends = np.unique(data[["src", "dst"]].to_numpy(), return_inverse=True)
    ends = ends.reshape(-1, 2)
    events = Events(ends[:, 0], ends[:, 1], data["t"].to_numpy(float), len(names))
    train, known = np.searchsorted(events.time, np.quantile(events.time, [0.7, 0.85]), side="right")
    return Split(events, int(train), int(known))


def predictors(split: Split, seed: int) -> Iterator[tuple[str, Score]]:
    """Yield models by name, each fitted to training events and random negatives."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    events, rng = split.events, np.random.default_rng(seed)
    parts = [slice(0, split.train), slice(split.train, split.known)]
    train, later = (
        (split.happened(rows), negative_targets(events, split.train, rows, "random", rng)) for rows in parts
    )
    x, y = pair_features(events, joined(*train)), labels(*train).numpy()
    models: dict[str, Any] = {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "boosted trees": HistGradientBoostingClassifier(random_state=seed),
    }
    for name, model in models.items():
        fitted = model.fit(x, y)
        yield name, partial(_probability, fitted, events)
    for name, with_features in (("attention", False), ("attention and features", True)):
        recipe = Recipe(with_features=with_features, seed=seed)
        yield name, LinkPredictor(events, recipe).fit(train, later).predict
    for column, name in (
        (6, "earlier links"),
        (8, "recency of link"),
        (12, "common neighbours"),
        (13, "Adamic-Adar"),
    ):
        yield f"{name} alone", partial(_feature, events, [column])
    yield "preferential attachment alone", partial(_feature, events, [4, 5])


def _probability(model: Any, events: Events, pairs: Pairs) -> Floats:
    return np.asarray(model.predict_proba(pair_features(events, pairs))[:, 1])


def _feature(events: Events, columns: list[int], pairs: Pairs) -> Floats:
    """Return a feature; the sum of two logarithms ranks as the product of the counts."""
    return np.asarray(pair_features(events, pairs)[:, columns].sum(axis=1))


def _messages() -> BenchmarkTable | Omission:
    path = external_data("learning/temporal_graphs/uci_messages.parquet")
    if isinstance(path, Omission):
        return path
    split = read_events(path)
    events, test = split.events, slice(split.known, len(split.events.time))
    happened = split.happened(test)
    scores: dict[str, list[list[float]]] = {}
    for seed in range(LINK_SEEDS):
        rng = np.random.default_rng(1000 + seed)
        others = {kind: negative_targets(events, split.train, test, kind, rng) for kind in KINDS}
        some = np.sort(rng.choice(len(happened.time), RANKED, replace=False))
        ranked = Pairs(happened.source[some], happened.target[some], happened.time[some])
        many = Pairs(
            np.repeat(ranked.source, RANKED_NEGATIVES),
            rng.integers(events.nodes, size=RANKED * RANKED_NEGATIVES),
            np.repeat(ranked.time, RANKED_NEGATIVES),
        )
        for name, score in predictors(split, seed):
            positive = score(happened)
            judged = [link_scores(positive, score(others[kind])) for kind in KINDS]
            link_index = np.repeat(np.arange(RANKED), RANKED_NEGATIVES)
            rank = ranked_scores(positive[some], score(many), link_index).ap
            figures = [judged[0].auc, *(one.ap for one in judged), rank]
            scores.setdefault(name, []).append(figures)
    rows: list[list[TextOrNumber]] = [
        [name, *np.mean(figures, axis=0).tolist()] for name, figures in scores.items()
    ]
    rows.append(_difference("attention and features", "boosted trees", scores))
    rows.append(_difference("attention and features", "logistic regression", scores))
    return BenchmarkTable(
        name="messages",
        title=f"Messages between students, the last 15 % of the time, mean of {LINK_SEEDS} seeds: area under "
        f"the ROC curve with random negatives, average precision with {', '.join(KINDS)} negatives, mean "
        f"reciprocal rank of {RANKED:,} messages among {RANKED_NEGATIVES} random others. Every model is "
        "fitted with random negatives. A difference has its 95 % interval over seeds (t distribution).",
        columns=["model", "AUC", *KINDS, "MRR"],
        rows=rows,
    )  # fmt: skip


def _difference(ours: str, rival: str, scores: dict[str, list[list[float]]]) -> list[TextOrNumber]:
    from scipy import stats

    gaps = np.array(scores[ours]) - np.array(scores[rival])
    reach = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps))
    cells = [f"{gap:+.4f} ± {half:.4f}" for gap, half in zip(gaps.mean(axis=0), reach, strict=True)]
    return [f"{ours} minus {rival}", *cells]


def _leaks() -> Tables:
    """Yield the best single feature: a perfect one means that negatives leak."""
    rows: list[list[TextOrNumber]] = []
    for name in ("uci_messages", "bitcoin_alpha", "bitcoin_otc"):
        path = external_data(f"learning/temporal_graphs/{name}.parquet")
        if isinstance(path, Omission):
            yield path
            return
        split = read_events(path)
        for kind in KINDS:
            best, feature = best_single_feature(split, kind)
            rows.append([name, kind, feature, best, "leak" if best > PERFECT else ""])
    yield BenchmarkTable(
        name="leaks",
        title="The single feature with the highest average precision, whichever its sign. A perfect score "
        "means that the negatives can be told from their construction: no Bitcoin pair ever repeats, so a "
        "pair with an earlier link is always a negative.",
        columns=["graph", "negatives", "feature", "average precision", "verdict"],
        rows=rows,
    )


def best_single_feature(split: Split, kind: NegativeKind) -> tuple[float, str]:
    """Return the highest average precision of a single feature, and its name."""
    test = slice(split.known, len(split.events.time))
    others = negative_targets(split.events, split.train, test, kind, np.random.default_rng(0))
    positive, negative = (pair_features(split.events, pairs) for pairs in (split.happened(test), others))
    return max(
        (link_scores(sign * positive[:, column], sign * negative[:, column]).ap, name)
        for column, name in enumerate(PAIR_FEATURES)
        for sign in (1, -1)
    )

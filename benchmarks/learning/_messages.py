"""Messages that come next: link prediction over time beside strong rivals.

The data are the external set `learning/temporal_graphs`, see `benchmarks.parts.external_data`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.learning._senders import average_precisions, sender_weights
from benchmarks.learning._units import Figures, Units
from benchmarks.parts import Omission, Tables, external_data
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

SEEDS = 5
KINDS: tuple[NegativeKind, ...] = ("random", "historical", "inductive")
COLUMNS = ("AUC", *KINDS, "MRR")
RANKED, RANKED_NEGATIVES = 1000, 100
"""Test events, and negatives of each, for the mean reciprocal rank."""
DRAWS = 200
"""Bootstrap samples of senders."""
SINGLE = (6, 8, 10, 11, 12, 13)
"""Features that are rivals alone: earlier links, recencies, common neighbours, Adamic-Adar."""
OURS, RIVALS = ("attention", "attention and features"), ("logistic regression", "boosted trees")


class Split(NamedTuple):
    """Events, and how many of them are for training, and for training and validation."""

    events: Events
    train: int
    known: int

    def happened(self, rows: slice) -> Pairs:
        """Return the events of a range of rows as pairs."""
        return Pairs(self.events.source[rows], self.events.target[rows], self.events.time[rows])

    @property
    def test(self) -> slice:
        """Return the rows of the test events."""
        return slice(self.known, len(self.events.time))


def read_events(path: Path) -> Split:
    """Return events, divided at the 70 % and 85 % quantiles of time."""
    data = pd.read_parquet(path).sort_values("t", kind="stable")
    names, ends = np.unique(data[["src", "dst"]].to_numpy(), return_inverse=True)
    ends = ends.reshape(-1, 2)
    events = Events(ends[:, 0], ends[:, 1], data["t"].to_numpy(float), len(names))
    train, known = np.searchsorted(events.time, np.quantile(events.time, [0.7, 0.85]), side="right")
    return Split(events, int(train), int(known))


def tables(units: Units) -> Tables:
    """Yield the scores of the models, and the differences from their rivals."""
    path = external_data("learning/temporal_graphs/uci_messages.parquet")
    if isinstance(path, Omission):
        yield path
        return
    split = read_events(path)
    seeds = [units.measure(f"messages {seed}", partial(_judged, split, seed)) for seed in range(SEEDS)]
    models = list(dict.fromkeys(key.partition(" | ")[0] for key in seeds[0] if " minus " not in key))
    yield BenchmarkTable(
        name="messages",
        title=f"Messages between students, the last 15 % of the time, mean of {SEEDS} seeds: area under "
        f"the ROC curve with random negatives, average precision with {', '.join(KINDS)} negatives, mean "
        f"reciprocal rank of {RANKED:,} messages among {RANKED_NEGATIVES} random others. Every model is "
        "fitted with random negatives. Goal: 0.945 random, 0.760 historical.",
        columns=["model", *COLUMNS],
        rows=[
            [name, *(float(np.mean([one[f"{name} | {column}"] for one in seeds])) for column in COLUMNS)]
            for name in models
        ],
    )
    yield BenchmarkTable(
        name="differences",
        title=f"Differences of average precision, same test messages and negatives, mean of {SEEDS} seeds. "
        f"The 95 % interval has the variance over seeds and that of {DRAWS} bootstrap samples of senders.",
        columns=["model minus rival", "negatives", "difference", "low", "high", "ahead"],
        rows=[_difference(ours, rival, kind, seeds) for ours in OURS for rival in RIVALS for kind in KINDS],
        decimals={"difference": 4, "low": 4, "high": 4},
    )


def _difference(ours: str, rival: str, kind: str, seeds: list[Figures]) -> list[TextOrNumber]:
    key = f"{ours} minus {rival} | {kind}"
    gaps = np.array([one[key] for one in seeds])
    reach, mean = interval_reach(gaps, np.array([one[f"{key} error"] for one in seeds])), float(gaps.mean())
    ahead = "yes" if mean > reach else "no" if mean < -reach else "not certain"
    return [f"{ours} minus {rival}", kind, mean, mean - reach, mean + reach, ahead]


def interval_reach(gaps: Floats, errors: Floats) -> float:
    """Return half of the 95 % interval of a mean over seeds.

    The seeds share the test events, so the standard error that these cause does not fall with their number.
    """
    between = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    return float(np.hypot(between, stats.norm.ppf(0.975) * np.sqrt(np.mean(errors**2))))


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
        yield name, partial(_probability, model.fit(x, y), events)
    for name, with_features in zip(OURS, (False, True), strict=True):
        recipe = Recipe(with_features=with_features, seed=seed)
        yield name, LinkPredictor(events, recipe).fit(train, later).predict
    for column in SINGLE:
        yield f"{PAIR_FEATURES[column]} alone", partial(_feature, events, [column])
    yield "preferential attachment alone", partial(_feature, events, [4, 5])


def _probability(model: Any, events: Events, pairs: Pairs) -> Floats:
    return np.asarray(model.predict_proba(pair_features(events, pairs))[:, 1])


def _feature(events: Events, columns: list[int], pairs: Pairs) -> Floats:
    """Return a feature; the sum of two logarithms ranks as the product of the counts."""
    return np.asarray(pair_features(events, pairs)[:, columns].sum(axis=1))


def _judged(split: Split, seed: int) -> Figures:
    """Score all models with one seed, which draws negatives, weights and batches."""
    events, happened = split.events, split.happened(split.test)
    rng = np.random.default_rng(1000 + seed)
    others = {kind: negative_targets(events, split.train, split.test, kind, rng) for kind in KINDS}
    some = np.sort(rng.choice(len(happened.time), RANKED, replace=False))
    many = Pairs(
        np.repeat(happened.source[some], RANKED_NEGATIVES),
        rng.integers(events.nodes, size=RANKED * RANKED_NEGATIVES),
        np.repeat(happened.time[some], RANKED_NEGATIVES),
    )
    link_index = np.repeat(np.arange(RANKED), RANKED_NEGATIVES)
    weights = sender_weights(happened.source, DRAWS, seed=seed)
    figures: dict[str, float] = {}
    samples: dict[tuple[str, str], Floats] = {}
    for name, score in predictors(split, seed):
        positive = score(happened)
        for kind, pairs in others.items():
            negative = score(pairs)
            judged = link_scores(positive, negative)
            if kind == "random":
                figures[f"{name} | AUC"] = judged.auc
            figures[f"{name} | {kind}"] = judged.ap
            if name in (*OURS, *RIVALS):
                samples[name, kind] = average_precisions(positive, negative, weights)
        figures[f"{name} | MRR"] = ranked_scores(positive[some], score(many), link_index).ap
    for ours in OURS:
        for rival in RIVALS:
            for kind in KINDS:
                key = f"{ours} minus {rival} | {kind}"
                figures[key] = figures[f"{ours} | {kind}"] - figures[f"{rival} | {kind}"]
                figures[f"{key} error"] = float(np.std(samples[ours, kind] - samples[rival, kind], ddof=1))
    return figures

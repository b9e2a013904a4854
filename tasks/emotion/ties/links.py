"""Models that tell ties from other pairs, all fitted to the same pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.graph.scores import link_scores, ranked_scores
from methods.graph.temporal import (
    PAIR_FEATURES,
    Events,
    NegativeKind,
    Pairs,
    negative_targets,
    pair_features,
)
from tasks.emotion.params import InfluenceParams
from tasks.emotion.ties.people import LEAST_WEIGHT, LIKENESS, Genres, People, likeness, node_features, weights
from tasks.emotion.ties.settings import KINDS, Described, Judged

if TYPE_CHECKING:
    from methods.graph.snapshots import JudgedPairs, Snapshots

Floats = NDArray[np.float64]
Scores = dict[str, Floats]
SINGLE = {
    "common neighbours": (12,),
    "Adamic-Adar": (13,),
    "preferential attachment": (4, 5),
    "recency": (11,),
}
"""Single features; a sum of logarithms ranks as the product of the counts."""
GRAPH_LAYERS = {
    "GCN": ("gcn", True),
    "GCN without weights": ("gcn", False),
    "GraphSAGE": ("sage", True),
    "GAT": ("gat", True),
}
ATTENTION = "temporal attention"


class Problem(NamedTuple):
    """Everything that a model of ties is fitted to and judged on."""

    people: People
    genres: Genres
    judged: Judged
    described: Described
    params: InfluenceParams
    seed: int


def model_scores(problem: Problem) -> Iterator[tuple[str, Scores]]:
    """Yield each model with its scores of the pairs of validation and test."""
    yield from _single(problem)
    yield from _tabular(problem)
    yield from _graphs(problem)
    yield from _attention(problem)


def judged_names(judged: Judged) -> list[str]:
    """Return the names of the pairs that are scored."""
    return [name for name in judged.pairs if not name.startswith("train")]


def _single(problem: Problem) -> Iterator[tuple[str, Scores]]:
    temporal = problem.described.temporal
    for name, columns in SINGLE.items():
        yield name, {key: temporal[key][:, columns].sum(axis=1) for key in judged_names(problem.judged)}


def _tabular(problem: Problem) -> Iterator[tuple[str, Scores]]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    temporal, content = problem.described
    both = {name: _features(problem, name) for name in temporal}
    models: dict[str, Callable[[], Any]] = {
        "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "boosted trees": partial(
            HistGradientBoostingClassifier,
            max_iter=150,
            learning_rate=0.07,
            early_stopping=False,
            random_state=problem.seed,
        ),
    }
    for features, x in (("14 features", temporal), ("no network", content), ("14 and content", both)):
        for name, model in models.items():
            known = np.concatenate([x["train"], x["train random"]])
            y = np.repeat([1, 0], [len(x["train"]), len(x["train random"])])
            fitted = model().fit(known, y)
            scores = {key: fitted.decision_function(x[key]) for key in judged_names(problem.judged)}
            yield f"{name}, {features}", scores


def _graphs(problem: Problem) -> Iterator[tuple[str, Scores]]:
    import torch

    from methods.graph.snapshots import SnapshotRecipe, fit_snapshots

    params = problem.params
    static = np.concatenate([_features(problem, name) for name in ("train", "train random")])
    scale = (static.mean(axis=0), static.std(axis=0) + 1e-9)
    for name, (layer, weighted) in GRAPH_LAYERS.items():
        parts = {
            part: _snapshot(
                problem, [key for key in problem.judged.pairs if key.split()[0] == part], scale, weighted
            )
            for part in ("train", "validation", "test")
        }
        recipe = SnapshotRecipe(layer, width=params.width, epochs=params.epochs, seed=problem.seed)
        fit_on = {part: _first(problem, parts[part], part) for part in ("train", "validation")}
        model = fit_snapshots(fit_on["train"], fit_on["validation"], recipe)
        scores: Scores = {}
        for part in ("validation", "test"):
            graph, pairs, names = parts[part]
            with torch.no_grad():
                values = model(graph, pairs).numpy().astype(float)
            ends = np.cumsum([len(problem.judged.pairs[key].time) for key in names])[:-1]
            scores |= dict(zip(names, np.split(values, ends), strict=True))
        yield name, scores


def _features(problem: Problem, name: str) -> Floats:
    temporal, static = problem.described
    return np.column_stack([temporal[name], static[name]])


def _first(
    problem: Problem, part: tuple[Snapshots, JudgedPairs, list[str]], name: str
) -> tuple[Snapshots, JudgedPairs]:
    """Return the network with the ties and the random negatives of a part only."""
    from methods.graph.snapshots import JudgedPairs

    graph, pairs, _ = part
    size = sum(len(problem.judged.pairs[key].time) for key in (name, f"{name} random"))
    return graph, JudgedPairs(pairs.source[:size], pairs.target[:size], pairs.features[:size], pairs.y[:size])


def _snapshot(
    problem: Problem, names: list[str], scale: tuple[Floats, Floats], weighted: bool
) -> tuple[Snapshots, JudgedPairs, list[str]]:
    """Return the network at each moment of some pairs, and the pairs."""
    import torch

    from methods.graph.snapshots import JudgedPairs, snapshots

    people, judged = problem.people, problem.judged
    pairs = [judged.pairs[name] for name in names]
    time = np.concatenate([one.time for one in pairs])
    moments, at = np.unique(time, return_inverse=True)
    events = judged.events
    links = np.stack([events.source, events.target])
    ordered = people._replace(links=links)
    weight = (
        weights(ordered, problem.genres, problem.params.half_life) if weighted else np.ones(links.shape[1])
    )
    nodes = len(people.table)
    features = [node_features(people, now, links[:, events.time < now]) for now in moments]
    graph = snapshots(features, links, np.maximum(weight, LEAST_WEIGHT), events.time, moments)
    source, target = (
        torch.as_tensor(np.concatenate([one[side] for one in pairs]) + at * nodes) for side in (0, 1)
    )
    static = np.concatenate([_features(problem, name) for name in names])
    ties = np.concatenate([np.full(len(judged.pairs[n].time), float(len(n.split()) == 1)) for n in names])
    return (
        graph,
        JudgedPairs(
            source, target, torch.tensor((static - scale[0]) / scale[1]).float(), torch.tensor(ties).float()
        ),
        names,
    )


def _attention(problem: Problem) -> Iterator[tuple[str, Scores]]:
    from methods.graph.temporal_attention import LinkPredictor, Recipe

    judged, params = problem.judged, problem.params
    lookup = _Lookup(problem)
    recipe = Recipe(
        events=params.history,
        width=params.width,
        epochs=params.attention_epochs,
        batch_size=1024,
        patience=3,
        seed=problem.seed,
    )
    resemblance = partial(likeness, problem.people)
    model = LinkPredictor(judged.events, recipe, lookup.features, resemblance, LIKENESS).fit(
        (judged.pairs["train"], judged.pairs["train random"]),
        (judged.pairs["validation"], judged.pairs["validation random"]),
    )
    yield ATTENTION, {key: model.predict(judged.pairs[key]) for key in judged_names(judged)}


class _Lookup:
    """Features of pairs that have been described already, by pair and time."""

    def __init__(self, problem: Problem) -> None:
        self.nodes = len(problem.people.table)
        names = list(problem.judged.pairs)
        keys = np.concatenate([self._keys(problem.judged.pairs[name]) for name in names])
        self.keys, first = np.unique(keys, return_index=True)
        self.rows = np.concatenate([_features(problem, name) for name in names])[first]

    def _keys(self, pairs: Pairs) -> NDArray[np.int64]:
        moment = np.round(pairs.time).astype(np.int64)
        return (moment * self.nodes + pairs.source) * self.nodes + pairs.target

    def features(self, events: Events, pairs: Pairs) -> Floats:
        """Return the features of pairs, shape (n, d)."""
        return self.rows[np.searchsorted(self.keys, self._keys(pairs))]


class PartScores(NamedTuple):
    """Scores of one model on one part: AUC and AP by kind of negatives, and MRR.

    MRR is NaN on validation.
    """

    auc: dict[str, float]
    ap: dict[str, float]
    mrr: float


def part_scores(scores: Scores, part: str, negatives: int) -> PartScores:
    """Judge a model on validation or test."""
    kinds = KINDS if part == "test" else KINDS[:1]
    judged = {kind: link_scores(scores[part], scores[f"{part} {kind}"]) for kind in kinds}
    mrr = float("nan")
    if part == "test":
        ranked = scores["test ranked"]
        index = np.repeat(np.arange(len(ranked)), negatives)
        mrr = ranked_scores(ranked, scores["test among"], index).ap
    return PartScores(
        {kind: one.auc for kind, one in judged.items()},
        {kind: one.ap for kind, one in judged.items()},
        mrr,
    )


def best_single_feature(described: Described, part: str, kind: str) -> tuple[str, float]:
    """Return the single feature with the highest average precision, either sign."""
    return _best_column(described.temporal[part], described.temporal[f"{part} {kind}"])


def _best_column(positive: Floats, negative: Floats) -> tuple[str, float]:
    score, name = max(
        (link_scores(sign * positive[:, column], sign * negative[:, column]).ap, name)
        for column, name in enumerate(PAIR_FEATURES)
        for sign in (1, -1)
    )
    return name, score


def pair_leaks(people: People, before: float, params: InfluenceParams) -> dict[str, tuple[str, float]]:
    """Return the best single feature for negatives that are pairs of another time.

    These are the negatives of Poursafaei et al. (2022): a tie of the training time (historical) or a later
    one (inductive), judged at the time of a test tie. A tie between two artists occurs once, so such a pair
    is a tie of another decade.
    """
    time = people.time
    events = Events(people.links[0], people.links[1], time, len(people.table))
    test = slice(int(np.searchsorted(time, params.test_from)), len(time))
    ties = pair_features(events, Pairs(events.source[test], events.target[test], events.time[test]))
    result: dict[str, tuple[str, float]] = {}
    kinds: tuple[NegativeKind, ...] = ("historical", "inductive")
    for kind in kinds:
        rng = np.random.default_rng(params.seed)
        others = negative_targets(events, int(np.searchsorted(time, before)), test, kind, rng)
        result[kind] = _best_column(ties, pair_features(events, others))
    return result

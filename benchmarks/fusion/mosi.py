"""CMU-MOSI: sentiment of utterances, with the context of their video.

The text and video features are outputs of networks that were trained on the training labels: a regression on
text reaches 98 % in cross-validation grouped by video within train, and 76 % on test. So no figure within
train says how a model will do, nothing is tuned, and the operators have their default settings.
"""

from __future__ import annotations

import numpy as np

from benchmarks.fusion._fits import CONCATENATION, EVERY, LOGISTIC, Task, split_predictions
from benchmarks.fusion._sets import GivenSplit, mosi
from benchmarks.parts import Omission, Tables
from methods.fusion import context as sequences
from methods.fusion.choice import Data
from methods.fusion.operators import OPERATORS
from methods.fusion.views import Floats, Scaler, take
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

SEEDS = 5
CLIP = 5.0
"""Standard deviations at which a feature is cut, so that no outlier outweighs the others."""


def tables(repeat: int) -> Tables:
    """Yield accuracies with and without context, and with an absent modality."""
    given = mosi()
    if isinstance(given, Omission):
        yield given
        return
    assert given.sequence is not None
    context = sequences.fit_context(given.data.y[given.train], given.sequence[given.train])
    rows: list[list[TextOrNumber]] = []
    lost: dict[str, tuple[float, float]] = {}
    for name, runs in _all_scores(given).items():
        found = np.array([_accuracies(given, scores[EVERY], context) for scores in runs])
        rows.append([name, *map(float, found.mean(axis=0)), float(found[:, 1].std())])
        full = float(found[:, 0].mean())
        absent = [_accuracies(given, scores[m], context)[0] for scores in runs for m in scores if m]
        if absent:
            lost[name] = (full, float(np.mean(absent)))
    yield BenchmarkTable(
        name="mosi",
        title=f"CMU-MOSI, given split, 752 utterances of 31 videos, mean of {SEEDS} seeds: accuracy of the "
        f"utterance alone and with its video. Goal: 0.80; bc-LSTM published 0.803. Correlation of the labels "
        f"in train: {context.height:.2f} at lag 1, times {context.decay:.2f} per further utterance.",
        columns=["operator", "utterance", "with video", "deviation over seeds"],
        rows=rows,
        decimals={"utterance": 4, "with video": 4, "deviation over seeds": 4},
    )
    base_full, base_absent = lost[CONCATENATION]
    yield BenchmarkTable(
        name="mosi_lost",
        title="CMU-MOSI, utterance alone: one modality absent at test, mean over the modalities. Goal: share "
        "at most 0.5.",
        columns=["operator", "all modalities", "one absent", "loss", "share of concatenation's"],
        rows=[[name, a, b, a - b, (a - b) / (base_full - base_absent)] for name, (a, b) in lost.items()],
        decimals=dict.fromkeys(["all modalities", "one absent", "loss", "share of concatenation's"], 4),
    )


def _all_scores(given: GivenSplit) -> dict[str, list[dict[str, Floats]]]:
    """Return log odds of the test rows by operator, seed and absent modality."""
    train, views = given.data.take(given.train), take(given.data.views, given.test)
    tasks = [Task(train, views, seed, folds=0) for seed in range(SEEDS)]
    result: dict[str, list[dict[str, Floats]]] = {}
    for seed, found in enumerate(split_predictions(tasks, processes=2)):
        for name, predictions in found.items():
            if name in OPERATORS or (name in (CONCATENATION, LOGISTIC) and seed == 0):
                scores = {key: _log_odds(values) for key, values in predictions.test.items()}
                result.setdefault(name, []).append(scores)
    result["class means, all modalities"] = [{EVERY: _class_means(train, views, list(views))}]
    result["class means, text"] = [{EVERY: _class_means(train, views, ["text"])}]
    return result


def _class_means(train: Data, views: dict[str, Floats], names: list[str]) -> Floats:
    """Return scores along the difference of the class means."""
    labels = train.y.astype(int)
    total = np.zeros(len(views[names[0]]))
    for name in names:
        scaler = Scaler.fit(train.views[name])
        x = np.clip(scaler.apply(train.views[name]), -CLIP, CLIP)
        later = np.clip(scaler.apply(views[name]), -CLIP, CLIP)
        middle = 0.5 * (x[labels == 1].mean(axis=0) + x[labels == 0].mean(axis=0))
        total += (later - middle) @ sequences.class_direction(x, labels)
    return total


def _accuracies(given: GivenSplit, scores: Floats, context: sequences.Context) -> list[float]:
    assert given.sequence is not None
    labels, sequence = given.data.y[given.test] == 1, given.sequence[given.test]
    share = sequences.share_of_signal(scores, sequence, context)
    smoothed = sequences.smooth(scores, sequence, context, share)
    return [float(((values > 0) == labels).mean()) for values in (scores, smoothed)]


def _log_odds(probabilities: Floats) -> Floats:
    clipped = np.clip(probabilities, 1e-9, 1.0)
    return np.asarray(np.log(clipped[:, 1]) - np.log(clipped[:, 0]))

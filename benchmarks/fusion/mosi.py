"""CMU-MOSI: sentiment of utterances, with the context of their video.

The text and video features are outputs of networks that were trained on the training labels: a regression on
text reaches 98 % in cross-validation grouped by video within train, and 76 % on test. So no figure within
train says how a model will do, nothing is tuned, and the operators have their default settings.
"""

from __future__ import annotations

import numpy as np

from benchmarks.fusion._fits import CONCATENATION, EVERY, LOGISTIC, Predictions, Task, split_predictions
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
    lost: dict[str, tuple[float, float, float]] = {}
    for name, runs in _all_scores(given).items():
        found = np.array([_accuracies(given, run.test[EVERY], context) for run in runs])
        rows.append([name, *map(float, found.mean(axis=0)), float(found[:, 1].std())])
        absent = [_accuracies(given, run.test[m], context)[0] for run in runs for m in run.test if m]
        again = [_accuracies(given, values, context)[0] for run in runs for values in run.retrained.values()]
        if absent:
            lost[name] = (
                float(found[:, 0].mean()),
                float(np.mean(absent)),
                float(np.mean(again or [np.nan])),
            )
    yield BenchmarkTable(
        name="mosi",
        title=f"CMU-MOSI, given split, 752 utterances of 31 videos, mean of {SEEDS} seeds: accuracy of the "
        f"utterance alone and with its video. Goal: 0.80; bc-LSTM published 0.803. Correlation of the labels "
        f"in train: {context.height:.2f} at lag 1, times {context.decay:.2f} per further utterance.",
        columns=["operator", "utterance", "with video", "deviation over seeds"],
        rows=rows,
        decimals={"utterance": 4, "with video": 4, "deviation over seeds": 4},
    )
    base = lost[CONCATENATION][0] - lost[CONCATENATION][1]
    columns = ["operator", "all modalities", "one absent", "loss", "share of concatenation's"]
    columns += ["trained without it", "avoidable loss"]
    yield BenchmarkTable(
        name="mosi_lost",
        title="CMU-MOSI, utterance alone: one modality absent at test, mean over the modalities. Goal: share "
        "at most 0.5.",
        columns=columns,
        rows=[
            [name, a, b, a - b, (a - b) / base, *((c, c - b) if np.isfinite(c) else (None, None))]
            for name, (a, b, c) in lost.items()
        ],
        decimals=dict.fromkeys(columns[1:], 4),
    )


def _all_scores(given: GivenSplit) -> dict[str, list[Predictions]]:
    """Return log odds of the test rows by operator and seed."""
    train, views = given.data.take(given.train), take(given.data.views, given.test)
    tasks = [Task(train, views, seed, folds=0) for seed in range(SEEDS)]
    result: dict[str, list[Predictions]] = {}
    for seed, found in enumerate(split_predictions(tasks, processes=2)):
        for name, run in found.items():
            if name in OPERATORS or (name in (CONCATENATION, LOGISTIC) and seed == 0):
                test, again = (
                    {key: _log_odds(values) for key, values in part.items()}
                    for part in (run.test, run.retrained)
                )
                result.setdefault(name, []).append(Predictions(test, again, None))
    result["class means, all modalities"] = [_alone(_class_means(train, views, list(views)))]
    result["class means, text"] = [_alone(_class_means(train, views, ["text"]))]
    return result


def _alone(scores: Floats) -> Predictions:
    return Predictions({EVERY: scores}, {}, None)


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

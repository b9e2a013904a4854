"""Score the operators on splits of one data set, and tabulate them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.fusion._fits import CONCATENATION, EVERY, Predictions, Task, split_predictions
from methods.fusion.blend import BLEND, combined, fit_weights, weights_by_rows
from methods.fusion.choice import Data
from methods.fusion.operators import OPERATORS
from methods.fusion.scores import calibration, corrected_interval, row_losses
from methods.fusion.views import Floats, Ints, present, take, without
from tasks.report.benchmark import BenchmarkTable, TextOrNumber


@dataclass(frozen=True)
class Split:
    """Figures of one split by operator.

    Attributes
    ----------
    lost, retrained : dict of str to float
        Mean score over the modalities when one is absent from the test rows only, and from the training
        rows too; NaN for operators that are not trained again.
    weights : dict of str to float
        Weights of the operators in the blend, from held-out predictions of the training rows; empty without
        folds.
    """

    score: dict[str, float]
    auc: dict[str, float]
    log_loss: dict[str, float]
    lost: dict[str, float]
    retrained: dict[str, float]
    weights: dict[str, float]


@dataclass(frozen=True)
class Study:
    """Data set with its splits.

    Attributes
    ----------
    folds : int
        Folds of the held-out predictions within the training rows; 0 for no blend.
    """

    data: Data
    splits: Sequence[tuple[Ints, Ints]]
    folds: int = 5


def measure(study: Study, processes: int = 2) -> list[Split]:
    """Fit and score every operator on every split."""
    data = study.data
    tasks = [
        Task(data.take(train), take(data.views, test), index, study.folds)
        for index, (train, test) in enumerate(study.splits)
    ]
    predictions = split_predictions(tasks, processes)
    return [
        _split(task, found, data, test)
        for task, found, (_, test) in zip(tasks, predictions, study.splits, strict=True)
    ]


def _split(task: Task, predictions: Mapping[str, Predictions], data: Data, test: Ints) -> Split:
    weights = blend_weights(task, predictions)
    if weights:
        predictions = {**predictions, BLEND: blended(task, predictions, weights)}
    y = data.y[test]
    variance = max(float(np.var(data.y)), 1e-300)

    def score(predicted: Floats) -> float:
        return 1 - float(row_losses(predicted, y, data.problem, variance).mean())

    full = {name: found.test[EVERY] for name, found in predictions.items()}
    classes = data.problem.classes
    return Split(
        {name: score(values) for name, values in full.items()},
        {name: _auc(values, y) for name, values in full.items()} if classes == 2 else {},
        {name: calibration(values, y.astype(int)).log_loss for name, values in full.items()}
        if classes
        else {},
        {
            name: float(np.mean([score(values) for absent, values in found.test.items() if absent != EVERY]))
            for name, found in predictions.items()
        },
        {
            name: float(np.mean([score(values) for values in found.retrained.values()] or [np.nan]))
            for name, found in predictions.items()
        },
        weights,
    )


def blend_weights(task: Task, predictions: Mapping[str, Predictions]) -> dict[str, float]:
    """Return the weights that the held-out predictions of the training rows give."""
    parts = {name: predictions[name].held_out for name in OPERATORS}
    held_out = {name: values for name, values in parts.items() if values is not None}
    return fit_weights(held_out, task.train.y, task.train.problem) if held_out else {}


def blended(task: Task, predictions: Mapping[str, Predictions], weights: Mapping[str, float]) -> Predictions:
    """Return the predictions of the blend."""
    seen, test = present(task.train.views), {}
    for key, values in predictions[next(iter(weights))].test.items():
        test[key] = np.empty_like(values)
        shown = present(without(task.test, [key]))
        for rows, used in weights_by_rows(weights, seen, shown):
            test[key][rows] = combined({name: predictions[name].test[key][rows] for name in used}, used)
    return Predictions(test, {}, None)


def _auc(predicted: Floats, y: Floats) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, predicted[:, 1]))


def accuracy_table(name: str, title: str, splits: Sequence[Split], test_share: float) -> BenchmarkTable:
    """Return scores, and the interval of the gain over concatenation."""
    rows: list[list[TextOrNumber]] = []
    base = np.array([split.score[CONCATENATION] for split in splits])
    for operator in splits[0].score:
        score = np.array([split.score[operator] for split in splits])
        row: list[TextOrNumber] = [operator, float(score.mean())]
        for figures in (splits[0].auc, splits[0].log_loss):
            if figures:
                source = "auc" if figures is splits[0].auc else "log_loss"
                row.append(float(np.mean([getattr(split, source)[operator] for split in splits])))
        if len(splits) > 1:
            gain = corrected_interval(score - base, test_share)
            row += [gain.mean, gain.low, gain.high]
        rows.append(row)
    columns = ["operator", "score"]
    columns += ["AUC"] if splits[0].auc else []
    columns += ["log loss"] if splits[0].log_loss else []
    columns += ["gain", "low", "high"] if len(splits) > 1 else []
    return BenchmarkTable(
        name=name, title=title, columns=columns, rows=rows, decimals=dict.fromkeys(columns[1:], 4)
    )


def lost_table(name: str, title: str, splits: Sequence[Split]) -> BenchmarkTable:
    """Return the score without a modality, beside that of retrained models.

    An avoidable loss is the score of the operator trained without the modality, minus the score of the
    operator that has lost it. It is 0 if nothing is gained by training again.
    """
    base = float(np.mean([s.score[CONCATENATION] - s.lost[CONCATENATION] for s in splits]))
    rows: list[list[TextOrNumber]] = []
    for operator in (name for name in (*OPERATORS, BLEND, CONCATENATION) if name in splits[0].score):
        full, lost, retrained = (
            float(np.mean([figures[operator] for figures in parts]))
            for parts in zip(*((s.score, s.lost, s.retrained) for s in splits), strict=True)
        )
        row: list[TextOrNumber] = [operator, full, lost, full - lost, (full - lost) / base]
        known = np.isfinite(retrained)
        rows.append([*row, retrained if known else None, retrained - lost if known else None])
    columns = ["operator", "all modalities", "one absent", "loss", "share of concatenation's"]
    columns += ["trained without it", "avoidable loss"]
    return BenchmarkTable(
        name=name, title=title, columns=columns, rows=rows, decimals=dict.fromkeys(columns[1:], 4)
    )


def regret_table(name: str, title: str, label: str, splits: Sequence[Split]) -> BenchmarkTable:
    """Return the regret of the blend against the best operator over all splits."""
    mean = {operator: float(np.mean([s.score[operator] for s in splits])) for operator in OPERATORS}
    best = max(OPERATORS, key=lambda operator: mean[operator])
    score = float(np.mean([s.score[BLEND] for s in splits]))
    share = {operator: np.mean([s.weights.get(operator, 0.0) for s in splits]) for operator in OPERATORS}
    most = sorted((o for o in OPERATORS if share[o] > 0), key=lambda operator: -share[operator])[:3]
    weights = ", ".join(f"{operator} {share[operator]:.2f}" for operator in most)
    columns = ["splits of", "largest mean weights", "best in hindsight", "blend", "best", "regret, points"]
    return BenchmarkTable(
        name=name,
        title=title,
        columns=columns,
        rows=[[label, weights, best, score, mean[best], 100 * (mean[best] - score)]],
        decimals={"blend": 4, "best": 4, "regret, points": 2},
    )

"""Measure all operators on splits of one data set, and tabulate them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from methods.fusion.choice import Data, choose_once
from methods.fusion.operators import OPERATORS, Settings, baselines, fit_all
from methods.fusion.resplits import score_views
from methods.fusion.scores import calibration, corrected_interval
from methods.fusion.views import Fitted, Floats, Ints, Scaler, concatenated, take, without
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

CONCATENATION, LOGISTIC, CHOSEN = "concatenation, C = 1", "late, logistic", "chosen by cross-validation"


@dataclass(frozen=True)
class Split:
    """Figures of one split by operator; `lost` is the score without a modality."""

    score: dict[str, float]
    auc: dict[str, float]
    log_loss: dict[str, float]
    lost: dict[str, float]
    chosen: str


@dataclass(frozen=True)
class Study:
    """Data set, its splits and the operators that are compared."""

    data: Data
    splits: Sequence[tuple[Ints, Ints]]
    operators: Sequence[str] = OPERATORS
    folds: int = 5
    choices: int = 10
    """Number of splits for which the choice is also made."""


def measure(study: Study, processes: int = 2) -> list[Split]:
    """Fit and score every operator on every split."""
    from joblib import Parallel, delayed

    work = [delayed(_split)(study, index) for index in range(len(study.splits))]
    return list(Parallel(n_jobs=processes)(work))


def _split(study: Study, index: int) -> Split:
    import torch

    torch.set_num_threads(1)
    train_rows, test = study.splits[index]
    data, train = study.data, study.data.take(train_rows)
    settings = Settings(seed=index)
    names = [*study.operators, *baselines(data.views)]
    fitted = fit_all(names, train.views, train.y, data.problem, settings, train.groups)
    fitted |= references(train)
    views = take(data.views, test)
    absent = [without(views, [m]) for m in views]
    auc, log_loss = {}, {}
    for name, operator in fitted.items():
        if data.problem.classes:
            predicted = operator.predict(views)
            log_loss[name] = calibration(predicted, data.y[test].astype(int)).log_loss
            if data.problem.classes == 2:
                auc[name] = _auc(predicted, data.y[test])
    chosen = choose_once(train, study.operators, settings, study.folds) if index < study.choices else ""
    return Split(
        {name: score_views(operator, views, data, test) for name, operator in fitted.items()},
        auc,
        log_loss,
        {
            name: float(np.mean([score_views(operator, part, data, test) for part in absent]))
            for name, operator in fitted.items()
        },
        chosen,
    )


def references(train: Data) -> dict[str, Fitted]:
    """Return the usual baselines with the default penalty of scikit-learn."""
    return {CONCATENATION: fit_concatenation(train), LOGISTIC: _fit_late_logistic(train)}


def fit_concatenation(train: Data) -> Fitted:
    """Fit a regression on all standardised columns, with mean imputation."""
    scaler = Scaler.fit(concatenated(train.views))
    model = _plain(scaler.apply(concatenated(train.views)), train)
    return Fitted(CONCATENATION, lambda views: _output(model, scaler.apply(concatenated(views)), train))


def _fit_late_logistic(train: Data) -> Fitted:
    """Average the regressions of all modalities; an absent one has its means."""
    scalers = {name: Scaler.fit(x) for name, x in train.views.items()}
    single = {name: _plain(scalers[name].apply(x), train) for name, x in train.views.items()}

    def predict(views: Mapping[str, Floats]) -> Floats:
        parts = [_output(single[name], scalers[name].apply(views[name]), train) for name in scalers]
        return np.asarray(np.mean(parts, axis=0))

    return Fitted(LOGISTIC, predict)


def _plain(x: Floats, train: Data):  # type: ignore[no-untyped-def]
    from sklearn.linear_model import LogisticRegression, Ridge

    if train.problem.classes:
        return LogisticRegression(max_iter=500).fit(x, train.y.astype(int))
    return Ridge().fit(x, train.y)


def _output(model, x: Floats, train: Data) -> Floats:  # type: ignore[no-untyped-def]
    if not train.problem.classes:
        return np.asarray(model.predict(x), float)
    result = np.zeros((len(x), train.problem.classes))
    result[:, model.classes_] = model.predict_proba(x)
    return result


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
    """Return the score without one modality, beside that of concatenation."""
    base = float(np.mean([s.score[CONCATENATION] - s.lost[CONCATENATION] for s in splits]))
    rows: list[list[TextOrNumber]] = []
    for operator in [*OPERATORS, CONCATENATION]:
        if operator in splits[0].score:
            full = float(np.mean([s.score[operator] for s in splits]))
            lost = float(np.mean([s.lost[operator] for s in splits]))
            rows.append([operator, full, lost, full - lost, (full - lost) / base])
    columns = ["operator", "all modalities", "one absent", "loss", "share of concatenation's"]
    return BenchmarkTable(
        name=name, title=title, columns=columns, rows=rows, decimals=dict.fromkeys(columns[1:], 4)
    )


def regret_table(
    name: str, title: str, parts: Mapping[str, Sequence[Split]], operators: Sequence[str] = OPERATORS
) -> BenchmarkTable:
    """Return the regret against the best operator over all splits."""
    rows: list[list[TextOrNumber]] = []
    for label, all_splits in parts.items():
        splits = [split for split in all_splits if split.chosen]
        mean = {o: float(np.mean([s.score[o] for s in splits])) for o in operators}
        best = max(mean, key=lambda o: mean[o])
        chosen = float(np.mean([s.score[s.chosen] for s in splits]))
        most = max(operators, key=lambda o: sum(s.chosen == o for s in splits))
        rows.append([label, most, best, chosen, mean[best], 100 * (mean[best] - chosen)])
    columns = ["splits of", "chosen most often", "best in hindsight", "chosen", "best", "regret, points"]
    return BenchmarkTable(
        name=name,
        title=title,
        columns=columns,
        rows=rows,
        decimals={"chosen": 4, "best": 4, "regret, points": 2},
    )

"""Stage fusion-evaluate: the chosen operator beside its baselines, on resplits.

It reads development rows only. The decisions are those of models without the row, from fusion-fuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from statewright.contracts import Table
from tasks.fusion.contracts.fuse import (
    ChoiceMetrics,
    EvaluateOutputs,
    Evaluation,
    FusedRows,
    IntervalFigures,
    ModalityFigures,
    Reliability,
)
from tasks.fusion.contracts.tables import Schema, Views
from tasks.fusion.params import EvaluateParams
from tasks.fusion.supervised import (
    calibration_figures,
    contained,
    interval_figures,
    mean_of,
    predictions_of,
    read_data,
)

if TYPE_CHECKING:
    from methods.fusion.choice import Data
    from methods.fusion.resplits import Resplit
    from methods.fusion.scores import Decisions

BASELINES = ("early", "boosting")


def evaluate(
    views: Views, schema: Schema, choice: ChoiceMetrics, fused: Table[FusedRows], *, params: EvaluateParams
) -> EvaluateOutputs:
    """Compare on resplits, calibrate, and decide."""
    from methods.fusion.choice import sample
    from methods.fusion.operators import Settings, baselines
    from methods.fusion.resplits import random_splits, resplit_scores

    data = read_data(views, schema, choice.without)
    used = data.take(sample(data, params.most_rows, params.seed))
    names = list(dict.fromkeys([choice.chosen, *BASELINES, *baselines(data.views)]))
    splits = random_splits(used, params.resplits, params.test_share, params.seed)
    settings = Settings(seed=params.seed, landmarks=choice.landmarks, weights=choice.weights)
    resplits = resplit_scores(used, names, settings, splits, (choice.chosen, "early"), params.processes)
    scores = {name: mean_of([part.scores[name] for part in resplits]) for name in names}
    single = max((f"only:{m}" for m in data.views), key=lambda name: scores[name])
    gains = {
        name: _interval([part.scores[choice.chosen] - part.scores[name] for part in resplits], params)
        for name in names
        if name != choice.chosen
    }
    table, reliability = _decisions(data, views, schema, (choice.chosen, fused, params.alpha))
    return EvaluateOutputs(
        table,
        Evaluation(
            chosen=choice.chosen,
            resplits=params.resplits,
            rows=len(used.y),
            scores=scores,
            gains=gains,
            best_single=single.removeprefix("only:"),
            helps=_verdict(gains[single]) if single in gains else "no",
            modalities=_modalities(resplits, choice.chosen, list(data.views), params),
            alpha=params.alpha,
            reliability=reliability,
        ),
    )


def _verdict(gain: IntervalFigures) -> Literal["yes", "no", "not shown"]:
    if gain.low > 0:
        return "yes"
    return "no" if gain.high < 0 else "not shown"


def _interval(differences: list[float], params: EvaluateParams) -> IntervalFigures:
    from methods.fusion.scores import corrected_interval

    return interval_figures(corrected_interval(np.array(differences), params.test_share))


def _modalities(
    resplits: list[Resplit], chosen: str, names: list[str], params: EvaluateParams
) -> dict[str, ModalityFigures]:
    return {
        m: ModalityFigures(
            importance=(
                mean_of([part.importance[chosen][m] for part in resplits])
                if resplits[0].importance[chosen]
                else None
            ),
            permuted=_interval([p.drops[chosen].permuted[m] for p in resplits], params),
            absent=mean_of([p.drops[chosen].absent[m] for p in resplits]),
            absent_early=mean_of([p.drops["early"].absent[m] for p in resplits]),
            alone=mean_of([p.scores[f"only:{m}"] for p in resplits]),
        )
        for m in names
    }


def _decisions(
    data: Data, views: Views, schema: Schema, choice: tuple[str, pd.DataFrame, float]
) -> tuple[pd.DataFrame, Reliability]:
    """Return the decisions, and their calibration with parameters of the other folds."""
    from methods.fusion.scores import calibration, decide

    chosen, fused, alpha = choice
    predicted, row, fold = predictions_of(fused, chosen)
    place = pd.Series(np.arange(len(data.y)), index=np.asarray(views["row"]))
    y = data.y[place.loc[row].to_numpy()]
    classes = data.problem.classes
    tempered, covered, size = np.empty_like(predicted), np.zeros(len(y), bool), np.zeros(len(y))
    for index in np.unique(fold):
        out = fold == index
        part = decide(predicted[out], predicted[~out], y[~out], data.problem, alpha)
        tempered[out] = part.predicted
        covered[out], size[out] = coverage(part, y[out], classes)
    final = decide(predicted, predicted, y, data.problem, alpha)
    reliability = Reliability(
        raw=calibration_figures(calibration(predicted, y.astype(int))) if classes else None,
        calibrated=calibration_figures(calibration(tempered, y.astype(int))) if classes else None,
        temperature=round(final.temperature, 5),
        radius=round(final.radius, 6) if np.isfinite(final.radius) else None,
        coverage=mean_of(covered.astype(float).tolist()),
        size=mean_of(size.tolist()) if np.isfinite(size).all() else None,
    )
    return _table(final, y, row, schema), reliability


def coverage(decisions: Decisions, y: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each set or interval has the target, and its size."""
    if classes:
        inside = contained(decisions, classes)
        return inside[np.arange(len(y)), y.astype(int)], inside.sum(axis=1)
    return np.abs(decisions.predicted - y) <= decisions.radius, np.full(len(y), 2 * decisions.radius)


def _table(decisions: Decisions, y: np.ndarray, row: np.ndarray, schema: Schema) -> pd.DataFrame:
    predicted = decisions.predicted
    if not schema.classes:
        finite = np.isfinite(decisions.radius)
        radius = decisions.radius if finite else np.nan
        return pd.DataFrame(
            {
                "row": row,
                "target": [f"{value:.6g}" for value in y],
                "decision": [f"{value:.6g}" for value in predicted],
                "probability": np.nan,
                "low": (predicted - radius).round(6),
                "high": (predicted + radius).round(6),
                "classes": "",
            }
        )
    names = np.array(schema.classes)
    inside = contained(decisions, len(names))
    return pd.DataFrame(
        {
            "row": row,
            "target": names[y.astype(int)],
            "decision": names[predicted.argmax(axis=1)],
            "probability": np.minimum(predicted.max(axis=1), 1.0).round(6),
            "low": np.nan,
            "high": np.nan,
            "classes": [", ".join(names[mask]) for mask in inside],
        }
    )

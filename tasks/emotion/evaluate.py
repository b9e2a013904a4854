"""Stage emotion-evaluate: our forecasts and every baseline on the fixed task.

The comparison is strict: `difference` uses the baseline that is best on the same test targets,
dimension by dimension, so hindsight favours the baseline. Intervals resample artists, not years,
because the years of one artist are not independent.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table
from tasks.emotion.contracts.tables import Albums, Careers, Forecasts
from tasks.emotion.forecast.scoring import OURS, ablate, baselines, cover, ours, score, spread
from tasks.emotion.forecast.targets import TARGETS, audio_task, lyrics_task
from tasks.emotion.params import EvaluateParams, SplitParams


class Scores(pa.DataFrameModel):
    """One row per task, dimension, split and model.

    `difference` is the RMSE minus that of the best baseline; a value below 0 is a win.
    `rmse_many_songs` is over targets of many songs only. `noise` is the RMSE of a perfect forecast,
    because targets are means of few songs.
    """

    task: Series[str] = pa.Field(isin=list(TARGETS))
    dimension: Series[str]
    split: Series[str] = pa.Field(isin=["validation", "test"])
    model: Series[str]
    kind: Series[str] = pa.Field(isin=["baseline", "ours", "ablation"])
    targets: Series[int]
    rmse: Series[float]
    rmse_low: Series[float]
    rmse_high: Series[float]
    skill: Series[float]
    skill_low: Series[float]
    skill_high: Series[float]
    difference: Series[float]
    difference_low: Series[float]
    difference_high: Series[float]
    best_baseline: Series[bool]
    rmse_many_songs: Series[float]
    noise: Series[float]


class Coverage(pa.DataFrameModel):
    """One row per task, dimension, interval and level: coverage of test targets.

    Adaptive intervals use the errors of the test years before that of a target; the others use validation
    years only. `width` is the mean over finite intervals.
    """

    task: Series[str]
    dimension: Series[str]
    interval: Series[str] = pa.Field(isin=["constant", "scaled", "gaussian", "adaptive"])
    level: Series[float]
    covered: Series[float] = pa.Field(ge=0, le=1)
    covered_low: Series[float] = pa.Field(ge=0, le=1)
    covered_high: Series[float] = pa.Field(ge=0, le=1)
    width: Series[float] = pa.Field(gt=0)


class Ablation(pa.DataFrameModel):
    """One row per task, dimension and variant; `cost` is RMSE minus the full model's."""

    task: Series[str]
    dimension: Series[str]
    split: Series[str]
    model: Series[str]
    rmse: Series[float]
    cost: Series[float]
    cost_low: Series[float]
    cost_high: Series[float]


class TaskScore(Document):
    """Test scores of one task.

    `beats` counts the dimensions where our RMSE is below that of every baseline, `beats_surely` those
    where the whole interval of the difference to the best baseline is below 0.
    """

    targets: int
    skill: float
    skill_over_best_baseline: float
    beats: int
    beats_surely: int
    dimensions: int
    rmse: dict[str, float]
    best_baseline_rmse: dict[str, float]


class EvaluateMetrics(Document):
    """Scores of both tasks.

    `score` is the mean test skill over all dimensions of both tasks. `validation_loss` is the
    mean over tasks of the mean MSE / MSE of the artist's mean on the validation years, where
    parameters are chosen. `coverage_90` is of adaptive intervals, `coverage_90_fixed` of intervals that
    are calibrated once, on the validation years.
    """

    score: float
    validation_loss: float
    audio: TaskScore
    lyrics: TaskScore
    coverage_90: dict[str, float]
    coverage_90_fixed: dict[str, float]


class EvaluateOutputs(NamedTuple):
    """Outputs of the stage."""

    scores: Table[Scores]
    coverage: Table[Coverage]
    ablation: Table[Ablation]
    evaluate: EvaluateMetrics


def evaluate(
    forecasts: Table[Forecasts],
    careers: Table[Careers],
    albums: Table[Albums],
    *,
    params: EvaluateParams,
    split: SplitParams,
) -> EvaluateOutputs:
    """Score every model on the same targets."""
    scores, coverage, ablation = [], [], []
    for task in (audio_task(careers, split), lyrics_task(albums, split)):
        models = baselines(task, params.seed) | ours(task, forecasts)
        scores += [score(task, models, part, params) for part in ("validation", "test")]
        ablation += [ablate(task, models, part, params) for part in ("validation", "test")]
        coverage.append(cover(task, models[OURS], spread(task, forecasts), params))
    table, covered = pd.concat(scores, ignore_index=True), pd.concat(coverage, ignore_index=True)
    return EvaluateOutputs(
        table.round(6),
        covered.round(6),
        pd.concat(ablation, ignore_index=True).round(6),
        summary(table, covered),
    )


def summary(scores: pd.DataFrame, coverage: pd.DataFrame) -> EvaluateMetrics:
    """Summarise the scores of both tasks."""
    test = scores[scores["split"] == "test"]
    tasks = {name: _task_score(test[test["task"] == name]) for name in TARGETS}
    mean_skill = test.loc[test["kind"] == "ours", "skill"].mean()
    ours_before = scores[(scores["split"] == "validation") & (scores["kind"] == "ours")]
    loss = (1 - ours_before.groupby("task")["skill"].mean()).mean()
    return EvaluateMetrics(
        score=round(float(mean_skill), 6),
        validation_loss=round(float(loss), 6),
        audio=tasks["audio"],
        lyrics=tasks["lyrics"],
        coverage_90=_ninety(coverage, "adaptive"),
        coverage_90_fixed=_ninety(coverage, "scaled"),
    )


def _ninety(coverage: pd.DataFrame, interval: str) -> dict[str, float]:
    rows = coverage[(coverage["interval"] == interval) & (coverage["level"] == 0.9)]
    return {f"{row.task}_{row.dimension}": round(float(row.covered), 6) for row in rows.itertuples()}


def _task_score(test: pd.DataFrame) -> TaskScore:
    model = test[test["kind"] == "ours"].set_index("dimension")
    best = test[test["best_baseline"]].set_index("dimension")
    return TaskScore(
        targets=int(model["targets"].iloc[0]),
        skill=round(float(model["skill"].mean()), 6),
        skill_over_best_baseline=round(float((1 - model["rmse"] ** 2 / best["rmse"] ** 2).mean()), 6),
        beats=int((model["difference"] < 0).sum()),
        beats_surely=int((model["difference_high"] < 0).sum()),
        dimensions=len(model),
        rmse={str(name): round(float(value), 6) for name, value in model["rmse"].items()},
        best_baseline_rmse={str(name): round(float(value), 6) for name, value in best["rmse"].items()},
    )

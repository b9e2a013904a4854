"""Stage emotion-evaluate: our forecasts against every baseline, on the fixed task.

The rule is strict: `difference` compares with whichever baseline turned out best on the very
targets, dimension by dimension, so a baseline is helped by hindsight and our model is not.
Intervals resample artists, not years: years of one artist are not independent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table
from tasks.emotion.contracts import Albums, Careers, Forecasts
from tasks.emotion.params import EvaluateParams, SplitParams
from tasks.emotion.targets import TARGETS, Task, audio_task, lyrics_task

OURS = "statewright"
REFERENCE = "artist mean"
"""Skill is 1 - MSE / MSE of this baseline."""

BASELINES = ("last value", REFERENCE, "AR(1)", "AR(1) + mean", "gradient boosting")

Floats = np.ndarray


class Scores(pa.DataFrameModel):
    """One row a task, dimension, split and model.

    `difference` is the RMSE less that of the best baseline: below 0 is a win. `rmse_many_songs` counts
    targets that rest on many songs only. `noise` is the RMSE that a perfect forecast would have
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
    """One row a task, dimension, kind of interval and level: coverage of the test targets."""

    task: Series[str]
    dimension: Series[str]
    interval: Series[str] = pa.Field(isin=["constant", "scaled", "gaussian"])
    level: Series[float]
    covered: Series[float] = pa.Field(ge=0, le=1)
    covered_low: Series[float] = pa.Field(ge=0, le=1)
    covered_high: Series[float] = pa.Field(ge=0, le=1)
    width: Series[float] = pa.Field(gt=0)


class Ablation(pa.DataFrameModel):
    """One row a task, dimension and variant; `cost` is its RMSE less the full model's."""

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

    `beats` counts dimensions where our RMSE is below that of every baseline; `beats_surely` those where the
    whole interval of the difference to the best baseline is below 0.
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
    """`score` is the mean test skill over all dimensions of both tasks.

    `validation_loss` is the mean over tasks of the mean MSE / MSE of the artist's mean on the
    validation years, where parameters are chosen.
    """

    score: float
    validation_loss: float
    audio: TaskScore
    lyrics: TaskScore
    coverage_90: dict[str, float]


class Evaluate(NamedTuple):
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
) -> Evaluate:
    """Score every model on the same targets."""
    scores, coverage, ablation = [], [], []
    for task in (audio_task(careers, split), lyrics_task(albums, split)):
        models = baselines(task, params.seed) | ours(task, forecasts)
        scores += [score(task, models, part, params) for part in ("validation", "test")]
        ablation += [ablate(task, models, part, params) for part in ("validation", "test")]
        coverage.append(cover(task, models[OURS], spread(task, forecasts), params))
    table, covered = pd.concat(scores, ignore_index=True), pd.concat(coverage, ignore_index=True)
    return Evaluate(
        table.round(6),
        covered.round(6),
        pd.concat(ablation, ignore_index=True).round(6),
        summary(table, covered),
    )


def baselines(task: Task, seed: int) -> dict[str, Floats]:
    """Forecasts of the baselines for every row of the panel, (n, targets) each."""
    from methods.temporal.baselines import autoregression, gradient_boosting, last_value, unit_mean

    learn, d = task.rows("train"), task.targets
    every = (
        last_value(task.panel),
        unit_mean(task.panel),
        autoregression(task.panel, learn, mean=False),
        autoregression(task.panel, learn, mean=True),
        gradient_boosting(task.panel, learn, list(range(d)), seed),
    )
    return {name: forecast[:, :d] for name, forecast in zip(BASELINES, every, strict=True)}


def ours(task: Task, forecasts: pd.DataFrame) -> dict[str, Floats]:
    """Forecasts of our model and its ablations, laid on the rows of the panel."""
    models = forecasts.loc[forecasts["task"] == task.name, "model"].unique()
    if OURS not in models:
        raise ValueError(
            f"forecasts: no model '{OURS}' for task '{task.name}', found {sorted(models)}; "
            "run emotion-train again"
        )
    return {name: _aligned(task, forecasts, name, "forecast") for name in models}


def spread(task: Task, forecasts: pd.DataFrame) -> Floats:
    """Standard deviations that our model states, on the rows of the panel."""
    return _aligned(task, forecasts, OURS, "sd")


def _aligned(task: Task, forecasts: pd.DataFrame, model: str, column: str) -> Floats:
    """Columns of `forecasts` on the panel's rows; the targets must be the fixed task's, one for one."""
    out = np.full((len(task.time), task.targets), np.nan)
    rows = task.rows("validation", "test")
    for j, dimension in enumerate(TARGETS[task.name]):
        chosen = (forecasts["task"] == task.name) & (forecasts["model"] == model)
        chosen &= (forecasts["dimension"] == dimension) & forecasts["split"].isin(["validation", "test"])
        part = forecasts[chosen]
        truth = task.panel.mean[rows, j]
        same = len(part) == rows.sum() and np.array_equal(part["artist_id"], task.artist_id[rows])
        if not same or not np.allclose(part["truth"], truth, atol=1e-6):
            raise ValueError(
                f"forecasts: model '{model}', {task.name}, {dimension}: {len(part)} targets that are not the "
                f"{rows.sum()} of careers and albums; run emotion-train again"
            )
        out[rows, j] = part[column]
    return out


def score(task: Task, models: dict[str, Floats], part: str, params: EvaluateParams) -> pd.DataFrame:
    """RMSE, skill and difference to the best baseline, with intervals."""
    from methods.evaluation.scores import bootstrap_mse, percentile_interval, skill

    rows, names = task.rows(part), list(models)
    base, reference = [names.index(name) for name in BASELINES], names.index(REFERENCE)
    many = rows & (task.panel.count >= params.many_songs)
    tables = []
    for j, dimension in enumerate(TARGETS[task.name]):
        errors = np.column_stack([models[name][:, j] for name in names]) - task.panel.mean[:, [j]]
        mse, samples = bootstrap_mse(errors[rows], task.artist_id[rows], params.draws, params.seed)
        best = base[int(np.argmin(mse[base]))]
        rmse = percentile_interval(np.sqrt(mse), np.sqrt(samples), params.level)
        gain = percentile_interval(
            skill(mse, mse[reference]), skill(samples, samples[:, [reference]]), params.level
        )
        difference = percentile_interval(
            np.sqrt(mse) - np.sqrt(mse[best]), np.sqrt(samples) - np.sqrt(samples[:, [best]]), params.level
        )
        tables.append(
            pd.DataFrame(
                {
                    "task": task.name,
                    "dimension": dimension,
                    "split": part,
                    "model": names,
                    "kind": [_kind(name) for name in names],
                    "targets": int(rows.sum()),
                    "rmse": rmse.value,
                    "rmse_low": rmse.low,
                    "rmse_high": rmse.high,
                    "skill": gain.value,
                    "skill_low": gain.low,
                    "skill_high": gain.high,
                    "difference": difference.value,
                    "difference_low": difference.low,
                    "difference_high": difference.high,
                    "best_baseline": np.arange(len(names)) == best,
                    "rmse_many_songs": np.sqrt(np.mean(errors[many] ** 2, axis=0)),
                    "noise": sampling_noise(task, rows)[j],
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def sampling_noise(task: Task, rows: Floats) -> Floats:
    """Root of the mean of s² / n: what no forecast of a mean of n songs can avoid.

    s² is the pooled within-artist variance of these rows, so that years of one song count too.
    """
    count, sd = task.panel.count[rows], task.panel.sd[rows]
    degrees = (count - 1)[:, None]
    pooled = (np.nan_to_num(sd) ** 2 * degrees).sum(axis=0) / degrees.sum()
    return np.sqrt(pooled * np.mean(1 / count))


def ablate(task: Task, models: dict[str, Floats], part: str, params: EvaluateParams) -> pd.DataFrame:
    """What each variant loses against the full model."""
    from methods.evaluation.scores import bootstrap_mse, percentile_interval

    rows = task.rows(part)
    names = [name for name in models if _kind(name) != "baseline"]
    full = names.index(OURS)
    tables = []
    for j, dimension in enumerate(TARGETS[task.name]):
        errors = np.column_stack([models[name][rows, j] for name in names]) - task.panel.mean[rows][:, [j]]
        mse, samples = bootstrap_mse(errors, task.artist_id[rows], params.draws, params.seed)
        rmse, drawn = np.sqrt(mse), np.sqrt(samples)
        cost = percentile_interval(rmse - rmse[full], drawn - drawn[:, [full]], params.level)
        tables.append(
            pd.DataFrame(
                {
                    "task": task.name,
                    "dimension": dimension,
                    "split": part,
                    "model": names,
                    "rmse": rmse,
                    "cost": cost.value,
                    "cost_low": cost.low,
                    "cost_high": cost.high,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def cover(task: Task, forecast: Floats, sd: Floats, params: EvaluateParams) -> pd.DataFrame:
    """Coverage and width on the test years of intervals calibrated on the validation years."""
    from scipy.stats import norm

    from methods.evaluation.conformal import conformal_radius

    known, test = task.rows("validation"), task.rows("test")
    records = []
    for j, dimension in enumerate(TARGETS[task.name]):
        error, scale = task.panel.mean[:, j] - forecast[:, j], sd[:, j]
        same = np.ones_like(scale)
        for level in params.coverage_levels:
            radii = {
                "constant": conformal_radius(error[known], same[known], same[test], level),
                "scaled": conformal_radius(error[known], scale[known], scale[test], level),
                "gaussian": norm.ppf((1 + level) / 2) * scale[test],
            }
            for name, radius in radii.items():
                inside = (np.abs(error[test]) <= radius).astype(float)
                low, high = _coverage_interval(inside, task.artist_id[test], params)
                records.append(
                    (task.name, dimension, name, level, inside.mean(), low, high, float(np.mean(2 * radius)))
                )
    return pd.DataFrame(records, columns=list(Coverage.to_schema().columns))


def _coverage_interval(inside: Floats, artist: Floats, params: EvaluateParams) -> tuple[float, float]:
    from methods.evaluation.scores import bootstrap_mse, percentile_interval

    # the mean of a 0-1 variable is that of its square
    share, samples = bootstrap_mse(inside[:, None], artist, params.draws, params.seed)
    interval = percentile_interval(share, samples, params.level)
    return float(interval.low[0]), float(interval.high[0])


def summary(scores: pd.DataFrame, coverage: pd.DataFrame) -> EvaluateMetrics:
    """The few figures that matter."""
    test = scores[scores["split"] == "test"]
    tasks = {name: _task_score(test[test["task"] == name]) for name in TARGETS}
    mean_skill = test.loc[test["kind"] == "ours", "skill"].mean()
    ours_before = scores[(scores["split"] == "validation") & (scores["kind"] == "ours")]
    loss = (1 - ours_before.groupby("task")["skill"].mean()).mean()
    ninety = coverage[(coverage["interval"] == "scaled") & (coverage["level"] == 0.9)]
    return EvaluateMetrics(
        score=round(float(mean_skill), 6),
        validation_loss=round(float(loss), 6),
        audio=tasks["audio"],
        lyrics=tasks["lyrics"],
        coverage_90={
            f"{row.task}_{row.dimension}": round(float(row.covered), 6) for row in ninety.itertuples()
        },
    )


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


def _kind(model: str) -> str:
    if model in BASELINES:
        return "baseline"
    return "ours" if model == OURS else "ablation"

"""Scores of every forecast of a task on the same targets: errors and coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.emotion.forecast.intervals import Errors, adaptive_radius
from tasks.emotion.forecast.targets import TARGETS, Task
from tasks.emotion.params import EvaluateParams

OURS = "statewright"
REFERENCE = "artist mean"
"""Skill is 1 - MSE / MSE of this baseline."""

BASELINES = ("last value", REFERENCE, "AR(1)", "AR(1) + mean", "gradient boosting")

Floats = np.ndarray

COVERAGE_COLUMNS = [
    "task",
    "dimension",
    "interval",
    "level",
    "covered",
    "covered_low",
    "covered_high",
    "width",
]


def baselines(task: Task, seed: int) -> dict[str, Floats]:
    """Compute the forecasts of the baselines for every row, (n, targets) each."""
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
    """Return the forecasts of our model and its ablations on the rows of the panel."""
    models = forecasts.loc[forecasts["task"] == task.name, "model"].unique()
    if OURS not in models:
        raise ValueError(
            f"forecasts: no model '{OURS}' for task '{task.name}', found {sorted(models)}; "
            "run emotion-train again"
        )
    return {name: _aligned(task, forecasts, name, "forecast") for name in models}


def spread(task: Task, forecasts: pd.DataFrame) -> Floats:
    """Return the standard deviations of our model on the rows of the panel."""
    return _aligned(task, forecasts, OURS, "sd")


def _aligned(task: Task, forecasts: pd.DataFrame, model: str, column: str) -> Floats:
    """Return a column of `forecasts` on the rows of the panel.

    Both must have the same targets in the same order.
    """
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
                f"forecasts: model '{model}', {task.name}, {dimension}: found {len(part)} targets, expected "
                f"the {rows.sum()} of careers and albums; run emotion-train again"
            )
        out[rows, j] = part[column]
    return out


def score(task: Task, models: dict[str, Floats], part: str, params: EvaluateParams) -> pd.DataFrame:
    """Compute RMSE, skill and difference to the best baseline, with intervals."""
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
    """Return the root of the mean of s² / n, the error of a perfect forecast.

    s² is the pooled within-artist variance of these rows, so that years of one song count too.
    """
    count, sd = task.panel.count[rows], task.panel.sd[rows]
    degrees = (count - 1)[:, None]
    pooled = (np.nan_to_num(sd) ** 2 * degrees).sum(axis=0) / degrees.sum()
    return np.sqrt(pooled * np.mean(1 / count))


def ablate(task: Task, models: dict[str, Floats], part: str, params: EvaluateParams) -> pd.DataFrame:
    """Compute the RMSE of each variant and its difference to the full model."""
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
    """Measure coverage and width on test years.

    The intervals are calibrated on the validation years; the adaptive ones also use the errors of the test
    years before that of a target.
    """
    from scipy.stats import norm

    from methods.trust.conformal import conformal_radius

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
                "adaptive": adaptive_radius(
                    *(Errors(error[rows], scale[rows], task.time[rows]) for rows in (known, test)), level
                ),
            }
            for name, radius in radii.items():
                inside = (np.abs(error[test]) <= radius).astype(float)
                low, high = _coverage_interval(inside, task.artist_id[test], params)
                width = np.mean(2 * radius[np.isfinite(radius)])
                records.append((task.name, dimension, name, level, inside.mean(), low, high, float(width)))
    return pd.DataFrame(records, columns=COVERAGE_COLUMNS)


def _coverage_interval(inside: Floats, artist: Floats, params: EvaluateParams) -> tuple[float, float]:
    from methods.evaluation.scores import bootstrap_mse, percentile_interval

    # The mean of a 0-1 variable equals the mean of its square.
    share, samples = bootstrap_mse(inside[:, None], artist, params.draws, params.seed)
    interval = percentile_interval(share, samples, params.level)
    return float(interval.low[0]), float(interval.high[0])


def _kind(model: str) -> str:
    if model in BASELINES:
        return "baseline"
    return "ours" if model == OURS else "ablation"

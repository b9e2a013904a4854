"""Stage emotion-train: learn to forecast an artist's next emotional state.

    careers, albums -> state-space model of each dimension -> Theta_i   (methods.temporal.population_filter)
    ridge, trees, boosting, autoregression <----------------------|     (tasks.emotion.forecast.members)
    states, features --------------> attention over the past <----'    (methods.temporal.history_attention)
                                          |
              eight forecasts a dimension -> convex combination          (methods.temporal.stacking)

All parameters, including the weights of the combination, are learnt from targets of the training
period: networks and regressions by holding out groups of artists in turn, weights from the forecasts
for the held-out artists. The validation years serve to choose parameters and for conformal
calibration. The test years are not used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Shapes, Table, Tensors
from tasks.emotion.contracts.tables import Albums, Artists, Careers, Features, Forecasts, States
from tasks.emotion.forecast.forecaster import VARIANTS, Base, Variant, fit_base, fit_variant
from tasks.emotion.forecast.history import releases
from tasks.emotion.forecast.targets import TARGETS, Task, audio_task, lyrics_task
from tasks.emotion.params import SplitParams, TrainParams

Floats = np.ndarray


class History(pa.DataFrameModel):
    """One row per epoch: losses in nats per value; validation is on held-out artists.

    Means over the networks; a network that has stopped counts with its last loss.
    """

    epoch: Series[int] = pa.Field(ge=1, unique=True)
    train_loss: Series[float]
    validation_loss: Series[float]
    losses: Series[float] = pa.Field(alias="^(audio|lyrics)_(train|validation)_loss$", regex=True)


class TaskMetrics(Document):
    """One task: counts, validation RMSE of the model and its parts, weights."""

    targets_train: int
    targets_validation: int
    targets_test: int
    validation_rmse: dict[str, dict[str, float]]
    weights: dict[str, dict[str, float]]
    parameters: dict[str, dict[str, float]]


class TrainMetrics(Document):
    """Losses of both tasks.

    `validation_loss` is the mean over tasks and dimensions of MSE / MSE of the artist's mean.
    """

    validation_loss: float
    audio_loss: float
    lyrics_loss: float
    audio: TaskMetrics
    lyrics: TaskMetrics


class TrainOutputs(NamedTuple):
    """Outputs of the stage."""

    forecasts: Table[Forecasts]
    forecaster: Annotated[Tensors, Shapes({}, more=True)]
    train: TrainMetrics
    train_history: Table[History]


def train(
    states: Table[States],
    features: Table[Features],
    careers: Table[Careers],
    albums: Table[Albums],
    artists: Table[Artists],
    *,
    params: TrainParams,
    split: SplitParams,
) -> TrainOutputs:
    """Forecast every target of both tasks, and score the validation years."""
    import torch

    torch.set_num_threads(params.threads)
    tables: list[pd.DataFrame] = []
    tensors: dict[str, Floats] = {}
    epochs: list[dict[str, Any]] = []
    metrics: dict[str, TaskMetrics] = {}
    for task in (audio_task(careers, split, artists), lyrics_task(albums, split, artists)):
        learn_before = getattr(split, f"{task.name}_train_before")
        known = releases(states, features, learn_before)
        base = fit_base(task, params)
        names = VARIANTS if params.ablations else {"statewright": ()}
        variants = {name: fit_variant(base, known, without, name, params) for name, without in names.items()}
        tables += [forecast_rows(task, name, variant) for name, variant in variants.items()]
        full = variants["statewright"]
        epochs += [{"task": task.name, **epoch} for epoch in full.epochs]
        tensors |= {
            f"{task.name}.{name}": value for name, value in (full.tensors | filter_tensors(base)).items()
        }
        metrics[task.name] = task_metrics(base, variants)
    losses = {name: validation_loss(metric) for name, metric in metrics.items()}
    return TrainOutputs(
        pd.concat(tables, ignore_index=True),
        tensors,
        TrainMetrics(
            validation_loss=round(float(np.mean(list(losses.values()))), 6),
            audio_loss=losses["audio"], lyrics_loss=losses["lyrics"],
            audio=metrics["audio"], lyrics=metrics["lyrics"],
        ),
        history_table(pd.DataFrame(epochs)),
    )  # fmt: skip


def history_table(epochs: pd.DataFrame) -> pd.DataFrame:
    """Average the loss of all networks after each epoch, over both tasks and by task."""
    table = pd.DataFrame(index=pd.RangeIndex(1, epochs["epoch"].max() + 1, name="epoch"))
    for loss in ("train_loss", "validation_loss"):
        wide = (
            epochs.pivot(index="epoch", columns=["task", "member"], values=loss).reindex(table.index).ffill()
        )
        by_task = wide.T.groupby(level="task").mean().T
        table[loss] = by_task.mean(axis=1)
        table[[f"{task}_{loss}" for task in by_task]] = by_task
    return table.round(6).reset_index()


def forecast_rows(task: Task, name: str, variant: Variant) -> pd.DataFrame:
    """Return the forecasts of a variant in long form; ablations lack training rows."""
    rows = (
        task.rows("train", "validation", "test") if name == "statewright" else task.rows("validation", "test")
    )
    tables = [
        pd.DataFrame(
            {
                "task": task.name,
                "split": task.split[rows],
                "model": name,
                "artist_id": task.artist_id[rows],
                "time": task.time[rows].round(4),
                "dimension": dimension,
                "truth": task.panel.mean[rows, j],
                "forecast": variant.forecast[rows, j].round(6),
                "sd": variant.sd[rows, j].round(6),
            }
        )
        for j, dimension in enumerate(TARGETS[task.name])
    ]
    return pd.concat(tables, ignore_index=True)


def filter_tensors(base: Base) -> dict[str, Floats]:
    """Return the parameters of the state-space models, one row per dimension."""
    return {f"filter.{kind}": np.array([fit.theta for fit in fits]) for kind, fits in base.fits.items()}


def task_metrics(base: Base, variants: Mapping[str, Variant]) -> TaskMetrics:
    """Score each variant, its parts, and the artist's mean on the validation years."""
    from methods.temporal.baselines import unit_mean
    from methods.temporal.population_filter import NAMES

    task, full = base.task, variants["statewright"]
    dimensions = TARGETS[task.name]
    parts = {name: variant.forecast for name, variant in variants.items()}
    parts |= {f"part-{name}": forecast for name, forecast in full.candidates.items()}
    parts["artist-mean"] = unit_mean(task.panel)[:, : task.targets]
    rows, truth = task.rows("validation"), task.panel.mean[:, : task.targets]
    rmse = {name: np.sqrt(np.mean((part - truth)[rows] ** 2, axis=0)) for name, part in parts.items()}
    return TaskMetrics(
        targets_train=int(task.rows("train").sum()),
        targets_validation=int(rows.sum()),
        targets_test=int(task.rows("test").sum()),
        validation_rmse={name: _named(dimensions, values) for name, values in rmse.items()},
        weights={
            dimension: _named(tuple(full.candidates), full.weights[j])
            for j, dimension in enumerate(dimensions)
        },
        parameters={
            dimension: _named(NAMES, base.fits["trend"][j].theta) for j, dimension in enumerate(dimensions)
        },
    )


def validation_loss(metrics: TaskMetrics) -> float:
    """Return the mean over dimensions of MSE / MSE of the artist's mean."""
    model, mean = metrics.validation_rmse["statewright"], metrics.validation_rmse["artist-mean"]
    return round(float(np.mean([(model[name] / mean[name]) ** 2 for name in model])), 6)


def _named(names: tuple[str, ...], values: Floats) -> dict[str, float]:
    return {name: round(float(value), 6) for name, value in zip(names, values, strict=True)}

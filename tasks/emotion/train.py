"""Stage emotion-train: learn to forecast an artist's next emotional state.

    careers, albums -> state-space model of each dimension -> Theta_i   (methods.temporal.population_filter)
    states, features --------------> attention over the past <----'    (methods.temporal.history_attention)
                                          |
              four forecasts a dimension -> convex combination           (methods.temporal.stacking)

All that is learnt, the weights of the combination too, is learnt from targets of the training
period: networks and regressions by leaving out artists in turn, weights from the forecasts of the artists
left out. The validation years are left for choosing parameters and for conformal calibration,
the test years for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Shapes, Table, Tensors
from tasks.emotion.contracts import Albums, Artists, Careers, Features, Forecasts, States
from tasks.emotion.history import Releases, histories, releases
from tasks.emotion.params import SplitParams, TrainParams
from tasks.emotion.targets import TARGETS, Task, audio_task, lyrics_task

if TYPE_CHECKING:
    from methods.temporal.population_filter import Filtered, Fit

Floats = np.ndarray

CANDIDATES = ("trend", "steady", "cross", "attention")
"""Filter with a moving population, without, ridge over all dimensions' filters, network."""

VARIANTS: dict[str, tuple[str, ...] | None] = {
    "statewright": (),
    "no-audio": ("audio", "state"),
    "no-lyrics": ("lyrics", "state"),
    "no-context": ("context", "state"),
    "no-state": ("state",),
    "state-space": None,
}
"""Variant -> what the network does without; None: no network and no ridge.

The fused state mixes all modalities, so it goes with each one. The state-space model of the
task's own series stays in all.
"""


class History(pa.DataFrameModel):
    """One row an epoch: losses in nats a value, 0.5 being an untrained correction's own.

    Means over the networks; one that has stopped counts with its last loss.
    """

    epoch: Series[int] = pa.Field(ge=1, unique=True)
    train_loss: Series[float]
    validation_loss: Series[float]
    losses: Series[float] = pa.Field(alias="^(audio|lyrics)_(train|validation)_loss$", regex=True)


class TaskMetrics(Document):
    """One task: counts, validation RMSE of the model and its parts, weights of the parts."""

    targets_train: int
    targets_validation: int
    targets_test: int
    validation_rmse: dict[str, dict[str, float]]
    weights: dict[str, dict[str, float]]
    parameters: dict[str, dict[str, float]]


class TrainMetrics(Document):
    """`validation_loss` is the mean over tasks and dimensions of MSE / MSE of the artist's mean."""

    validation_loss: float
    audio_loss: float
    lyrics_loss: float
    audio: TaskMetrics
    lyrics: TaskMetrics


class Train(NamedTuple):
    """Outputs of the stage."""

    forecasts: Table[Forecasts]
    forecaster: Annotated[Tensors, Shapes({}, more=True)]
    train: TrainMetrics
    train_history: Table[History]


@dataclass(frozen=True)
class Base:
    """What the state-space models know of a task, without any network."""

    task: Task
    noise: Floats
    next_noise: Floats
    fits: dict[str, list[Fit]]
    filtered: dict[str, list[Filtered]]
    fold: Floats


@dataclass(frozen=True)
class Variant:
    """Forecasts of the targets, (n, targets) each, and what made them."""

    forecast: Floats
    sd: Floats
    candidates: dict[str, Floats]
    weights: Floats
    tensors: dict[str, Floats]
    epochs: list[dict[str, Any]]


def train(
    states: Table[States],
    features: Table[Features],
    careers: Table[Careers],
    albums: Table[Albums],
    artists: Table[Artists],
    *,
    params: TrainParams,
    split: SplitParams,
) -> Train:
    """Forecast every target of both tasks, and say what the validation years think of it."""
    import torch

    torch.set_num_threads(params.threads)
    tables, tensors, epochs, metrics = [], {}, [], {}
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
    return Train(
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
    """Mean loss of all networks after each epoch, over both tasks and each."""
    table = pd.DataFrame(index=pd.RangeIndex(1, epochs["epoch"].max() + 1, name="epoch"))
    for loss in ("train_loss", "validation_loss"):
        wide = epochs.pivot(index="epoch", columns=["task", "member"], values=loss).reindex(table.index).ffill()
        by_task = wide.T.groupby(level="task").mean().T
        table[loss] = by_task.mean(axis=1)
        table[[f"{task}_{loss}" for task in by_task]] = by_task
    return table.round(6).reset_index()


def fit_base(task: Task, params: TrainParams) -> Base:
    """Fit the state-space models, with and without a moving population, to the training period."""
    from tqdm import tqdm

    from methods.temporal.cross_fit import folds_of
    from methods.temporal.panel import expected_noise, noise_variance
    from methods.temporal.population_filter import fit_dimensions

    noise = noise_variance(task.panel, task.learnable, params.noise_strength)
    fits, filtered = {}, {}
    for name, trend in (("trend", True), ("steady", False)):
        track = partial(tqdm, desc=f"{task.name}: state-space model, {name}", mininterval=1)
        fits[name], filtered[name] = fit_dimensions(
            task.panel, noise, task.learnable, task.rows("train"), trend=trend, track=track
        )
    next_noise = expected_noise(task.panel, noise, task.learnable, params.noise_strength)
    return Base(task, noise, next_noise, fits, filtered, folds_of(task.panel.unit, params.folds, params.seed))


def fit_variant(
    base: Base, known: Releases, without: tuple[str, ...] | None, name: str, params: TrainParams
) -> Variant:
    """Make the candidates that the variant may use, and combine them dimension by dimension."""
    task, d = base.task, base.task.targets
    every = {kind: _column_stack(base.filtered[kind], "forecast") for kind in ("trend", "steady")}
    factor, tensors, epochs = np.ones((len(task.time), d)), {}, []
    if without is not None:
        every["cross"], tensors = cross_dimension(base, params)
        every["attention"], factor, networks, epochs = attention(
            base, known, every["cross"], without, name, params
        )
        tensors |= networks
    candidates = {kind: forecast[:, :d] for kind, forecast in every.items()}
    variance = _column_stack(base.filtered["trend"], "variance")[:, :d]
    weights = stack(base, candidates, variance, params)
    forecast = sum(part * weights[:, place] for place, part in enumerate(candidates.values()))
    sd = calibrated_sd(task, forecast, variance * factor[:, :d] + base.next_noise[:, :d])
    return Variant(forecast, sd, candidates, weights, tensors | {"stack": weights}, epochs)


def stack(base: Base, candidates: Mapping[str, Floats], variance: Floats, params: TrainParams) -> Floats:
    """Weights of the candidates, one row a dimension, from the training targets they did not see."""
    from methods.temporal.stacking import simplex_weights

    learn, truth = base.task.rows("train"), base.task.panel.mean
    return np.array(
        [
            simplex_weights(
                np.column_stack([part[learn, j] for part in candidates.values()]),
                truth[learn, j],
                1 / (variance[learn, j] + base.noise[learn, j]),
                params.stack_strength,
            )
            for j in range(base.task.targets)
        ]
    )


def calibrated_sd(task: Task, forecast: Floats, variance: Floats) -> Floats:
    """Scale the model's variances so that the training errors have their size on average."""
    learn = task.rows("train")
    errors = (task.panel.mean[:, : task.targets] - forecast)[learn]
    return np.sqrt(variance * np.mean(errors**2 / variance[learn], axis=0))


def cross_dimension(base: Base, params: TrainParams) -> tuple[Floats, dict[str, Floats]]:
    """Correct each dimension's forecast by the forecasts and the artist's means of all the others."""
    from methods.temporal.baselines import unit_mean
    from methods.temporal.cross_fit import cross_fit_ridge

    task, learn = base.task, base.task.rows("train")
    x = np.hstack([_column_stack(base.filtered[kind], "forecast") for kind in ("trend", "steady")])
    x = np.hstack([x, np.nan_to_num(unit_mean(task.panel))])
    columns, tensors = [], {}
    for j, dimension in enumerate(task.dimensions):
        own = base.filtered["trend"][j]
        residual, slopes = cross_fit_ridge(
            x, task.panel.mean[:, j] - own.forecast, 1 / (own.variance + base.noise[:, j]),
            learn, base.fold, params.ridge,
        )  # fmt: skip
        columns.append(own.forecast + residual)
        tensors[f"cross.{dimension}"] = slopes
    return np.column_stack(columns), tensors


def attention(
    base: Base, known: Releases, prior: Floats, without: tuple[str, ...], name: str, params: TrainParams
) -> tuple[Floats, Floats, dict[str, Floats], list[dict[str, Any]]]:
    """One network a fold of artists; training rows by the network that did not see their artist."""
    from tqdm import tqdm

    from methods.temporal.history_attention import Recipe, predict
    from methods.temporal.history_attention import train as learn_network

    task = base.task
    data = histories(task, known, base.filtered["trend"], prior, base.noise, params.history, without)
    learn, rest = task.rows("train"), ~task.rows("train")
    truth = task.panel.mean.astype(np.float32)
    weight = np.where(np.arange(truth.shape[1]) < task.targets, 1.0, 0.25).astype(np.float32)
    mean, factor = np.zeros(truth.shape), np.zeros(truth.shape)
    tensors, epochs = {}, []
    for fold in range(params.folds):
        recipe = Recipe(
            params.width, params.heads, params.dropout, params.lr, params.weight_decay,
            params.epochs, params.patience, params.batch_size, params.seed + fold,
        )  # fmt: skip
        track = partial(tqdm, desc=f"{task.name}: {name}, network {fold + 1}", mininterval=1, leave=False)
        held = learn & (base.fold == fold)
        model, losses = learn_network(data, truth, learn & (base.fold != fold), held, weight, recipe, track)
        forecast, variance_factor = predict(model, data)
        mean[held], factor[held] = forecast[held], variance_factor[held]
        mean[rest] += forecast[rest] / params.folds
        factor[rest] += variance_factor[rest] / params.folds
        tensors |= {f"network{fold}.{key}": value.numpy() for key, value in model.state_dict().items()}
        epochs += [{"member": fold, **{k: round(v, 6) for k, v in vars(e).items()}} for e in losses]
    return mean, factor, tensors, epochs


def forecast_rows(task: Task, name: str, variant: Variant) -> pd.DataFrame:
    """Long table of a variant's forecasts; ablations without the training period."""
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
    """Parameters of the state-space models, one row a dimension."""
    return {f"filter.{kind}": np.array([fit.theta for fit in fits]) for kind, fits in base.fits.items()}


def task_metrics(base: Base, variants: Mapping[str, Variant]) -> TaskMetrics:
    """RMSE over the validation years of each variant, of its parts, and of the artist's mean."""
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
    """Mean over dimensions of the model's MSE over that of the artist's mean: lower is better."""
    model, mean = metrics.validation_rmse["statewright"], metrics.validation_rmse["artist-mean"]
    return round(float(np.mean([(model[name] / mean[name]) ** 2 for name in model])), 6)


def _named(names: tuple[str, ...], values: Floats) -> dict[str, float]:
    return {name: round(float(value), 6) for name, value in zip(names, values, strict=True)}


def _column_stack(parts: list[Any], field: str) -> Floats:
    return np.column_stack([getattr(part, field) for part in parts])

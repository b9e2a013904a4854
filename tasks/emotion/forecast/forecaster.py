"""Forecaster of a task: state-space models, regressions, networks, combination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.emotion.forecast.history import Releases, histories
from tasks.emotion.forecast.members import MEMBERS, Filtered, members
from tasks.emotion.forecast.targets import Task
from tasks.emotion.params import TrainParams

if TYPE_CHECKING:
    from methods.temporal.population_filter import FilterResult, Fit

Floats = np.ndarray

CANDIDATES = ("trend", "steady", "cross", *MEMBERS, "attention")
"""Candidates: filter with a moving population, filter without, ridge over all filters, members, network."""

PRIOR = {"autoregression": 2.0}
"""Weights to which those of the candidates are shrunk, relative to 1 of the others.

Artists held out in turn are of the years that the candidates learn from, and later years differ: what depends
least on the years counts twice.
"""

COHORT = 10
"""Years of the debuts of artists of one genre who share a level in the state-space models."""

VARIANTS: dict[str, tuple[str, ...] | None] = {
    "statewright": (),
    "no-audio": ("audio", "state"),
    "no-lyrics": ("lyrics", "state"),
    "no-context": ("context", "state"),
    "no-state": ("state",),
    "state-space": None,
}
"""Variant -> inputs that the network lacks; None: the state-space models alone.

The fused state mixes all modalities, so it is removed with each one. Every variant has the state-space
model of the task's own series.
"""


@dataclass(frozen=True)
class Base:
    """State-space models of a task, filtered series, folds of its artists, regressions."""

    task: Task
    noise: Floats
    next_noise: Floats
    fits: dict[str, list[Fit]]
    filtered: dict[str, list[FilterResult]]
    fold: Floats
    members: Mapping[str, Floats]


@dataclass(frozen=True)
class Variant:
    """Forecasts, (n, targets) each, with candidates, weights and parameters."""

    forecast: Floats
    sd: Floats
    candidates: dict[str, Floats]
    weights: Floats
    tensors: dict[str, Floats]
    epochs: list[dict[str, Any]]


def fit_base(task: Task, params: TrainParams) -> Base:
    """Fit the state-space models, with and without a moving population.

    They are fitted to the training period. Artists of one genre and decade of debut share a level.
    """
    from tqdm import tqdm

    from methods.temporal.cross_fit import folds_of
    from methods.temporal.panel import expected_noise, noise_variance, with_cohorts
    from methods.temporal.population_filter import fit_dimensions

    noise = noise_variance(task.panel, task.learnable, params.noise_strength)
    panel = with_cohorts(task.panel, COHORT)
    fits, filtered = {}, {}
    for name, trend in (("trend", True), ("steady", False)):
        track = partial(tqdm, desc=f"{task.name}: state-space model, {name}", mininterval=1)
        fits[name], filtered[name] = fit_dimensions(
            panel, noise, task.learnable, task.rows("train"), trend=trend, track=track
        )
    next_noise = expected_noise(task.panel, noise, task.learnable, params.noise_rows)
    fold = folds_of(task.panel.unit, params.folds, params.seed)
    precision = 1 / (_column_stack(filtered["trend"], "variance") + noise)
    known = Filtered(task, filtered["trend"], filtered["steady"], precision, fold, params.seed)
    return Base(task, noise, next_noise, fits, filtered, fold, members(known))


def fit_variant(
    base: Base, known: Releases, without: tuple[str, ...] | None, name: str, params: TrainParams
) -> Variant:
    """Compute the candidates of a variant, and combine them by dimension."""
    task, d = base.task, base.task.targets
    forecasts = {kind: _column_stack(base.filtered[kind], "forecast") for kind in ("trend", "steady")}
    factor = np.ones((len(task.time), d))
    tensors: dict[str, Floats] = {}
    epochs: list[dict[str, Any]] = []
    if without is not None:
        forecasts["cross"], tensors = cross_dimension(base, params)
        forecasts |= base.members
        forecasts["attention"], factor, networks, epochs = attention(
            base, known, forecasts["cross"], without, name, params
        )
        tensors |= networks
    candidates = {kind: forecast[:, :d] for kind, forecast in forecasts.items()}
    variance = _column_stack(base.filtered["trend"], "variance")[:, :d]
    weights = stack(base, candidates, variance, params)
    forecast = sum(part * weights[:, index] for index, part in enumerate(candidates.values()))
    sd = calibrated_sd(task, forecast, variance * factor[:, :d] + base.next_noise[:, :d])
    return Variant(forecast, sd, candidates, weights, tensors | {"stack": weights}, epochs)


def stack(base: Base, candidates: Mapping[str, Floats], variance: Floats, params: TrainParams) -> Floats:
    """Return the weights of the candidates, one row per dimension.

    They are estimated from the training targets that each candidate was not trained on, and shrunk to
    `PRIOR`.
    """
    from methods.temporal.stacking import simplex_weights

    learn, truth = base.task.rows("train"), base.task.panel.mean
    prior = np.array([PRIOR.get(name, 1.0) for name in candidates])
    return np.array(
        [
            simplex_weights(
                np.column_stack([part[learn, j] for part in candidates.values()]),
                truth[learn, j],
                1 / (variance[learn, j] + base.noise[learn, j]),
                params.stack_strength,
                prior / prior.sum(),
            )
            for j in range(base.task.targets)
        ]
    )


def calibrated_sd(task: Task, forecast: Floats, variance: Floats) -> Floats:
    """Scale the model's variances to the mean squared training errors."""
    learn = task.rows("train")
    errors = (task.panel.mean[:, : task.targets] - forecast)[learn]
    return np.sqrt(variance * np.mean(errors**2 / variance[learn], axis=0))


def cross_dimension(base: Base, params: TrainParams) -> tuple[Floats, dict[str, Floats]]:
    """Correct the forecast of each dimension by forecasts and means of the others."""
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
    """Train one network per fold of artists.

    A training row uses the network that was trained without its artist, other rows the mean of all.
    """
    from tqdm import tqdm

    from methods.temporal.history_attention import Recipe, predict
    from methods.temporal.history_attention import train as learn_network

    task = base.task
    data = histories(task, known, base.filtered["trend"], prior, base.noise, params.history, without)
    learn, rest = task.rows("train"), ~task.rows("train")
    truth = task.panel.mean.astype(np.float32)
    weight = np.where(np.arange(truth.shape[1]) < task.targets, 1.0, 0.25).astype(np.float32)
    mean, factor = np.zeros(truth.shape), np.zeros(truth.shape)
    tensors: dict[str, Floats] = {}
    epochs: list[dict[str, Any]] = []
    for fold in range(params.folds):
        recipe = Recipe(
            params.width, params.heads, params.dropout, params.lr, params.weight_decay,
            params.epochs, params.patience, params.batch_size, params.seed + fold,
        )  # fmt: skip
        track = partial(tqdm, desc=f"{task.name}: {name}, network {fold + 1}", mininterval=1, leave=False)
        held_out = learn & (base.fold == fold)
        model, losses = learn_network(
            data, truth, learn & (base.fold != fold), held_out, weight, recipe, track
        )
        forecast, variance_factor = predict(model, data)
        mean[held_out], factor[held_out] = forecast[held_out], variance_factor[held_out]
        mean[rest] += forecast[rest] / params.folds
        factor[rest] += variance_factor[rest] / params.folds
        tensors |= {f"network{fold}.{key}": value.numpy() for key, value in model.state_dict().items()}
        epochs += [{"member": fold, **{k: round(v, 6) for k, v in vars(e).items()}} for e in losses]
    return mean, factor, tensors, epochs


def _column_stack(parts: list[Any], field: str) -> Floats:
    return np.column_stack([getattr(part, field) for part in parts])

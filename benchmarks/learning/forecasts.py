"""Candidates of the forecaster, scored on training and validation years.

The years for testing are never read: every target from the first test year on is dropped before anything is
fitted. Each candidate is scored in three ways: on the training targets of artists held out in turn, on the
validation years, and on an earlier window that ends where the training period does, with models that learn
from the years before that window. A loss is the mean over dimensions of MSE / MSE of the artist's mean.

The inputs are outputs of the pipeline in `data/emotion`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from benchmarks.parts import ROOT, Omission, Tables
from methods.temporal.baselines import autoregression, unit_mean
from methods.temporal.panel import Panel, noise_variance, position, with_cohorts
from methods.temporal.population_filter import fit_dimensions
from methods.temporal.stacking import simplex_weights
from tasks.emotion.forecast import forecaster
from tasks.emotion.forecast.forecaster import CANDIDATES, COHORT, Base
from tasks.emotion.forecast.history import Releases, releases
from tasks.emotion.forecast.targets import LEAST_HISTORY, Task, audio_task, lyrics_task
from tasks.emotion.params import SplitParams, TrainParams
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

Floats = np.ndarray
Forecasts = dict[str, Floats]

EARLIER = {"audio": 1985, "lyrics": 2003}
"""First year of the earlier window."""

INPUTS = ("careers", "albums", "artists", "states", "features")
STRENGTHS = (50.0, 300.0, 3000.0)
ISSUE = ("cross", "trees", "boosting", "trend", "steady", "autoregression")
"""The six members that the plain mean of the issue has."""


@dataclass(frozen=True)
class Window:
    """A task with training and scored targets, and the releases of its artists."""

    task: Task
    known: Releases


def tables(repeat: int) -> Tables:
    """Yield the table of candidates."""
    folder = ROOT / "data" / "emotion"
    if missing := [name for name in INPUTS if not (folder / f"{name}.parquet").exists()]:
        yield Omission(f"{folder / missing[0]}.parquet is missing: run statewright run emotion-fusion")
        return
    losses: dict[str, dict[str, tuple[float, float]]] = {}
    for name, window in windows(folder).items():
        for candidate, forecast in candidates(window).items():
            losses.setdefault(candidate, {})[name] = scores(window.task, forecast)
    yield table(losses)


def table(losses: Mapping[str, Mapping[str, tuple[float, float]]]) -> BenchmarkTable:
    """Return one row a candidate; the last column is the mean of the four windows."""
    names = ["audio earlier", "audio", "lyrics earlier", "lyrics"]
    rows: list[list[TextOrNumber]] = []
    for candidate, found in losses.items():
        artists = [float(found[task][0]) for task in ("audio", "lyrics")]
        years = [float(found[name][1]) for name in names]
        rows.append([candidate, *artists, *years, float(np.mean(years))])
    return BenchmarkTable(
        name="forecasts",
        title="Loss of each candidate (MSE / MSE of the artist's mean, mean over dimensions; lower is "
        "better): training artists held out, the years before the validation years, and these years. "
        "Models of the earlier windows learn from the years before 1985 (audio) and 2003 (lyrics).",
        columns=[
            "candidate", "audio, artists", "lyrics, artists", "audio, 1985-1999", "audio, validation",
            "lyrics, 2003-2007", "lyrics, validation", "mean of windows",
        ],
        rows=rows,
        decimals=dict.fromkeys(
            ["audio, artists", "lyrics, artists", "audio, 1985-1999", "audio, validation",
             "lyrics, 2003-2007", "lyrics, validation", "mean of windows"], 4
        ),
    )  # fmt: skip


def windows(folder: Path) -> dict[str, Window]:
    """Read the tables, and return two windows a task."""
    careers, albums, artists, states, features = (
        pd.read_parquet(folder / f"{name}.parquet") for name in INPUTS
    )
    split = SplitParams(**_params()["split"])
    out = {}
    for task in (audio_task(careers, split, artists), lyrics_task(albums, split, artists)):
        first = getattr(split, f"{task.name}_train_before")
        end = getattr(split, f"{task.name}_test_from")
        for name, start, stop in (
            (f"{task.name} earlier", EARLIER[task.name], first),
            (task.name, first, end),
        ):
            out[name] = Window(shortened(task, start, stop), releases(states, features, start))
    return out


def shortened(task: Task, start: int, stop: int) -> Task:
    """Drop rows from `stop` on; score targets from `start` on, learn the others."""
    keep = task.panel.block < stop
    unit = np.unique(task.panel.unit[keep], return_inverse=True)[1]
    rows = {name: value[keep] for name, value in vars(task.panel).items()} | {"unit": unit}
    panel = Panel(**rows)
    split = np.where(panel.block < start, "train", "validation")
    split = np.where(position(unit) >= LEAST_HISTORY, split, "")
    return replace(
        task, panel=panel, artist_id=task.artist_id[keep], time=task.time[keep], split=split,
        learnable=panel.block < start,
    )  # fmt: skip


def scores(task: Task, forecast: Floats) -> tuple[float, float]:
    """Return the loss on training targets and on those of the window."""
    truth, mean = (part[:, : task.targets] for part in (task.panel.mean, unit_mean(task.panel)))
    parts = []
    for name in ("train", "validation"):
        rows = task.rows(name)
        error, reference = (((part - truth)[rows] ** 2).mean(axis=0) for part in (forecast, mean))
        parts.append(float(np.mean(error / reference)))
    return parts[0], parts[1]


def candidates(window: Window) -> Forecasts:
    """Return the forecasts of every candidate, (n, targets) each."""
    params, task = TrainParams(**_params()["train"]), window.task
    base = forecaster.fit_base(task, params)
    fitted = forecaster.fit_variant(base, window.known, (), "statewright", params)
    parts = fitted.candidates
    out: Forecasts = {"chosen: combination of all members": fitted.forecast}
    out |= {f"member: {name}": parts[name] for name in CANDIDATES}
    out |= {f"all members, strength {strength:g}": stacked(base, parts, strength) for strength in STRENGTHS}
    out["all members, equal weights"] = np.mean([*parts.values()], axis=0)
    out["six members of the issue, equal weights"] = np.mean([parts[name] for name in ISSUE], axis=0)
    for name in CANDIDATES:
        rest = {key: value for key, value in parts.items() if key != name}
        out[f"without {name}, strength {params.stack_strength:g}"] = stacked(
            base, rest, params.stack_strength
        )
    return out | unused(base, parts) | filters(task)


def stacked(base: Base, parts: Mapping[str, Floats], strength: float) -> Floats:
    """Return the convex combination with weights from the training targets."""
    learn, d = base.task.rows("train"), base.task.targets
    prior = np.array([forecaster.PRIOR.get(name, 1.0) for name in parts])
    variance = np.column_stack([part.variance for part in base.filtered["trend"]]) + base.noise
    out = np.empty((len(base.task.time), d))
    for j in range(d):
        columns = np.column_stack([part[:, j] for part in parts.values()])
        truth = base.task.panel.mean[learn, j]
        out[:, j] = columns @ simplex_weights(
            columns[learn], truth, 1 / variance[learn, j], strength, prior / prior.sum()
        )
    return out


def unused(base: Base, parts: Mapping[str, Floats]) -> Forecasts:
    """Return candidates that were tried and not chosen."""
    task, d = base.task, base.task.targets
    learn, mean = task.rows("train"), np.mean([*parts.values()], axis=0)
    count = len(parts)
    return {
        "not used: AR(1)": autoregression(task.panel, learn, mean=False)[:, :d],
        "not used: all members and the artist's mean, equal weights": (
            count * mean + np.nan_to_num(unit_mean(task.panel)[:, :d])
        ) / (count + 1),
        "not used: mean error of all artists in the last years removed": recentred(task, mean),
    }  # fmt: skip


def recentred(task: Task, forecast: Floats, half_life: float = 5.0, targets: float = 200.0) -> Floats:
    """Add the mean error of the years before, shrunk to zero by a number of targets."""
    error, block = task.panel.mean[:, : task.targets] - forecast, task.panel.block
    scored, out = task.split != "", forecast.copy()
    for year in np.unique(block):
        past = scored & (block < year)
        weight = 0.5 ** ((year - block[past]) / half_life)
        out[block == year] += weight @ error[past] / (weight.sum() + targets)
    return out


def filters(task: Task) -> Forecasts:
    """Return the mean of both filters, by pooling of the noise and by groups."""
    out, d = {}, task.targets
    for strength in (5.0, 30.0, 100.0, 1000.0):
        for groups, panel in (("genres", task.panel), ("cohorts", with_cohorts(task.panel, COHORT))):
            if groups == "cohorts" and strength not in {5.0, 100.0}:
                continue
            small = replace(panel, mean=panel.mean[:, :d], sd=panel.sd[:, :d])
            noise = noise_variance(small, task.learnable, strength)
            both = [
                fit_dimensions(small, noise, task.learnable, task.rows("train"), trend=trend)[1]
                for trend in (True, False)
            ]
            mean = np.mean([[part.forecast for part in parts] for parts in both], axis=0).T
            out[f"both filters, noise pooled as {strength:g} songs, by {groups}"] = mean
    return out


def _params() -> dict[str, dict[str, Any]]:
    return dict(YAML(typ="safe").load((ROOT / "params.yaml").read_text("utf-8"))["emotion"])

"""Inputs of a forecast: earlier releases and parameters of the artist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from methods.temporal.panel import Floats, before, position, previous
from tasks.emotion.forecast.targets import Task

if TYPE_CHECKING:
    from methods.temporal.history_attention import Histories
    from methods.temporal.population_filter import FilterResult

MODALITIES = ("audio", "lyrics", "context", "state")
"""Prefixes of the columns of a release that an ablation can remove."""


@dataclass(frozen=True)
class Releases:
    """All releases with their features and fused state, sorted by artist and time."""

    artist_id: NDArray[np.int64]
    time: Floats
    songs: Floats
    columns: tuple[str, ...]
    values: NDArray[np.float32]


def releases(states: pd.DataFrame, features: pd.DataFrame, learn_before: int) -> Releases:
    """Join features with fused states; a missing modality is 0, its scaled mean.

    Parameters
    ----------
    states, features : frame
        One row per release each, of the same releases.
    learn_before : int
        Fused states are scaled by the releases before this year.
    """
    missing = set(features["release_id"]) ^ set(states["release_id"])
    if missing:
        raise ValueError(
            f"states and features differ in {len(missing)} releases, e.g. release_id {min(missing)}; "
            "run emotion-fusion again"
        )
    frame = features.merge(states.drop(columns=["artist_id", "kind", "time"]), on="release_id")
    frame = frame.sort_values(["artist_id", "time", "release_id"], kind="stable")
    columns = [name for name in frame if name.startswith(tuple(f"{m}_" for m in MODALITIES))]
    state = [name for name in columns if name.startswith("state_")]
    past = frame.loc[frame["time"] < learn_before, state]
    frame[state] = (frame[state] - past.mean()) / past.std().clip(lower=1e-6)
    values = frame[columns].fillna(0.0).clip(-5, 5)
    flags = frame[["has_audio", "has_lyrics"]].astype(float)
    return Releases(
        frame["artist_id"].to_numpy(np.int64),
        frame["time"].to_numpy(float),
        frame["n_songs"].to_numpy(float),
        (*columns, "has_audio", "has_lyrics"),
        np.hstack([values, flags]).astype(np.float32),
    )


def histories(
    task: Task,
    known: Releases,
    filtered: list[FilterResult],
    prior: Floats,
    noise: Floats,
    length: int,
    without: tuple[str, ...] = (),
) -> Histories:
    """Build the arrays for `methods.temporal.history_attention`, one row per target.

    A release belongs to the past if its year is earlier than that of the target: within one year the
    order of albums and years is not known.

    Parameters
    ----------
    task : Task
    known : Releases
    filtered : list of FilterResult
        One per dimension of the panel.
    prior : (n, d) float
        Forecasts to correct.
    noise : (n, d) float
        Sampling variance of the targets, used in training but not for the mean of a forecast.
    length : int
        Number of latest releases to use.
    without : tuple of str
        Modalities to exclude.
    """
    from methods.temporal.history_attention import Histories

    kept = [i for i, name in enumerate(known.columns) if not name.startswith(tuple(f"{m}_" for m in without))]
    if without:
        kept = [i for i in kept if known.columns[i] not in {f"has_{m}" for m in without}]
    tokens = np.vstack([known.values[:, kept], np.zeros((1, len(kept)), np.float32)])
    past, gap = _past(task, known, length)
    songs = np.log1p(np.r_[known.songs, 0.0])[past].astype(np.float32)
    variance = np.column_stack([part.variance for part in filtered]) + noise
    query = _query(task, filtered)
    context = [i for i in kept if known.columns[i].startswith("context_")]
    if context:
        latest = np.vstack([known.values[:, context], np.zeros((1, len(context)), np.float32)])[past[:, 0]]
        query = np.hstack([query, latest])
    return Histories(
        tokens, past, gap.astype(np.float32), songs, query.astype(np.float32),
        prior.astype(np.float32), variance.astype(np.float32),
    )  # fmt: skip


def _past(task: Task, known: Releases, length: int) -> tuple[NDArray[np.int64], Floats]:
    """Return the latest releases before each target's year and their age.

    The age is in decades.
    """
    first = np.searchsorted(known.artist_id, task.artist_id, side="left")
    # one sortable number for artist and time: times are below 3000
    key = known.artist_id * 10_000.0 + known.time
    end = np.searchsorted(key, task.artist_id * 10_000.0 + task.panel.block, side="left")
    past = end[:, None] - 1 - np.arange(length)[None, :]
    past = np.where(past >= first[:, None], past, len(known.time))
    when = np.r_[known.time, 0.0][past]
    gap = np.where(past < len(known.time), (task.panel.block[:, None] - when) / 10, 0.0)
    return past, gap


def _query(task: Task, filtered: list[FilterResult]) -> Floats:
    """Return parameters and position in the career, scaled on training rows."""
    panel = task.panel
    last = previous(panel.mean, panel.unit)
    parts = [np.column_stack([p.level, p.deviation, p.forecast, np.log(p.variance)]) for p in filtered]
    surprise = last - np.column_stack([p.trend + p.level for p in filtered])
    gap = np.log1p(panel.time - previous(panel.time, panel.unit))
    age = np.log1p(before(np.nan_to_num(panel.time - previous(panel.time, panel.unit)), panel.unit))
    songs = np.log1p(before(panel.count, panel.unit))
    latest = np.log1p(previous(panel.count, panel.unit))
    query = np.column_stack([*parts, surprise, gap, age, songs, latest, np.log1p(position(panel.unit))])
    learn = task.rows("train")
    scaled = (query - query[learn].mean(axis=0)) / np.maximum(query[learn].std(axis=0), 1e-9)
    return np.clip(np.nan_to_num(scaled), -5, 5)

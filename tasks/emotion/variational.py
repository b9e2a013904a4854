"""Stage emotion-variational: the emotional state of every artist in every year.

A yearly mean of few songs is a poor estimate of an artist's state. The model of
``methods.variational`` weights it by the number of songs and combines it with the neighbouring years
and the artist's level. There are two posteriors: the mean field of the specification, and a structured
one that models the years of an artist jointly, from which the table of states is computed. Held-out
years show whether either is better than simple predictions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table
from tasks.emotion.changepoint import usable_careers
from tasks.emotion.contracts.tables import AUDIO, Artists, Careers
from tasks.emotion.params import VariationalParams
from tasks.emotion.series.held_out_years import (
    HeldOutScore,
    Prediction,
    hold_out,
    nearest_year,
    score,
    shrunk_mean,
)

if TYPE_CHECKING:
    from methods.variational import Careers as Observed
    from methods.variational import Fit, Gamma, Gaussian

_FEATURES = "^(" + "|".join(AUDIO) + ")"


class ArtistStates(pa.DataFrameModel):
    """One row per artist and calendar year from its first to its last.

    A silent year has no songs; those of a possible reissue do not count.

    In the feature's own unit: `*_state` and `*_state_sd` are of the structured posterior,
    `*_mean_field` and `*_mean_field_sd` of the fully factorised one.
    """

    artist_id: Series[int]
    year: Series[int] = pa.Field(ge=1900, le=2100)
    n_songs: Series[int] = pa.Field(ge=0)
    means: Series[float] = pa.Field(alias=_FEATURES + "_(state|mean_field)$", regex=True)
    spreads: Series[float] = pa.Field(alias=_FEATURES + "_(state|mean_field)_sd$", regex=True, gt=0)


class Ascent(pa.DataFrameModel):
    """Bound after each step, in nats below the best; empty after the last step."""

    step: Series[int] = pa.Field(ge=0, unique=True)
    coordinate: Series[float] = pa.Field(nullable=True)
    natural_gradient: Series[float] = pa.Field(nullable=True)
    plain_gradient: Series[float] = pa.Field(nullable=True)


class Estimate(Document):
    """Posterior mean and standard deviation, in units of the yearly means' spread."""

    mean: float
    sd: float


class FamilyMetrics(Document):
    """One variational family: `parameters` by dimension, then by name."""

    elbo: float
    sweeps: int
    converged: bool
    monotone: bool
    parameters: dict[str, dict[str, Estimate]]


class AscentMetrics(Document):
    """Steps to within one nat of the best bound (null: not within `most_steps`)."""

    artists: int
    most_steps: int
    steps: dict[str, int | None]
    nats_left: dict[str, float]


class VariationalMetrics(Document):
    """Both families, scores on held-out years (`hidden`), and the ascents."""

    artists: int
    years: int
    silent_years: int
    dimensions: list[str]
    families: dict[str, FamilyMetrics]
    state_sd_ratio: float
    hidden_years: int
    hidden: dict[str, HeldOutScore]
    ascent: AscentMetrics


class VariationalOutputs(NamedTuple):
    """Outputs of the stage."""

    artist_states: Table[ArtistStates]
    variational_ascent: Table[Ascent]
    variational: VariationalMetrics


class _Data(NamedTuple):
    """Rows with means and spreads standardised by `centre` and `scale`."""

    rows: pd.DataFrame
    songs: np.ndarray
    values: np.ndarray
    spread: np.ndarray
    centre: np.ndarray
    scale: np.ndarray


def variational(
    careers: Table[Careers], artists: Table[Artists], *, params: VariationalParams
) -> VariationalOutputs:
    """Infer the states by two families, score held-out years, compare ascents."""
    from methods.variational import careers_of

    data = _standardised(usable_careers(careers, artists, params.min_years), params)
    rows = data.rows
    observed, position = careers_of(
        rows["artist_id"].to_numpy(int), rows["year"].to_numpy(int), data.songs, data.values, data.spread
    )
    fits = _fits(observed, params)
    held_out = hold_out(rows, params.hidden_share, params.seed)
    ascent, ascent_metrics = _ascents(observed, params)
    states = _states(data, observed, fits, params)
    structured, factorised = (fits[name].moments.state.variance for name in ("structured", "mean_field"))
    metrics = VariationalMetrics(
        artists=len(observed.start),
        years=len(observed.songs),
        silent_years=int((observed.songs == 0).sum()),
        dimensions=list(params.dimensions),
        families={name: _family(fit, params.dimensions) for name, fit in fits.items()},
        state_sd_ratio=round(float(np.median(np.sqrt(factorised / structured))), 4),
        hidden_years=int(held_out.sum()),
        hidden=_held_out_scores(data, observed, position, held_out, params),
        ascent=ascent_metrics,
    )
    return VariationalOutputs(states, ascent, metrics)


def _standardised(rows: pd.DataFrame, params: VariationalParams) -> _Data:
    if rows.empty:
        raise ValueError(
            f"emotion-variational: careers.parquet has no artist of {params.min_years} active years or more; "
            "lower emotion.variational.min_years or add longer careers to the source."
        )
    means = rows[[f"{dim}_mean" for dim in params.dimensions]].to_numpy(float)
    spread = rows[[f"{dim}_sd" for dim in params.dimensions]].to_numpy(float)
    centre, scale = means.mean(axis=0), means.std(axis=0)
    songs = rows["n_songs"].to_numpy(float)
    return _Data(rows, songs, (means - centre) / scale, spread / scale, centre, scale)


def _fits(careers: Observed, params: VariationalParams) -> dict[str, Fit]:
    from functools import partial

    from tqdm import tqdm

    from methods.variational import coordinate_ascent, structured_ascent

    ascents: dict[str, Callable[..., Fit]] = {
        "structured": structured_ascent,
        "mean_field": coordinate_ascent,
    }
    return {
        name: ascend(
            careers, tolerance=params.tolerance, max_steps=params.max_steps,
            track=partial(tqdm, desc=name.replace("_", " "), mininterval=1),
        )
        for name, ascend in ascents.items()
    }  # fmt: skip


def _states(data: _Data, careers: Observed, fits: dict[str, Fit], params: VariationalParams) -> pd.DataFrame:
    first = data.rows.drop_duplicates("artist_id")
    offset = np.arange(len(careers.songs)) - careers.start[careers.artist]
    table = {
        "artist_id": first["artist_id"].to_numpy(int)[careers.artist],
        "year": first["year"].to_numpy(int)[careers.artist] + offset,
        "n_songs": careers.songs.astype(int),
    }
    for k, dim in enumerate(params.dimensions):
        for name, fit in (("state", fits["structured"]), ("mean_field", fits["mean_field"])):
            state = fit.moments.state
            table[f"{dim}_{name}"] = (data.centre[k] + data.scale[k] * state.mean[:, k]).round(5)
            table[f"{dim}_{name}_sd"] = (data.scale[k] * np.sqrt(state.variance[:, k])).round(6)
    return pd.DataFrame(table)


def _family(fit: Fit, dimensions: tuple[str, ...]) -> FamilyMetrics:
    return FamilyMetrics(
        elbo=round(float(fit.elbo[-1]), 2),
        sweeps=len(fit.elbo) - 1,
        converged=fit.converged,
        monotone=bool((np.diff(fit.elbo) >= -1e-9 * np.abs(fit.elbo[1:])).all()),
        parameters={
            dim: {name: _estimate(factor, k) for name, factor in vars(fit.globals_).items()}
            for k, dim in enumerate(dimensions)
        },
    )


def _estimate(factor: Gaussian | Gamma, k: int) -> Estimate:
    variance = factor.variance if hasattr(factor, "variance") else factor.shape / factor.rate**2
    return Estimate(mean=round(float(factor.mean[k]), 4), sd=round(float(np.sqrt(variance[k])), 4))


def _held_out_scores(
    data: _Data, careers: Observed, position: np.ndarray, held_out: np.ndarray, params: VariationalParams
) -> dict[str, HeldOutScore]:
    from dataclasses import replace

    used = np.ones((len(careers.songs), 1))
    used[position[held_out]] = 0
    without = replace(
        careers, songs=careers.songs * used[:, 0], mean=careers.mean * used, within=careers.within * used
    )
    predictions = {}
    for name, fit in _fits(without, params).items():
        state, song = fit.moments.state, fit.globals_.song_precision.mean
        variance = state.variance[position] + 1 / (song * data.songs[:, None])
        predictions[name] = Prediction(state.mean[position], variance)
    raw, shrunk = shrunk_mean(data.rows, data.values, careers.within[position], held_out)
    predictions |= {"moments": shrunk, "artist_mean": raw}
    predictions["nearest_year"] = nearest_year(data.rows, data.values, held_out)
    error = {name: (data.values - prediction.mean)[held_out] for name, prediction in predictions.items()}
    artist = data.rows["artist_id"].to_numpy()[held_out]
    return {
        name: score(prediction.variance[held_out], error[name], error["moments"], artist, params)
        for name, prediction in predictions.items()
    }


def _ascents(careers: Observed, params: VariationalParams) -> tuple[pd.DataFrame, AscentMetrics]:
    """Compare three ascents of the mean-field bound of some careers, from one start."""
    from methods.variational import coordinate_ascent, gradient_ascent, natural_gradient_ascent

    count = min(params.ascent_artists, len(careers.start))
    chosen = np.random.default_rng(params.seed).choice(len(careers.start), count, replace=False)
    some = careers.part(np.sort(chosen))
    top = coordinate_ascent(some, tolerance=1e-12, max_steps=5000).elbo[-1]
    ascents: dict[str, Callable[..., Fit]] = {
        "coordinate": coordinate_ascent,
        "natural_gradient": natural_gradient_ascent,
        "plain_gradient": gradient_ascent,
    }
    below = {
        name: top - ascend(some, tolerance=1e-8, max_steps=params.ascent_steps).elbo
        for name, ascend in ascents.items()
    }
    steps = {name: int(np.argmax(gap < 1)) if (gap < 1).any() else None for name, gap in below.items()}
    table = pd.DataFrame({name: pd.Series(gap).round(4) for name, gap in below.items()})
    return table.rename_axis("step").reset_index(), AscentMetrics(
        artists=count,
        most_steps=params.ascent_steps,
        steps=steps,
        nats_left={name: round(float(gap[-1]), 3) for name, gap in below.items()},
    )

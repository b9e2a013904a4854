"""Stage emotion-macro: careers as Gaussian processes with shared hyperparameters.

Fitted to the years before the test years (`emotion.split.audio_test_from`); every later year is
then forecast from all earlier years of its career. A fit that has not converged is reported as
such, and neither its forecasts nor its courses are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from methods.temporal.baselines import autoregression, last_value, unit_mean
from methods.temporal.panel import Panel, noise_variance, position
from statewright.contracts import ContractError, Document, Table
from tasks.emotion.changepoint import usable_careers
from tasks.emotion.contracts import Artists, Careers
from tasks.emotion.params import MacroParams, SplitParams

if TYPE_CHECKING:
    from methods.temporal.career_likelihood import Careers as CareerSeries
    from methods.temporal.macro import MacroFit
    from methods.temporal.macro_checks import Forecast

LARGE_GENRE = 10
"""Careers that a genre needs to have a level of its own."""


class CareerCourses(pa.DataFrameModel):
    """One row a career and year: what was observed, the smooth course, and the one-step forecast.

    `course` uses all years of the career, `forecast` only earlier ones; `forecast_sd` includes the
    sampling error of the year's mean. `length_years` and `amplitude` are posterior means.
    Empty if the fit has not converged.
    """

    artist_id: Series[int]
    artist: Series[str]
    year: Series[int]
    future: Series[bool]
    observed: Series[float]
    sampling_sd: Series[float] = pa.Field(ge=0)
    course: Series[float]
    course_sd: Series[float] = pa.Field(ge=0)
    forecast: Series[float]
    forecast_sd: Series[float] = pa.Field(gt=0)
    amplitude: Series[float] = pa.Field(gt=0)
    length_years: Series[float] = pa.Field(gt=0)


class CareerParameters(pa.DataFrameModel):
    """One row a shared parameter: its posterior, R-hat and bulk effective sample size."""

    parameter: Series[str] = pa.Field(unique=True)
    mean: Series[float]
    sd: Series[float] = pa.Field(ge=0)
    low: Series[float]
    high: Series[float]
    rhat: Series[float]
    ess: Series[float]


class FutureScore(Document):
    """One forecaster on the test years; `skill` is 1 - MSE / MSE of the artist's mean."""

    rmse: float
    skill: float
    log_density: float


class Check(Document):
    """A trait of the data beside the middle 95 % of data sets drawn from the posterior."""

    observed: float
    low: float
    high: float
    p: float


class MacroMetrics(Document):
    """`converged` is false, with the `reason`, where the chains may not be trusted.

    Then `future`, `covered_90` and `checks` are left empty.
    """

    dimension: str
    careers: int
    years_fitted: int
    years_forecast: int
    converged: bool
    reason: str
    worst_rhat: float
    smallest_ess: float
    divergences: int
    typical_length_years: float | None
    future: dict[str, FutureScore]
    covered_90: float | None
    checks: dict[str, Check]


class MacroOutputs(NamedTuple):
    career_courses: Table[CareerCourses]
    career_parameters: Table[CareerParameters]
    macro: MacroMetrics


class _Prepared(NamedTuple):
    """Rows by artist and year; `careers` has them in units of `scale` about `centre`.

    `by_year` is the order of the rows in `panel`, which baselines want by year.
    """

    rows: pd.DataFrame
    past: np.ndarray
    careers: CareerSeries
    covariates: tuple[str, ...]
    centre: float
    scale: float
    panel: Panel
    by_year: np.ndarray


def macro(
    careers: Table[Careers], artists: Table[Artists], *, params: MacroParams, split: SplitParams
) -> MacroOutputs:
    """Sample the model of the past years, and forecast the later ones."""
    from methods.temporal import macro as model
    from methods.temporal.macro_checks import forecast

    prepared = _prepare(careers, artists, params, split.audio_test_from)
    past = prepared.careers.keep(prepared.past)
    fitted = model.fit(past, seed=params.seed, draws=params.draws, tune=params.tune, chains=params.chains)
    verdict = fitted.converged
    metrics = MacroMetrics(
        dimension=params.dimension,
        careers=past.units,
        years_fitted=int(prepared.past.sum()),
        years_forecast=int((~prepared.past).sum()),
        converged=verdict.ok,
        reason=verdict.reason,
        worst_rhat=round(max(verdict.rhat.values()), 4),
        smallest_ess=round(min(verdict.ess.values()), 1),
        divergences=verdict.divergences,
        typical_length_years=None,
        future={},
        covered_90=None,
        checks={},
    )
    parameters = _parameters(fitted, prepared.covariates)
    if not verdict.ok:
        return MacroOutputs(_no_courses(), parameters, metrics)
    found = forecast(fitted, prepared.careers, params.predictive_draws)
    used = {
        "typical_length_years": round(float(np.exp(fitted.draws["mu_l"]).mean()), 3),
        "future": _future(prepared, found),
        "covered_90": _covered(prepared, found),
        "checks": _checks(fitted, past, params),
    }
    courses = _courses(fitted, prepared, found, params)
    return MacroOutputs(courses, parameters, metrics.model_copy(update=used))


def _prepare(careers: pd.DataFrame, artists: pd.DataFrame, params: MacroParams, test_from: int) -> _Prepared:
    from methods.temporal.career_likelihood import Careers as CareerSeries

    rows = _chosen(careers, artists, params, test_from)
    past = (rows["year"] < test_from).to_numpy()
    value = rows[f"{params.dimension}_mean"].to_numpy(float)
    centre, scale = float(value[past].mean()), float(value[past].std())
    by_year = np.argsort(rows["year"].to_numpy(), kind="stable")
    panel = _panel(rows.iloc[by_year], params.dimension)
    noise = np.empty(len(rows))
    noise[by_year] = noise_variance(panel, past[by_year], params.noise_strength)[:, 0]
    start = np.r_[0, np.cumsum(rows.groupby("artist_id").size().to_numpy())].astype(np.int64)
    design, covariates = _design(rows, past)
    series = CareerSeries(
        start, rows["year"].to_numpy(float), (value - centre) / scale, noise / scale**2, design,
        np.ones((len(rows), 1)),
    )  # fmt: skip
    return _Prepared(rows, past, series, covariates, centre, scale, panel, by_year)


def _chosen(
    careers: pd.DataFrame, artists: pd.DataFrame, params: MacroParams, test_from: int
) -> pd.DataFrame:
    """Years of the careers to fit, sorted by artist and year."""
    name = f"{params.dimension}_mean"
    if name not in careers:
        raise ContractError(
            f"emotion-macro: careers.parquet has no column '{name}'; set emotion.macro.dimension to one of "
            "its dimensions"
        )
    rows = usable_careers(careers, artists, params.min_years).dropna(subset=[name])
    past = rows[rows["year"] < test_from].groupby("artist_id").size()
    later = rows.loc[rows["year"] >= test_from, "artist_id"].unique()
    able = past.index[past.between(params.min_years, params.max_years)].intersection(later)
    if len(able) < 10:
        raise ContractError(
            f"emotion-macro: {len(able)} careers have {params.min_years} to {params.max_years} years before "
            f"{test_from} and one after, expected at least 10; lower emotion.macro.min_years"
        )
    rng = np.random.default_rng(params.seed)
    chosen = rng.choice(np.sort(able), size=min(params.careers, len(able)), replace=False)
    rows = rows[rows["artist_id"].isin(chosen)]
    return rows.sort_values(["artist_id", "year"], ignore_index=True)


def _panel(rows: pd.DataFrame, dimension: str) -> Panel:
    year = rows["year"].to_numpy(float)
    unit = np.unique(rows["artist_id"], return_inverse=True)[1].astype(np.int64)
    return Panel(
        unit, np.zeros(len(rows), np.int64), year, year, rows["n_songs"].to_numpy(float),
        rows[[f"{dimension}_mean"]].to_numpy(float), rows[[f"{dimension}_sd"]].to_numpy(float),
    )  # fmt: skip


def _design(rows: pd.DataFrame, past: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Covariates of the mean: calendar and career time, and the larger genres but the largest."""
    decade = (rows["year"].to_numpy(float) - 1980) / 10
    age = (rows["year"] - rows.groupby("artist_id")["year"].transform("min")).to_numpy(float) / 10
    sizes = rows[past].drop_duplicates("artist_id")["genre"].value_counts().sort_index()
    sizes = sizes.sort_values(ascending=False, kind="stable")
    genres = [str(genre) for genre in sizes.index[1:] if sizes[genre] >= LARGE_GENRE]
    columns = [np.ones(len(rows)), decade, decade**2, age]
    columns += [(rows["genre"] == genre).to_numpy(float) for genre in genres]
    return np.column_stack(columns), ("level", "decade", "decade squared", "decades of career", *genres)


def _parameters(fitted: MacroFit, covariates: tuple[str, ...]) -> pd.DataFrame:
    from methods.temporal.macro import SHARED

    rows = []
    for name in SHARED:
        drawn = fitted.draws[name].reshape(len(fitted.draws[name]), -1)
        for column in range(drawn.shape[1]):
            low, high = np.quantile(drawn[:, column], [0.025, 0.975])
            rows.append(
                {
                    "parameter": f"beta {covariates[column]}" if name == "beta" else name,
                    "mean": drawn[:, column].mean(), "sd": drawn[:, column].std(), "low": low, "high": high,
                    "rhat": fitted.converged.rhat[name], "ess": fitted.converged.ess[name],
                }
            )  # fmt: skip
    return pd.DataFrame(rows).round(4)


def _no_courses() -> pd.DataFrame:
    names = CareerCourses.to_schema().columns
    kinds = {"artist": "str", "future": "bool", "artist_id": "int64", "year": "int64"}
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "float64")) for name in names})


def _courses(fitted: MacroFit, prepared: _Prepared, found: Forecast, params: MacroParams) -> pd.DataFrame:
    from methods.temporal.macro_checks import smooth

    series, scale = prepared.careers, prepared.scale
    course = [smooth(fitted, series, unit, params.predictive_draws) for unit in range(series.units)]
    unit = series.unit()
    table = prepared.rows[["artist_id", "artist", "year"]].assign(
        future=~prepared.past,
        observed=prepared.rows[f"{params.dimension}_mean"],
        sampling_sd=np.sqrt(series.noise) * scale,
        course=np.concatenate([mean for mean, _ in course]) * scale + prepared.centre,
        course_sd=np.concatenate([sd for _, sd in course]) * scale,
        forecast=found.mean * scale + prepared.centre,
        forecast_sd=found.sd * scale,
        amplitude=fitted.draws["amplitude"].mean(axis=0)[unit] * scale,
        length_years=fitted.draws["length"].mean(axis=0)[unit],
    )
    return table.round(dict.fromkeys(table.columns[4:], 4))


def _future(prepared: _Prepared, found: Forecast) -> dict[str, FutureScore]:
    """Scores on the test years; the plain forecasts get one error variance from the years before."""
    panel, order = prepared.panel, prepared.by_year
    past, later = prepared.past[order], ~prepared.past[order]
    learn = past & (position(panel.unit) > 0)
    truth = panel.mean[:, 0]
    plain = {
        "persistence": last_value(panel)[:, 0],
        "artist's mean": unit_mean(panel)[:, 0],
        "autoregression": autoregression(panel, learn, mean=True)[:, 0],
    }
    base = float(((truth - plain["artist's mean"])[later] ** 2).mean())
    scores = {}
    for name, guess in plain.items():
        error = (truth - guess) ** 2
        variance = float(error[learn].mean())
        density = -0.5 * (error[later] / variance + np.log(2 * np.pi * variance))
        scores[name] = _score(error[later], density, base)
    here = ~prepared.past
    error = (found.mean - prepared.careers.value) ** 2 * prepared.scale**2
    scores["Gaussian process"] = _score(error[here], found.log_density[here] - np.log(prepared.scale), base)
    return scores


def _score(squares: np.ndarray, density: np.ndarray, base: float) -> FutureScore:
    return FutureScore(
        rmse=round(float(np.sqrt(squares.mean())), 5),
        skill=round(1 - float(squares.mean()) / base, 4),
        log_density=round(float(density.mean()), 4),
    )


def _covered(prepared: _Prepared, found: Forecast) -> float:
    """Share of the test years within the central 90 % of their forecasts."""
    off = np.abs(prepared.careers.value - found.mean) / found.sd
    return round(float((off <= 1.6449)[~prepared.past].mean()), 4)


def _checks(fitted: MacroFit, past: CareerSeries, params: MacroParams) -> dict[str, Check]:
    from methods.temporal.macro_checks import predictive_check

    found = predictive_check(fitted, past, params.predictive_draws, params.seed)
    return {
        name: Check(
            **dict(zip(("observed", "low", "high"), numbers.round(4).tolist(), strict=True)), p=round(p, 4)
        )
        for name, (numbers, p) in found.items()
    }

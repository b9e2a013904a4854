"""Stage emotion-macro: careers as Gaussian processes, one model per dimension.

The model is fitted to the years before the test years (`emotion.split.audio_test_from`) and forecasts
every later year from all earlier years of the career. If the fit has not converged, the metrics say so,
and neither its forecasts nor its courses are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from methods.temporal.career_design import covariates
from methods.temporal.future_scores import covered, future_scores
from methods.temporal.panel import Panel, noise_variance
from statewright.contracts import ContractError, Table
from tasks.emotion.changepoint import usable_careers
from tasks.emotion.contracts.macro import (
    CareerCourses,
    CareerFit,
    CareerParameters,
    Check,
    FutureScore,
    MacroMetrics,
    MacroOutputs,
)
from tasks.emotion.contracts.tables import Artists, Careers
from tasks.emotion.params import MacroParams, SplitParams

if TYPE_CHECKING:
    from methods.temporal.career_forecast import Forecast
    from methods.temporal.careers import Careers as CareerSeries
    from methods.temporal.macro import MacroFit


class _Data(NamedTuple):
    """Rows by artist and year; `careers` has them in units of `scale` about `centre`.

    `by_year` is the order of the rows in `panel`, which the baselines need by year.
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
    """Sample the model of the past years and forecast the later ones, by dimension."""
    courses, parameters, metrics = [], [], {}
    for dimension in params.dimensions:
        data = _prepare(careers, artists, dimension, params, split.audio_test_from)
        course, parameter, metrics[dimension] = _dimension(data, dimension, params)
        courses.append(course.assign(dimension=dimension))
        parameters.append(parameter.assign(dimension=dimension))
    return MacroOutputs(
        pd.concat(courses, ignore_index=True)[list(CareerCourses.to_schema().columns)],
        pd.concat(parameters, ignore_index=True)[list(CareerParameters.to_schema().columns)],
        MacroMetrics(dimensions=metrics),
    )


def _dimension(
    data: _Data, dimension: str, params: MacroParams
) -> tuple[pd.DataFrame, pd.DataFrame, CareerFit]:
    from methods.temporal import macro as model
    from methods.temporal.career_forecast import forecast

    past = data.careers.keep(data.past)
    fitted = model.fit(
        past, seed=params.seed, draws=params.draws, tune=params.tune, chains=params.chains,
        target_accept=params.target_accept,
    )  # fmt: skip
    verdict = fitted.converged
    metrics = CareerFit(
        careers=past.units,
        years_fitted=int(data.past.sum()),
        years_forecast=int((~data.past).sum()),
        converged=verdict.ok,
        reason=verdict.reason,
        worst_rhat=round(max(verdict.rhat.values()), 4),
        smallest_ess=round(min(verdict.ess.values()), 1),
        worst_mixing=min(verdict.ess, key=lambda name: verdict.ess[name]),
        divergences=verdict.divergences,
    )
    parameters = _parameters(fitted, data.covariates)
    if not verdict.ok:
        return _no_courses(), parameters, metrics
    forecasts = forecast(fitted, data.careers, params.predictive_draws)
    later = ~data.past
    results = {
        "typical_length_years": round(float(np.exp(fitted.draws["mu_l"]).mean()), 3),
        "future": _future(data, forecasts),
        "covered_90": round(
            covered(data.careers.value[later], forecasts.mean[later], forecasts.sd[later]), 4
        ),
        "checks": _checks(fitted, past, params),
    }
    return (
        _courses(fitted, data, forecasts, dimension, params),
        parameters,
        metrics.model_copy(update=results),
    )


def _prepare(
    careers: pd.DataFrame, artists: pd.DataFrame, dimension: str, params: MacroParams, test_from: int
) -> _Data:
    from methods.temporal.careers import Careers as CareerSeries

    rows = _chosen(careers, artists, dimension, params, test_from)
    past = (rows["year"] < test_from).to_numpy()
    value = rows[f"{dimension}_mean"].to_numpy(float)
    centre, scale = float(value[past].mean()), float(value[past].std())
    by_year = np.argsort(rows["year"].to_numpy(), kind="stable")
    panel = _panel(rows.iloc[by_year], dimension)
    noise = np.empty(len(rows))
    noise[by_year] = noise_variance(panel, past[by_year], params.noise_strength)[:, 0]
    start = np.r_[0, np.cumsum(rows.groupby("artist_id").size().to_numpy())].astype(np.int64)
    unit = np.unique(rows["artist_id"], return_inverse=True)[1].astype(np.int64)
    design, names = covariates(rows["year"].to_numpy(float), unit, rows["genre"].astype(str), past)
    series = CareerSeries(
        start, rows["year"].to_numpy(float), (value - centre) / scale, noise / scale**2, design,
        np.ones((len(rows), 1)),
    )  # fmt: skip
    return _Data(rows, past, series, names, centre, scale, panel, by_year)


def _chosen(
    careers: pd.DataFrame, artists: pd.DataFrame, dimension: str, params: MacroParams, test_from: int
) -> pd.DataFrame:
    """Return the years of the careers to fit, sorted by artist and year."""
    name = f"{dimension}_mean"
    if name not in careers:
        raise ContractError(
            f"emotion-macro: careers.parquet has no column '{name}'; set emotion.macro.dimensions to "
            "dimensions that it has"
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


def _parameters(fitted: MacroFit, names: tuple[str, ...]) -> pd.DataFrame:
    from methods.temporal.macro import SHARED

    rows = []
    for name in SHARED:
        drawn = fitted.draws[name].reshape(len(fitted.draws[name]), -1)
        for index, column in enumerate(drawn.T):
            label = f"{name} {index}" if drawn.shape[1] > 1 else name
            low, high = np.quantile(column, [0.025, 0.975])
            rows.append(
                {
                    "parameter": f"beta {names[index]}" if name == "beta" else name,
                    "mean": column.mean(), "sd": column.std(), "low": low, "high": high,
                    "rhat": fitted.converged.rhat[label], "ess": fitted.converged.ess[label],
                }
            )  # fmt: skip
    return pd.DataFrame(rows).round(4)


def _no_courses() -> pd.DataFrame:
    names = CareerCourses.to_schema().columns
    kinds = {"dimension": "str", "artist": "str", "future": "bool", "artist_id": "int64", "year": "int64"}
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "float64")) for name in names})


def _courses(
    fitted: MacroFit, data: _Data, forecasts: Forecast, dimension: str, params: MacroParams
) -> pd.DataFrame:
    from methods.temporal.career_forecast import smooth

    series, scale = data.careers, data.scale
    course = [smooth(fitted, series, unit, params.predictive_draws) for unit in range(series.units)]
    unit = series.unit()
    amplitude, length = fitted.draws["amplitude"] * scale, fitted.draws["length"]
    bounds = {
        f"{name}_{end}": np.quantile(drawn, q, axis=0)[unit]
        for name, drawn in (("amplitude", amplitude), ("length", length))
        for end, q in (("low", 0.025), ("high", 0.975))
    }
    table = data.rows[["artist_id", "artist", "year"]].assign(
        future=~data.past,
        observed=data.rows[f"{dimension}_mean"],
        sampling_sd=np.sqrt(series.noise) * scale,
        course=np.concatenate([mean for mean, _ in course]) * scale + data.centre,
        course_sd=np.concatenate([sd for _, sd in course]) * scale,
        forecast=forecasts.mean * scale + data.centre,
        forecast_sd=forecasts.sd * scale,
        amplitude=amplitude.mean(axis=0)[unit],
        length_years=length.mean(axis=0)[unit],
        **bounds,
    )
    return table.round(dict.fromkeys(table.columns[4:], 4))


def _future(data: _Data, forecasts: Forecast) -> dict[str, FutureScore]:
    """Score the forecasts in the units of the table, in the order of the panel."""
    order = data.by_year
    mean = forecasts.mean * data.scale + data.centre
    density = forecasts.log_density - np.log(data.scale)
    scores = future_scores(data.panel, data.past[order], mean[order], density[order])
    return {
        name: FutureScore(
            rmse=round(score.rmse, 5), skill=round(score.skill, 4), log_density=round(score.log_density, 4)
        )
        for name, score in scores.items()
    }


def _checks(fitted: MacroFit, past: CareerSeries, params: MacroParams) -> dict[str, Check]:
    from methods.temporal.macro_checks import predictive_check

    checks = predictive_check(fitted, past, params.predictive_draws, params.seed)
    return {
        name: Check(
            **dict(zip(("observed", "low", "high"), numbers.round(4).tolist(), strict=True)), p=round(p, 4)
        )
        for name, (numbers, p) in checks.items()
    }

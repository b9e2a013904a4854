"""Stage emotion-changepoint: change points of careers, and of music as a whole.

Interpretation of the posterior. *Careers*: an artist's dimensions persist from year to year, and a yearly
mean has the known error of its songs. A change is a new level that this persistence does not explain. A
career is reported as changed if a test against simulated careers without a change says so.
*Levels* (``music``, ``charts``): the years that cut the series into regimes of constant mean and
covariance; a slow trend is cut into steps too. *Innovations* (``music innovations``, ``charts
innovations``): the residuals of a first-order autoregression, so a change there is one of drift or
volatility that persistence alone does not cause. A change that only the levels show may be persistence.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from statewright.contracts import Table
from tasks.emotion.contracts.changes import (
    CareerMetrics,
    CareerModel,
    CareerTests,
    ChangeCounts,
    ChangepointMetrics,
    Changes,
    Landmark,
    RegimeModel,
    WholeMetrics,
)
from tasks.emotion.contracts.tables import Artists, Careers, Years
from tasks.emotion.params import ChangepointParams
from tasks.emotion.series.career_changes import level_changes, persistent_changes
from tasks.emotion.series.persistence import components
from tasks.emotion.series.regimes import (
    Panel,
    innovations,
    persistent_copies,
    regime_prior,
    standardise,
    unit_information_prior,
)

if TYPE_CHECKING:
    from methods.changepoint import ChangePointPosterior, NormalInverseWishart, TrendRegimes

# Mauch, MacCallum, Levy, Leroi, The evolution of popular music, R. Soc. Open Sci. 2 (2015): US charts.
MAUCH_2015 = (1964, 1983, 1991)


class ChangepointOutputs(NamedTuple):
    """Outputs of the stage."""

    changes: Table[Changes]
    change_counts: Table[ChangeCounts]
    career_tests: Table[CareerTests]
    changepoint: ChangepointMetrics


class SeriesPosterior(NamedTuple):
    """Posterior of one series; `panel` holds its rows only."""

    series: str
    artist_id: float
    panel: Panel
    posterior: ChangePointPosterior


def changepoint(
    careers: Table[Careers], artists: Table[Artists], years: Table[Years], *, params: ChangepointParams
) -> ChangepointOutputs:
    """Find the exact posterior of the change points of every series."""
    posteriors, whole = [], {}
    for source in ("music", "charts"):
        for series, metrics in _whole(years, source, params):
            posteriors.append(series)
            whole[series.series] = metrics
    of_careers, tests, career_metrics = _careers(usable_careers(careers, artists, params.min_years), params)
    posteriors += of_careers
    return ChangepointOutputs(
        pd.concat([_change_rows(series, params) for series in posteriors], ignore_index=True),
        pd.concat([_count_rows(series) for series in posteriors], ignore_index=True),
        tests,
        ChangepointMetrics(whole=whole, careers=career_metrics),
    )


def usable_careers(careers: pd.DataFrame, artists: pd.DataFrame, min_years: int) -> pd.DataFrame:
    """Return careers of enough years, without reissues and ambiguous names."""
    known = artists.loc[~artists["ambiguous"], ["artist_id", "artist", "genre"]]
    rows = careers.merge(known, on="artist_id")
    if "reissue" in rows:
        rows = rows[~rows["reissue"]]
    enough = rows.groupby("artist_id")["year"].transform("size") >= min_years
    return rows[enough].sort_values(["artist_id", "year"], ignore_index=True)


def _careers(
    rows: pd.DataFrame, params: ChangepointParams
) -> tuple[list[SeriesPosterior], pd.DataFrame, CareerMetrics]:
    panel = standardise(rows, params.dimensions, rows["artist_id"].to_numpy())
    spread = rows[[f"{dim}_sd" for dim in params.dimensions]].to_numpy(float) / panel.scale
    careers = components(panel, rows["n_songs"].to_numpy(float), spread)
    persistent = persistent_changes(careers, params)
    levels = level_changes(panel, careers, persistent.null, params)
    posteriors = []
    for index, posterior in zip(careers.rows, persistent.posteriors, strict=True):
        part = panel._replace(year=panel.year[index], values=panel.values[index])
        means = careers.values(posterior.regime_means, part.year)
        artist = rows.iloc[index[0]]
        posteriors.append(
            SeriesPosterior(
                artist["artist"], float(artist["artist_id"]), part, replace(posterior, regime_means=means)
            )
        )
    changed = np.array([1 - posterior.count_probability[0] for posterior in persistent.posteriors])
    tests = pd.DataFrame(
        {
            "series": [series.series for series in posteriors],
            "artist_id": [series.artist_id for series in posteriors],
            "probability": changed.clip(0, 1).round(6),
            "p_value": persistent.p_values.round(6),
            "adjusted": persistent.adjusted.round(6),
            "changed": persistent.adjusted <= params.career_false_discovery_rate,
        }
    )
    metrics = CareerMetrics(
        careers=len(tests),
        changed=int(tests["changed"].sum()),
        false_discovery_rate=params.career_false_discovery_rate,
        smallest_p=round(float(persistent.p_values.min()), 6),
        rate=round(persistent.rate, 6),
        gain=round(persistent.gain, 4),
        noise_ratio=round(panel.noise_ratio, 6),
        persistent=_career_model(
            changed, persistent.null_changed, persistent.log_likelihood + persistent.gain
        ),
        levels=_career_model(levels.changed, levels.null_changed, levels.log_evidence),
    )
    return posteriors, tests, metrics


def _career_model(changed: np.ndarray, null: np.ndarray, log_evidence: float) -> CareerModel:
    return CareerModel(
        log_evidence=round(log_evidence, 4),
        mean_probability=round(float(changed.mean()), 6),
        certain=int((changed > 0.9).sum()),
        likely=int((changed > 0.5).sum()),
        null_mean_probability=round(float(null.mean()), 6),
        null_certain=round(float((null > 0.9).sum(axis=1).mean()), 4),
        null_likely=round(float((null > 0.5).sum(axis=1).mean()), 4),
    )


def _whole(
    years: pd.DataFrame, source: str, params: ChangepointParams
) -> list[tuple[SeriesPosterior, WholeMetrics]]:
    means = [f"{dim}_mean" for dim in params.dimensions]
    rows = years[(years["source"] == source) & (years["n_songs"] >= params.min_songs)]
    rows = rows.dropna(subset=means).sort_values("year", ignore_index=True)
    if len(rows) < params.min_years:
        raise ValueError(
            f"emotion-changepoint: years.parquet has {len(rows)} years of source '{source}' with "
            f"{params.min_songs} songs or more; expected at least {params.min_years}. "
            "Lower emotion.changepoint.min_songs or add years to the source."
        )
    levels = standardise(rows, params.dimensions, np.zeros(len(rows)))
    changes = innovations(levels)
    posterior, metrics = _fit_whole(source, levels, regime_prior(levels, params.years_strength), params)
    return [
        (
            posterior,
            metrics.model_copy(
                update={"models": _models(levels, params)} | _persistence(levels, posterior, params)
            ),
        ),
        _fit_whole(
            f"{source} innovations", changes, unit_information_prior(changes, params.years_strength), params
        ),
    ]


def _fit_whole(
    name: str, panel: Panel, prior: NormalInverseWishart, params: ChangepointParams
) -> tuple[SeriesPosterior, WholeMetrics]:
    from methods.changepoint import exact_posterior

    model = (prior, params.years_rate, params.years_min_length, params.k_max)
    posterior = exact_posterior(panel.values, *model, weights=panel.weights, draws=0)
    first = 0 if name.endswith("innovations") else 1
    compared = exact_posterior(panel.values[first:], *model, weights=panel.weights[first:], draws=0)
    year, locations = panel.year, posterior.map_locations
    probability = posterior.location_probability
    metrics = WholeMetrics(
        years=len(year),
        expected_changes=round(float(probability.sum()), 6),
        probability_of_change=round(1 - float(posterior.count_probability[0]), 6),
        map_changes=len(locations),
        log_evidence=round(compared.log_evidence, 4),
        mauch={str(target): _landmark(target, year, posterior, params.near) for target in MAUCH_2015},
        mauch_chance=_chance_of_being_as_near(year, locations, params),
        models={},
    )
    return SeriesPosterior(name, np.nan, panel, posterior), metrics


def _persistence(panel: Panel, found: SeriesPosterior, params: ChangepointParams) -> dict[str, float]:
    """Find changes of level in series that persist like this one but do not change."""
    from methods.changepoint import exact_posterior

    year, rng = panel.year, np.random.default_rng(params.seed)
    changes = []
    for values in persistent_copies(panel, params.simulations, rng):
        copy = panel._replace(values=values)
        posterior = exact_posterior(
            values, regime_prior(copy, params.years_strength), params.years_rate, params.years_min_length,
            params.k_max, weights=panel.weights, draws=0,
        )  # fmt: skip
        changes.append(year[posterior.map_locations])
    observed = year[found.posterior.map_locations]
    # Without a change in the series itself, every other series is as near.
    as_near = [
        len(observed) == 0 or (len(cuts) > 0 and bool(_distance(cuts) <= _distance(observed)))
        for cuts in changes
    ]
    return {
        "persistent_chance": round(float(np.mean(as_near)), 4),
        "persistent_changes": round(float(np.mean([len(cuts) for cuts in changes])), 4),
    }


def _models(panel: Panel, params: ChangepointParams) -> dict[str, RegimeModel]:
    """Compare regimes of one level with regimes of a trend and correlated noise."""
    from methods.changepoint import TrendRegimes, exact_posterior
    from methods.changepoint.waic import UNRELIABLE_VARIANCE

    priors: dict[str, tuple[NormalInverseWishart | TrendRegimes, np.ndarray]] = {
        "levels": (regime_prior(panel, params.years_strength), panel.weights),
        "trends": (
            TrendRegimes.robust(panel.values),
            np.tile(panel.weights[:, None] / panel.weights.mean(), panel.values.shape[1]),
        ),
    }
    models = {}
    for name, (prior, weights) in priors.items():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the variance of the log likelihood")  # counted below
            posterior = exact_posterior(
                panel.values, prior, params.years_rate, params.years_min_length, params.k_max,
                weights=weights, seed=params.seed,
            )  # fmt: skip
        if posterior.waic is None:
            raise RuntimeError(
                f"emotion-changepoint: no WAIC for the model '{name}'; it needs posterior draws"
            )
        models[name] = RegimeModel(
            waic=round(posterior.waic.value, 3),
            unreliable=int((posterior.waic.variances > UNRELIABLE_VARIANCE).sum()),
            log_evidence=round(posterior.log_evidence, 4),
            expected_changes=round(float(posterior.location_probability.sum()), 6),
            near={
                str(target): _landmark(target, panel.year, posterior, params.near).within
                for target in MAUCH_2015
            },
        )
    return models


def _landmark(target: int, year: np.ndarray, posterior: ChangePointPosterior, near: int) -> Landmark:
    # Regimes are longer than the window, so it holds one change at most and probabilities add.
    within = float(posterior.location_probability[np.abs(year - target) <= near].sum())
    if len(posterior.map_locations) == 0:
        return Landmark(nearest=0, distance=int(np.ptp(year)), within=round(within, 6))
    changes = year[posterior.map_locations]
    nearest = int(changes[np.abs(changes - target).argmin()])
    return Landmark(nearest=nearest, distance=abs(nearest - target), within=round(within, 6))


def _chance_of_being_as_near(year: np.ndarray, locations: np.ndarray, params: ChangepointParams) -> float:
    """Return the share of random placements that are as near to the published years."""
    if len(locations) == 0:
        return 1.0
    # A composition with parts of at least m corresponds to one of a shorter series with parts of at least 1.
    k, shortest = len(locations), params.years_min_length
    positions = np.arange(1, len(year) - (k + 1) * (shortest - 1))
    rng = np.random.default_rng(params.seed)
    cuts = np.sort(rng.permuted(np.tile(positions, (10_000, 1)), axis=1)[:, :k], axis=1)
    drawn = year[cuts + np.arange(1, k + 1) * (shortest - 1)]
    return round(float((_distance(drawn) <= _distance(year[locations])).mean()), 4)


def _distance(changes: np.ndarray) -> np.ndarray:
    """Sum the distances of the published years to the nearest change (last axis)."""
    return np.sum([np.abs(changes - target).min(axis=-1) for target in MAUCH_2015], axis=0)


def _change_rows(series: SeriesPosterior, params: ChangepointParams) -> pd.DataFrame:
    posterior, panel = series.posterior, series.panel
    is_map = np.zeros(len(panel.year), dtype=bool)
    is_map[posterior.map_locations] = True
    is_level = not series.series.endswith("innovations") or np.isfinite(series.artist_id)
    regimes = panel.centre + panel.scale * posterior.regime_means if is_level else np.nan
    table = {
        "series": series.series,
        "artist_id": series.artist_id,
        "year": panel.year.astype(int),
        "probability": posterior.location_probability.round(6),
        "is_map": is_map,
    }
    table |= dict.fromkeys(f"{dim}_regime" for dim in params.dimensions)
    rows = pd.DataFrame(table)
    rows[[f"{dim}_regime" for dim in params.dimensions]] = np.round(regimes, 6)
    return rows


def _count_rows(series: SeriesPosterior) -> pd.DataFrame:
    probability = series.posterior.count_probability.round(6)
    counts = np.flatnonzero(probability > 0)
    return pd.DataFrame(
        {
            "series": series.series,
            "artist_id": series.artist_id,
            "k": counts,
            "probability": probability[counts],
        }
    )

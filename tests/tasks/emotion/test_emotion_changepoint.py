"""Change points of real careers: planted changes, noise, consistent posterior."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from statewright.contracts import check
from tasks.emotion.changepoint import (
    MAUCH_2015,
    ChangepointOutputs,
    _chance_of_being_as_near,
    changepoint,
    usable_careers,
)
from tasks.emotion.params import ChangepointParams
from tasks.emotion.sections import music
from tasks.emotion.series.career_changes import persistent_changes
from tasks.emotion.series.persistence import components, song_variances
from tasks.emotion.series.regimes import innovations, persistent_copies, standardise

SOURCE = Path(__file__).parents[3] / "data/source"
DIMENSIONS = ("valence", "energy", "acousticness", "danceability")


def source_tables(artists: int = 60) -> dict[str, pd.DataFrame]:
    """Tables of preprocess that this stage reads, from the committed source."""
    careers = pd.read_parquet(SOURCE / "career_audio.parquet").astype({"year": int})
    kept = careers.groupby("artist_id")["year"].size().nlargest(artists).index
    careers = careers[careers["artist_id"].isin(kept)].assign(thin=lambda rows: rows["n_songs"] < 3)
    names = pd.read_parquet(SOURCE / "artists.parquet").assign(ambiguous=False)
    charts = pd.read_parquet(SOURCE / "chart_years.parquet").rename(columns={"n_songs_audio": "n_songs"})
    music = pd.read_parquet(SOURCE / "music_years.parquet")
    years = pd.concat([music.assign(source="music"), charts.assign(source="charts")], ignore_index=True)
    years = years.assign(n_songs=years["n_songs"].fillna(0).astype(int), year=years["year"].astype(int))
    return {"careers": careers, "artists": names, "years": years}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return source_tables()


@pytest.fixture(scope="module")
def outputs(tables) -> ChangepointOutputs:
    return changepoint(**tables, params=shipped_params(ChangepointParams, "emotion.changepoint"))


def test_keeps_the_contracts_and_repeats(tables, outputs):
    for name, contract in get_type_hints(ChangepointOutputs, include_extras=True).items():
        check(getattr(outputs, name), contract, name)
    again = changepoint(**tables, params=shipped_params(ChangepointParams, "emotion.changepoint"))
    pd.testing.assert_frame_equal(again.changes, outputs.changes, check_exact=True)
    assert again.changepoint == outputs.changepoint


def test_years_and_counts_agree(outputs):
    # E[K] is the sum of the location probabilities; both are rounded to six digits.
    by = ["series", "artist_id"]
    located = outputs.changes.groupby(by, dropna=False)["probability"].sum()
    counted = outputs.change_counts.assign(part=lambda rows: rows["k"] * rows["probability"])
    expected = counted.groupby(by, dropna=False)["part"].sum()
    np.testing.assert_allclose(located, expected[located.index], atol=2e-4)
    np.testing.assert_allclose(counted.groupby(by, dropna=False)["probability"].sum(), 1, atol=2e-5)


def test_a_planted_change_is_found_in_its_year(tables, outputs):
    # The songs of four real careers without a clear change become happier by 0.5 from one year on.
    tests = outputs.career_tests
    calm = tests[(tests["probability"] < 0.2) & (tests["p_value"] > 0.3)]["artist_id"].astype(int).head(4)
    assert len(calm) == 4
    careers, planted = tables["careers"].copy(), {}
    for artist_id in calm:
        rows = careers["artist_id"] == artist_id
        planted[artist_id] = int(np.sort(careers.loc[rows, "year"])[rows.sum() // 2])
        late = rows & (careers["year"] >= planted[artist_id])
        careers.loc[late, "valence_mean"] += 0.5
    after = changepoint(
        **(tables | {"careers": careers}), params=shipped_params(ChangepointParams, "emotion.changepoint")
    )
    assert after.career_tests.set_index("artist_id").loc[list(planted), "changed"].all()
    for artist_id, year in planted.items():
        found = after.changes[after.changes["artist_id"] == artist_id]
        assert found.loc[found["is_map"], "year"].sub(year).abs().min() <= 3
        regime = found.set_index("year")["valence_regime"]
        assert regime.loc[year:].mean() - regime.loc[: year - 1].mean() > 0.25


def test_noise_of_thin_years_is_recovered():
    # tau^2 = 1, sigma^2 = 4 in every dimension, means of 1 to 20 songs: ratio 0.25, with 4,000
    # years known to about 5 %.
    rng = np.random.default_rng(0)
    n = rng.integers(1, 21, size=4000)
    group = np.repeat(np.arange(400), 10)
    level = 3 * rng.normal(size=400)[group]
    table = {"n_songs": n, "year": np.tile(np.arange(10), 400)}
    for dim in DIMENSIONS:
        table[f"{dim}_mean"] = level + rng.normal(size=4000) + 2 * rng.normal(size=4000) / np.sqrt(n)
        table[f"{dim}_sd"] = np.where(
            n > 1, 2 * np.sqrt(rng.chisquare(np.maximum(n - 1, 1)) / (n - 1 + (n == 1))), np.nan
        )
    panel = standardise(pd.DataFrame(table), DIMENSIONS, group)
    assert panel.noise_ratio == pytest.approx(0.25, abs=0.03)
    np.testing.assert_allclose(panel.weights, 1 / (panel.noise_ratio + 1 / n))


def test_innovations_of_an_autoregression_are_its_errors():
    rng = np.random.default_rng(1)
    errors = rng.normal(size=(2000, 4))
    values = np.zeros((2000, 4))
    for t in range(1, 2000):
        values[t] = 0.9 * values[t - 1] + errors[t]
    table = pd.DataFrame(values, columns=[f"{dim}_mean" for dim in DIMENSIONS])
    table = table.assign(n_songs=1000, year=range(2000), **{f"{dim}_sd": 0.01 for dim in DIMENSIONS})
    panel = standardise(table, DIMENSIONS, np.zeros(2000))
    found = innovations(panel).values * panel.scale
    # The fitted slope misses 0.9 by about 0.01, times values of about 2.3.
    np.testing.assert_allclose(found - found.mean(axis=0), errors[1:] - errors[1:].mean(axis=0), atol=0.3)
    assert np.corrcoef(found[:, 0], errors[1:, 0])[0, 1] > 0.999


def test_charts_change_near_the_published_years_only_without_persistence(outputs):
    # Regimes of constant years put changes beside the three published ones, but a model with trend and
    # persistence has the higher evidence and denies all three.
    charts = outputs.changepoint.whole["charts"]
    assert all(charts.mauch[str(year)].distance <= 1 for year in MAUCH_2015)
    assert charts.models["trends"].log_evidence > charts.models["levels"].log_evidence + 3
    assert all(charts.models["trends"].near[str(year)] < 0.05 for year in MAUCH_2015)
    # Series that persist and drift without a change are cut by constant years as often as the charts.
    assert charts.persistent_changes > 0.5 * charts.map_changes
    assert charts.persistent_chance > charts.mauch_chance / 2


def test_findings_say_what_the_better_model_says(outputs):
    all_music, charts = music.finding(outputs)
    trends = outputs.changepoint.whole["charts"].models["trends"]
    for text in (all_music, charts):
        assert "would split into constant periods" in text
        assert "series that persist without a change would be as near" in text
    assert f"and have {trends.expected_changes:.1f} changes on average" in charts
    levels = outputs.changepoint.whole["charts"].model_copy(
        update={"models": {**outputs.changepoint.whole["charts"].models, "trends": trends.model_copy(
            update={"log_evidence": -1e6})}}
    )  # fmt: skip
    metrics = outputs.changepoint.model_copy(update={"whole": outputs.changepoint.whole | {"charts": levels}})
    assert not music.drifts("charts", metrics)
    assert "changed character most probably in" in music.finding(outputs._replace(changepoint=metrics))[1]


def test_careers_without_a_change_are_not_reported(outputs):
    careers = outputs.changepoint.careers
    tests = outputs.career_tests
    assert careers.changed == tests["changed"].sum()
    assert (tests["changed"] == (tests["adjusted"] <= careers.false_discovery_rate)).all()
    # Regimes of independent years call simulated persistence a change; persistent regimes do not.
    assert careers.levels.null_certain > 0.3 * careers.levels.certain
    assert careers.persistent.null_certain < 1.5
    assert careers.persistent.log_evidence > careers.levels.log_evidence + 20
    probability = tests.set_index("artist_id")["probability"]
    unchanged = outputs.change_counts.dropna(subset="artist_id").query("k == 0").set_index("artist_id")
    np.testing.assert_allclose(1 - probability[unchanged.index], unchanged["probability"], atol=2e-6)


def persistent_careers(careers: int, seed: int) -> pd.DataFrame:
    """Draw careers with a level, an Ornstein-Uhlenbeck process and noise of songs.

    The variances are those of the maximum of the likelihood on the real careers, in units of the songs'.
    """
    rng, parts = np.random.default_rng(seed), []
    for artist in range(careers):
        year = np.sort(rng.choice(np.arange(1960, 2000), rng.integers(10, 22), replace=False))
        n = rng.integers(2, 30, len(year))
        process = 0.21 * 0.92 ** np.abs(year[:, None] - year)
        factor = np.linalg.cholesky(1.0 + process + np.diag(0.05 + 1.0 / n))
        values = factor @ rng.normal(size=(len(year), 4))
        table = {"artist_id": artist, "year": year, "n_songs": n}
        for a, dim in enumerate(DIMENSIONS):
            table[f"{dim}_mean"] = values[:, a]
            table[f"{dim}_sd"] = np.sqrt(rng.chisquare(n - 1) / (n - 1))
        parts.append(pd.DataFrame(table))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.slow
def test_simulated_careers_without_a_change_are_not_called_changed():
    # The model is fitted to the simulated careers themselves. Ten further careers have a step of two.
    rows = persistent_careers(70, seed=5)
    late = rows["year"] >= rows.groupby("artist_id")["year"].transform("median")
    stepped = late & (rows["artist_id"] >= 60)
    rows.loc[stepped, [f"{dim}_mean" for dim in DIMENSIONS]] += 2.0
    panel = standardise(rows, DIMENSIONS, rows["artist_id"].to_numpy())
    spread = rows[[f"{dim}_sd" for dim in DIMENSIONS]].to_numpy(float) / panel.scale
    params = shipped_params(ChangepointParams, "emotion.changepoint", career_simulations=2)
    found = persistent_changes(components(panel, rows["n_songs"].to_numpy(float), spread), params)
    changed = np.array([1 - posterior.count_probability[0] for posterior in found.posteriors])
    # Under regimes of constant years 40 to 51 of 558 such careers are certain, 8 %.
    assert np.sum(changed[:60] > 0.9) <= 2
    assert np.mean(found.adjusted[60:] <= params.career_false_discovery_rate) >= 0.8
    # Expected are 10 % of false discoveries among about 11.
    assert np.sum(found.adjusted[:60] <= params.career_false_discovery_rate) <= 4


def test_components_are_uncorrelated_and_turn_back(tables):
    rows = usable_careers(tables["careers"], tables["artists"], 8)
    panel = standardise(rows, DIMENSIONS, rows["artist_id"].to_numpy())
    spread = rows[[f"{dim}_sd" for dim in DIMENSIONS]].to_numpy(float) / panel.scale
    careers = components(panel, rows["n_songs"].to_numpy(float), spread)
    joined = np.concatenate([one.y for one in careers.series])
    correlation = np.corrcoef(joined.T)
    np.testing.assert_allclose(correlation, np.eye(4), atol=1e-9)
    for one, index in zip(careers.series, careers.rows, strict=True):
        np.testing.assert_allclose(careers.values(one.y, panel.year[index]), panel.values[index], atol=1e-10)
    # The variance of a linear map of all rows: log |det| is the change of the log density of one row.
    sign, ratio = np.linalg.slogdet(np.cov(joined.T))
    drifting = np.outer(panel.year - panel.year.mean(), careers.drift)
    assert sign == 1
    assert ratio / 2 - np.linalg.slogdet(np.cov((panel.values - drifting).T))[1] / 2 == pytest.approx(
        careers.log_jacobian, abs=1e-9
    )


def test_song_variances_are_shrunk_to_the_truth():
    # True variances of artists are inverse gamma around 2, with the squared coefficient of variation 0.25.
    rng = np.random.default_rng(3)
    true = 2 * 5 / rng.gamma(6, 1, size=(400, 1))
    group, n = np.repeat(np.arange(400), 10), rng.integers(1, 9, size=4000)
    freedom = np.maximum(n - 1, 1)
    spread = np.where(n > 1, np.sqrt(true[group, 0] * rng.chisquare(freedom) / freedom), np.nan)[:, None]
    shrunk = song_variances(spread, n.astype(float), group)
    known = n > 1
    own = np.array(
        [np.average(spread[rows, 0] ** 2, weights=n[rows] - 1) for rows in _rows_of(group, known, 400)]
    )
    assert np.mean((shrunk[:, 0] - true[:, 0]) ** 2) < 0.85 * np.mean((own - true[:, 0]) ** 2)
    # The mean of 400 artists with a coefficient of variation of 0.5 is known to 2.5 %; four of those.
    assert shrunk.mean() == pytest.approx(2.0, rel=0.1)


def _rows_of(group: np.ndarray, known: np.ndarray, groups: int) -> list[np.ndarray]:
    return [np.flatnonzero(known & (group == number)) for number in range(groups)]


def test_persistent_copies_persist_like_the_series():
    rng = np.random.default_rng(4)
    values = np.zeros((60, 4))
    for t in range(1, 60):
        values[t] = 0.8 * values[t - 1] + rng.normal(size=4)
    table = pd.DataFrame(values, columns=[f"{dim}_mean" for dim in DIMENSIONS])
    table = table.assign(n_songs=1000, year=range(60), **{f"{dim}_sd": 0.01 for dim in DIMENSIONS})
    panel = standardise(table, DIMENSIONS, np.zeros(60))
    copies = persistent_copies(panel, 300, np.random.default_rng(5))
    np.testing.assert_array_equal(copies[:, 0], np.tile(panel.values[0], (300, 1)))
    lagged = [np.corrcoef(copy[:-1, a], copy[1:, a])[0, 1] for copy in copies for a in range(4)]
    own = np.mean([np.corrcoef(panel.values[:-1, a], panel.values[1:, a])[0, 1] for a in range(4)])
    # With the bias corrected, a copy has on average the autocorrelation that the series shows.
    assert np.mean(lagged) == pytest.approx(own, abs=0.06)


def test_levels_and_trends_are_compared_on_the_same_years(outputs):
    for name in ("music", "charts"):
        whole = outputs.changepoint.whole[name]
        levels, trends = whole.models["levels"], whole.models["trends"]
        assert levels.expected_changes == whole.expected_changes
        assert levels.near == {year: found.within for year, found in whole.mauch.items()}
        # A regime with a trend need not be cut into steps.
        assert trends.expected_changes < levels.expected_changes
        assert trends.log_evidence > levels.log_evidence
    assert outputs.changepoint.whole["music innovations"].models == {}


@pytest.mark.parametrize("locations", [[4], [10], [5, 30], [2, 40]])
def test_chance_of_nearness_equals_enumeration(locations):
    year, params = (
        np.arange(1955, 2000),
        shipped_params(ChangepointParams, "emotion.changepoint", near=1, years_min_length=3),
    )
    admissible = [
        cuts
        for cuts in itertools.combinations(range(1, 45), len(locations))
        if min(np.diff([0, *cuts, 45])) >= 3
    ]

    def distance(cuts) -> int:
        return sum(min(abs(year[cut] - target) for cut in cuts) for target in MAUCH_2015)

    expected = np.mean([distance(cuts) <= distance(locations) for cuts in admissible])
    found = _chance_of_being_as_near(year, np.array(locations), params)
    # Four standard errors of a share of 10,000 draws.
    assert found == pytest.approx(expected, abs=4 * 0.5 / 100)


def test_too_few_years_is_an_error(tables):
    years = tables["years"]
    short = years[(years["source"] == "music") | (years["year"] < 1965)]
    with pytest.raises(ValueError, match=r"5 years of source 'charts'.*min_songs"):
        changepoint(
            **(tables | {"years": short}), params=shipped_params(ChangepointParams, "emotion.changepoint")
        )


def test_window_must_fit_in_a_regime():
    with pytest.raises(ValueError, match="at most years_min_length"):
        shipped_params(ChangepointParams, "emotion.changepoint", near=2, years_min_length=3)

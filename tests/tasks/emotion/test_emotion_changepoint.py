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
from tasks.emotion.changepoint import MAUCH_2015, ChangepointOutputs, _chance_of_being_as_near, changepoint
from tasks.emotion.params import ChangepointParams
from tasks.emotion.series.regimes import innovations, standardise

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
    counts = outputs.change_counts.dropna(subset="artist_id")
    calm = counts[(counts["k"] == 0) & (counts["probability"] > 0.6)]["artist_id"].astype(int).head(4)
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


def test_charts_change_near_the_published_years(outputs):
    found = outputs.changepoint.whole["charts"].mauch
    assert all(found[str(year)].distance <= 1 for year in MAUCH_2015)
    assert found["1983"].within > 0.9


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

"""Stages of the three time scales: contracts, repeatability, planted effects."""

from __future__ import annotations

from pathlib import Path
from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from statewright.contracts import ContractError, check
from tasks.emotion.contracts.micro import TENTHS
from tasks.emotion.ingest import read_checked
from tasks.emotion.macro import MacroOutputs, macro
from tasks.emotion.meso import MesoOutputs, meso
from tasks.emotion.micro import MicroOutputs, micro
from tasks.emotion.params import IngestParams, MacroParams, MesoParams, MicroParams, SplitParams

SOURCE = Path(__file__).parents[3] / "data" / "source"
MICRO = shipped_params(MicroParams, "emotion.micro", strengths=(100,), classes=2, draws=20, emotions=("joy",))
SPLIT = shipped_params(SplitParams, "emotion.split")
MESO = shipped_params(MesoParams, "emotion.meso", draws=20, shuffles=200, groups=10)


def keeps_contracts(outputs, kind) -> None:
    for name, contract in get_type_hints(kind, include_extras=True).items():
        check(getattr(outputs, name), contract, name)


@pytest.fixture(scope="module")
def songs() -> dict[str, pd.DataFrame]:
    tables = {
        name: read_checked(name, shipped_params(IngestParams, "emotion.ingest", source=str(SOURCE)))[0]
        for name in ("within_song", "section_kinds")
    }
    some = tables["within_song"]["song_id"].drop_duplicates().iloc[::6]
    whole = tables["within_song"]
    return tables | {"within_song": whole[whole["song_id"].isin(some)]}


@pytest.fixture(scope="module")
def found(songs) -> MicroOutputs:
    return micro(**songs, params=MICRO)


def test_micro_keeps_contracts_and_repeats(songs, found):
    keeps_contracts(found, MicroOutputs)
    again = micro(**songs, params=MICRO)
    pd.testing.assert_frame_equal(again.song_curves, found.song_curves, check_exact=True)
    pd.testing.assert_frame_equal(again.section_effects, found.section_effects, check_exact=True)
    assert again.micro == found.micro


def test_micro_curves_follow_the_ratings(found):
    curves = found.song_curves
    error = (curves["observed"] - curves["curve"]) / np.hypot(curves["noise_sd"], curves["curve_sd"])
    # With as many polynomials as tenths the curve fits nearly every point, so the fit does not test the band.
    assert error.std() < 1.1
    # Successive tenths are far closer to each other than the ratings of different raters.
    for one in found.micro.ratings.values():
        assert one.rater_sd_shared > one.rater_sd_each + 1
        ours, line = one.hidden_anywhere["model"], one.hidden_anywhere["straight line"]
        assert one.excess_of_line < 2 * one.excess_error
        assert ours.log_density > line.log_density + 0.2
        assert ours.rmse < one.hidden_anywhere["song mean"].rmse


@pytest.mark.slow
def test_micro_recovers_a_planted_chorus(songs):
    kinds = songs["section_kinds"].copy()
    kinds.loc[kinds["kind"] == "chorus", "joy"] += 3
    planted = micro(songs["within_song"], kinds, params=MICRO)
    effect = planted.section_effects.set_index("kind").loc["chorus"]
    assert effect["low"] > 1.5
    assert planted.micro.lyrics["joy"].chosen == "kind"


def test_micro_reports_too_few_songs(songs):
    few = songs["within_song"].head(5 * TENTHS)
    with pytest.raises(ContractError, match="5 songs with all 10 tenths"):
        micro(few, songs["section_kinds"], params=MICRO)
    with pytest.raises(ContractError, match="kinds"):
        micro(**songs, params=MICRO.model_copy(update={"kinds": ("buildup", "skit")}))


@pytest.fixture(scope="module")
def albums(preprocessed) -> pd.DataFrame:
    table = preprocessed.albums
    return table[table["artist_id"] % 3 == 0]


@pytest.fixture(scope="module")
def coherent(albums) -> MesoOutputs:
    return meso(albums, params=MESO)


@pytest.mark.slow
def test_meso_keeps_contracts_and_repeats(albums, coherent):
    keeps_contracts(coherent, MesoOutputs)
    again = meso(albums, params=MESO)
    pd.testing.assert_frame_equal(again.album_coherence, coherent.album_coherence, check_exact=True)
    assert again.meso == coherent.meso


@pytest.mark.slow
def test_meso_real_albums_beat_their_shuffles(coherent):
    audio = coherent.meso.modalities["audio"]
    assert audio.coherence > 2 * audio.shuffled_coherence
    assert audio.shuffles_as_coherent == 0
    assert audio.artists_with_albums > 0.2 * audio.artists
    assert audio.artist_squares_ratio > 1.5
    table = coherent.album_coherence
    assert ((table["low"] <= table["coherence"]) & (table["coherence"] <= table["high"])).all()
    assert audio.coherence_low < audio.coherence < audio.coherence_high


@pytest.mark.slow
def test_meso_finds_nothing_where_albums_are_alike(albums):
    # Albums of an artist have the same mean, except for the sampling error of their songs.
    rng, flat = np.random.default_rng(0), albums.copy()
    for dim in MESO.audio:
        level = flat.groupby("artist_id")[f"{dim}_mean"].transform("mean")
        error = flat[f"{dim}_sd"] / np.sqrt(flat["n_songs_audio"].clip(lower=1))
        flat[f"{dim}_mean"] = level + error * rng.normal(size=len(flat))
    audio = meso(flat, params=MESO).meso.modalities["audio"]
    assert audio.coherence < 0.03
    assert audio.artists_with_albums <= 0.05 * audio.artists


def test_meso_reports_too_few_artists(albums):
    few = albums[albums["artist_id"].isin(albums["artist_id"].unique()[:4])]
    with pytest.raises(ContractError, match="expected at least 10"):
        meso(few, params=MESO)


SHORT = shipped_params(
    MacroParams, "emotion.macro", dimensions=("valence",), careers=25, draws=20, tune=20, predictive_draws=20
)


@pytest.mark.slow
def test_macro_short_chains_repeat_and_are_not_used(preprocessed):
    found, again = (
        macro(preprocessed.careers, preprocessed.artists, params=SHORT, split=SPLIT) for _ in range(2)
    )
    keeps_contracts(found, MacroOutputs)
    pd.testing.assert_frame_equal(again.career_parameters, found.career_parameters, check_exact=True)
    fitted = found.macro.dimensions["valence"]
    assert not fitted.converged
    assert "effective sample size" in fitted.reason
    assert found.career_courses.empty
    assert fitted.future == {}


@pytest.mark.slow
def test_macro_of_few_careers(preprocessed):
    params = SHORT.model_copy(update={"draws": 1500, "tune": 600})
    found = macro(preprocessed.careers, preprocessed.artists, params=params, split=SPLIT)
    keeps_contracts(found, MacroOutputs)
    fitted = found.macro.dimensions["valence"]
    assert fitted.converged, fitted.reason
    courses = found.career_courses
    assert set(fitted.future) == {"persistence", "artist's mean", "autoregression", "Gaussian process"}
    # The scores are those of the forecasts in the table.
    later = courses[courses["future"]]
    rmse = np.sqrt(np.mean((later["forecast"] - later["observed"]) ** 2))
    assert fitted.future["Gaussian process"].rmse == pytest.approx(rmse, abs=2e-4)
    assert fitted.future["persistence"].rmse > fitted.future["Gaussian process"].rmse
    assert (courses["course_sd"] < courses["forecast_sd"]).all()
    for name in ("amplitude", "length"):
        mean = courses["amplitude" if name == "amplitude" else "length_years"]
        assert ((courses[f"{name}_low"] <= mean) & (mean <= courses[f"{name}_high"])).all()
        assert courses.groupby("artist_id")[f"{name}_high"].nunique().max() == 1


def test_macro_reports_missing_columns_and_careers(preprocessed):
    careers, artists = preprocessed.careers, preprocessed.artists
    with pytest.raises(ContractError, match="no column 'mirth_mean'"):
        macro(
            careers,
            artists,
            params=shipped_params(MacroParams, "emotion.macro", dimensions=("mirth",)),
            split=SPLIT,
        )
    with pytest.raises(ContractError, match="0 careers have 6 to 30 years before"):
        macro(
            careers[careers["year"] > 2004],
            artists,
            params=SHORT,
            split=SPLIT,
        )

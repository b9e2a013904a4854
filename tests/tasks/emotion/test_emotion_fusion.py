"""The fusion stage on real releases: contracts, leakage, scores, repeatability."""

from __future__ import annotations

import typing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from statewright.contracts import check
from tasks.emotion.contracts.tables import AUDIO, LYRICS, Features
from tasks.emotion.forecast.fusion_scores import gain_interval, score
from tasks.emotion.fusion import MODALITIES, FusionOutputs, fusion, releases_of, split_of
from tasks.emotion.params import FusionParams, SplitParams

SOURCE = Path(__file__).parents[3] / "data" / "source"
SPLIT = shipped_params(SplitParams, "emotion.split")
PARAMS = shipped_params(
    FusionParams,
    "emotion.fusion",
    width=6,
    token_width=8,
    heads=2,
    hidden=16,
    epochs=3,
    batch_size=128,
    pca_iterations=20,
    draws=100,
)


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    """About 1,200 real releases as features: years, lyric albums, albums with both."""
    years = pd.read_parquet(SOURCE / "career_audio.parquet").iloc[::15]
    lyrics = pd.read_parquet(SOURCE / "album_lyrics.parquet").iloc[::9]
    joint = pd.read_parquet(SOURCE / "album_joint.parquet").iloc[::3]
    parts = [
        years.rename(columns={"year": "time"}).assign(kind="year"),
        lyrics.rename(columns={"release_year": "time"}).assign(kind="album"),
        joint.rename(columns={"release_year": "time"}).assign(kind="album"),
    ]
    found = pd.concat(parts, ignore_index=True)
    names = pd.Series(pd.factorize(found.get("artist"))[0]) + 10_000_000
    frame = pd.DataFrame({"release_id": np.arange(len(found)), "artist_id": found["artist_id"].fillna(names)})
    frame = frame.astype({"artist_id": "int64"})
    frame["kind"], frame["time"] = found["kind"], found["time"].astype(float)
    frame["n_songs"] = found["n_songs"].astype("int64")
    frame["album_id"] = np.where(frame["kind"] == "album", frame["release_id"], -1)
    for group, columns in (("audio", AUDIO), ("lyrics", LYRICS)):
        for column in columns:
            values = found[f"{column}_mean"].astype("float64")
            frame[f"{group}_{column}"] = (values - values.mean()) / values.std()
    frame["has_audio"], frame["has_lyrics"] = frame["audio_energy"].notna(), frame["lyrics_joy"].notna()
    frame["context_decade"] = (frame["time"] - 1990) / 20
    frame["context_songs"] = np.log(frame["n_songs"]) - 1.5
    return Features.validate(frame)


@pytest.fixture(scope="module")
def made(features) -> FusionOutputs:
    return fusion(features, params=PARAMS, split=SPLIT)


def test_every_output_keeps_its_contract(made):
    for name, contract in typing.get_type_hints(FusionOutputs, include_extras=True).items():
        check(getattr(made, name), contract, name)


def test_every_release_has_a_state_and_attention_of_what_it_has(features, made):
    assert made.states["release_id"].tolist() == features["release_id"].tolist()
    assert made.states.filter(like="state_").shape[1] == PARAMS.width
    rows = made.attention.groupby("release_id").size()
    modalities = 1 + features["has_audio"].astype(int) + features["has_lyrics"].astype(int)
    assert (rows.to_numpy() == PARAMS.heads * modalities.to_numpy()).all()
    keys = made.attention[[f"key_{name}" for name in MODALITIES]]
    assert np.allclose(keys.sum(axis=1), 1, atol=2e-4)
    lacking = made.attention["release_id"].map(features.set_index("release_id")["has_lyrics"]).eq(False)
    assert (keys.loc[lacking, "key_lyrics"] == 0).all()
    first = made.attention[made.attention["head"] == 0]
    assert np.allclose(first.groupby("release_id")["importance"].sum(), 1, atol=2e-4)


def test_entropy_is_that_of_the_written_weights(made):
    weights = made.attention[[f"key_{name}" for name in MODALITIES]].to_numpy(float)
    entropy = -np.sum(np.where(weights > 0, weights * np.log(np.maximum(weights, 1e-12)), 0), axis=1)
    count = (weights > 0).sum(axis=1)
    some = (count > 1) & (weights.max(axis=1) < 0.98)
    assert some.sum() > 500
    assert np.allclose(made.attention["entropy"][some], entropy[some] / np.log(count[some]), atol=5e-3)


def test_the_future_changes_no_weight_and_no_other_state(features, made):
    """Check that test releases change no weight and no earlier state."""
    future = split_of(features, SPLIT) == "test"
    assert 100 < future.sum() < len(features) - 100
    other = features.copy()
    columns = other.filter(regex="^(audio|lyrics|context)_").columns
    other.loc[future, columns] = other.loc[future, columns].to_numpy()[::-1] * -3 + 1
    other.loc[future, columns] = other.loc[future, columns].fillna(0.5)
    again = fusion(other, params=PARAMS, split=SPLIT)
    for name, weights in made.fusion_model.items():
        assert np.array_equal(weights, again.fusion_model[name])
    pd.testing.assert_frame_equal(made.states[~future], again.states[~future])
    assert not np.allclose(
        made.states[future].filter(like="state_"), again.states[future].filter(like="state_")
    )


def test_runs_are_identical_for_any_order_of_the_rows(features, made):
    again = fusion(features.sample(frac=1, random_state=0), params=PARAMS, split=SPLIT)
    pd.testing.assert_frame_equal(made.states, again.states)
    pd.testing.assert_frame_equal(made.attention, again.attention)
    pd.testing.assert_frame_equal(made.fusion_history, again.fusion_history)
    assert made.fusion == again.fusion
    for name, weights in made.fusion_model.items():
        assert np.array_equal(weights, again.fusion_model[name])


def test_scores_are_of_the_right_releases(features, made):
    test = features[split_of(features, SPLIT) == "test"]
    both = (test["kind"] == "album") & test["has_audio"] & test["has_lyrics"]
    scores = made.fusion.held_out["test"]
    assert set(scores) == {"year_audio", "album_audio", "album_lyrics"}
    assert scores["year_audio"].releases == (test["kind"] == "year").sum()
    assert scores["album_audio"].releases == scores["album_lyrics"].releases == both.sum() > 20
    truth = test.loc[both].filter(regex="^lyrics_")
    past = features[split_of(features, SPLIT) == "train"].filter(regex="^lyrics_").mean()
    assert scores["album_lyrics"].mean.rmse == pytest.approx(
        np.sqrt(((truth - past) ** 2).to_numpy().mean()), abs=1e-5
    )
    for comparison in scores.values():
        assert comparison.gain == pytest.approx(comparison.pca.rmse - comparison.fusion.rmse, abs=2e-5)
        assert comparison.gain_low < comparison.gain < comparison.gain_high


def test_a_masked_modality_is_masked_for_pca_too(features):
    releases = releases_of(features, PARAMS)
    columns, masked = releases.columns("lyrics"), releases.joined("lyrics")
    assert np.isnan(masked[:, columns]).all()
    assert np.array_equal(releases.joined()[:, columns], releases.values["lyrics"], equal_nan=True)
    others = np.delete(np.arange(masked.shape[1]), np.r_[columns])
    assert np.array_equal(masked[:, others], releases.joined()[:, others], equal_nan=True)


def test_split_follows_the_boundaries_of_each_kind():
    dates = [1999.9, 2000.0, 2004.9, 2005.0, 2007.9, 2008.0, 2009.9, 2010.0]
    frame = pd.DataFrame({"time": dates * 2, "kind": ["year"] * 8 + ["album"] * 8})
    year = ["train"] + ["validation"] * 2 + ["test"] * 5
    album = ["train"] * 5 + ["validation"] * 2 + ["test"]
    assert split_of(frame, SPLIT).tolist() == year + album


def test_score_and_interval_of_known_errors():
    """Check RMSE and gain for constant errors of 1 and 2, with missing values."""
    truth = np.random.default_rng(0).normal(size=(50, 3))
    truth[::4, 1] = np.nan
    assert score(truth, truth + 1).rmse == 1.0
    assert score(truth, np.broadcast_to(np.nanmean(truth, axis=0), truth.shape)).r2 == pytest.approx(
        0, abs=1e-9
    )
    assert gain_interval(truth, truth + 1, truth - 2, np.arange(50) // 5, 200, 0) == (1.0, 1.0)


def test_interval_agrees_with_the_normal_one():
    """Compare the bootstrap of RMSE differences with the delta method, to 15 %."""
    generator = np.random.default_rng(1)
    ours, theirs = generator.normal(size=(2, 3000, 1)) * [[[1.0]], [[1.5]]]
    low, high = gain_interval(np.zeros((3000, 1)), ours, theirs, np.arange(3000), 1000, 0)
    parts = [(e**2 - np.mean(e**2)) / (2 * np.sqrt(np.mean(e**2))) for e in (ours, theirs)]
    width = 2 * 1.96 * np.std(parts[1] - parts[0]) / np.sqrt(3000)
    assert high - low == pytest.approx(width, rel=0.15)
    assert low < np.sqrt(np.mean(theirs**2)) - np.sqrt(np.mean(ours**2)) < high


def test_a_period_without_releases_is_named(features):
    with pytest.raises(ValueError, match=r"no release in the validation period, .*; move the boundaries"):
        fusion(features[split_of(features, SPLIT) != "validation"], params=PARAMS, split=SPLIT)

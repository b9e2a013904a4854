"""Contracts of the external tables.

Each contract is built from `RANGES`: a measure `m` gives the columns `m_mean` and `m_sd`. The bounds are
the possible values, not the usual ones; a row outside them is quarantined. Columns that a contract does
not name are not read.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from tasks.emotion.contracts.tables import AUDIO, LYRICS

RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(AUDIO, (0, 1)),
    "tempo": (0, 400),
    "loudness": (-80, 10),
    "mode": (0, 1),
    "explicit": (0, 1),
    "minutes": (0, 600),
    "popularity": (0, 100),
    **dict.fromkeys(LYRICS, (0, 100)),
    "polarity": (-1, 1),
    "lyric_words": (0, 100_000),
    "sent_neg": (0, 1),
    "sent_pos": (0, 1),
    "sent_compound": (-1, 1),
    "num_words": (0, 100_000),
}

SENTIMENT = ("sent_neg", "sent_pos", "sent_compound", "num_words")
MOST = 2**53  # the largest whole number that every reader of CSV and JSON represents exactly

Columns = dict[str, tuple[Any, Any]]


def _means(measures: tuple[str, ...], nullable: tuple[str, ...] = ()) -> Columns:
    return {
        f"{name}_mean": (
            Series[float],
            pa.Field(ge=RANGES[name][0], le=RANGES[name][1], nullable=name in nullable),
        )
        for name in measures
    }


def _spreads(measures: tuple[str, ...]) -> Columns:
    """Return columns of standard deviations: 0 to the range, missing for one song."""
    return {
        f"{name}_sd": (
            Series[float],
            pa.Field(ge=0, le=RANGES[name][1] - RANGES[name][0], nullable=True),
        )
        for name in measures
    }


def _whole(low: int = 0, high: int = MOST) -> tuple[Any, Any]:
    return Series[int], pa.Field(ge=low, le=high)


def _number(low: float, high: float, nullable: bool = False) -> tuple[Any, Any]:
    return Series[float], pa.Field(ge=low, le=high, nullable=nullable)


def _text(nullable: bool = False, **rules: Any) -> tuple[Any, Any]:
    return Series[str], pa.Field(nullable=nullable, **rules)


def _contract(name: str, doc: str, key: tuple[str, ...], columns: Columns) -> Any:
    """Build the pandera model of one raw table; `key` is unique."""
    return type(
        name,
        (pa.DataFrameModel,),
        {
            "__doc__": doc,
            "__module__": __name__,
            "__annotations__": {column: kind for column, (kind, _) in columns.items()},
            **{column: field for column, (_, field) in columns.items()},
            "Config": type("Config", (), {"unique": list(key)}),
        },
    )


def _is_date(value: str) -> bool:
    try:
        return len(value) == 10 and 1900 <= date.fromisoformat(value).year <= 2100
    except ValueError:
        return False


@pa.extensions.register_check_method(check_type="element_wise")
def calendar_date(value: str, *, form: str) -> bool:
    """Return whether `value` is a date that exists, written ``YYYY-MM-DD``."""
    return pd.isna(value) or _is_date(str(value))


def _year() -> tuple[Any, Any]:
    return _whole(1900, 2100)


DAY: dict[str, Any] = {"calendar_date": {"form": "YYYY-MM-DD"}}
ALL_AUDIO = (*AUDIO, "mode", "minutes", "popularity")
ALL_LYRICS = (*LYRICS, "lyric_words")
ALBUM_AUDIO = (*AUDIO, "mode", "explicit", "minutes")
CHART_AUDIO = (*AUDIO, "mode", "minutes")

CareerAudio = _contract(
    "CareerAudio",
    "One row per artist and year with songs.",
    ("artist_id", "year"),
    {
        "artist_id": _whole(),
        "year": _year(),
        "n_songs": _whole(1),
        **_means(ALL_AUDIO),
        **_spreads(ALL_AUDIO),
    },
)

RawArtists = _contract(
    "RawArtists",
    "One row per artist of the influence network; mean features where it has songs.",
    ("artist_id",),
    {
        "artist_id": _whole(),
        "artist": _text(),
        "genre": _text(),
        "active_start": _year(),
        "influences": _whole(),
        "influenced_by": _whole(),
        **_means(AUDIO, nullable=AUDIO),
        "n_songs": _number(1, MOST, nullable=True),
        "first_year": _number(1900, 2100, nullable=True),
        "last_year": _number(1900, 2100, nullable=True),
    },
)

RawInfluence = _contract(
    "RawInfluence",
    "One row per pair of influencer and follower.",
    ("influencer_id", "follower_id"),
    {
        "influencer_id": _whole(),
        "follower_id": _whole(),
        "decade_gap": _whole(-200, 200),
        "same_genre": (Series[bool], pa.Field()),
        "audio_cosine": _number(-1.00001, 1.00001),
    },
)

MusicYears = _contract(
    "MusicYears",
    "One row per year of music.",
    ("year",),
    {"year": _year(), "n_songs": _whole(1), **_means(ALL_AUDIO), **_spreads(ALL_AUDIO)},
)

ChartYears = _contract(
    "ChartYears",
    "One row per year of the charts; the audio is known for some years only.",
    ("year",),
    {
        "year": _year(),
        "n_songs_audio": _number(1, MOST, nullable=True),
        **_means(CHART_AUDIO, nullable=CHART_AUDIO),
        **_spreads(CHART_AUDIO),
        "n_songs_lyrics": _whole(1),
        **_means(SENTIMENT),
        **_spreads(SENTIMENT),
    },
)

AlbumLyrics = _contract(
    "AlbumLyrics",
    "One row per album: the emotion of its lyrics.",
    ("artist", "album"),
    {
        "artist": _text(),
        "album": _text(),
        "release_date": _text(**DAY),
        "release_year": _year(),
        "n_songs": _whole(1),
        **_means(ALL_LYRICS),
        **_spreads(ALL_LYRICS),
    },
)

AlbumAudio = _contract(
    "AlbumAudio",
    "One row per album of one collection and year: the audio of its tracks.",
    ("artist", "album", "release_year", "collection"),
    {
        "artist": _text(),
        "album": _text(),
        "release_year": _year(),
        "collection": _text(),
        "n_songs": _whole(1),
        **_means(ALBUM_AUDIO, nullable=("speechiness", "explicit")),
        **_spreads(ALBUM_AUDIO),
    },
)

AlbumJoint = _contract(
    "AlbumJoint",
    "One row per album and year: audio and lyrics of the same songs.",
    ("artist", "album", "release_year"),
    {
        "artist": _text(),
        "album": _text(),
        "release_year": _year(),
        "n_songs": _whole(1),
        **_means((*AUDIO, *LYRICS), nullable=("speechiness",)),
        **_spreads((*AUDIO, *LYRICS)),
    },
)

WithinSong = _contract(
    "WithinSong",
    "One row per tenth of a song: its rated emotion.",
    ("song_id", "part"),
    {
        "song_id": _whole(),
        "part": _whole(0, 9),
        "seconds": _number(0, 36_000),
        "arousal": _number(0, 1),
        "valence": _number(0, 1),
        "arousal_sd": _number(0, 1, nullable=True),
        "valence_sd": _number(0, 1, nullable=True),
        "n": _whole(1),
        "rater_arousal_sd": _number(0, 1, nullable=True),
        "rater_valence_sd": _number(0, 1, nullable=True),
    },
)

SectionKinds = _contract(
    "SectionKinds",
    "One row per song and kind of section: the emotion of its words.",
    ("song_idx", "kind"),
    {
        "song_idx": _whole(),
        "kind": _text(),
        "n_sections": _whole(1),
        "position": _number(0, 1),
        "words": _whole(1),
        **{name: _number(0, 100) for name in LYRICS if name != "polarity"},
        "vader": _number(-1, 1),
        "album": _text(nullable=True),
        "album_release": _text(nullable=True, **DAY),
    },
)

RAW: dict[str, Any] = {
    "career_audio": CareerAudio,
    "artists": RawArtists,
    "influence": RawInfluence,
    "music_years": MusicYears,
    "chart_years": ChartYears,
    "album_lyrics": AlbumLyrics,
    "album_audio": AlbumAudio,
    "album_joint": AlbumJoint,
    "within_song": WithinSong,
    "section_kinds": SectionKinds,
}

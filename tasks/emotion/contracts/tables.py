"""Contracts of the tables that several stages of the emotion pipeline read."""

from __future__ import annotations

from typing import ClassVar

import pandera.pandas as pa
from pandera.typing import Series

AUDIO = (
    "danceability",
    "energy",
    "valence",
    "tempo",
    "loudness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "speechiness",
)
"""Spotify's audio features: 0..1, except tempo in beats per minute and loudness in dB."""

LYRICS = (
    "anger",
    "anticipation",
    "disgust",
    "fear",
    "joy",
    "sadness",
    "surprise",
    "trust",
    "negative",
    "positive",
    "polarity",
)
"""NRC emotion words per 100 lyric words; polarity is VADER's, -1..1."""

_YEARLY = "|".join((*AUDIO, "sent_neg", "sent_pos", "sent_compound", "num_words"))


class Artists(pa.DataFrameModel):
    """One row per artist, over all tables."""

    artist_id: Series[int] = pa.Field(unique=True)
    artist: Series[str]
    genre: Series[str]
    active_start: Series[float] = pa.Field(nullable=True)
    influences: Series[int] = pa.Field(ge=0)
    influenced_by: Series[int] = pa.Field(ge=0)
    ambiguous: Series[bool] = pa.Field(description="several artists have this name")
    same_as: Series[int] = pa.Field(
        description="id of the namesake whose dates fit the songs, else artist_id"
    )


class Careers(pa.DataFrameModel):
    """One row per artist and year: mean and spread of the audio of its songs."""

    artist_id: Series[int]
    year: Series[int] = pa.Field(ge=1900, le=2100)
    n_songs: Series[int] = pa.Field(ge=1)
    means: Series[float] = pa.Field(alias="^(" + "|".join(AUDIO) + ")_mean$", regex=True)
    spreads: Series[float] = pa.Field(alias="^(" + "|".join(AUDIO) + ")_sd$", regex=True, ge=0, nullable=True)
    thin: Series[bool] = pa.Field(description="a year of few songs")
    reissue: Series[bool] = pa.Field(description="follows a long silence: possibly a reissue")

    class Config:
        unique: ClassVar[list[str]] = ["artist_id", "year"]


class Albums(pa.DataFrameModel):
    """One row per album with audio, lyrics or both.

    `collection` marks compilations, live albums, box sets and similar releases.
    """

    album_id: Series[int] = pa.Field(unique=True)
    artist_id: Series[int]
    artist: Series[str]
    album: Series[str]
    year: Series[int] = pa.Field(ge=1900, le=2100)
    release_date: Series[str] = pa.Field(nullable=True)
    has_audio: Series[bool]
    has_lyrics: Series[bool]
    n_songs_audio: Series[int] = pa.Field(ge=0)
    n_songs_lyrics: Series[int] = pa.Field(ge=0)
    collection: Series[bool]
    collection_kind: Series[str]
    reissue: Series[bool]
    text: Series[str] | None = pa.Field(nullable=True)
    means: Series[float] = pa.Field(
        alias="^(" + "|".join(AUDIO + LYRICS) + ")_mean$", regex=True, nullable=True
    )
    spreads: Series[float] = pa.Field(
        alias="^(" + "|".join(AUDIO + LYRICS) + ")_sd$", regex=True, ge=0, nullable=True
    )


class Years(pa.DataFrameModel):
    """One row per source (music, charts) and year."""

    source: Series[str] = pa.Field(isin=["music", "charts"])
    year: Series[int] = pa.Field(ge=1900, le=2100)
    n_songs: Series[int] = pa.Field(ge=0, description="songs with audio")
    n_songs_lyrics: Series[int] = pa.Field(ge=0)
    thin: Series[bool]
    means: Series[float] = pa.Field(alias=f"^({_YEARLY})_mean$", regex=True, nullable=True)
    spreads: Series[float] = pa.Field(alias=f"^({_YEARLY})_sd$", regex=True, ge=0, nullable=True)

    class Config:
        unique: ClassVar[list[str]] = ["source", "year"]


class Influence(pa.DataFrameModel):
    """One row per pair of influencer and follower."""

    influencer_id: Series[int]
    follower_id: Series[int]
    decade_gap: Series[int]
    same_genre: Series[bool]
    audio_cosine: Series[float] = pa.Field(ge=-1.00001, le=1.00001)

    class Config:
        unique: ClassVar[list[str]] = ["influencer_id", "follower_id"]


class Features(pa.DataFrameModel):
    """One row per release with scaled features: a year of a career, or an album.

    Columns `audio_*`, `lyrics_*` are NaN where the modality is missing; `context_*` never.
    `album_id` is -1 for a year.
    """

    release_id: Series[int] = pa.Field(unique=True)
    artist_id: Series[int]
    kind: Series[str] = pa.Field(isin=["year", "album"])
    time: Series[float] = pa.Field(ge=1900, le=2100)
    n_songs: Series[int] = pa.Field(ge=1)
    has_audio: Series[bool]
    has_lyrics: Series[bool]
    album_id: Series[int] = pa.Field(ge=-1)
    audio: Series[float] = pa.Field(alias="^audio_", regex=True, nullable=True)
    lyrics: Series[float] = pa.Field(alias="^lyrics_", regex=True, nullable=True)
    context: Series[float] = pa.Field(alias="^context_", regex=True)


class States(pa.DataFrameModel):
    """One row per release: its fused emotional state."""

    release_id: Series[int] = pa.Field(unique=True)
    artist_id: Series[int]
    kind: Series[str] = pa.Field(isin=["year", "album"])
    time: Series[float] = pa.Field(ge=1900, le=2100)
    state: Series[float] = pa.Field(alias="^state_", regex=True)


class Forecasts(pa.DataFrameModel):
    """One row per forecast of one dimension of an artist's next release."""

    task: Series[str] = pa.Field(isin=["audio", "lyrics"])
    split: Series[str] = pa.Field(isin=["train", "validation", "test"])
    model: Series[str]
    artist_id: Series[int]
    time: Series[float]
    dimension: Series[str]
    truth: Series[float]
    forecast: Series[float]
    sd: Series[float] = pa.Field(gt=0)


class ChangeProbabilities(pa.DataFrameModel):
    """One row per series (an artist, or all music) and year: posterior of a change."""

    series: Series[str]
    artist_id: Series[float] = pa.Field(nullable=True)
    year: Series[int]
    probability: Series[float] = pa.Field(ge=0, le=1)
    is_map: Series[bool]

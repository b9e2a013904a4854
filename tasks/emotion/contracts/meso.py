"""Contracts of the outputs of the stage emotion-meso."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table


class AlbumCoherence(pa.DataFrameModel):
    """One row per modality and album: coherence, 95 % interval, mean of shuffles.

    There is no test of a single album: songs have heavy tails, which these figures do not contain, so
    small spreads are common.
    """

    modality: Series[str] = pa.Field(isin=["audio", "lyrics"])
    album_id: Series[int]
    artist: Series[str]
    album: Series[str]
    year: Series[int]
    songs: Series[int] = pa.Field(ge=2)
    coherence: Series[float] = pa.Field(ge=0, le=1)
    low: Series[float] = pa.Field(ge=0, le=1)
    high: Series[float] = pa.Field(ge=0, le=1)
    shuffled: Series[float] = pa.Field(ge=0, le=1)

    class Config:
        unique: ClassVar[list[str]] = ["modality", "album_id"]


class AlbumLoadings(pa.DataFrameModel):
    """One row per modality, factor and dimension: loading in deviations of a song."""

    modality: Series[str]
    factor: Series[int] = pa.Field(ge=1)
    dimension: Series[str]
    loading: Series[float]
    unique: Series[float] = pa.Field(ge=0)


class MesoSummary(Document):
    """One modality.

    `factors` maximises the `log_likelihood` per album of held-out artists. `coherence` and
    `shuffled_coherence` are means over albums, with 95 % intervals; `shuffles_as_coherent` is the
    share of shuffles whose mean is at least as large. `artists_with_albums` counts the artists whose
    albums differ more than random groups of their songs, after correction for the number of artists.
    `artist_squares_ratio` is the spread of artists over that of artists composed of random albums.
    """

    albums: int
    artists: int
    factors: int
    log_likelihood: dict[str, float]
    coherence: float
    coherence_low: float
    coherence_high: float
    shuffled_coherence: float
    shuffled_low: float
    shuffled_high: float
    shuffles_as_coherent: float
    album_share: float
    artists_with_albums: int
    artist_squares_ratio: float
    artist_p: float


class MesoMetrics(Document):
    """Summaries by modality."""

    modalities: dict[str, MesoSummary]


class MesoOutputs(NamedTuple):
    """Outputs of the stage emotion-meso."""

    album_coherence: Table[AlbumCoherence]
    album_loadings: Table[AlbumLoadings]
    meso: MesoMetrics

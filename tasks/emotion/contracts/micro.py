"""Contracts of the outputs of the stage emotion-micro."""

from __future__ import annotations

from typing import NamedTuple

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table

TENTHS = 10


class SongCurves(pa.DataFrameModel):
    """One row per song, dimension and tenth: rated mean, curve and its error.

    `song_class` is the most probable class, 0 for the calmest; `noise_sd` is the song's own noise.
    """

    dimension: Series[str]
    song_id: Series[int]
    part: Series[int] = pa.Field(ge=0, lt=TENTHS)
    observed: Series[float]
    curve: Series[float]
    curve_sd: Series[float] = pa.Field(ge=0)
    song_class: Series[int] = pa.Field(ge=0)
    noise_sd: Series[float] = pa.Field(ge=0)


class SectionEffects(pa.DataFrameModel):
    """One row per emotion and kind of section: words per 100 minus the song's mean.

    `low` and `high` are the bounds of 95 % of the bootstrap samples of songs; `spread` is the standard
    deviation between songs.
    """

    emotion: Series[str]
    kind: Series[str]
    difference: Series[float]
    low: Series[float]
    high: Series[float]
    spread: Series[float] = pa.Field(ge=0)
    songs: Series[int] = pa.Field(ge=1)


class PredictionScore(Document):
    """Errors of predicted held-out sections, in songs outside the fit."""

    rmse: float
    median_error: float
    log_density: float


class RatingMetrics(Document):
    """Fit of one rated dimension.

    `strength` of the Brownian shape maximises the `log_likelihood` per song on held-out songs.
    `rater_sd_shared`, `rater_sd_each`: log-likelihood per song with the spread of raters as a shift of the
    whole song, and as an error of each tenth. `moves_sd` of a class is the standard deviation of a song's
    curve about its level, `noise_sd` that of the noise. `excess_of_line` is the mean squared error on
    held-out tenths divided by that of a straight line, minus 1; `excess_error` is its standard error over
    songs.
    """

    songs: int
    strength: float
    converged: bool
    log_likelihood: dict[str, float]
    rater_sd_shared: float
    rater_sd_each: float
    noise_sd: list[float]
    moves_sd: list[float]
    share_of_songs: list[float]
    hidden_anywhere: dict[str, PredictionScore]
    hidden_end: dict[str, PredictionScore]
    excess_of_line: float
    excess_error: float


class LyricMetrics(Document):
    """Fit of one lyric emotion; `chosen` has the highest held-out log-likelihood."""

    songs: int
    chosen: str
    log_likelihood: dict[str, float]
    hidden_section: dict[str, PredictionScore]


class MicroMetrics(Document):
    """Fits of ratings by dimension, and of lyrics by emotion."""

    ratings: dict[str, RatingMetrics]
    lyrics: dict[str, LyricMetrics]


class MicroOutputs(NamedTuple):
    """Outputs of the stage emotion-micro."""

    song_curves: Table[SongCurves]
    section_effects: Table[SectionEffects]
    micro: MicroMetrics

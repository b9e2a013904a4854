"""What the stage emotion-micro writes."""

from __future__ import annotations

from typing import NamedTuple

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table

TENTHS = 10


class SongCurves(pa.DataFrameModel):
    """One row a song, dimension and tenth: rated mean, and the model's curve with its error.

    `song_class` is the most probable class, from the calmest (0); `noise_sd` the song's own noise.
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
    """One row an emotion and kind of section: words per 100, above or below the song's average.

    `low` and `high` hold 95 % of bootstrap samples of songs; `spread` is how much songs differ.
    """

    emotion: Series[str]
    kind: Series[str]
    difference: Series[float]
    low: Series[float]
    high: Series[float]
    spread: Series[float] = pa.Field(ge=0)
    songs: Series[int] = pa.Field(ge=1)


class PredictionScore(Document):
    """Errors over hidden sections of songs that the model was not fitted to."""

    rmse: float
    median_error: float
    log_density: float


class RatingMetrics(Document):
    """`strength` of the Brownian shape is chosen by `log_likelihood` a song on songs left out.

    `rater_sd_shared`, `rater_sd_each`: log-likelihood a song with the spread of raters as a shift of the
    whole song, and as an error of each tenth. `moves_sd` of a class is how far the curve
    of a song goes from its level, `noise_sd` what is without order. `excess_of_line` is the mean squared
    error of hidden tenths over that of a straight line, less 1; `excess_error` its standard error over
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
    """`chosen` has the highest log-likelihood a song on songs left out."""

    songs: int
    chosen: str
    log_likelihood: dict[str, float]
    hidden_section: dict[str, PredictionScore]


class MicroMetrics(Document):
    ratings: dict[str, RatingMetrics]
    lyrics: dict[str, LyricMetrics]


class MicroOutputs(NamedTuple):
    song_curves: Table[SongCurves]
    section_effects: Table[SectionEffects]
    micro: MicroMetrics

"""Contracts of the outputs of the stage emotion-latent."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table


class LatentPoints(pa.DataFrameModel):
    """One row per modality and release: its place on the map, with deviations."""

    modality: Series[str] = pa.Field(isin=["audio", "lyrics"])
    release_id: Series[int]
    artist_id: Series[int]
    time: Series[float] = pa.Field(ge=1900, le=2100)
    x: Series[float]
    y: Series[float]
    x_sd: Series[float] = pa.Field(ge=0)
    y_sd: Series[float] = pa.Field(ge=0)
    held_out: Series[bool] = pa.Field(description="by an artist that the map has not seen")

    class Config:
        unique: ClassVar[list[str]] = ["modality", "release_id"]


class LatentGrid(pa.DataFrameModel):
    """One row per modality, dimension and point of a grid over the map.

    The value is the expected feature. Features are in standard deviations over the artists of the fit.
    """

    modality: Series[str] = pa.Field(isin=["audio", "lyrics"])
    dimension: Series[str]
    x: Series[float]
    y: Series[float]
    value: Series[float]


class Gain(Document):
    """Difference of log likelihoods per release in nats.

    The 95 % interval is over artists.
    """

    value: float
    low: float
    high: float


class LatentWidth(Document):
    """Models of one width on the releases of held-out artists.

    Log likelihoods are nats per release: exact for principal components (`pca`, probabilistic) and factor
    analysis, which has one noise variance per feature; a lower bound by importance weights for the
    auto-encoder (`vae`). `linear_gap` is the exact maximum of probabilistic PCA minus the log likelihood of
    an auto-encoder with a linear decoder, on the artists of the fit.
    """

    width: int
    pca: float
    factor_analysis: float
    vae: float
    over_pca: Gain
    over_factor_analysis: Gain
    active_units: int
    variance: float
    pca_variance: float
    linear_gap: float
    epochs: int


class LatentModality(Document):
    """One modality: rows, and models by width.

    `gaussian` is one normal distribution with full covariance.
    """

    releases: int
    artists: int
    held_out_artists: int
    held_out_releases: int
    gaussian: float
    widths: list[LatentWidth]


class LatentMetrics(Document):
    """Summaries by modality; `samples` is the number of draws of a bound."""

    samples: int
    modalities: dict[str, LatentModality]


class LatentOutputs(NamedTuple):
    """Outputs of the stage emotion-latent."""

    latent_points: Table[LatentPoints]
    latent_grid: Table[LatentGrid]
    latent: LatentMetrics

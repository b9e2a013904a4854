"""Params of emotion within songs, on albums and over careers."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from statewright.contracts import Params
from tasks.emotion.params.data import Names


class MicroParams(Params):
    """Course of emotion within songs."""

    raters: int = Field(
        description="raters of each song, at least (10 in DEAM and emoMusic, Soleymani et al. 2013)", ge=2
    )
    classes: int = Field(description="classes of songs, from calm to varied", ge=1, le=10)
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        description="candidate weights, in songs, of the shape to which the curves of a class are shrunk",
        min_length=1,
    )
    kinds: Names = Field(description="kinds of lyric sections", min_length=2)
    emotions: Names = Field(description="emotions of the lyrics")
    min_songs: int = Field(description="songs that a model needs", ge=20)
    draws: int = Field(description="bootstrap samples of songs", ge=20)
    seed: int = Field(description="random seed", ge=0)


class MesoParams(Params):
    """Album factors."""

    audio: Names = Field(description="audio dimensions", min_length=4)
    lyrics: Names = Field(description="lyric dimensions", min_length=4)
    min_songs: int = Field(description="songs that an album needs", ge=3)
    min_albums: int = Field(description="albums that an artist needs", ge=2)
    draws: int = Field(description="shuffles to which the factors are fitted; at most shuffles", ge=20)
    shuffles: int = Field(description="shuffles of an artist's songs over the albums, for p values", ge=20)
    groups: int = Field(description="groups of artists left out in turn for the intervals", ge=5)
    album_draws: int = Field(description="draws of an album's own spread, for its interval", ge=100)
    false_discovery_rate: float = Field(description="false discovery rate over artists", gt=0, lt=1)
    seed: int = Field(description="random seed", ge=0)

    @model_validator(mode="after")
    def _fits_are_of_shuffles(self) -> Self:
        if self.shuffles < self.draws:
            raise ValueError(f"shuffles {self.shuffles} must be at least draws {self.draws}")
        return self


class MacroParams(Params):
    """Careers as Gaussian processes."""

    dimensions: Names = Field(description="dimensions; each is fitted separately", min_length=1)
    min_years: int = Field(description="active years before the test years that a career needs", ge=3)
    max_years: int = Field(
        description="maximum number of those years; the cost of a career is the cube of its years", ge=5
    )
    careers: int = Field(description="careers drawn at random from those with a test year", ge=10)
    draws: int = Field(description="posterior draws of each chain", ge=10)
    tune: int = Field(description="tuning steps of each chain", ge=10)
    target_accept: float = Field(
        description="target acceptance rate; a higher rate means smaller steps and fewer divergences",
        gt=0.5,
        lt=1,
    )
    chains: int = Field(description="number of chains", ge=2, le=8)
    predictive_draws: int = Field(description="posterior draws for forecasts and checks", ge=20)
    noise_strength: float = Field(description="songs that the pooled spread within a year counts as", gt=0)
    seed: int = Field(description="random seed", ge=0)


class ChangepointParams(Params):
    """Series that are segmented, and the priors of their regimes."""

    dimensions: Names = Field(description="dimensions that are analysed together")
    min_songs: int = Field(description="songs below which a year of music or the charts is excluded", ge=1)
    min_years: int = Field(description="active years that a career or source needs", ge=3)
    years_rate: float = Field(description="expected changes of music as a whole, a priori", gt=0)
    years_min_length: int = Field(description="minimum length in years of a regime of music", ge=1)
    years_strength: float = Field(
        description="observations that the prior covariance of a regime of music is worth", gt=0
    )
    career_rate: float = Field(
        description="expected changes of a career, a priori, under regimes of independent years; under "
        "persistent regimes it is fitted",
        gt=0,
    )
    career_min_length: int = Field(description="minimum length in active years of a career's regime", ge=1)
    career_strength: float = Field(
        description="observations that the prior covariance of a career's regime is worth", gt=0
    )
    k_max: int = Field(description="maximum number of changes", ge=1)
    near: int = Field(
        description="years within which a change confirms a published one; 2 near + 1 must not exceed "
        "years_min_length",
        ge=0,
    )
    career_false_discovery_rate: float = Field(
        description="expected share of careers without a change among those reported", gt=0, lt=1
    )
    career_simulations: int = Field(description="simulated careers without a change, for each", ge=2)
    simulations: int = Field(
        description="simulated series without a change, for each series of music as a whole", ge=1
    )
    seed: int = Field(description="random seed of simulated series and random placements", ge=0)

    @model_validator(mode="after")
    def _one_change_in_the_window(self) -> Self:
        if 2 * self.near + 1 > self.years_min_length:
            raise ValueError(f"2 near + 1 = {2 * self.near + 1} must be at most years_min_length")
        return self

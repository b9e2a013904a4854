"""Params of the latent states of releases and artists."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from statewright.contracts import Params
from tasks.emotion.params.data import Names


class LatentParams(Params):
    """Variational auto-encoders of releases."""

    widths: tuple[int, ...] = Field(description="latent dimensions; 2 draws the map", min_length=1)
    min_songs: int = Field(description="songs that a release needs", ge=1)
    held_out: float = Field(description="share of artists for the figures", gt=0, lt=0.5)
    validation: float = Field(description="share of artists that end the training", gt=0, lt=0.5)
    hidden: int = Field(description="units of each of two hidden layers", ge=4)
    epochs: int = Field(description="maximum number of epochs", ge=1)
    batch_size: int = Field(description="releases per step", ge=8)
    learning_rate: float = Field(description="step size of Adam", gt=0)
    warm_up: int = Field(description="epochs in which the weight of the divergence rises to 1", ge=1)
    patience: int = Field(description="epochs without a better validation bound until the end", ge=1)
    samples: int = Field(description="draws per release of the importance-weighted bound", ge=500)
    draws: int = Field(description="bootstrap samples of artists", ge=100)
    seed: int = Field(description="random seed", ge=0)

    @model_validator(mode="after")
    def _one_width_is_the_map(self) -> Self:
        if 2 not in self.widths or not all(1 <= width <= 8 for width in self.widths):
            raise ValueError(f"widths {self.widths} must be from 1 to 8 and include 2, the width of the map")
        return self


class VariationalParams(Params):
    """Yearly states of artists by two variational families, and their comparison."""

    dimensions: Names = Field(description="dimensions of a state", min_length=1)
    min_years: int = Field(description="active years that a career needs", ge=2)
    tolerance: float = Field(
        description="gain of a sweep, as a share of the bound, below which the ascent stops", gt=0, lt=1
    )
    max_steps: int = Field(description="maximum number of sweeps", ge=1)
    hidden_share: float = Field(description="share of the years held out to score the states", gt=0, lt=1)
    ascent_artists: int = Field(description="careers on which three ascents are compared", ge=1)
    ascent_steps: int = Field(description="maximum number of steps of each of these ascents", ge=1)
    draws: int = Field(description="bootstrap samples of artists", ge=100)
    seed: int = Field(description="random seed", ge=0)

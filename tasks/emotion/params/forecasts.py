"""Params of fusion, forecasts, their evaluation and the searches."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from statewright.contracts import Params

Range = tuple[float, float]
"""Lowest and highest value."""


class FusionParams(Params):
    """Sizes of the fusion, its training, and its comparison with PCA."""

    width: int = Field(
        description="numbers in the fused state of a release, and in the PCA it is compared with",
        ge=1,
        le=256,
    )
    token_width: int = Field(
        description="width of the token of a modality; a multiple of heads", ge=2, le=512, multiple_of=2
    )
    heads: int = Field(description="attention heads", ge=1, le=16)
    hidden: int = Field(description="units in each encoder and decoder", ge=1, le=1024)
    dropout: float = Field(description="dropout probability", ge=0, lt=1)
    time_origin: float = Field(description="year at which the time encoding is 0")
    time_unit: float = Field(
        description="years in which the fastest cycle of the time encoding turns by one radian", gt=0
    )
    epochs: int = Field(
        description="maximum number of epochs; the best by validation loss is used", ge=1, le=10_000
    )
    batch_size: int = Field(description="releases in a batch", ge=1)
    learning_rate: float = Field(description="learning rate", gt=0, le=1)
    weight_decay: float = Field(description="weight decay", ge=0, le=10)
    clip: float = Field(description="maximum norm of a gradient", gt=0)
    balance: float = Field(
        description="sampling of releases: 0 draws all equally often, 1 all sets of modalities", ge=0, le=1
    )
    hide: float = Field(description="probability that a modality is masked in training", ge=0, lt=1)
    kept: float = Field(description="weight in the loss of the values that were not masked", ge=0)
    average: float = Field(
        description="decay per step of the moving average of the weights; 0: no average", ge=0, lt=1
    )
    patience: int = Field(
        description="epochs without a better validation loss after which training stops", ge=1
    )
    seed: int = Field(description="random seed", ge=0)
    pca_iterations: int = Field(description="maximum number of EM iterations of the PCA", ge=1)
    draws: int = Field(description="bootstrap samples of artists for the intervals", ge=100)

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.token_width % self.heads:
            raise ValueError(f"token_width {self.token_width} must be a multiple of heads {self.heads}")
        return self


class TrainParams(Params):
    """The forecaster: state-space models, corrected by attention over the past."""

    lr: float = Field(description="learning rate of the attention networks", gt=0, le=0.1)
    width: int = Field(
        description="width of keys, values and the hidden layer; a multiple of heads", ge=4, le=256
    )
    heads: int = Field(description="attention heads", ge=1, le=16)
    dropout: float = Field(description="dropout probability", ge=0, lt=1)
    weight_decay: float = Field(description="weight decay", ge=0, le=10)
    epochs: int = Field(description="maximum number of epochs", ge=1, le=1000)
    patience: int = Field(
        description="epochs without a better loss on the held-out artists after which training stops", ge=1
    )
    batch_size: int = Field(description="targets in a batch", ge=8)
    history: int = Field(description="earlier releases that a forecast uses", ge=1, le=200)
    folds: int = Field(description="groups of artists held out in turn: networks per task", ge=2, le=20)
    noise_strength: float = Field(description="songs that the pooled spread within a release counts as", gt=0)
    noise_rows: float = Field(
        description="releases that the average noise counts as in the noise expected of an artist's next",
        gt=0,
    )
    ridge: float = Field(description="penalty, in targets, of the regression over all dimensions", gt=0)
    stack_strength: float = Field(
        description="targets that the fixed weights of the candidates count as", ge=0
    )
    ablations: bool = Field(description="whether the variants without a modality are trained too")
    seed: int = Field(description="random seed")
    threads: int = Field(
        description="threads of torch; networks this small are slower with more than one", ge=1, le=64
    )

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


class EvaluateParams(Params):
    """Intervals and coverage of the forecasts."""

    draws: int = Field(description="bootstrap samples of artists", ge=100)
    level: float = Field(description="level of the intervals", gt=0, lt=1)
    coverage_levels: tuple[float, ...] = Field(description="nominal levels at which coverage is measured")
    many_songs: int = Field(
        description="songs from which a target counts for the column rmse_many_songs", ge=2
    )
    seed: int = Field(description="random seed")


class SearchParams(Params):
    """Settings of a fast forecaster that are searched, and the sizes of the search."""

    lasso: Range = Field(description="range of the penalty that removes weights; searched by its logarithm")
    ridge: Range = Field(description="range of the penalty that shrinks weights; by its logarithm")
    smooth: Range = Field(description="range of the penalty of the forecast's steps; by its logarithm")
    half_life: Range = Field(description="range of the years in which the past counts half; by logarithm")
    exponent: Range = Field(description="range of the power of a year's songs that weights the year")
    pull: Range = Field(description="range of the weight, in years, of the mean of all artists; by logarithm")
    evaluations: int = Field(description="evaluations of each search over three aims", ge=20)
    population: int = Field(description="points of a generation of NSGA-II", ge=4)
    weights: int = Field(
        description="steps from 0 to 1 of each weight of a weighted sum: 3 steps give 10 sums", ge=1, le=10
    )
    trials: int = Field(description="evaluations of each search of the smallest error alone", ge=15)
    seeds: int = Field(description="repetitions of each search, with seeds from 0 on", ge=3)

    @model_validator(mode="after")
    def _ranges_are_positive(self) -> Self:
        for name in ("lasso", "ridge", "smooth", "half_life", "exponent", "pull"):
            low, high = getattr(self, name)
            if not low < high or low < 0 or (low == 0 and name != "exponent"):
                raise ValueError(f"{name} is {low} to {high}; expected 0 < lowest < highest")
        return self


class FeedbackParams(Params):
    """Search for better parameters."""

    patience: int = Field(description="rounds without a gain after which the search stops", ge=1)
    least_gain: float = Field(description="decrease of the validation loss that counts as a gain", ge=0)
    step: float = Field(description="factor by which a move changes a parameter", gt=1)

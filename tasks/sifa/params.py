"""Types, meanings and ranges of the sifa blocks of ``params.yaml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from statewright.contracts import Params


class MatrixParams(Params):
    """Cells of the trainings in ``dvc.yaml``: sets, variants and seeds."""

    data: tuple[str, ...] = Field(min_length=1, description="all sets")
    variants: tuple[str, ...] = Field(
        min_length=1, description="the architecture, and what every set compares it with"
    )
    ablated: tuple[str, ...] = Field(description="sets on which further parts are removed")
    ablations: tuple[str, ...] = Field(description="the architecture without one of these parts")
    grids: tuple[str, ...] = Field(description="pictures and signals, which have baselines of their own")
    grid_variants: tuple[str, ...] = Field(description="baselines of pictures and signals only")
    graphs: tuple[str, ...] = Field(description="molecules, which have baselines of their own")
    graph_variants: tuple[str, ...] = Field(description="baselines of molecules only")
    seeds: tuple[int, ...] = Field(
        min_length=2, description="seeds of division and training; two or more, for a paired interval"
    )


class IngestParams(Params):
    """Tables of the sets."""

    source: str = Field(description="folder with signals, molecules and solubility as Parquet or CSV")
    most_quarantined: float = Field(
        ge=0, le=1, description="share of invalid rows above which a table is refused"
    )


class PreprocessParams(Params):
    """Division of each set into training and test rows."""

    digits: int = Field(ge=20, le=1000, description="training rows of the digits that are turned")
    digits_more: int = Field(ge=20, le=1000, description="training rows of the larger set of turned digits")
    sixnine: int = Field(ge=10, le=200, description="training rows of sixes and nines, upright")
    signals: int = Field(ge=100, le=4000, description="training rows of the signals, of 4,000")
    molecules: int = Field(ge=100, le=5600, description="training rows of the molecules")
    molecules_test: int = Field(ge=100, le=1500, description="test rows of the molecules")
    seed: int = Field(ge=0, description="seed of the turns of the digits")


class TrainParams(Params):
    """Training of one cell."""

    effort: float = Field(gt=0, le=10, description="factor of the number of epochs of every model")
    information: float = Field(ge=0, le=10, description="weight of the information regularisation")
    rate: float = Field(gt=0, le=100, description="factor of the learning rate of the architecture")
    friction: float = Field(gt=0, le=100, description="factor of the friction of the conformal leapfrog")
    attacked: int = Field(ge=0, le=2000, description="test rows that are attacked; 0: no attack")
    radii: tuple[float, ...] = Field(description="largest changes of a pixel or point, in its unit")
    steps: int = Field(ge=1, le=1000, description="gradients of an ascent of the attack")
    restarts: int = Field(ge=1, le=100, description="ascents of the attack, from different starts")
    queries: int = Field(ge=1, le=100_000, description="scores of the attack without gradients")
    validation: float = Field(
        ge=0, lt=1, description="share of the training rows held out for sifa-feedback; 0: none"
    )
    seed: int = Field(ge=0, description="seed of the attacks and shifts")


class OptimisersParams(Params):
    """Comparison of optimisers by the same random search."""

    tasks: tuple[Literal["digits-mlp", "signals-mlp", "molecules-mlp", "digits-logistic"], ...] = Field(
        min_length=1, description="learning tasks: one axis of the matrix"
    )
    optimisers: tuple[Literal["adamw", "sgd", "kfac", "leapfrog", "kfac-leapfrog"], ...] = Field(
        min_length=1, description="optimisers: the other axis of the matrix"
    )
    trials: int = Field(ge=1, le=1000, description="random settings of each search")
    budgets: tuple[int, ...] = Field(min_length=1, description="gradient evaluations of a training, rising")
    repetitions: int = Field(ge=2, le=100, description="seeds with which each choice is trained again")
    seed: int = Field(ge=0, description="seed of the search; the repetitions have the next ones")


class GeometryParams(Params):
    """Fisher matrices and distances that are measured."""

    rows: tuple[int, ...] = Field(min_length=1, description="training rows of the measured models")
    steps: tuple[int, ...] = Field(
        min_length=1, description="updates after which a model is measured, rising"
    )
    repetitions: int = Field(ge=2, le=100, description="seeds of weights, rows and batches")
    measured: int = Field(ge=20, le=2000, description="training rows of which the Fisher matrix is the mean")
    seed: int = Field(ge=0, description="first seed")


class OptimiserCell(Params):
    """Values of one cell of the matrix of optimisers."""

    task: str
    optimiser: Literal["adamw", "sgd", "kfac", "leapfrog", "kfac-leapfrog"]


class Cell(Params):
    """Values of one cell of the matrix."""

    data: str
    variant: str
    seed: int


class EvaluateParams(Params):
    """Intervals of differences."""

    draws: int = Field(ge=100, le=100_000, description="resamples of the test rows")
    seed: int = Field(ge=0, description="seed of the resamples")


class FeedbackParams(Params):
    """Search for better settings of the training."""

    patience: int = Field(ge=1, description="rounds without a gain after which the search stops")
    least_gain: float = Field(
        ge=0, description="fall of the loss on held-out training rows that counts as a gain"
    )

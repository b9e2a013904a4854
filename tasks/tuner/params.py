"""Types, meanings and ranges of the tuner blocks of ``params.yaml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from statewright.contracts import Params


class IngestParams(Params):
    """Tables of the specifications."""

    source: str = Field(description="folder with career_audio and artists as Parquet or CSV")
    most_quarantined: float = Field(
        ge=0, le=1, description="share of invalid rows above which a table is refused"
    )


class PolicyParams(Params):
    """Q-learning of the number of bits to flip on LeadingOnes."""

    bits: int = Field(ge=2, le=1000, description="number of bits of a string")
    carried_to: int = Field(ge=2, le=1000, description="number of bits to which the policy is carried")
    actions: tuple[int, ...] = Field(min_length=1, description="numbers of bits that may be flipped")
    checkpoints: tuple[int, ...] = Field(
        min_length=1, description="numbers of episodes after which a policy is measured, rising"
    )
    seeds: tuple[int, ...] = Field(min_length=2, description="seeds of the learner")


class SearchParams(Params):
    """Comparison of samplers on problems whose optimum is known."""

    problems: tuple[Literal["sphere", "rosenbrock", "rastrigin", "mixed"], ...] = Field(
        min_length=1, description="functions; mixed has a choice, whole numbers and a condition"
    )
    samplers: tuple[Literal["hybrid", "genetic", "random"], ...] = Field(description="samplers to compare")
    dimension: int = Field(ge=2, le=40, description="variables of a problem; mixed has 4")
    budget: int = Field(ge=20, le=100_000, description="evaluations of one search, every one counted")
    population: int = Field(ge=4, le=200, description="individuals of the genetic search")
    checkpoints: tuple[int, ...] = Field(description="evaluations after which the best loss is reported")
    instances: int = Field(ge=2, le=100, description="optima and seeds of each problem")
    random_draws: int = Field(
        ge=100, le=10_000_000, description="random points that may reach the hybrid's median"
    )
    seed: int = Field(ge=0, description="seed of the first instance")

    @field_validator("samplers")
    @classmethod
    def check_hybrid(cls, samplers: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse a comparison without the hybrid, whose median is the level to reach."""
        if "hybrid" not in samplers:
            raise ValueError("samplers lacks hybrid, with which the others are compared; add it")
        return samplers


class FeedbackParams(Params):
    """Search for a better population."""

    patience: int = Field(ge=1, description="rounds without a gain after which the search stops")
    least_gain: float = Field(ge=0, description="fall of the mean log10 loss that counts as a gain")


class MatrixParams(Params):
    """Cells of the measurements in ``dvc.yaml``."""

    specs: tuple[str, ...] = Field(min_length=2, description="names of the specifications")
    rows: tuple[int, ...] = Field(min_length=2, description="rows of the tables that are measured")


class ProgramsParams(Params):
    """Specifications of the generator, and the configurations of each one."""

    folder: str = Field(description="folder with NAME.yaml for each specification")
    engines: tuple[Literal["pandas", "polars", "duckdb"], ...] = Field(
        min_length=1, description="engines for which programs are generated"
    )
    threads: tuple[int, ...] = Field(min_length=1, description="numbers of threads of a program")
    batch_sizes: tuple[int, ...] = Field(min_length=1, description="rows of a batch; 0: no batches")


class GenerateCell(Params):
    """Values of one cell of tuner-generate."""

    spec: str
    engine: Literal["pandas", "polars", "duckdb"]


class MeasureCell(Params):
    """Values of one cell of tuner-measure."""

    spec: str
    rows: int


class MeasureParams(Params):
    """Measurement of every program."""

    rounds: int = Field(ge=2, le=100, description="times that each program is measured, in turns")
    repeats: int = Field(
        ge=1, le=100, description="runs of a measurement on a small table; the fastest counts"
    )
    small: int = Field(ge=0, description="rows up to which a table is small")
    seed: int = Field(ge=0, description="seed of the rows of the tables and of the order of a round")


class ChooseParams(Params):
    """Choice of a program by few measurements."""

    share: float = Field(gt=0, le=1, description="evaluations of a search, as a share of the programs")
    population: int = Field(ge=2, le=100, description="individuals of the genetic search")
    epochs: int = Field(ge=1, le=10_000, description="updates of the attention")
    repetitions: int = Field(ge=2, le=1000, description="seeds of each search")
    seed: int = Field(ge=0, description="first seed")


class EvaluateParams(Params):
    """Comparison of the choice with the exhaustive optimum."""

    rounds: int = Field(ge=5, le=1000, description="times that both programs are measured again, in turns")
    tolerance: float = Field(ge=1, description="ratio of costs up to which a choice is as good as the best")
    draws: int = Field(ge=100, le=100_000, description="resamples of the rounds")
    seed: int = Field(ge=0, description="seed of the order and of the resamples")

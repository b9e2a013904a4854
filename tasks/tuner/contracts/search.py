"""Contracts of the outputs of tuner-search."""

from __future__ import annotations

from typing import NamedTuple

from statewright.contracts import Document


class SamplerScores(Document):
    """Losses of one sampler on one problem.

    `final` has the best loss by instance after the whole budget, `curve` the median best loss by number of
    evaluations, every one counted. `shares` is the median part of the gain from the median random point to
    the optimum.
    """

    final: list[float]
    median: float
    curve: dict[int, float]
    shares: dict[int, float]


class Equivalent(Document):
    """Evaluations that random search needs for the median loss of the hybrid.

    `needed` is the median over instances, `low` and `high` its 95 % interval by resampling instances; null if
    random search did not get there within `draws` evaluations.
    """

    draws: int
    reached: int
    instances: int
    needed: float | None
    low: float | None
    high: float | None


class ProblemScores(Document):
    """Every sampler on one problem, and the two ratios of the specification."""

    samplers: dict[str, SamplerScores]
    random_equivalent: Equivalent


class SearchMetrics(Document):
    """Samplers by problem, at an equal number of evaluations.

    `generation` is the number of evaluations in one generation of the genetic search.
    """

    budget: int
    generation: int
    problems: dict[str, ProblemScores]


class ValidationMetrics(Document):
    """Score that tuner-feedback lowers: mean log10 loss on instances of their own."""

    loss: float
    by_problem: dict[str, float]


class SearchOutputs(NamedTuple):
    """Outputs of the stage tuner-search."""

    search: SearchMetrics
    validation: ValidationMetrics

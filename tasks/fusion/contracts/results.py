"""Contracts of the outputs of fusion-fuse, fusion-evaluate and fusion-judge.

A score is the accuracy for classes and R² for values; higher is better. A point is 0.01 of either.
"""

from __future__ import annotations

from typing import NamedTuple

import pandera.pandas as pa
from pandera.typing import Series
from pydantic import Field

from statewright.contracts import Document, Table


class Interval(Document):
    """Mean and ends of a 95% interval."""

    mean: float
    low: float
    high: float


class ChoiceMetrics(Document):
    """Nested cross-validation of the operators.

    Parameters
    ----------
    score : float
        Score of the picked operators on the outer folds.
    regret : float
        Score of the best operator in hindsight minus `score`.
    scores : dict
        Operator -> its score on each outer fold.
    picked : list
        Operator that the inner folds pick, for each outer fold.
    """

    chosen: str
    folds: int = Field(ge=3)
    score: float
    regret: float
    scores: dict[str, list[float]]
    picked: list[str]


class Edge(Document):
    """Attention from a node of a level, counted from 1, to one of the next."""

    level: int = Field(ge=1)
    source: str
    target: str
    weight: float = Field(ge=0, le=1 + 1e-9)


class AttentionDetails(Document):
    """Mean attention of an operator, and the weight of each modality.

    `operator` and `levels` are empty if no operator with attention was fitted. `entropy` is normalised by
    its maximum, log n.
    """

    operator: str
    levels: list[list[str]]
    edges: list[Edge]
    importance: dict[str, float]
    entropy: dict[str, float]


class FusedRows(pa.DataFrameModel):
    """Out-of-fold predictions, one row per development row and operator."""

    row: Series[int]
    operator: Series[str]
    predicted: Series[str]
    loss: Series[float]


class FuseOutputs(NamedTuple):
    """Outputs of the stage fusion-fuse."""

    choice: ChoiceMetrics
    fused: Table[FusedRows]
    attention: AttentionDetails


class Calibration(Document):
    """Calibration of probabilities on resplits; lower is better."""

    log_loss: float
    brier: float
    error: float


class EvaluateMetrics(Document):
    """Scores on resplits of the development rows.

    Parameters
    ----------
    scores : dict
        Operator or baseline -> score.
    against : dict
        Baseline or other operator -> score of the chosen operator minus its score, paired.
    permuted : dict
        Modality -> drop of the chosen operator's score when the rows of the modality are exchanged.
    absent : dict
        Operator -> modality -> its score when the modality is absent at test.
    """

    chosen: str
    resplits: int
    scores: dict[str, Interval]
    against: dict[str, Interval]
    permuted: dict[str, Interval]
    absent: dict[str, dict[str, float]]
    importance: dict[str, float]
    calibration: Calibration | None
    coverage: float | None


class Decisions(pa.DataFrameModel):
    """Calibrated out-of-fold decision of each development row.

    `truth` and `decision` are names of classes or values as text. `confidence` is the probability of the
    decision, or the half-width of the interval. `loss` is 1 minus the probability of the truth, or the
    absolute error.
    """

    row: Series[int]
    truth: Series[str]
    decision: Series[str]
    confidence: Series[float]
    loss: Series[float] = pa.Field(ge=0)


class EvaluateOutputs(NamedTuple):
    """Outputs of the stage fusion-evaluate."""

    evaluate: EvaluateMetrics
    decisions: Table[Decisions]


class JudgeMetrics(Document):
    """Scores on the held-out test rows, used once."""

    chosen: str
    rows: int
    scores: dict[str, float]
    against: dict[str, Interval]

"""Contracts of the outputs of fusion-fuse, fusion-evaluate and fusion-judge."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import pandera.pandas as pa
from pandera.typing import Series
from pydantic import Field

from statewright.contracts import Document, Table
from tasks.fusion.contracts.characterise import Drift


class FusedRows(pa.DataFrameModel):
    """One row per record, operator and class: prediction without the row's fold.

    `label` is the number of the class, -1 for regression; `value` is its probability, or the predicted value.
    """

    row: Series[int] = pa.Field(ge=0)
    fold: Series[int] = pa.Field(ge=0)
    operator: Series[str]
    label: Series[int] = pa.Field(ge=-1)
    value: Series[float]

    class Config:
        unique: ClassVar[list[str]] = ["row", "operator", "label"]


class ChoiceMetrics(Document):
    """Nested cross-validation on the development rows.

    Scores are accuracies, or R². `scores` has one figure per outer fold, `means` over all rows; both have the
    operators in `order` and the blend, whose weights for a fold are those of the other folds. `picked` is the
    operator with the largest of them. `score` is that of the blend, `regret` its distance to the best
    operator in hindsight over all folds, `fold_regret` to the best of each fold; negative if the blend is
    better. `weights` are those of all folds, for use; `chosen` is "blend", or the only operator that has one.
    `rows` were used.
    The modalities in `without` were not, and must not be by a user of the choice; `landmarks` is a setting.
    """

    chosen: str
    weights: dict[str, float]
    without: list[str]
    landmarks: int
    rows: int
    folds: int
    order: list[str]
    means: dict[str, float]
    scores: dict[str, list[float]]
    picked: list[str]
    score: float
    regret: float
    fold_regret: list[float]


class OperatorDetails(Document):
    """Weights of one operator that was fitted on all development rows.

    `importance` is alpha, with sum 1. `entropy` is H / log n of the attention of each query. `levels` are the
    mean attention matrices in the order from the result to the columns, rows are queries.
    """

    importance: dict[str, float]
    entropy: dict[str, float]
    levels: list[list[list[float]]]
    parameters: dict[str, float]


class Attention(Document):
    """Weights of every operator that has some; `modalities` are in order."""

    modalities: list[str]
    operators: dict[str, OperatorDetails]


class FuseOutputs(NamedTuple):
    """Outputs of the stage fusion-fuse."""

    fused: Table[FusedRows]
    attention: Attention
    choice: ChoiceMetrics


class IntervalFigures(Document):
    """Mean and 95 % interval."""

    mean: float
    low: float
    high: float


class CalibrationFigures(Document):
    """Log loss in nats, Brier score and expected calibration error (15 bins)."""

    log_loss: float
    brier: float
    error: float


class ModalityFigures(Document):
    """One modality: what it is worth to the chosen operator.

    `importance` is its weight alpha, null if the operator has none. `permuted` is the drop of the score when
    its rows are exchanged, `absent` when it is absent at test, `absent_early` the same of concatenation with
    mean imputation. `alone` is the score of this modality alone.
    """

    importance: float | None
    permuted: IntervalFigures
    absent: float
    absent_early: float | None
    alone: float


class Reliability(Document):
    """Calibration and coverage of predictions of models without the row.

    `calibrated` is after the temperature, `raw` before it; both are null for regression. Temperature and
    radius are those of the other folds where they are judged here, and those of all folds where they are
    stated. `coverage` is the share of the sets or intervals that contain the target, `size` their mean number
    of classes or width. `radius` is null if there are too few rows for a bounded interval.
    """

    raw: CalibrationFigures | None
    calibrated: CalibrationFigures | None
    temperature: float
    radius: float | None
    coverage: float
    size: float | None


class Evaluation(Document):
    """The chosen operator against its baselines, on resplits of the development rows.

    `gains` are differences of scores, with the corrected resampled t interval (Nadeau and Bengio 2003).
    `helps` is yes or no if the interval of the gain over the best single modality excludes 0. Sets and
    intervals have the level 1 - `alpha`.
    """

    chosen: str
    resplits: int
    rows: int
    scores: dict[str, float]
    gains: dict[str, IntervalFigures]
    best_single: str
    helps: Literal["yes", "no", "not shown"]
    modalities: dict[str, ModalityFigures]
    alpha: float
    reliability: Reliability


class Decisions(pa.DataFrameModel):
    """One row per development row: decision of a model without it.

    `decision` is the class or the value; `probability` is calibrated, null for regression. `low` and `high`
    are the interval of a value; `classes` are the classes of the conformal set, joined by commas.
    """

    row: Series[int] = pa.Field(ge=0, unique=True)
    target: Series[str]
    decision: Series[str]
    probability: Series[float] = pa.Field(nullable=True, ge=0, le=1)
    low: Series[float] = pa.Field(nullable=True)
    high: Series[float] = pa.Field(nullable=True)
    classes: Series[str]


class EvaluateOutputs(NamedTuple):
    """Outputs of the stage fusion-evaluate."""

    decisions: Table[Decisions]
    evaluate: Evaluation


class Judgement(Document):
    """The chosen operator and every baseline on the held-out test rows, once.

    `gains` are differences of the score of the chosen operator to each baseline, with a 95 % interval over
    rows (over groups if there are any). `drift` compares the test rows with the development rows, for each
    modality.
    """

    chosen: str
    rows: int
    drift: dict[str, Drift | None] = Field(default_factory=dict)
    scores: dict[str, float]
    gains: dict[str, IntervalFigures]
    calibration: CalibrationFigures | None
    coverage: float
    size: float | None

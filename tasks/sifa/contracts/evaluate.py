"""Contracts of the outputs of sifa-evaluate.

Every difference is an improvement: points of accuracy, or percent of the error that is saved. So signs mean
the same for all sets.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from statewright.contracts import Document


class Difference(Document):
    """Mean improvement with 95 % intervals by seed and by test row.

    `verdict` is gain or loss if both intervals are on one side of 0. `seeds` is the number of pairs.
    """

    mean: float
    low: float
    high: float
    row_low: float
    row_high: float
    seeds: int
    verdict: Literal["gain", "loss", "not shown"]


class SeedInterval(Document):
    """Mean with a 95 % interval by seed."""

    mean: float
    low: float
    high: float


class VariantScores(Document):
    """Means over the seeds of one variant on one set.

    `spread` is the standard deviation of the score.
    Log loss, Brier score and calibration error (15 bins of equal mass) are null for a regression.
    """

    score: float
    spread: float
    train_score: float
    log_loss: float | None
    brier: float | None
    ece: float | None
    parameters: int
    flops: int
    seconds: float
    seeds: int


class SetScores(Document):
    """Every variant on one set.

    `strongest` is the baseline with the best mean score on the test rows, which favours it. `gains` are the
    improvements from each baseline to the whole architecture.
    """

    measure: str
    train_rows: int
    variants: dict[str, VariantScores]
    strongest: str
    gains: dict[str, Difference]


class Ablation(Document):
    """Change of the score when one part is removed; below 0 the part pays.

    `specification` is the figure of the document, in points of accuracy; it has no data behind it. `accuracy`
    is the mean over the pictures and signals with a true symmetry; null if there is none.
    """

    specification: float | None
    changes: dict[str, Difference]
    accuracy: SeedInterval | None


class Robustness(Document):
    """Accuracy of one variant by radius of the attack.

    `clean` is that of the same rows without an attack. `masked` is the largest share of rows that only the
    random search breaks; null for a model without a gradient, whose figures are upper bounds.
    `gain` is the improvement from the plain transformer to this variant in points, by seed, for each radius;
    empty for the plain transformer.
    """

    clean: float
    attacked: dict[str, float]
    gain: dict[str, SeedInterval]
    masked: float | None


class Shifted(Document):
    """Score under a shift, and its change in points or percent of the error."""

    score: float
    change: float


class Efficiency(Document):
    """Errors of one variant with few and with more training rows.

    `equivalent` is the number of training rows that the variant needs for the error of the whole
    architecture with few, by the power law through its two errors; null if its error does not fall.
    Outside the two sizes it is an extrapolation.
    """

    rows: tuple[int, int]
    errors: tuple[float, float]
    equivalent: float | None


class SimilarityShift(Document):
    """Errors on molecules by similarity to the nearest training molecule, of 0 to 1.

    `nearest` is the median similarity of the test molecules, `within` that of a training molecule to the
    nearest other one, `known_rings` the share of test molecules whose ring system occurs in training. The
    test molecules are divided in thirds, the least similar first: `bounds` are the similarities of each, and
    `errors` the errors of each variant. `correlation` is the rank correlation of error and similarity, null
    where all errors are equal. `gains` are the improvements from each baseline to the architecture on the
    least similar third.
    """

    nearest: float
    within: float
    known_rings: float
    bounds: list[tuple[float, float]]
    errors: dict[str, list[float]]
    correlation: dict[str, float | None]
    gains: dict[str, Difference]


class Evaluation(Document):
    """Answers to the questions of the specification, by set."""

    sets: dict[str, SetScores]
    ablations: dict[str, Ablation]
    attack: dict[str, dict[str, Robustness]]
    shift: dict[str, dict[str, dict[str, Shifted]]]
    similarity: SimilarityShift | None
    efficiency: dict[str, Efficiency]
    false_symmetry: Difference | None


class SetValidation(Document):
    """Training of the architecture on one set, without its test rows.

    `loss` is the error rate, or the squared error over the variance, on held-out training rows. `gap` is that
    minus the error on the training rows, null for a regression. `rises` is the sum of the rises of the
    training loss in the second half of the epochs, `late` its fall in the last tenth; both as shares of the
    whole fall, and 0 without a fall.
    """

    loss: float
    gap: float | None
    rises: float
    late: float


class ValidationMetrics(Document):
    """Loss that sifa-feedback lowers: the mean over sets."""

    loss: float
    sets: dict[str, SetValidation]


class EvaluateOutputs(NamedTuple):
    """Outputs of the stage sifa-evaluate."""

    evaluate: Evaluation
    validation: ValidationMetrics

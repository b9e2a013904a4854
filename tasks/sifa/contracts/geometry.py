"""Contract of the output of sifa-geometry."""

from __future__ import annotations

from statewright.contracts import Document


class GapRow(Document):
    """One model: losses, and traces of its Fisher matrices over training rows."""

    rows: int
    steps: int
    seed: int
    train: float
    test: float
    exact: float
    sampled: float
    empirical: float


class GapOfTask(Document):
    """Generalisation gap (test loss less train loss) beside the Fisher trace.

    Rank correlations of the gap over models: `bound` with the square root of trace / rows, `rows_alone` with
    1 / the square root of rows, `at_equal_rows` the mean over numbers of rows of the correlation with the
    trace, `empirical_at_equal_rows` the same with the empirical trace. Null where one of both is constant.
    """

    models: list[GapRow]
    bound: float | None
    rows_alone: float | None
    at_equal_rows: float | None
    empirical_at_equal_rows: float | None


class MatrixErrors(Document):
    """Relative Frobenius errors of approximations of the exact Fisher matrix."""

    steps: int
    sampled: float
    empirical: float
    kronecker: float
    blocks: float


class FamilyDistances(Document):
    """Fisher-Rao distances between the classes of the digits in one family.

    `nearest` are the two nearest classes. `with_confusion` is the rank correlation over pairs of classes of
    the distance with the probability of confusion by a trained model; a negative one means that near classes
    are confused.
    """

    mean: float
    smallest: float
    largest: float
    nearest: list[int]
    with_confusion: float


class Geometry(Document):
    """Measured quantities of theorems 1 and 2 of specification 4; nothing is proven.

    `curvature` is the sectional curvature of each family, from the distances of three points: theorem 1
    assumes that it is negative.
    """

    gaps: dict[str, GapOfTask]
    matrices: list[MatrixErrors]
    distances: dict[str, FamilyDistances]
    curvature: dict[str, float]

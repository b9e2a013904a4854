"""Contracts of the outputs of fusion-characterise and fusion-recognise."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np  # noqa: F401 - Tensors names it
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Shapes, Table, Tensors


class ColumnMoments(pa.DataFrameModel):
    """One row per column of a view: moments of its present cells.

    They are those of the development rows. `sd` has the denominator n - 1. `g1` and `g2` are the
    skewness and the kurtosis in excess of 3, by central moments of the denominator n; `G1` and `G2` are
    the same with the correction for few rows. The four are missing for a constant column. `psi` and
    `ks_p` (Holm) compare later with earlier rows.
    """

    modality: Series[str]
    column: Series[str]
    rows: Series[int] = pa.Field(ge=2)
    mean: Series[float]
    sd: Series[float] = pa.Field(ge=0)
    g1: Series[float] = pa.Field(nullable=True)
    G1: Series[float] = pa.Field(nullable=True)
    g2: Series[float] = pa.Field(nullable=True)
    G2: Series[float] = pa.Field(nullable=True)
    psi: Series[float] = pa.Field(ge=0)
    ks_p: Series[float] = pa.Field(ge=0, le=1)

    class Config:
        unique: ClassVar[list[str]] = ["modality", "column"]


class Normality(Document):
    """Mardia's tests on the scores of the first principal components."""

    components: int
    rows: int
    b1: float
    b1_p: float
    b2: float
    b2_p: float


class Drift(Document):
    """Difference of later and earlier rows, or of test and development rows.

    `columns` counts columns with a Kolmogorov-Smirnov p-value (Holm) below 0.05. `auc` with its 95 %
    interval is that of a classifier that distinguishes the samples; 0.5 without drift.
    """

    psi_largest: float
    columns: int
    auc: float
    auc_low: float
    auc_high: float


class ModalitySummary(Document):
    """One modality in the development rows.

    `cells_missing` is the share in the rows that have the modality. Covariance and tests use complete rows
    if at least half of the rows are complete; else `cells_filled` is the share of cells that are replaced by
    the mean. `shrinkage` is 0 for the sample covariance. `absent_p` (Holm) tests
    whether the absence of the modality depends on the target.
    """

    rows: int
    columns: int
    cells_missing: float
    cells_filled: float
    shrinkage: float
    effective_rank: float
    skewed_columns: int
    heavy_columns: int
    normality: Normality | None
    drift: Drift | None
    absent_p: float | None


class LevelSummary(Document):
    """One level of the groupings, averaged over the columns of all modalities.

    `share` is the part of the sum of squares between its groups within the next level; `icc` is the
    intraclass correlation of the units below in its groups.
    """

    groups: int
    units_per_group: float
    share: float
    icc: float | None


class LittleTest(Document):
    """Test of whether cells are missing completely at random, over all columns.

    `patterns` counts the different sets of columns that rows have; a modality that is absent is a set
    without its columns. `not_applied` is the reason why there is no `chi2`.
    """

    patterns: int
    chi2: float | None
    degrees: int | None
    p: float | None
    not_applied: str | None


class Characterisation(Document):
    """Summary of the development rows.

    `order` is what orders rows from earlier to later. `patterns` counts the rows by the modalities that
    they have. `within_share` is the part of the sum of squares within the groups of the finest level.
    """

    rows: int
    order: Literal["time", "row"]
    modalities: dict[str, ModalitySummary]
    patterns: dict[str, int]
    little: LittleTest
    levels: dict[str, LevelSummary]
    within_share: float | None


Covariances = Annotated[Tensors, Shapes({}, more=True)]
"""Covariance of each modality by its name, (columns, columns)."""


class CharacteriseOutputs(NamedTuple):
    """Outputs of the stage fusion-characterise."""

    moments: Table[ColumnMoments]
    covariances: Covariances
    characterise: Characterisation


class Candidate(Document):
    """One family: mean log density of held-out rows, and its distance to the best."""

    log_likelihood: float
    parameters: int
    behind: float
    error: float


class FamilyOfModality(Document):
    """The chosen family of one modality.

    `size` is the number of components of a mixture, or of factors. `space` is what was modelled: columns,
    or the first principal components of a wide modality, for which factor analysis is no candidate.
    `cells_filled` is the share of cells that are replaced by the mean, if few rows are complete.
    """

    family: Literal["normal", "student", "mixture", "factors"]
    size: int
    space: Literal["columns", "principal components"]
    dimensions: int
    rows: int
    cells_filled: float
    variance_kept: float
    bic_components: int
    candidates: dict[str, Candidate]


class Recognition(Document):
    """Family of each modality.

    `too_few` names those with fewer than 20 rows, or without a column of more than two values.
    """

    modalities: dict[str, FamilyOfModality]
    too_few: list[str]

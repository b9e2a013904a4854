"""Modalities of a supervised problem: their arrays, absence, and scaling.

A modality is absent in a row whose columns are all missing. A missing cell of a present modality gets the
mean of its column over the training rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
Views: TypeAlias = Mapping[str, Floats]
"""Columns of each modality, (rows, columns_i), with NaN where a cell is missing."""

CLASSIFICATION: Literal["classification"] = "classification"
REGRESSION: Literal["regression"] = "regression"


@dataclass(frozen=True)
class Problem:
    """Task and number of classes; a regression has 0 classes.

    A label of a classification is an integer from 0 to `classes` - 1.
    """

    task: Literal["classification", "regression"]
    classes: int

    def __post_init__(self) -> None:
        """Check that the number of classes fits the task."""
        if (self.task == CLASSIFICATION) != (self.classes >= 2) or self.classes < 0:
            raise ValueError(
                f"a {self.task} has {self.classes} classes; expected 2 or more for a classification, and 0 "
                "for a regression"
            )

    @property
    def outputs(self) -> int:
        """Return the number of columns of the targets: one for each class, or 1."""
        return self.classes or 1

    def targets(self, y: Floats | Ints) -> Floats:
        """Return indicators of the classes, or the values as one column."""
        if self.classes:
            return np.eye(self.classes)[np.asarray(y, int)]
        return np.asarray(y, float)[:, None]


@dataclass(frozen=True)
class Details:
    """Figures by which a fitted operator explains itself; empty where it has none.

    Attributes
    ----------
    importance : mapping of str to float
        Weight alpha of each modality, >= 0, with sum 1.
    entropy : mapping of str to float
        Normalised entropy ``H(a) / log n`` of the attention of each query or head, in [0, 1].
    attention : mapping of str to (n, m) array
        Mean attention of each level or modality.
    parameters : mapping of str to float
        Chosen settings, such as the width of a kernel.
    """

    importance: Mapping[str, float] = field(default_factory=dict)
    entropy: Mapping[str, float] = field(default_factory=dict)
    attention: Mapping[str, Floats] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitted:
    """An operator after training.

    Attributes
    ----------
    name : str
    predict : callable
        Takes views, returns probabilities (rows, classes) or means (rows,).
    details : Details
    """

    name: str
    predict: Callable[[Views], Floats]
    details: Details = field(default_factory=Details)


@dataclass(frozen=True)
class Scaler:
    """Mean and deviation of each column of the training rows, ignoring missing cells."""

    mean: Floats
    deviation: Floats

    @classmethod
    def fit(cls, x: Floats) -> Scaler:
        """Estimate the scaler; a constant column or one without a value becomes 0."""
        known = ~np.isnan(x)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, x, 0.0).sum(axis=0) / count
        deviation = np.sqrt((np.where(known, x - mean, 0.0) ** 2).sum(axis=0) / count)
        constant = deviation <= 1e-12 * np.maximum(np.abs(mean), 1.0)
        return cls(mean, np.where(constant, np.inf, deviation))

    def apply(self, x: Floats) -> Floats:
        """Return scaled columns, with 0, the mean, where a cell is missing."""
        scaled: Floats = np.nan_to_num((x - self.mean) / self.deviation, nan=0.0)
        return scaled


def rows_of(views: Views) -> int:
    """Return the number of rows.

    Raises
    ------
    ValueError
        If there is no modality or their numbers of rows differ.
    """
    counts = {name: len(x) for name, x in views.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"modalities have {counts} rows; expected at least one modality, of equal length")
    return next(iter(counts.values()))


def present(views: Views) -> Bools:
    """Return whether each row has each modality, (rows, modalities)."""
    rows_of(views)
    return np.column_stack([~np.isnan(x).all(axis=1) for x in views.values()])


def take(views: Views, rows: Ints | Bools | slice) -> dict[str, Floats]:
    """Return the given rows of each modality."""
    return {name: x[rows] for name, x in views.items()}


def without(views: Views, absent: Sequence[str]) -> dict[str, Floats]:
    """Return views in which the named modalities are absent in every row."""
    return {name: np.full_like(x, np.nan) if name in absent else x for name, x in views.items()}


def concatenated(views: Views) -> Floats:
    """Return the columns of all modalities beside each other."""
    return np.hstack(list(views.values()))


def patterns(shown: Bools) -> Iterator[tuple[Bools, Ints]]:
    """Yield each set of present modalities and the rows that have exactly it."""
    if not len(shown):
        return
    distinct, member = np.unique(shown, axis=0, return_inverse=True)
    for index, pattern in enumerate(distinct):
        yield pattern, np.flatnonzero(member.ravel() == index)

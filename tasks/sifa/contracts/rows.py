"""Contracts of the outputs of sifa-preprocess: the rows of every set as tensors."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np  # noqa: F401 - Tensors names it

from statewright.contracts import Document, Shapes, Tensors

Rows = Annotated[Tensors, Shapes({"y": ("rows",)}, more=True)]
"""Tensors of one set.

`x` (rows, ...) has the layout of `methods.sifa.model`; `y` (rows,) has class numbers (int64) or values
(float64). For each seed, ``train.SEED`` and ``test.SEED`` are the row numbers (int64) of its division.
"""


class SetFigures(Document):
    """Size of one set, and its number of classes (1 for a regression)."""

    rows: int
    train: int
    test: int
    classes: int
    shape: list[int]


class PreprocessMetrics(Document):
    """Sets, by name."""

    sets: dict[str, SetFigures]


class PreprocessOutputs(NamedTuple):
    """Outputs of the stage sifa-preprocess."""

    digits: Rows
    digits500: Rows
    signals: Rows
    molecules: Rows
    solubility: Rows
    sixnine: Rows
    preprocess: PreprocessMetrics

"""Contracts of the outputs of the cells of sifa-train."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np  # noqa: F401 - Tensors names it

from statewright.contracts import Document, Shapes, Tensors


class CellScores(Document):
    """Scores of one trained model on the test rows of its seed.

    `score` is the accuracy, or the mean absolute error (molecules) or root mean square error (solubility) in
    the unit of the set, as `measure` says. Log loss is in nats, `ece` has 15 bins of equal mass; these and
    the Brier score are null for a regression. `attack` is the accuracy by the radius of the attack (0: none):
    a row counts if neither PGD with several starts nor a search without gradients breaks it.
    `attack_gradient` is that under PGD alone, empty for a model without a gradient; where it is larger,
    gradients are masked. `shift` is the score by the name of the shift. `seconds` is the CPU time of the
    training, `losses` the training loss after each epoch. `validation` is the error rate, or the squared
    error over the variance, on training rows that a second training held out; null for every variant but
    `sifa`.
    """

    data: str
    variant: str
    seed: int
    measure: str
    score: float
    train_score: float
    log_loss: float | None
    brier: float | None
    ece: float | None
    attack: dict[str, float]
    attack_gradient: dict[str, float]
    shift: dict[str, float]
    parameters: int
    flops: int
    seconds: float
    losses: list[float]
    validation: float | None


Predictions = Annotated[Tensors, Shapes({"row": ("rows",), "target": ("rows",)}, more=True)]
"""Test rows of the seed (`row`, int64), their `target`, and `prediction`: (rows, classes) probabilities or
(rows,) means."""


class TrainOutputs(NamedTuple):
    """Outputs of one cell of sifa-train."""

    scores: CellScores
    predictions: Predictions

"""Training of one cell of the matrix, and its scores on the test rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from statewright.contracts import ContractError
from tasks.sifa.contracts.rows import Rows
from tasks.sifa.contracts.train import CellScores, TrainOutputs
from tasks.sifa.params import Cell, TrainParams
from tasks.sifa.shifts import attacked_scores, shifted

if TYPE_CHECKING:
    from methods.sifa.model import Task

Array = NDArray[np.float64]

MEASURES = {"molecules": "mean absolute error, kcal/mol", "solubility": "root mean square error, log mol/L"}
"""Measure of each regression; that of a classification is the accuracy."""


def run_cell(data: Rows, cell: Cell, params: TrainParams) -> TrainOutputs:
    """Train the variant of a cell on the training rows of its seed, and score it.

    Raises
    ------
    ContractError
        If the file of the set has no division for the seed.
    """
    from methods.sifa.model import Settings, Task, train

    if f"train.{cell.seed}" not in data:
        known = ", ".join(sorted(name for name in data if name.startswith("train.")))
        raise ContractError(
            f"data/sifa/{cell.data}.safetensors has {known}, expected train.{cell.seed}; add the seed to "
            "sifa.matrix.seeds and run sifa-preprocess"
        )
    learned, judged = data[f"train.{cell.seed}"], data[f"test.{cell.seed}"]
    x, y = data["x"], data["y"]
    classes = len(np.unique(y)) if y.dtype == np.int64 else 1
    task = Task("classification" if classes > 1 else "regression", classes)
    settings = Settings(params.effort, params.information, params.rate, params.friction)
    started = time.process_time()
    trained = train(cell.variant, cell.data, x[learned], y[learned], task, seed=cell.seed, settings=settings)
    seconds = time.process_time() - started
    predictions = trained.predict(x[judged])
    score = scorer(cell.data)
    rows = judged[: params.attacked] if classes > 1 else judged[:0]
    attack = attacked_scores(cell.data, trained, x[rows], y[rows], params)
    scores = CellScores(
        data=cell.data,
        variant=cell.variant,
        seed=cell.seed,
        measure=MEASURES.get(cell.data, "accuracy"),
        score=score(predictions, y[judged]),
        train_score=score(trained.predict(x[learned]), y[learned]),
        **calibration(predictions, y[judged], classes),
        attack=attack.robust,
        attack_gradient=attack.gradient,
        shift={
            name: score(trained.predict(moved), y[judged])
            for name, moved in shifted(cell.data, x[judged], params.seed).items()
        },
        parameters=trained.parameters,
        flops=trained.flops,
        seconds=round(seconds, 3),
        losses=[float(loss) for loss in trained.losses],
        validation=_validation(cell, x[learned], y[learned], task, params),
    )
    tensors = {"row": judged, "target": y[judged], "prediction": np.asarray(predictions, float)}
    return TrainOutputs(scores=scores, predictions=tensors)


def _validation(cell: Cell, x: Array, y: NDArray[Any], task: Task, params: TrainParams) -> float | None:
    """Return the loss on held-out training rows, for the whole architecture only.

    sifa-feedback chooses by it, so that no test row decides.
    """
    if cell.variant != "sifa" or not params.validation:
        return None
    from methods.sifa.model import Settings, train

    order = np.random.default_rng(cell.seed).permutation(len(y))
    held_out = max(1, round(params.validation * len(y)))
    judged, learned = order[:held_out], order[held_out:]
    settings = Settings(params.effort, params.information, params.rate, params.friction)
    trained = train(cell.variant, cell.data, x[learned], y[learned], task, seed=cell.seed, settings=settings)
    predictions = trained.predict(x[judged])
    if task.kind == "classification":
        return float((predictions.argmax(1) != y[judged]).mean())
    return float(np.square(predictions - y[judged]).mean() / y[learned].var())


def scorer(name: str) -> Callable[[Array, NDArray[Any]], float]:
    """Return the score of a set: accuracy, or the error of `MEASURES`."""
    if name == "molecules":
        return lambda predicted, y: float(np.abs(predicted - y).mean())
    if name in MEASURES:
        return lambda predicted, y: float(np.sqrt(np.square(predicted - y).mean()))
    return lambda predicted, y: float((predicted.argmax(1) == y).mean())


def calibration(probabilities: Array, y: NDArray[Any], classes: int) -> dict[str, float | None]:
    """Return log loss, Brier score and calibration error, or null for a regression."""
    if classes == 1:
        return {"log_loss": None, "brier": None, "ece": None}
    from methods.evaluation.calibration import (
        brier_score,
        equal_mass_calibration_error,
        probability_log_loss,
    )

    return {
        "log_loss": probability_log_loss(probabilities, y),
        "brier": brier_score(probabilities, y),
        "ece": equal_mass_calibration_error(probabilities, y),
    }

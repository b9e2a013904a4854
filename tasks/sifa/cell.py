"""Training of one cell of the matrix, and its scores on the test rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from statewright.contracts import ContractError
from tasks.sifa.contracts.rows import Rows
from tasks.sifa.contracts.train import CellScores, TrainOutputs
from tasks.sifa.params import Cell, TrainParams
from tasks.sifa.shifts import attacked_scores, shifted

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
    attacked = judged[: params.attacked]
    scores = CellScores(
        data=cell.data,
        variant=cell.variant,
        seed=cell.seed,
        measure=MEASURES.get(cell.data, "accuracy"),
        score=score(predictions, y[judged]),
        train_score=score(trained.predict(x[learned]), y[learned]),
        **calibration(predictions, y[judged], classes),
        attack=attacked_scores(trained, x[attacked], y[attacked], params) if classes > 1 else {},
        shift={
            name: score(trained.predict(moved), y[judged])
            for name, moved in shifted(cell.data, x[judged], params.seed).items()
        },
        parameters=trained.parameters,
        flops=trained.flops,
        seconds=round(seconds, 3),
        losses=[float(loss) for loss in trained.losses],
    )
    tensors = {"row": judged, "prediction": np.asarray(predictions, float)}
    return TrainOutputs(scores=scores, predictions=tensors)


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
    from methods.evaluation.calibration import expected_calibration_error

    rows = np.arange(len(y))
    certain = np.eye(classes)[y]
    return {
        "log_loss": float(-np.log(np.clip(probabilities[rows, y], 1e-12, 1)).mean()),
        "brier": float(np.square(probabilities - certain).sum(1).mean()),
        "ece": expected_calibration_error(probabilities, y),
    }

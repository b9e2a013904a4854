"""Results of the cells of the matrix, and differences between two variants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from statewright.contracts import ContractError, Tensors, check
from tasks.sifa.contracts.evaluate import Difference, SeedInterval
from tasks.sifa.contracts.train import CellScores, Predictions
from tasks.sifa.params import EvaluateParams, MatrixParams

if TYPE_CHECKING:
    from methods.sifa.intervals import Interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """Scores and predictions of one cell."""

    scores: CellScores
    predictions: Tensors


BySeed = Mapping[int, Result]
Results = Mapping[str, Mapping[str, BySeed]]
"""Results by set, variant and seed."""


def read_results(folder: Path, matrix: MatrixParams) -> Results:
    """Read the cells of the matrix; other folders, of earlier matrices, are not read.

    Raises
    ------
    ContractError
        If a cell is missing or breaks its contract.
    """
    cells = [
        *product(matrix.data, matrix.variants),
        *product(matrix.ablated, matrix.ablations),
        *product(matrix.grids, matrix.grid_variants),
        *product(matrix.graphs, matrix.graph_variants),
    ]
    results: dict[str, dict[str, BySeed]] = {}
    for data, variant in cells:
        results.setdefault(data, {})[variant] = {
            seed: _read(folder / f"{data}-{variant}-{seed}") for seed in matrix.seeds
        }
    return results


def _read(cell: Path) -> Result:
    from safetensors.numpy import load_file

    scores, predictions = cell / "scores.json", cell / "predictions.safetensors"
    if missing := [path for path in (scores, predictions) if not path.is_file()]:
        raise ContractError(f"{missing[0]} is missing; run the stage that trains the cell {cell.name}")
    return Result(
        check(json.loads(scores.read_text(encoding="utf-8")), CellScores, str(scores)),
        check(load_file(predictions), Predictions, str(predictions)),
    )


def is_accuracy(results: BySeed) -> bool:
    """Return whether the score is an accuracy; else it is an error."""
    return next(iter(results.values())).scores.measure == "accuracy"


def improvement(measure: str) -> Callable[[Array, Array], Array]:
    """Return the improvement from one mean loss to another.

    For an accuracy it is in points, else in percent of the first error.
    """
    if measure == "accuracy":
        return lambda first, second: 100 * (first - second)
    if measure.startswith("root"):
        return lambda first, second: 100 * (1 - np.sqrt(second / first))
    return lambda first, second: 100 * (1 - second / first)


def row_losses(result: Result) -> Array:
    """Return 0 or 1 for a class, else the squared or absolute error of each test row."""
    target, prediction = result.predictions["target"], result.predictions["prediction"]
    measure = result.scores.measure
    if measure == "accuracy":
        return (prediction.argmax(axis=1) != target).astype(np.float64)
    error = np.abs(prediction - target)
    return np.square(error) if measure.startswith("root") else error


def difference(first: BySeed, second: BySeed, params: EvaluateParams) -> Difference:
    """Return the improvement from one variant to another on the seeds of both."""
    from methods.sifa.intervals import Losses, row_interval, verdict

    pairs = [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]
    combine = improvement(pairs[0][0].scores.measure)
    losses = [(row_losses(a), row_losses(b)) for a, b in pairs]
    for a, b in pairs:
        if not np.array_equal(a.predictions["row"], b.predictions["row"]):
            raise ContractError(
                f"{a.scores.variant} and {b.scores.variant} of {a.scores.data}, seed {a.scores.seed}, have "
                "different test rows; run the stage sifa-train again"
            )
    by_seed = seeds_interval(
        [float(combine(a.mean(keepdims=True), b.mean(keepdims=True))[0]) for a, b in losses]
    )
    by_row = row_interval(
        Losses(
            np.concatenate([a for a, _ in losses]),
            np.concatenate([b for _, b in losses]),
            np.concatenate([a.predictions["row"] for a, _ in pairs]),
        ),
        combine,
        draws=params.draws,
        seed=params.seed,
    )
    return Difference(
        **by_seed.model_dump(),
        row_low=_rounded(by_row.low),
        row_high=_rounded(by_row.high),
        seeds=len(pairs),
        verdict=verdict(_as_interval(by_seed), by_row),
    )


def seeds_interval(differences: list[float]) -> SeedInterval:
    """Return the mean and t interval of paired differences."""
    from methods.sifa.intervals import seed_interval

    interval = seed_interval(differences)
    return SeedInterval(
        mean=_rounded(interval.mean), low=_rounded(interval.low), high=_rounded(interval.high)
    )


def mean_of(values: list[float | None]) -> float | None:
    """Return the rounded mean, or None if any value is."""
    present = [value for value in values if value is not None]
    return _rounded(float(np.mean(present))) if len(present) == len(values) else None


def _as_interval(interval: SeedInterval) -> Interval:
    from methods.sifa.intervals import Interval

    return Interval(interval.mean, interval.low, interval.high)


def _rounded(value: float) -> float:
    return round(float(value), 5)

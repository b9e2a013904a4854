"""Measurements of all programs of a cell, read from its folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from statewright.contracts import ContractError, check
from tasks.tuner.contracts.measure import MeasureSummary
from tasks.tuner.params import MatrixParams

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """CPU and wall seconds of every program of a cell, (rounds, programs, 2)."""

    spec: str
    rows: int
    features: Mapping[str, float]
    costs: Floats

    @property
    def key(self) -> str:
        """Return the name of the cell."""
        return f"{self.spec}-{self.rows}"

    @property
    def means(self) -> Floats:
        """Return the geometric means over rounds, (programs, 2)."""
        return np.asarray(np.exp(np.log(self.costs).mean(axis=0)))

    def replay(self, seed: int) -> Callable[[int], Floats]:
        """Return a measurement that gives the rounds of a program in a random order."""
        rng = np.random.default_rng(seed)
        rounds, programs, _ = self.costs.shape
        orders = rng.permuted(np.tile(np.arange(rounds), (programs, 1)), axis=1)
        asked: Counter[int] = Counter()

        def measure(program: int) -> Floats:
            turn = orders[program, asked[program] % rounds]
            asked[program] += 1
            return np.asarray(self.costs[turn, program])

        return measure


def read_measured(folder: Path, matrix: MatrixParams, programs: int) -> list[Measured]:
    """Read the cells of the matrix; other folders, of earlier matrices, are not read.

    Raises
    ------
    ContractError
        If a cell is missing, or has another number of programs.
    """
    return [_read(folder / f"{spec}-{rows}", programs) for spec, rows in product(matrix.specs, matrix.rows)]


def read_summary(cell: Path) -> MeasureSummary:
    """Read the summary of a cell.

    Raises
    ------
    ContractError
        If it is missing or breaks its contract.
    """
    path = cell / "summary.json"
    if not path.is_file():
        raise ContractError(f"{path} is missing; run the stage tuner-measure@{cell.name}")
    return check(json.loads(path.read_text(encoding="utf-8")), MeasureSummary, str(path))


def _read(cell: Path, programs: int) -> Measured:
    summary = read_summary(cell)
    if summary.programs != programs:
        raise ContractError(
            f"{cell}/summary.json has {summary.programs} programs, expected {programs}; "
            f"run the stage tuner-measure@{cell.name} again"
        )
    times = pd.read_parquet(cell / "times.parquet").sort_values(["round", "program"])
    costs = times[["cpu", "wall"]].to_numpy(float).reshape(summary.rounds, programs, 2)
    return Measured(summary.spec, summary.rows, summary.features, costs)

"""Stage sifa-train-ablations: the architecture without one of its parts."""

from __future__ import annotations

import numpy as np  # noqa: F401 - Tensors names it

from tasks.sifa.cell import run_cell
from tasks.sifa.contracts.rows import Rows
from tasks.sifa.contracts.train import TrainOutputs
from tasks.sifa.params import Cell, TrainParams


def train_ablations(data: Rows, *, cell: Cell, train: TrainParams) -> TrainOutputs:
    """Train the architecture without one part."""
    return run_cell(data, cell, train)

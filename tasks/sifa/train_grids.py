"""Stage sifa-train-grids: the baselines that only pictures and signals have."""

from __future__ import annotations

import numpy as np  # noqa: F401 - Tensors names it

from tasks.sifa.cell import run_cell
from tasks.sifa.contracts.rows import Rows
from tasks.sifa.contracts.train import TrainOutputs
from tasks.sifa.params import Cell, TrainParams


def train_grids(data: Rows, *, cell: Cell, train: TrainParams) -> TrainOutputs:
    """Train a baseline of pictures and signals."""
    return run_cell(data, cell, train)

"""Stage sifa-train: every variant that all sets have, by set and seed."""

from __future__ import annotations

import numpy as np  # noqa: F401 - Tensors names it

from tasks.sifa.cell import run_cell
from tasks.sifa.contracts.rows import Rows
from tasks.sifa.contracts.train import TrainOutputs
from tasks.sifa.params import Cell, TrainParams


def train(data: Rows, *, cell: Cell, params: TrainParams) -> TrainOutputs:
    """Train the architecture, whole or without a part, or a common baseline."""
    return run_cell(data, cell, params)

"""Baselines for pictures and signals, without a built-in symmetry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.sifa.model import Array, Settings, Task, Trained


def train(
    variant: str,
    name_of_set: str,
    x: Array,
    y: NDArray[np.float64] | NDArray[np.int64],
    task: Task,
    *,
    seed: int,
    settings: Settings,
) -> Trained:
    """Train one baseline; see `methods.sifa.model.train`.

    Raises
    ------
    ValueError
        If the variant is unknown.
    """
    raise ValueError(f"variant '{variant}' of set '{name_of_set}' is unknown")

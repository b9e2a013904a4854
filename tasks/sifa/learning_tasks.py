"""Learning tasks of sifa-optimisers and sifa-geometry, from the sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from statewright.contracts import ContractError
from tasks.sifa.contracts.rows import Rows

if TYPE_CHECKING:
    from methods.sifa.comparison import Problem

DIGITS = 1200
"""Training rows of the digits; the others are for the test."""

TASKS = ("digits-mlp", "signals-mlp", "molecules-mlp", "digits-logistic")


def learning_task(name: str, digits500: Rows, signals: Rows, molecules: Rows, seed: int) -> Problem:
    """Return the problem of a task.

    Both tasks of the turned digits divide all rows again, 1,200 of them for training. Those of signals and
    molecules have the first division of the set.

    Raises
    ------
    ContractError
        If the name is unknown.
    """
    from methods.sifa.problems import coulomb_spectrum, problem

    if name in ("digits-mlp", "digits-logistic"):
        order = np.random.default_rng(seed).permutation(len(digits500["y"]))
        hidden = 32 if name == "digits-mlp" else 0
        x, y = digits500["x"], digits500["y"]
        return problem(x, y, order[:DIGITS], order[DIGITS:], hidden=hidden, seed=seed)
    if name in ("signals-mlp", "molecules-mlp"):
        rows, hidden = (signals, 64) if name == "signals-mlp" else (molecules, 32)
        first = min(int(key.partition(".")[2]) for key in rows if key.startswith("train."))
        x = rows["x"] if name == "signals-mlp" else coulomb_spectrum(rows["x"])
        return problem(x, rows["y"], rows[f"train.{first}"], rows[f"test.{first}"], hidden=hidden, seed=seed)
    raise ContractError(f"task '{name}' is unknown, expected one of {', '.join(TASKS)}; change params.yaml")

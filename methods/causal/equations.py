"""One structural equation: a variable as a function of its parents, with additive noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Linear:
    """``x = intercept + slopes . parents``, by least squares.

    Attributes
    ----------
    parents : tuple of int
        Their columns.
    intercept : float
    slopes : array (k,)
    influence : array (n, 1 + k)
        First-order share of each row in the error of (intercept, slopes); whatever the variance of
        the noise (White).
    """

    parents: tuple[int, ...]
    intercept: float
    slopes: Array
    influence: Array

    @classmethod
    def fit(
        cls, values: Array, own: int, parents: tuple[int, ...], names: Sequence[str], _: object = None
    ) -> Linear:
        """Least squares of column `own` on the columns `parents`."""
        design = np.column_stack([np.ones(len(values)), values[:, list(parents)]])
        rows, k = design.shape
        if rows <= k:
            raise ValueError(f"{rows} rows are too few for the {k} coefficients of {names[own]}")
        scale = np.abs(design).max(axis=0)
        q, r = np.linalg.qr(design / np.where(scale == 0, 1, scale))
        if np.abs(np.diag(r)).min() < 1e-10 * np.abs(r).max():
            raise ValueError(
                f"the parents of {names[own]}, {[names[i] for i in parents]}, are linear functions of one "
                "another or constant; leave one out of the graph"
            )
        solution = np.linalg.inv(r) / scale[:, None]
        coefficients = solution @ (q.T @ values[:, own])
        residuals = values[:, own] - design @ coefficients
        influence = residuals[:, None] * (q @ solution.T) * np.sqrt(rows / (rows - k))
        return cls(parents, float(coefficients[0]), coefficients[1:], influence)

    def predict(self, values: Array) -> Array:
        """Value of the equation in each row of all variables (n, p)."""
        return self.intercept + values[:, list(self.parents)] @ self.slopes


@dataclass(frozen=True)
class Regression:
    """``x = f(parents)`` with f a fitted regressor."""

    parents: tuple[int, ...]
    regressor: Any

    @classmethod
    def fit(
        cls, values: Array, own: int, parents: tuple[int, ...], names: Sequence[str], make: Callable[[], Any]
    ) -> Regression:
        """Fit the regressor that `make` makes."""
        return cls(parents, make().fit(values[:, list(parents)], values[:, own]))

    def predict(self, values: Array) -> Array:
        """Value of the equation in each row of all variables (n, p)."""
        return np.asarray(self.regressor.predict(values[:, list(self.parents)]), dtype=float)


Equation = Linear | Regression

"""Structural equations: a variable as a function of its parents plus noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Linear:
    """Linear equation ``x = intercept + slopes . parents``, by least squares.

    Attributes
    ----------
    parents : tuple of int
        Columns of the parents.
    intercept : float
    slopes : array (k,)
    influence : array (n, 1 + k)
        First-order influence of each row on (intercept, slopes), for any variance of the noise.
    leverage : array (n,)
        Diagonal of the hat matrix.
    """

    parents: tuple[int, ...]
    intercept: float
    slopes: Array
    influence: Array
    leverage: Array

    @classmethod
    def fit(
        cls, values: Array, own: int, parents: tuple[int, ...], names: Sequence[str], _: object = None
    ) -> Linear:
        """Regress column `own` on the columns `parents` by least squares."""
        design = np.column_stack([np.ones(len(values)), values[:, list(parents)]])
        rows, k = design.shape
        if rows <= k:
            raise ValueError(
                f"{rows} rows are too few for the {k} coefficients of {names[own]}; expected at least {k + 1}"
            )
        scale = np.abs(design).max(axis=0)
        q, r = np.linalg.qr(design / np.where(scale == 0, 1, scale))
        if np.abs(np.diag(r)).min() < 1e-10 * np.abs(r).max():
            raise ValueError(
                f"the parents of {names[own]}, {[names[i] for i in parents]}, are linear functions of one "
                "another or constant; remove one from the graph"
            )
        solution = np.linalg.inv(r) / scale[:, None]
        coefficients = solution @ (q.T @ values[:, own])
        residuals = values[:, own] - design @ coefficients
        influence = residuals[:, None] * (q @ solution.T)
        return cls(parents, float(coefficients[0]), coefficients[1:], influence, np.square(q).sum(axis=1))

    def contributions(self, groups: Array) -> Array:
        """Compute each row's part (n, 1 + k) of the error of the coefficients.

        Parts are independent once summed within `groups`. Residuals are smaller than the noise: where
        each row is its own group they are divided by ``1 - leverage`` (HC3: MacKinnon and White 1985),
        else all are scaled by one factor (as in CR1).
        """
        rows, k = self.influence.shape
        count = len(np.unique(groups))
        if count == rows:
            return self.influence / np.maximum(1 - self.leverage, 1e-6)[:, None]
        return self.influence * np.sqrt(rows / (rows - k) * count / (count - 1))

    def predict(self, values: Array) -> Array:
        """Evaluate the equation in each row of all variables (n, p)."""
        return self.intercept + values[:, list(self.parents)] @ self.slopes


@dataclass(frozen=True)
class Regression:
    """Equation ``x = f(parents)`` with a fitted regressor f."""

    parents: tuple[int, ...]
    regressor: Any

    @classmethod
    def fit(
        cls, values: Array, own: int, parents: tuple[int, ...], names: Sequence[str], make: Callable[[], Any]
    ) -> Regression:
        """Fit the regressor that `make` creates."""
        return cls(parents, make().fit(values[:, list(parents)], values[:, own]))

    def predict(self, values: Array) -> Array:
        """Evaluate the equation in each row of all variables (n, p)."""
        return np.asarray(self.regressor.predict(values[:, list(self.parents)]), dtype=float)


Equation = Linear | Regression

"""Structural equations: a variable as a function of its parents plus noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from methods.causal.columns import collinear, group_leverage, standardise

Array = np.ndarray


@dataclass(frozen=True)
class Linear:
    """Linear equation ``x = level + slopes . (parents - centre)``, by least squares.

    Attributes
    ----------
    parents : tuple of int
        Columns of the parents.
    level : float
        Mean of the variable.
    slopes : array (k,)
    centre : array (k,)
        Means of the parents. A large offset would else be subtracted from a large intercept.
    influence : array (n, 1 + k)
        First-order influence of each row on (level, slopes), for any variance of the noise.
    leverage : array (n,)
        Diagonal of the hat matrix.
    """

    parents: tuple[int, ...]
    level: float
    slopes: Array
    centre: Array
    influence: Array
    leverage: Array

    @classmethod
    def fit(
        cls, values: Array, own: int, parents: tuple[int, ...], names: Sequence[str], groups: Array
    ) -> Linear:
        """Regress column `own` on the columns `parents` by least squares."""
        x, y = values[:, list(parents)], values[:, own]
        rows, k = len(x), len(parents) + 1
        if rows <= k:
            raise ValueError(
                f"{rows} rows are too few for the {k} coefficients of {names[own]}; expected at least {k + 1}"
            )
        relation = [names[parents[i]] for i in collinear(x, 1e-10)]
        if relation:
            raise ValueError(
                f"the parents of {names[own]}, {relation}, are linear functions of one another or constant; "
                "remove one from the graph"
            )
        centre, level = x.mean(axis=0), float(y.mean())
        scale = x.std(axis=0)
        q, r = np.linalg.qr(standardise(x))
        q = np.column_stack([np.full(rows, rows**-0.5), q])
        if k > 1 and group_leverage(q, groups).max() > 1 - 1e-8:
            raise ValueError(
                f"one row or group alone determines an effect of the parents of {names[own]}, "
                f"{[names[i] for i in parents]}, so that its error is unknown; remove the row or a parent"
            )
        solution = np.zeros((k, k))
        solution[0, 0] = rows**-0.5
        solution[1:, 1:] = np.linalg.inv(r) / scale[:, None]
        slopes = solution[1:, 1:] @ (q[:, 1:].T @ (y - level))
        residuals = y - level - (x - centre) @ slopes
        influence = residuals[:, None] * (q @ solution.T)
        return cls(parents, level, slopes, centre, influence, np.square(q).sum(axis=1))

    @property
    def intercept(self) -> float:
        """Value where all parents are 0."""
        return float(self.level - self.centre @ self.slopes)

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
        return self.level + (values[:, list(self.parents)] - self.centre) @ self.slopes


@dataclass(frozen=True)
class Regression:
    """Equation ``x = f(parents)`` with a fitted regressor f."""

    parents: tuple[int, ...]
    regressor: Any

    @classmethod
    def fit(cls, values: Array, own: int, parents: tuple[int, ...], make: Callable[[], Any]) -> Regression:
        """Fit the regressor that `make` creates."""
        return cls(parents, make().fit(values[:, list(parents)], values[:, own]))

    def predict(self, values: Array) -> Array:
        """Evaluate the equation in each row of all variables (n, p)."""
        return np.asarray(self.regressor.predict(values[:, list(self.parents)]), dtype=float)


Equation = Linear | Regression

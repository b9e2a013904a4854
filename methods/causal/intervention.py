"""Results of interventions: means with errors, and counterfactuals of units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from methods.causal.structural_model import StructuralCausalModel

Array = np.ndarray


@dataclass(frozen=True)
class Effect:
    """Difference of two interventional means, and its standard error."""

    value: float
    std_error: float


@dataclass(frozen=True)
class Intervention:
    """A structural model under an intervention.

    Attributes
    ----------
    model : StructuralCausalModel
    values, shift : mapping of str to float
        See `StructuralCausalModel.do`.
    samples : DataFrame (n, p)
        One unit for each row of noise.
    """

    model: StructuralCausalModel
    values: Mapping[str, float]
    shift: Mapping[str, float]
    samples: pd.DataFrame

    @property
    def mean(self) -> pd.Series:
        """Interventional means ``E[x_j | do(...)]`` by name."""
        # The mean of equal numbers has a rounding error; a variable that was set has its exact value.
        return pd.Series(self.samples.mean().to_dict() | dict(self.values))

    @cached_property
    def spread(self) -> Array:
        """Independent parts (m, p) of the error of the means.

        The sum of their squares is the square of `std_error`.
        """
        return self.model._spread(self.mean.to_numpy(), self.values, self.shift)

    @property
    def std_error(self) -> pd.Series:
        """Standard errors of the means.

        They contain the errors of the coefficients and of the means of variables without a cause.
        """
        return pd.Series(np.sqrt(np.square(self.spread).sum(axis=0)), index=self.samples.columns)

    def less(self, other: Intervention, outcome: str) -> Effect:
        """Subtract the mean of `outcome` under another intervention on the same data."""
        if outcome not in self.model.names:
            raise ValueError(f"outcome {outcome!r} is unknown; the variables are {list(self.model.names)}")
        own = self.model.names.index(outcome)
        error = np.sqrt(np.square(self.spread[:, own] - other.spread[:, own]).sum())
        return Effect(float(self.mean[outcome] - other.mean[outcome]), float(error))

    def counterfactual(self, units: Array | pd.DataFrame | Mapping[str, float]) -> pd.DataFrame:
        """Compute the counterfactual values of given units.

        Abduction (each unit's noise from its observed values), action (the intervention), prediction
        (the equations in order, with the unit's own noise). Exact for additive noise.

        Parameters
        ----------
        units : array (m, p), DataFrame or mapping of str to float (one unit)

        Returns
        -------
        DataFrame (m, p)

        Raises
        ------
        ValueError
            If a variable is missing, unknown or not finite.
        """
        names = self.model.names
        if isinstance(units, Mapping):
            units = pd.DataFrame([units])
        if isinstance(units, pd.DataFrame):
            if set(units.columns) != set(names):
                raise ValueError(f"units have {list(units.columns)}; expected all of {list(names)}")
            index, units = units.index, units[list(names)]
        else:
            index, units = None, np.atleast_2d(units)
        observed = np.asarray(units, dtype=float)
        if observed.shape[1] != len(names) or not np.isfinite(observed).all():
            raise ValueError(
                f"units has shape {observed.shape}; expected finite values (m, {len(names)}) of {list(names)}"
            )
        noise = np.column_stack(
            [observed[:, j] - self.model.equations[name].predict(observed) for j, name in enumerate(names)]
        )
        outcomes = self.model._propagate(noise, self.values, self.shift)
        return pd.DataFrame(outcomes, columns=list(names), index=index)

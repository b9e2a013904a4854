"""Structural equations on a chosen graph: interventions and counterfactuals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import networkx as nx
import numpy as np
import pandas as pd

from methods.causal.equations import Equation, Linear, Regression
from methods.causal.inputs import Dag, as_graph, checked_dag, named
from methods.causal.intervention import Effect, Intervention

Array = np.ndarray


@dataclass(frozen=True)
class StructuralCausalModel:
    r"""Equations ``x_j = f_j(parents of j) + u_j`` on a directed acyclic graph; make one with `fit`.

    Attributes
    ----------
    names : tuple of str
        The p variables.
    equations : mapping of str to Equation
        In an order in which causes come before effects.
    noise : array (n, p)
        Residuals ``u`` of the data: the distribution of what the equations leave open.
    groups : array (n,) of int
        Rows of one group depend on one another.
    resampled : tuple of StructuralCausalModel
        The model of bootstrap samples, where the equations have no closed form for their error.
    """

    names: tuple[str, ...]
    equations: Mapping[str, Equation]
    noise: Array
    groups: Array
    resampled: tuple[StructuralCausalModel, ...] = ()

    @classmethod
    def fit(
        cls,
        data: Array | pd.DataFrame,
        dag: Dag,
        *,
        names: Sequence[str] | None = None,
        groups: Array | None = None,
        regressor: Callable[[], Any] | None = None,
        draws: int = 50,
        seed: int = 0,
    ) -> StructuralCausalModel:
        """Fit each equation to its parents.

        Right where the graph is: no cause of two variables is left out, no arrow is turned, and noise
        is added to each equation and independent of the parents.

        Parameters
        ----------
        data : array (n, p) or DataFrame
            Finite numbers.
        dag : networkx.DiGraph, Cpdag without undirected edges, or pairs (cause, effect)
            Variables that it leaves out stand alone.
        names : sequence of str, optional
            Of the columns of an array. Where not given: the column numbers, if the graph speaks of
            numbers, else X1..Xp.
        groups : array (n,), optional
            Rows of one group (artist) may depend on one another: standard errors allow for it.
        regressor : callable, optional
            Makes an unfitted regressor with ``fit`` and ``predict``, as scikit-learn's; linear
            equations by least squares where not given.
        draws, seed : int
            Bootstrap samples of groups for the standard errors of a `regressor`.

        Raises
        ------
        ValueError
            If the graph has a cycle, an undirected edge or an unknown name, or the data are not
            finite, too few, or collinear among the parents of a variable.

        References
        ----------
        Pearl, Causality (2009), chapters 1.4 and 7.1; Peters, Janzing and Schoelkopf, Elements of
        Causal Inference (2017), chapter 6; spec 3 section 2.1.
        """
        dag = as_graph(dag)
        names, values = named(data, names, dag)
        graph = checked_dag(dag, names)
        groups = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
        if len(groups) != len(values):
            raise ValueError(f"groups has {len(groups)} entries; expected one a row, {len(values)}")
        model = cls._fitted(names, values, graph, groups, regressor)
        if regressor is None:
            return model
        resampled = tuple(
            cls._fitted(names, values[rows], graph, groups[rows], regressor)
            for rows in _resampled_rows(groups, draws, seed)
        )
        return cls(names, model.equations, model.noise, groups, resampled)

    @classmethod
    def _fitted(
        cls, names: tuple[str, ...], values: Array, graph: nx.DiGraph, groups: Array, regressor: Any
    ) -> StructuralCausalModel:
        equations: dict[str, Equation] = {}
        noise = np.empty_like(values)
        for name in nx.lexicographical_topological_sort(graph, key=names.index):
            own = names.index(name)
            parents = tuple(sorted(names.index(parent) for parent in graph.predecessors(name)))
            fit = Linear.fit if regressor is None or not parents else Regression.fit
            equations[name] = fit(values, own, parents, names, regressor)
            noise[:, own] = values[:, own] - equations[name].predict(values)
        return cls(names, equations, noise, groups)

    def do(
        self, values: Mapping[str, float] | None = None, *, shift: Mapping[str, float] | None = None
    ) -> Intervention:
        """Set variables by hand, whatever their causes; or add to what their causes give.

        Parameters
        ----------
        values : mapping of str to float
            ``{"energy": 0.5}``: energy is 0.5 in every unit.
        shift : mapping of str to float
            ``{"energy": 1.0}``: energy is 1.0 more than its causes make it.

        Returns
        -------
        Intervention

        Raises
        ------
        ValueError
            If a name is unknown or given twice, or a value is not finite.
        """
        values, shift = dict(values or {}), dict(shift or {})
        unknown = sorted({*values, *shift} - set(self.names), key=str)
        if unknown:
            raise ValueError(f"intervention on {unknown}; the variables are {list(self.names)}")
        if values.keys() & shift.keys():
            raise ValueError(f"{sorted(values.keys() & shift.keys())} are both set and shifted; choose one")
        if not all(np.isfinite(value) for value in (*values.values(), *shift.values())):
            raise ValueError(f"intervention {values | shift} is not finite; expected numbers")
        samples = pd.DataFrame(self._propagate(self.noise, values, shift), columns=list(self.names))
        return Intervention(self, values, shift, samples)

    def counterfactual(
        self,
        units: Array | pd.DataFrame | Mapping[str, float],
        values: Mapping[str, float] | None = None,
        *,
        shift: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """What these very units would have been: ``do(values, shift=shift).counterfactual(units)``."""
        return self.do(values, shift=shift).counterfactual(units)

    def effect(self, cause: str, outcome: str, *, low: float = 0.0, high: float = 1.0) -> Effect:
        """Mean of the outcome under ``do(cause=high)`` less that under ``do(cause=low)``."""
        return self.do({cause: high}).less(self.do({cause: low}), outcome)

    def _propagate(self, noise: Array, values: Mapping[str, float], shift: Mapping[str, float]) -> Array:
        found = np.zeros_like(noise)
        for name, equation in self.equations.items():
            own = self.names.index(name)
            if name in values:
                found[:, own] = values[name]
            else:
                found[:, own] = equation.predict(found) + noise[:, own] + shift.get(name, 0.0)
        return found

    def _spread(self, mean: Array, values: Mapping[str, float], shift: Mapping[str, float]) -> Array:
        """Independent contributions to the error of the means: (m, p)."""
        if not self.resampled:
            return self._influence(mean, values)
        means = np.array([m._propagate(m.noise, values, shift).mean(axis=0) for m in self.resampled])
        return (means - means.mean(axis=0)) / np.sqrt(len(means) - 1)

    def _influence(self, mean: Array, values: Mapping[str, float]) -> Array:
        """How much each group's rows move each mean, to first order: (groups, p).

        With total effects T of the noise of m on j, the mean of j moves by
        ``sum_m T_jm [1, mean of the parents of m] . d(coefficients of m)``.
        """
        p, rows = len(self.names), len(self.noise)
        moved = np.zeros((rows, p))
        weights = np.zeros((p, p))
        for name, equation in self.equations.items():
            if name in values:
                continue
            equation, own = cast(Linear, equation), self.names.index(name)
            weight = np.concatenate([[1.0], mean[list(equation.parents)]])
            moved[:, own] = equation.contributions(self.groups) @ weight
            weights[own, list(equation.parents)] = equation.slopes
        total = np.linalg.inv(np.eye(p) - weights)
        by_group = np.zeros((self.groups.max() + 1, p))
        np.add.at(by_group, self.groups, moved @ total.T)
        return by_group


def _resampled_rows(groups: Array, draws: int, seed: int) -> Iterable[Array]:
    rng = np.random.default_rng(seed)
    order = np.argsort(groups, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    for _ in range(draws):
        yield np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])

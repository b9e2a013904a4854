"""Structural causal models: interventions and counterfactuals on a given graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import networkx as nx
import numpy as np
import pandas as pd

from methods.causal.equations import Equation, Linear, Regression
from methods.causal.inputs import Dag, as_graph, complete_dag, named_columns
from methods.causal.intervention import Effect, Intervention

Array = np.ndarray


@dataclass(frozen=True)
class StructuralCausalModel:
    r"""Equations ``x_j = f_j(parents of j) + u_j`` on an acyclic graph; see `fit`.

    Attributes
    ----------
    names : tuple of str
        Names of the p variables.
    equations : mapping of str to Equation
        In an order in which causes come before effects.
    noise : array (n, p)
        Residuals ``u`` of the data: the distribution of the noise.
    groups : array (n,) of int
        Rows of one group depend on one another.
    resampled : tuple of StructuralCausalModel
        Models of bootstrap samples, if the errors of the equations have no closed form.
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

        The model is correct if the graph is: no common cause is left out, no arrow is reversed, and the
        noise of each equation is additive and independent of the parents.

        Parameters
        ----------
        data : array (n, p) or DataFrame
            Finite numbers.
        dag : networkx.DiGraph, Cpdag without undirected edges, or pairs (cause, effect)
            Variables that it leaves out have no causes and no effects.
        names : sequence of str, optional
            Names of the columns of an array. By default the column numbers if the nodes of the graph are
            numbers, else X1..Xp.
        groups : array (n,), optional
            Rows of one group (artist) may depend on one another; standard errors allow for this.
        regressor : callable, optional
            Returns an unfitted regressor with ``fit`` and ``predict`` as in scikit-learn. By default
            equations are linear, by least squares.
        draws, seed : int
            Bootstrap samples of groups for the standard errors of a `regressor`.

        Raises
        ------
        ValueError
            If the graph has a cycle, an undirected edge or an unknown name, or the data are not
            finite, too few, or collinear among the parents of a variable, or one row or group alone
            determines an effect.

        References
        ----------
        Pearl, Causality (2009), chapters 1.4 and 7.1; Peters, Janzing and Schoelkopf, Elements of
        Causal Inference (2017), chapter 6; spec 3 section 2.1.
        """
        dag = as_graph(dag)
        names, values = named_columns(data, names, dag)
        graph = complete_dag(dag, names)
        groups = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
        if len(groups) != len(values):
            raise ValueError(f"groups has {len(groups)} entries; expected one per row, {len(values)}")
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
            equations[name] = (
                Linear.fit(values, own, parents, names, groups)
                if regressor is None or not parents
                else Regression.fit(values, own, parents, regressor)
            )
            noise[:, own] = values[:, own] - equations[name].predict(values)
        return cls(names, equations, noise, groups)

    def do(
        self, values: Mapping[str, float] | None = None, *, shift: Mapping[str, float] | None = None
    ) -> Intervention:
        """Intervene: set variables, or shift them from the values their causes give.

        Parameters
        ----------
        values : mapping of str to float
            ``{"energy": 0.5}``: energy is 0.5 in every unit.
        shift : mapping of str to float
            ``{"energy": 1.0}``: energy is 1.0 higher than its causes make it.

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
            raise ValueError(
                f"{sorted(values.keys() & shift.keys())} are both set and shifted; choose one of the two"
            )
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
        """Compute the counterfactuals of given units.

        Short for ``do(values, shift=shift).counterfactual(units)``.
        """
        return self.do(values, shift=shift).counterfactual(units)

    def effect(self, cause: str, outcome: str, *, low: float = 0.0, high: float = 1.0) -> Effect:
        """Compute the mean outcome under ``do(cause=high)`` less ``do(cause=low)``."""
        return self.do({cause: high}).less(self.do({cause: low}), outcome)

    def _propagate(self, noise: Array, values: Mapping[str, float], shift: Mapping[str, float]) -> Array:
        outcomes = np.zeros_like(noise)
        for name, equation in self.equations.items():
            own = self.names.index(name)
            if name in values:
                outcomes[:, own] = values[name]
            else:
                outcomes[:, own] = equation.predict(outcomes) + noise[:, own] + shift.get(name, 0.0)
        return outcomes

    def _spread(self, mean: Array, values: Mapping[str, float], shift: Mapping[str, float]) -> Array:
        """Compute independent contributions (m, p) to the error of the means."""
        if not self.resampled:
            return self._influence(mean, values)
        means = np.array([m._propagate(m.noise, values, shift).mean(axis=0) for m in self.resampled])
        return (means - means.mean(axis=0)) / np.sqrt(len(means) - 1)

    def _influence(self, mean: Array, values: Mapping[str, float]) -> Array:
        """Compute the first-order influence (groups, p) of each group on each mean.

        With total effects T of the noise of m on j, the mean of j moves by
        ``sum_m T_jm [1, mean of the parents of m - centre] . d(level and slopes of m)``.
        """
        p, rows = len(self.names), len(self.noise)
        moved = np.zeros((rows, p))
        weights = np.zeros((p, p))
        for name, equation in self.equations.items():
            if name in values:
                continue
            equation, own = cast(Linear, equation), self.names.index(name)
            weight = np.concatenate([[1.0], mean[list(equation.parents)] - equation.centre])
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

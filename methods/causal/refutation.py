"""Refutation tests of an effect: placebo, random or unobserved common cause."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from methods.causal.columns import is_constant
from methods.causal.inputs import Dag, as_graph, complete_dag, named_columns
from methods.causal.intervention import Effect
from methods.causal.structural_model import StructuralCausalModel

Array = np.ndarray


@dataclass(frozen=True)
class Refutation:
    """An effect, and its estimates from perturbed data.

    Attributes
    ----------
    effect : Effect
        Estimate from the original data.
    perturbed : array (draws,)
        Estimates from perturbed data.
    """

    effect: Effect
    perturbed: Array

    @property
    def p_value(self) -> float:
        """Share of effects at least as large as the original, which is counted too."""
        larger = np.abs(self.perturbed) >= abs(self.effect.value)
        return float((1 + larger.sum()) / (1 + len(self.perturbed)))

    @property
    def largest_change(self) -> float:
        """Largest change of the effect, in its standard errors.

        An equation without noise has no standard error: a change beyond rounding is then infinite.
        """
        change = float(np.abs(self.perturbed - self.effect.value).max())
        error = self.effect.std_error
        if error > 1e-12 * abs(self.effect.value):
            return change / error
        return 0.0 if change <= 1e-9 * abs(self.effect.value) else float("inf")


def placebo_treatment(
    data: Array | pd.DataFrame, dag: Dag, cause: str, outcome: str, *, draws: int, seed: int, **options: Any
) -> Refutation:
    """Permute the values of the cause: the effect should vanish (small `p_value`).

    Parameters
    ----------
    data, dag, **options
        As in `StructuralCausalModel.fit`. With ``groups`` whole groups are put in random order, so
        that neighbouring rows stay similar.
    cause, outcome : str
    draws, seed : int

    Returns
    -------
    Refutation

    Raises
    ------
    ValueError
        If `draws` is below 1, the cause or outcome is unknown or constant, or as
        `StructuralCausalModel.fit`.

    References
    ----------
    Sharma and Kiciman, DoWhy: an end-to-end library for causal inference, arXiv:2011.04216.
    """
    dag = as_graph(dag)
    names, values = _checked(data, options.pop("names", None), dag, (cause, outcome), draws)
    rng, column = _generator(seed), names.index(cause)
    groups = options.get("groups")
    codes = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    grouped = np.argsort(codes, kind="stable")

    def perturb() -> tuple[pd.DataFrame, Dag]:
        changed = values.copy()
        permuted = np.argsort(rng.permutation(codes.max() + 1)[codes], kind="stable")
        changed[grouped, column] = values[permuted, column]
        return pd.DataFrame(changed, columns=list(names)), dag

    return _refute(pd.DataFrame(values, columns=list(names)), dag, (cause, outcome), perturb, draws, options)


def random_common_cause(
    data: Array | pd.DataFrame, dag: Dag, cause: str, outcome: str, *, draws: int, seed: int, **options: Any
) -> Refutation:
    """Add a random common cause: the effect should stay (small `largest_change`).

    Parameters are those of `placebo_treatment`.
    """
    dag = as_graph(dag)
    names, values = _checked(data, options.pop("names", None), dag, (cause, outcome), draws)
    rng = _generator(seed)
    frame = pd.DataFrame(values, columns=list(names))
    graph = complete_dag(dag, names)
    with_random: nx.DiGraph = nx.DiGraph(graph)
    with_random.add_edges_from([("random cause", cause), ("random cause", outcome)])

    def perturb() -> tuple[pd.DataFrame, Dag]:
        return frame.assign(**{"random cause": rng.normal(size=len(frame))}), with_random

    return _refute(frame, graph, (cause, outcome), perturb, draws, options)


def _checked(
    data: Array | pd.DataFrame,
    names: Sequence[str] | None,
    dag: nx.DiGraph,
    ends: tuple[str, str],
    draws: int,
) -> tuple[tuple[str, ...], Array]:
    names, values = named_columns(data, names, dag)
    if draws < 1:
        raise ValueError(f"draws is {draws}; expected at least 1")
    for end in ends:
        if end not in names:
            raise ValueError(f"{end!r} is unknown; the columns are {list(names)}")
        if is_constant(values[:, [names.index(end)]]).any():
            raise ValueError(f"{end!r} is constant: there is no effect to test")
    return names, values


def _refute(
    data: pd.DataFrame,
    dag: Dag,
    ends: tuple[str, str],
    perturb: Callable[[], tuple[pd.DataFrame, Dag]],
    draws: int,
    options: dict[str, Any],
) -> Refutation:
    cause, outcome = ends

    def fit(data: pd.DataFrame, dag: Dag, **more: Any) -> StructuralCausalModel:
        needed = _needed(complete_dag(dag, list(data.columns)), cause, outcome)
        return StructuralCausalModel.fit(data[list(needed)], needed, **options | more)

    def value(model: StructuralCausalModel) -> float:
        low, high = (model.do({cause: level}).mean[outcome] for level in (0.0, 1.0))
        return float(high - low)

    # Two bootstrap samples are the minimum: the errors of perturbed effects are not used.
    effects: Iterable[float] = (value(fit(*perturb(), draws=2)) for _ in range(draws))
    return Refutation(fit(data, dag).effect(cause, outcome), np.fromiter(effects, dtype=float))


def _needed(graph: nx.DiGraph, cause: str, outcome: str) -> nx.DiGraph:
    """Return the part of the graph on which the effect depends."""
    between = (nx.descendants(graph, cause) & nx.ancestors(graph, outcome)) | {outcome}
    needed: nx.DiGraph = nx.DiGraph()
    needed.add_nodes_from((cause, outcome))
    needed.add_edges_from((a, b) for a, b in graph.edges if b in between)
    return needed


def _generator(seed: int) -> np.random.Generator:
    """Return a generator that differs from ``default_rng(seed)``.

    Simulated data may come from that one; the same draws would not be a placebo.
    """
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])


def robustness_value(partial_correlation: float) -> float:
    r"""Compute how strong an unobserved common cause must be to explain an effect.

    ``RV = (sqrt(f^4 + 4 f^2) - f^2) / 2`` with ``f^2 = r^2 / (1 - r^2)``: the share of the cause's
    remaining variance, and of the outcome's given the cause, that it would have to explain.

    Parameters
    ----------
    partial_correlation : float in [-1, 1]
        Of cause and outcome given the other parents of the outcome.

    Returns
    -------
    float in [0, 1]

    Raises
    ------
    ValueError
        If the correlation is not between -1 and 1.

    References
    ----------
    Cinelli and Hazlett, Journal of the Royal Statistical Society B 82 (2020).
    """
    if not abs(partial_correlation) <= 1:
        raise ValueError(f"partial_correlation is {partial_correlation}; expected a number from -1 to 1")
    # RV = 2 / (1 + sqrt(1 + 4 / f^2)), written in r: no division by 0 for r = 0 and 1.
    r2 = partial_correlation**2
    return float(2 * abs(partial_correlation) / (abs(partial_correlation) + np.sqrt(4 - 3 * r2)))

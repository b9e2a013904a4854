"""Test of linearity for each equation of a structural model."""

from __future__ import annotations

import numpy as np
from scipy.stats import f as f_distribution

from methods.causal.columns import resolution
from methods.causal.equations import Linear
from methods.causal.structural_model import StructuralCausalModel

Array = np.ndarray


def linearity(model: StructuralCausalModel) -> dict[str, float]:
    r"""Test each equation for linearity.

    A small p-value means that the effect of a parent is not linear.

    The square of every centred parent is added to the equation. A Wald test in F form, with as many
    degrees of freedom as there are parents and groups - 1, tests whether all their coefficients are 0.
    Errors may depend on one another within a group and may be heteroscedastic. A parent with two
    values, whose square adds nothing, is left out.

    Parameters
    ----------
    model : StructuralCausalModel
        With linear equations.

    Returns
    -------
    dict of str to float
        p-value by variable with parents; 1 if no parent has three values, or the equation fits exactly.

    References
    ----------
    Ramsey, Journal of the Royal Statistical Society B 31 (1969), on tests of this form.
    """
    values = model.do().samples.to_numpy()
    squares = np.square(values - values.mean(axis=0))
    p_values = {}
    for own, name in enumerate(model.names):
        equation = model.equations[name]
        curved = [parent for parent in equation.parents if len(np.unique(values[:, parent])) > 2]
        exact = model.noise[:, own].std() <= max(1e-8, resolution(values[:, own])) * values[:, own].std()
        if equation.parents:
            p_values[name] = 1.0 if exact or not curved else _wald(model, values, squares[:, curved], own)
    return p_values


def _wald(model: StructuralCausalModel, values: Array, added: Array, own: int) -> float:
    p, k = len(model.names), added.shape[1]
    parents = (*model.equations[model.names[own]].parents, *range(p, p + k))
    names = (*model.names, *(f"square {i}" for i in range(k)))
    fit = Linear.fit(np.column_stack([values, added]), own, parents, names, model.groups)
    count = len(np.unique(model.groups))
    by_group = np.zeros((model.groups.max() + 1, k))
    np.add.at(by_group, model.groups, fit.contributions(model.groups)[:, -k:])
    covariance = by_group.T @ by_group
    wald = fit.slopes[-k:] @ np.linalg.solve(covariance, fit.slopes[-k:])
    return float(f_distribution.sf(wald / k, k, count - 1))

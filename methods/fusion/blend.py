r"""Blend operators by weights from held-out predictions.

.. math:: \hat y = \sum_k w_k \hat y_k, \qquad
          w = \arg\min_{w \ge 0,\, \sum w = 1} \sum_n |y_n - \sum_k w_k \hat y_k^{(-n)}|^2

where :math:`\hat y_k^{(-n)}` is the prediction of operator k for row n without the fold of n: probabilities
against indicators of the classes (the Brier score), or values. The choice of the best operator is the case
of one weight of 1. Asymptotically, the loss is that of the best weights in hindsight, so that a blend has
little to lose against the best operator, and gains where operators err on different rows. A row that lacks
a modality has the weights of the operators that are trained for that, divided by their sum.

References
----------
Breiman, "Stacked regressions", Machine Learning 24 (1996). van der Laan, Polley and Hubbard, "Super
learner", Statistical Applications in Genetics and Molecular Biology 6 (2007): the oracle inequality.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from methods.fusion.reduced import SEEN
from methods.fusion.views import (
    Bools,
    Details,
    Fitted,
    Floats,
    Ints,
    Problem,
    Views,
    patterns,
    present,
    take,
)

BLEND = "blend"
LEAST = 0.05
"""Weight below which an operator is left out, because it costs a training."""

ABSENCE = ("late-average", "late-stacked", "tensor", "interaction", "attention", "hierarchy")
"""Operators that are trained to predict without a modality; the others impute it or train again."""

EXACT = 1e4
"""Weight of the constraint that the weights sum to 1, in units of the design."""


def fit_weights(held_out: Mapping[str, Floats], y: Floats, problem: Problem) -> dict[str, float]:
    """Return the weights of the operators that the blend uses, with sum 1.

    Parameters
    ----------
    held_out : mapping of str to (rows, classes) or (rows,) float
        Predictions of each operator by models without the row.
    y : (rows,) float
    problem : Problem
    """
    from scipy.optimize import nnls

    truth = problem.targets(y)
    centre = 0.0 if problem.classes else float(truth.mean())
    design = np.stack([np.ravel(values) - centre for values in held_out.values()], axis=1)
    bound = EXACT * max(float(np.sqrt((design**2).sum(axis=0).max())), 1e-150)
    system = np.vstack([design, np.full((1, len(held_out)), bound)])
    weights = nnls(system, np.append(truth.ravel() - centre, bound))[0]
    weights[weights < min(LEAST, weights.max())] = 0.0
    return {
        name: float(weight / weights.sum())
        for name, weight in zip(held_out, weights, strict=True)
        if weight > 0
    }


def combined(predictions: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """Return the weighted sum of predictions."""
    return np.asarray(sum(weight * predictions[name] for name, weight in weights.items()))


def weights_by_rows(
    weights: Mapping[str, float], seen: Bools, shown: Bools
) -> Iterator[tuple[Ints, dict[str, float]]]:
    """Yield sets of rows with the weights for the modalities that they have.

    Parameters
    ----------
    weights : mapping of str to float
    seen : (training rows, modalities) of bool
        Whether each training row has each modality.
    shown : (rows, modalities) of bool
        Whether each row has each modality.

    Yields
    ------
    rows : (n,) of int
    weights : dict of str to float
        Where a modality is absent as in few training rows, only the operators in `ABSENCE` have a weight.
    """
    total = sum(weight for name, weight in weights.items() if name in ABSENCE)
    native = {name: weight / total for name, weight in weights.items() if name in ABSENCE}
    for pattern, rows in patterns(shown):
        known = pattern.all() or (seen == pattern).all(axis=1).mean() >= SEEN
        yield rows, dict(weights) if known or not native else native


def fit_blend(fitted: Mapping[str, Fitted], weights: Mapping[str, float], views: Views) -> Fitted:
    """Combine operators that were fitted on `views`.

    The importance is the mean of the operators that have one.
    """
    parts = {name: fitted[name].details.importance for name in weights if fitted[name].details.importance}
    total = sum(weights[name] for name in parts)
    importance = {
        modality: sum(weights[name] * part[modality] for name, part in parts.items()) / total
        for modality in (next(iter(parts.values())) if parts else ())
    }
    seen = present(views)

    def predict(later: Views) -> Floats:
        ordered = {name: later[name] for name in views}
        order, values = [], []
        for rows, used in weights_by_rows(weights, seen, present(ordered)):
            some = take(ordered, rows)
            order.append(rows)
            values.append(combined({name: fitted[name].predict(some) for name in used}, used))
        if not order:
            return fitted[next(iter(weights))].predict(ordered)
        result = np.concatenate(values)
        result[np.concatenate(order)] = result.copy()
        return result

    parameters = {f"weight {name}": weight for name, weight in weights.items()}
    return Fitted(BLEND, predict, Details(importance=importance, parameters=parameters))

"""Operators of fusion, under one signature.

    fitted = fit("late-stacked", views, y, problem, Settings(seed=0))
    fitted.predict(later_views)

Scaling, imputation and every choice of a setting use the training rows only. Any cell, row or modality may
be missing, in training and in prediction.

| operator | model |
| --- | --- |
| early | columns beside each other, mean imputation, penalised linear model |
| late-average | mean of the experts of the present modalities |
| late-stacked | weights of the experts, fitted on held-out predictions for each set of modalities |
| boosting | gradient boosting of all columns, or of those of the present modalities |
| tensor | weighted tensor fusion of encoded modalities |
| interaction | low-rank products of all modalities, beside their sum |
| attention | attention between the modalities, then weighted tensor fusion |
| hierarchy | attention from the result to modalities to components |

and the baselines ``prior`` and ``only:MODALITY``. A ``blend`` has weights for the operators, which the choice
between them has found (`methods.fusion.choice`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from methods.fusion.blend import BLEND, fit_blend
from methods.fusion.columns import fit_boosting, fit_early
from methods.fusion.experts import class_prior
from methods.fusion.late import fit_experts, fit_late
from methods.fusion.reduced import fit_reduced
from methods.fusion.views import Fitted, Floats, Ints, Problem, Views, rows_of

NEURAL = ("tensor", "interaction", "attention", "hierarchy")
OPERATORS = ("late-average", "early", "late-stacked", "boosting", *NEURAL)
"""Operators from the simplest to the most complex: a tie goes to the earlier one."""

ONLY = "only:"


@dataclass(frozen=True)
class Settings:
    """Settings of all operators.

    Attributes
    ----------
    seed : int
    landmarks : int
        Rows that span the features of an expert.
    weights : mapping of str to float
        Weights of the operators in the blend, with sum 1.
    """

    seed: int = 0
    landmarks: int = 600
    weights: Mapping[str, float] = field(default_factory=dict)


def fit(
    name: str,
    views: Views,
    y: Floats | Ints,
    problem: Problem,
    settings: Settings,
    groups: Ints | None = None,
) -> Fitted:
    """Fit one operator or baseline.

    Parameters
    ----------
    name : str
        One of `OPERATORS`, ``blend``, ``prior`` or ``only:MODALITY``.
    views : mapping of str to (rows, columns_i) float
        NaN where a cell is missing.
    y : (rows,)
        Labels from 0, or values.
    problem : Problem
    settings : Settings
    groups : (rows,) int, optional
        Rows of one group are held out together where an operator needs held-out predictions.

    Raises
    ------
    ValueError
        If the operator does not exist, the numbers of rows differ, a target is missing, or the blend has no
        weights.
    """
    return fit_all([name], views, y, problem, settings, groups)[name]


def fit_all(
    names: Sequence[str],
    views: Views,
    y: Floats | Ints,
    problem: Problem,
    settings: Settings,
    groups: Ints | None = None,
) -> dict[str, Fitted]:
    """Fit several operators; those that combine experts share them."""
    targets = np.asarray(y, float)
    if rows_of(views) != len(targets) or not np.isfinite(targets).all():
        raise ValueError(
            f"{rows_of(views)} rows of views and {np.isfinite(targets).sum()} known targets of "
            f"{len(targets)}; expected a target in each row"
        )
    if BLEND in names:
        if not settings.weights:
            raise ValueError("the blend has no weights; expected those of a choice in Settings(weights=...)")
        members = dict.fromkeys([*(name for name in names if name != BLEND), *settings.weights])
        fitted = fit_all(list(members), views, targets, problem, settings, groups)
        fitted[BLEND] = fit_blend(fitted, settings.weights, views)
        return {name: fitted[name] for name in names}
    experts = None
    result = {}
    for name in names:
        if name.startswith((ONLY, "late-")):
            experts = experts or fit_experts(
                views, targets, problem, settings.seed, settings.landmarks, groups
            )
            only = name.removeprefix(ONLY) if name.startswith(ONLY) else None
            _check(name, only is None or only in views, views)
            result[name] = fit_late(name, experts, stacked=name == "late-stacked", only=only)
        elif name == "early":
            result[name] = fit_early(views, targets, problem, settings.seed)
        elif name == "boosting":
            result[name] = fit_reduced(
                lambda part, rows: fit_boosting(part, targets[rows], problem, settings.seed),
                views,
                _fit_prior(targets, problem),
            )
        elif name in NEURAL:
            from methods.fusion.neural import fit_neural

            result[name] = fit_neural(name, views, targets, problem, settings.seed, groups)
        elif name == "prior":
            result[name] = _fit_prior(targets, problem)
        else:
            _check(name, False, views)
    return result


def baselines(views: Views) -> tuple[str, ...]:
    """Return the names of the baselines that are not operators."""
    return ("prior", *(f"{ONLY}{name}" for name in views))


def _fit_prior(y: Floats, problem: Problem) -> Fitted:
    mean = class_prior(y, problem)

    def predict(views: Views) -> Floats:
        repeated = np.tile(mean, (rows_of(views), 1))
        return repeated if problem.classes else repeated[:, 0]

    return Fitted("prior", predict)


def _check(name: str, known: bool, views: Views) -> None:
    if not known:
        expected = ", ".join((*OPERATORS, *baselines(views)))
        raise ValueError(f"there is no operator {name}; expected one of {expected}")

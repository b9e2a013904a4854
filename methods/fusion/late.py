r"""Late fusion: combine the experts of the modalities by an average or a stack.

With :math:`\mu` the mean target and :math:`f_i` the deviation that expert i predicts, and with the sum over
the modalities that a row has,

.. math:: z = \mu + \sum_i a_i f_i, \qquad p = softmax(t\,z) \text{ for classes, else } z

The average has equal weights. The stack fits weights >= 0 on held-out predictions of the training rows.
Weights and the temperature 1 / t are fitted for each set of present modalities, because the best weights of
those that remain are other ones than when all are present. This costs no training of an expert.

References
----------
Wolpert, "Stacked generalization", Neural Networks 5 (1992). Breiman, "Stacked regressions", Machine
Learning 24 (1996): weights >= 0. Guo et al. (2017) for the temperature.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from methods.evaluation.calibration import softmax
from methods.fusion.experts import Expert, class_prior, fit_expert
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
    rows_of,
)

PULL = 1.0
"""Strength of the prior that pulls the logarithms of the weights to equal ones, in rows."""

BOUND = 5.0


@dataclass(frozen=True)
class Weights:
    """Weight of each modality of a pattern, and inverse temperature of the sum."""

    values: Floats
    sharpness: float


@dataclass(frozen=True)
class Experts:
    """Experts of all modalities, and their held-out predictions.

    Attributes
    ----------
    experts : dict of str to Expert
    mean : (outputs,)
    held_out : (modalities, rows, outputs)
        Deviations, 0 where a modality is absent.
    shown : (rows, modalities) of bool
    """

    problem: Problem
    experts: dict[str, Expert]
    mean: Floats
    held_out: Floats
    shown: Bools
    y: Floats


def fit_experts(
    views: Views,
    y: Floats,
    problem: Problem,
    seed: int,
    landmarks: int = 600,
    groups: Ints | None = None,
) -> Experts:
    """Fit one expert on each modality."""
    mean = class_prior(np.asarray(y), problem)
    deviation = problem.targets(y) - mean
    experts = {name: fit_expert(x, deviation, seed, landmarks, groups) for name, x in views.items()}
    held_out = np.zeros((len(experts), rows_of(views), problem.outputs))
    for index, expert in enumerate(experts.values()):
        held_out[index, expert.rows] = expert.held_out
    return Experts(problem, experts, mean, held_out, present(views), np.asarray(y, float))


def fit_late(name: str, fitted: Experts, *, stacked: bool, only: str | None = None) -> Fitted:
    """Combine fitted experts.

    Parameters
    ----------
    name : str
        Name of the operator.
    fitted : Experts
    stacked : bool
        Whether to fit the weights; otherwise they are equal.
    only : str, optional
        Use this modality only; rows without it get the mean.
    """
    names = list(fitted.experts)
    usable = np.array([only is None or candidate == only for candidate in names])

    @cache
    def weights(pattern: tuple[bool, ...]) -> Weights:
        return _fit_weights(fitted, np.array(pattern) & usable, stacked)

    def predict(views: Views) -> Floats:
        shown = present({candidate: views[candidate] for candidate in names})
        deviations = np.stack([fitted.experts[n].deviation(views[n]) for n in names])
        result = np.empty((shown.shape[0], fitted.problem.outputs))
        for pattern, rows in patterns(shown & usable):
            found = weights(tuple(bool(value) for value in pattern))
            result[rows] = _combine(fitted, found, deviations[:, rows])
        return result if fitted.problem.classes else result[:, 0]

    full = weights(tuple(bool(value) for value in usable))
    spread = full.values * np.sqrt((fitted.held_out**2).mean(axis=(1, 2)))
    share = spread / spread.sum() if spread.sum() > 0 else usable / usable.sum()
    widths = {f"width {n}": fitted.experts[n].width for n in names}
    noises = {f"noise {n}": fitted.experts[n].noise for n in names}
    importance = dict(zip(names, map(float, share), strict=True))
    return Fitted(name, predict, Details(importance=importance, parameters=widths | noises))


def _combine(fitted: Experts, weights: Weights, deviations: Floats) -> Floats:
    if not weights.values.any():  # nothing is known of these rows: predict the shares of the classes
        return np.tile(fitted.mean, (deviations.shape[1], 1))
    sums = fitted.mean + np.tensordot(weights.values, deviations, axes=1)
    return np.asarray(softmax(weights.sharpness * sums) if fitted.problem.classes else sums)


def _fit_weights(fitted: Experts, pattern: Bools, stacked: bool) -> Weights:
    """Fit the weights of a pattern on the rows that have its modalities."""
    count = int(pattern.sum())
    equal = pattern / max(count, 1)
    if count == 0:
        return Weights(equal, 1.0)
    rows = np.flatnonzero(fitted.shown[:, pattern].all(axis=1))
    if len(rows) < 2 * count + 2:
        rows = np.arange(len(fitted.y))
    held_out, y = fitted.held_out[:, rows], fitted.y[rows]
    if fitted.problem.classes:
        labels = y.astype(int)
        sharpness = _sharpness(fitted.mean + np.tensordot(equal, held_out, axes=1), labels)
        if not stacked or count == 1:
            return Weights(equal, sharpness)
        return _stack_classes(fitted.mean, held_out, labels, pattern, sharpness)
    if not stacked:
        return Weights(equal, 1.0)
    return Weights(_stack_values(held_out[:, :, 0], y - fitted.mean[0], pattern), 1.0)


def _sharpness(sums: Floats, labels: Ints) -> float:
    from scipy.optimize import minimize_scalar

    def loss(log_sharpness: float) -> float:
        return _log_loss(np.exp(log_sharpness) * sums, labels)

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, BOUND), method="bounded").x))


def _stack_classes(mean: Floats, held_out: Floats, labels: Ints, pattern: Bools, sharpness: float) -> Weights:
    """Fit weights and sharpness; their prior is about equal weights."""
    from scipy.optimize import minimize

    used = held_out[pattern]
    count, rows = len(used), len(labels)

    def logits(point: Floats) -> Floats:
        share = np.exp(point[1:]) / count
        return np.asarray(np.exp(point[0]) * (mean + np.tensordot(share, used, axes=1)))

    def objective(point: Floats) -> tuple[float, Floats]:
        z = logits(point)
        error = softmax(z)
        error[np.arange(rows), labels] -= 1.0
        share = np.exp(point[1:]) / count
        slope = np.array([np.exp(point[0]) * w * (error * f).sum() for w, f in zip(share, used, strict=True)])
        gradient = np.concatenate([[(error * z).sum()], slope + PULL * point[1:]]) / rows
        return _log_loss(z, labels) + 0.5 * PULL * float((point[1:] ** 2).sum()) / rows, gradient

    start = np.concatenate([[np.log(sharpness)], np.zeros(count)])
    bounds = [(-2.0, BOUND), *[(-BOUND, 2.0)] * count]
    best = minimize(objective, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    values = np.zeros(len(pattern))
    values[pattern] = np.exp(best[1:]) / count
    return Weights(values, float(np.exp(best[0])))


def _stack_values(held_out: Floats, deviation: Floats, pattern: Bools) -> Floats:
    """Fit weights >= 0 by least squares, with a weak ridge about equal weights."""
    from scipy.optimize import nnls

    used = held_out[pattern].T
    scale = np.sqrt(PULL * max(float((used**2).mean()), 1e-300))
    design = np.vstack([used, scale * np.eye(used.shape[1])])
    equal = np.full(used.shape[1], scale / used.shape[1])
    values = np.zeros(len(pattern))
    values[pattern] = nnls(design, np.concatenate([deviation, equal]))[0]
    return values


def _log_loss(logits: Floats, labels: Ints) -> float:
    top = logits.max(axis=1)
    total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float((total - logits[np.arange(len(labels)), labels]).mean())

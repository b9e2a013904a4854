r"""Score predictions of a fusion, and compare two operators over resplits.

Row losses are 0 or 1 for a class and :math:`(y - \hat y)^2 / Var\,y` for a value, so that 1 minus the mean
loss is the accuracy or R². A point is 0.01 of either.

The interval of a mean difference over J resplits corrects its variance for the training rows that resplits
share:

.. math:: \bar d \pm t_{J-1} \sqrt{(1/J + n_{test} / n_{train})\, s_d^2}

References
----------
Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52 (2003), equation 9.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.evaluation.calibration import expected_calibration_error, fit_temperature, softmax
from methods.fusion.views import Floats, Ints, Problem
from methods.trust.conformal import split_radius

FLOOR = 1e-12


@dataclass(frozen=True)
class Interval:
    """Mean and ends of an interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Calibration of probabilities, lower is better; NaN for a regression."""

    log_loss: float
    brier: float
    error: float


@dataclass(frozen=True)
class Decisions:
    """Calibrated predictions with their sets or intervals.

    Attributes
    ----------
    predicted : (rows, classes) or (rows,)
    temperature : float
        1 for a regression.
    radius : float
        A class is in the set if its probability is at least 1 - radius; an interval has this half-width. It
        is infinite if there are too few rows.
    """

    predicted: Floats
    temperature: float
    radius: float


def row_losses(predicted: Floats, y: Floats | Ints, problem: Problem, variance: float) -> Floats:
    """Return the loss of each row; `variance` of the targets is for values."""
    if problem.classes:
        return (predicted.argmax(axis=1) != np.asarray(y, int)).astype(float)
    return np.asarray((predicted - y) ** 2 / variance)


def calibration(probabilities: Floats, y: Ints) -> Calibration:
    """Return log loss in nats, Brier score and calibration error."""
    labels = np.asarray(y, int)
    chance = np.maximum(probabilities[np.arange(len(labels)), labels], FLOOR)
    indicators = np.eye(probabilities.shape[1])[labels]
    return Calibration(
        float(-np.log(chance).mean()),
        float(((probabilities - indicators) ** 2).sum(axis=1).mean()),
        expected_calibration_error(np.minimum(probabilities, 1.0), labels),
    )


def decide(
    predicted: Floats, held_out: Floats, y: Floats | Ints, problem: Problem, alpha: float
) -> Decisions:
    """Calibrate predictions by held-out ones: temperature, conformal radius.

    The sets and intervals cover with probability 1 - alpha if rows are exchangeable and a model of all
    rows errs like those that made the held-out predictions. The temperature has one parameter, so that
    its fit on the same rows hardly changes the coverage.

    Parameters
    ----------
    predicted : (rows, classes) or (rows,) float
    held_out : (n, classes) or (n,) float
        Predictions of the training rows by models without them.
    y : (n,)
    problem : Problem
    alpha : float
    """
    if not problem.classes:
        return Decisions(predicted, 1.0, split_radius(np.abs(held_out - y), alpha))
    labels = np.asarray(y, int)
    temperature = fit_temperature(np.log(np.maximum(held_out, FLOOR)), labels)
    chance = tempered(held_out, temperature)[np.arange(len(labels)), labels]
    return Decisions(tempered(predicted, temperature), temperature, split_radius(1 - chance, alpha))


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """Return probabilities ``p ** (1 / T)``, normalised."""
    return np.asarray(softmax(np.log(np.maximum(probabilities, FLOOR)), temperature))


def corrected_interval(differences: Floats, test_share: float, level: float = 0.95) -> Interval:
    """Return the interval of a mean difference over resplits.

    Parameters
    ----------
    differences : (resplits,) float
    test_share : float
        Share of the rows in the test part of a resplit, strictly between 0 and 1.
    level : float

    Raises
    ------
    ValueError
        If there are fewer than two resplits.
    """
    from scipy.stats import t

    count = len(differences)
    if count < 2:
        raise ValueError(f"{count} resplits; expected at least 2 for an interval")
    mean = float(np.mean(differences))
    variance = (1 / count + test_share / (1 - test_share)) * float(np.var(differences, ddof=1))
    half = float(t.ppf(0.5 + level / 2, count - 1)) * np.sqrt(variance)
    return Interval(mean, mean - half, mean + half)


def clustered_error(differences: Floats, groups: Ints | None) -> float:
    """Return the standard error of a mean over rows, or over groups of them."""
    centred = differences - differences.mean()
    if groups is None:
        return float(np.sqrt((centred**2).sum() / max(len(centred) - 1, 1) / len(centred)))
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=centred)
    count = len(sums)
    return float(np.sqrt((sums**2).sum() * count / max(count - 1, 1)) / len(centred))

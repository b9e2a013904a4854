"""Calibrate probabilities: temperature scaling, calibration error, confusion.

References
----------
Guo et al. (2017), On calibration of modern neural networks. Nguyen and O'Connor (2015), Posterior
calibration and exploratory analysis for natural language processing models: bins of equal mass. Brier
(1950), Verification of forecasts expressed in terms of probability.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]

LOWEST, HIGHEST = 0.05, 20.0


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Return ``exp(z / T) / sum exp(z / T)`` along the last axis."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_loss(logits: Floats, labels: Ints, temperature: float = 1.0) -> float:
    """Compute the mean negative log probability of the true class, in nats.

    Parameters
    ----------
    logits : (n, classes) of float
    labels : (n,) of int
    temperature : float
        Above 0.
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    top = scaled.max(axis=1)
    total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float((total - scaled[np.arange(len(labels)), labels]).mean())


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """Return the temperature with the lowest log loss, between 0.05 and 20.

    The loss is convex in ``1 / T``, so one bounded search finds the minimum. A temperature does not
    change the ranking of the classes.

    Parameters
    ----------
    logits : (n, classes) of float
        Logits of rows that the model was not trained on.
    labels : (n,) of int

    Raises
    ------
    ValueError
        If there are no rows or a logit is not finite.
    """
    from scipy.optimize import minimize_scalar

    if len(labels) == 0:
        raise ValueError("there are no rows to fit a temperature on; expected at least one")
    if not np.isfinite(logits).all():
        row = int(np.argwhere(~np.isfinite(logits))[0, 0])
        raise ValueError(f"logits of row {row} are NaN or infinite; expected finite numbers")
    result = minimize_scalar(
        lambda inverse: log_loss(logits, labels, 1 / inverse),
        bounds=(1 / HIGHEST, 1 / LOWEST),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(1 / result.x)


def expected_calibration_error(probabilities: Floats, labels: Ints, bins: int = 15) -> float:
    """Compute ``sum_b (n_b / n) |accuracy_b - confidence_b|`` over equal bins.

    The bins divide the range of the largest probability of each row.

    Parameters
    ----------
    probabilities : (n, classes) of float
    labels : (n,) of int
    bins : int
        Bin b is ``((b - 1) / bins, b / bins]``.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    ValueError
        If there are no rows or a probability is outside [0, 1].
    """
    _check(probabilities, labels)
    confidence = probabilities.max(axis=1)
    bin_index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return _mean_gap(probabilities, labels, bin_index)


def equal_mass_calibration_error(probabilities: Floats, labels: Ints, bins: int = 15) -> float:
    """Compute the calibration error over bins with equal numbers of rows.

    Bins of equal width leave most bins empty where a model is sure of itself. Here the edges are quantiles
    of the largest probability of each row. Rows with equal confidence share a bin, so the value does not
    depend on the order of rows, and there may be fewer bins.

    Parameters
    ----------
    probabilities : (n, classes) of float
    labels : (n,) of int
    bins : int
        At least 1.

    Returns
    -------
    float
        0 to 1. It is above 0 by chance for a calibrated model, by about ``0.4 sqrt(bins / n)`` at most.

    Raises
    ------
    ValueError
        If there are no rows or a probability is outside [0, 1].
    """
    _check(probabilities, labels)
    confidence = probabilities.max(axis=1)
    edges = np.unique(np.quantile(confidence, np.arange(1, bins) / bins, method="lower"))
    return _mean_gap(probabilities, labels, np.searchsorted(edges, confidence, side="left"))


def brier_score(probabilities: Floats, labels: Ints) -> float:
    """Compute ``mean_i sum_c (p_ic - [y_i = c])^2``, 0 to 2.

    Parameters
    ----------
    probabilities : (n, classes) of float
    labels : (n,) of int

    Raises
    ------
    ValueError
        If there are no rows or a probability is outside [0, 1].
    """
    _check(probabilities, labels)
    certain = np.eye(probabilities.shape[1])[labels]
    return float(np.square(probabilities - certain).sum(axis=1).mean())


def probability_log_loss(probabilities: Floats, labels: Ints, floor: float = 1e-12) -> float:
    """Compute the mean negative log probability of the true class, in nats.

    Parameters
    ----------
    probabilities : (n, classes) of float
    labels : (n,) of int
    floor : float
        Lowest probability, so that one certain error does not make the mean infinite.

    Raises
    ------
    ValueError
        If there are no rows or a probability is outside [0, 1].
    """
    _check(probabilities, labels)
    given = np.asarray(probabilities, dtype=np.float64)[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(given, floor, 1)).mean())


def _check(probabilities: Floats, labels: Ints) -> None:
    """Raise an error if there are no rows or a value is not a probability."""
    if len(labels) == 0:
        raise ValueError("there are no rows to measure calibration on; expected at least one")
    # Sums of rounded softmax outputs may exceed 1 by a few units in the last place.
    if not ((probabilities >= 0) & (probabilities <= 1 + 1e-6)).all():
        raise ValueError("a probability is NaN or outside [0, 1]; expected probabilities, not logits")


def _mean_gap(probabilities: Floats, labels: Ints, bin_index: Ints) -> float:
    correct = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    gaps = np.bincount(bin_index, weights=correct - probabilities.max(axis=1))
    return float(np.abs(gaps).sum() / len(labels))


def confusion(labels: Ints, predicted: Ints, classes: int) -> NDArray[np.int64]:
    """Count pairs of classes: rows are true classes, columns predicted classes."""
    counts = np.bincount(np.asarray(labels) * classes + np.asarray(predicted), minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.int64)

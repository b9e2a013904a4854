r"""Forecasts and conformal intervals for a stream whose law changes over time.

Rows come in order; each is predicted from earlier rows only. The forecast is a least-squares fit with
weights :math:`\rho^{age}`. The radius is a weighted quantile of the earlier scores, with weights
:math:`d^{age}` (NexCP), at a level that is lowered after a miss and raised otherwise (ACI).

References
----------
Specification 3, §8.2. Barber, Candès, Ramdas and Tibshirani, "Conformal prediction beyond
exchangeability", Annals of Statistics 51 (2023). Gibbs and Candès, "Adaptive conformal inference under
distribution shift", NeurIPS (2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.trust.conformal import weighted_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stream:
    """Radius, level and error of each row of a stream.

    Attributes
    ----------
    radius : (T,) float
        Infinite while there are too few scores or the level is 0 or less.
    level : (T,) float
        Level that the radius was asked for.
    error : (T,) float
        1 where the score exceeded its radius.
    """

    radius: Floats
    level: Floats
    error: Floats


@dataclass(frozen=True)
class Scores:
    """Non-conformity scores and the block of time of each, (n,) float both."""

    value: Floats
    block: Floats


def forgetful_forecasts(x: Floats, y: Floats, forgetting: float, *, ridge: float = 1e-6) -> Floats:
    r"""Forecast each row by weighted least squares on the rows before it.

    .. math:: \hat y_t = x_t' \left( \sum_{s<t} \rho^{t-1-s} x_s x_s' + \epsilon I \right)^{-1}
              \sum_{s<t} \rho^{t-1-s} x_s y_s

    Forecasts are clipped to the range of the targets seen so far: few effective rows extrapolate wildly.

    Parameters
    ----------
    x : (T, p) float
        Regressors known before y; include a column of ones for a constant.
    y : (T,) float
    forgetting : float
        rho, above 0 and at most 1; about 1 / (1 - rho) rows count.
    ridge : float
        epsilon > 0.

    Returns
    -------
    (T,) float
        The first is 0: nothing is known.
    """
    if not 0 < forgetting <= 1:
        raise ValueError(f"forgetting is {forgetting}; expected above 0 and at most 1")
    rows, targets = np.asarray(x, float), np.asarray(y, float)
    square, product = np.zeros((rows.shape[1],) * 2), np.zeros(rows.shape[1])
    penalty = ridge * np.eye(rows.shape[1])
    forecasts = np.zeros(len(targets))
    low, high = math.inf, -math.inf
    for t, (row, target) in enumerate(zip(rows, targets, strict=True)):
        if t:
            forecasts[t] = np.clip(row @ np.linalg.solve(square + penalty, product), low, high)
        square = forgetting * square + np.outer(row, row)
        product = forgetting * product + row * target
        low, high = min(low, target), max(high, target)
    return forecasts


def online_radii(scores: Floats, alpha: float, *, gamma: float, decay: float) -> Stream:
    """Return the radius of each row, from the scores of the rows before it.

    Parameters
    ----------
    scores : (T,) float
        Non-conformity scores in order, each of a forecast from earlier rows.
    alpha : float
        Target rate of errors, strictly between 0 and 1.
    gamma : float
        Step of the level, >= 0; 0 keeps it.
    decay : float
        Weight of a score relative to the next one, above 0 and at most 1; 1 gives equal weights.

    Returns
    -------
    Stream
        For gamma > 0 the rate of errors differs from alpha by at most about 1 / (gamma T), for any
        sequence of scores.
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay is {decay}; expected above 0 and at most 1")
    values = np.asarray(scores, float)
    # Scores whose weight is below 1e-9 of the newest one change no quantile.
    window = len(values) if decay == 1 else math.ceil(math.log(1e-9) / math.log(decay))
    weights = decay ** np.arange(min(window, len(values)), 0, -1.0)
    radius, level, error = np.empty((3, len(values)))
    current = alpha
    for t, score in enumerate(values):
        known = values[max(0, t - window) : t]
        level[t] = current
        if current <= 0:
            radius[t] = math.inf
        elif current >= 1:
            radius[t] = -math.inf
        else:
            radius[t] = weighted_quantile(known, weights[len(weights) - len(known) :], current)
        error[t] = score > radius[t]
        current += gamma * (alpha - error[t])
    return Stream(radius, level, error)


def block_radii(known: Scores, new: Scores, alpha: float, *, gamma: float, decay: float) -> Floats:
    r"""Return the radius of each new score, from the scores of earlier blocks.

    As `online_radii`, for targets that become known block by block (year by year): those of one block share
    the level and the quantile of what was known before it, and then

    .. math:: \alpha_{b+1} = \alpha_b + \gamma \sum_{i \in b} (\alpha - e_i)

    Parameters
    ----------
    known : Scores
        Scores before the first new block, for example of validation years.
    new : Scores
        Each block is later than those of `known`; the order of rows does not matter.
    alpha : float
        Target rate of errors, strictly between 0 and 1.
    gamma : float
        Step of the level for one score, >= 0; 0 keeps it.
    decay : float
        Weight of a score relative to one a block later, above 0 and at most 1.

    Returns
    -------
    (n,) float
        In the order of `new`; infinite where the level is 0 or less or there are too few scores, and
        minus infinity (no value is inside) where the level is 1 or more.
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay is {decay}; expected above 0 and at most 1")
    if len(known.block) and len(new.block) and known.block.max() >= new.block.min():
        raise ValueError(
            f"known scores go up to block {known.block.max():g}, new ones start at {new.block.min():g}; "
            "expected later ones"
        )
    values, blocks = known.value, known.block
    radius, level = np.empty(len(new.value)), alpha
    for block in np.unique(new.block):
        rows = new.block == block
        if level <= 0:
            quantile = math.inf
        elif level >= 1:
            quantile = -math.inf
        else:
            quantile = weighted_quantile(values, decay ** (block - blocks), level)
        radius[rows] = quantile
        level += gamma * float(np.sum(alpha - (new.value[rows] > quantile)))
        values, blocks = np.r_[values, new.value[rows]], np.r_[blocks, new.block[rows]]
    return radius


def worst_window(covered: Floats, width: int) -> float:
    """Return the lowest coverage of any `width` successive rows.

    Parameters
    ----------
    covered : (T,) float
        1 where the interval contains its target, else 0; T >= width.
    width : int
    """
    if len(covered) < width:
        raise ValueError(f"{len(covered)} rows; expected at least the window of {width}")
    total = np.r_[0.0, np.cumsum(covered)]
    return float((total[width:] - total[:-width]).min() / width)

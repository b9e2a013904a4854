"""Conformal intervals: split, by quantiles, weighted and adaptive.

All functions take non-conformity scores or forecasts of rows that the model was not trained on. Where
there are too few rows for the requested coverage, the radius is infinite, because no finite interval has
the guarantee.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDING = 9
"""Decimals to which a rank is rounded before its ceiling: in floats, 1.1 * 10 is above 11."""


@dataclass(frozen=True)
class Bounds:
    """Ends of intervals, (n,) each; an interval is empty if lower > upper."""

    lower: Floats
    upper: Floats


def split_radius(scores: Floats, alpha: float) -> float:
    r"""Return the radius that covers a new score with probability 1 - alpha or more.

    .. math:: \hat q = R_{(\lceil (n + 1) (1 - \alpha) \rceil)}

    is an order statistic of the calibration scores. It is infinite where the rank exceeds n. The new
    score must be exchangeable with the calibration scores; then, if scores have no ties, the coverage
    given the calibration rows follows the law Beta(k, n + 1 - k) with k the rank.

    Parameters
    ----------
    scores : (n,) float
        Non-conformity scores: a larger score is less typical. n >= 0.
    alpha : float
        Probability that the new score is larger, strictly between 0 and 1.

    Raises
    ------
    ValueError
        If a score is NaN or alpha is out of range.

    References
    ----------
    Specification 3, §8.2. Lei et al., "Distribution-free predictive inference for
    regression", JASA 113 (2018), theorem 2.2. Vovk, "Conditional validity of inductive conformal
    predictors", ACML (2012): the Beta law.
    """
    values = _checked_scores(scores)
    _check_alpha(alpha)
    rank = math.ceil(round((len(values) + 1) * (1 - alpha), ROUNDING))
    return math.inf if rank > len(values) else float(np.sort(values)[rank - 1])


def conformal_radius(
    calibration_error: Floats, calibration_scale: Floats, scale: Floats, level: float
) -> Floats:
    """Return the half-width of each interval: a scaled quantile of |error| / scale.

    Parameters
    ----------
    calibration_error, calibration_scale : (n,) float
        Errors of forecasts not used in training, and a positive scale for each. If all scales are 1,
        all intervals have one width. Predicted standard deviations give wider intervals where the
        forecast is less certain.
    scale : (m,) float
        Positive scale of each new forecast, by which the quantile is multiplied.
    level : float
        Probability that an interval covers its target, strictly between 0 and 1.

    Returns
    -------
    (m,) float
        Infinite where n is too small for the level.

    Raises
    ------
    ValueError
        If the calibration arrays differ in shape, a scale is not a finite number above 0, an error is
        NaN, or the level is out of range.
    """
    if calibration_error.shape != calibration_scale.shape:
        raise ValueError(
            f"calibration_error has shape {calibration_error.shape} and calibration_scale "
            f"{calibration_scale.shape}; expected one shape"
        )
    for name, values in (("calibration_scale", calibration_scale), ("scale", scale)):
        invalid = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
        if len(invalid):
            raise ValueError(
                f"{name} is {values[invalid[0]]} in row {invalid[0]} and invalid in {len(invalid)} of "
                f"{len(values)} rows; expected finite numbers above 0"
            )
    return split_radius(np.abs(calibration_error) / calibration_scale, 1 - level) * scale


def quantile_score(y: Floats, lower: Floats, upper: Floats) -> Floats:
    r"""Return the score of conformalised quantile regression.

    .. math:: E_i = \max(\hat q_{lo}(x_i) - y_i,\; y_i - \hat q_{hi}(x_i))

    is negative inside the estimated interval.

    References
    ----------
    Romano, Patterson and Candès, "Conformalized quantile regression", NeurIPS (2019).
    """
    return np.maximum(np.asarray(lower, float) - y, np.asarray(y, float) - upper)


def quantile_bounds(scores: Floats, lower: Floats, upper: Floats, alpha: float) -> Bounds:
    """Widen or narrow estimated quantiles to coverage 1 - alpha or more.

    Parameters
    ----------
    scores : (n,) float
        `quantile_score` of calibration rows.
    lower, upper : (m,) float
        Estimated quantiles of new rows.
    alpha : float

    Returns
    -------
    Bounds
        ``[lower - q, upper + q]`` with q the split radius. For q < 0 an interval can be empty.
    """
    radius = split_radius(scores, alpha)
    return Bounds(np.asarray(lower, float) - radius, np.asarray(upper, float) + radius)


def weighted_quantile(scores: Floats, weights: Floats, alpha: float) -> float:
    r"""Return the 1 - alpha quantile of weighted scores and a new point at infinity.

    .. math:: \inf \{ q : \sum_i w_i 1(R_i \le q) \ge (1 - \alpha) (\sum_i w_i + 1) \}

    The new point has weight 1 at infinity, so that the result is infinite where the mass of the scores
    falls short. Weights of 1 give `split_radius`. With fixed weights in [0, 1] that decrease with age,
    the loss of coverage under drift is at most the weighted sum of the total variation distances.

    Parameters
    ----------
    scores : (n,) float
        n >= 0.
    weights : (n,) float
        >= 0, relative to the weight 1 of the new point.
    alpha : float
        Strictly between 0 and 1.

    Raises
    ------
    ValueError
        If a score is NaN, a weight is negative or not finite, lengths differ or alpha is out of range.

    References
    ----------
    Barber, Candès, Ramdas and Tibshirani, "Conformal prediction beyond exchangeability", Annals of
    Statistics 51 (2023), equation 10.
    """
    values, mass = _checked_scores(scores), np.asarray(weights, float)
    _check_alpha(alpha)
    if mass.shape != values.shape:
        raise ValueError(f"{len(values)} scores and {mass.shape} weights; expected one weight per score")
    if not (np.isfinite(mass) & (mass >= 0)).all():
        raise ValueError(f"weights between {mass.min()} and {mass.max()}; expected finite weights >= 0")
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(mass[order])
    total = (reached[-1] if len(reached) else 0.0) + 1
    needed = (1 - alpha) * total
    # A sum of n weights is off by up to about n rounding errors; equality must count as reached.
    place = int(np.searchsorted(reached, needed - 1e-12 * total, side="left"))
    return math.inf if place == len(values) else float(values[order[place]])


def adaptive_levels(errors: Floats, alpha: float, gamma: float) -> Floats:
    r"""Return the level after each error of adaptive conformal inference.

    .. math:: \alpha_{t+1} = \alpha_t + \gamma (\alpha - e_t), \qquad \alpha_1 = \alpha

    A level at or below 0 asks for an infinite interval, a level at or above 1 for an empty one; then
    :math:`|T^{-1} \sum e_t - \alpha| \le (\max(\alpha_1, 1 - \alpha_1) + \gamma) / (\gamma T)` for any
    sequence, also an adversarial one.

    Parameters
    ----------
    errors : (T,) float
        1 where the interval missed its target, else 0.
    alpha : float
        Target rate of errors, strictly between 0 and 1.
    gamma : float
        Step, >= 0.

    Returns
    -------
    (T,) float
        Entry t is the level to use after error t.

    References
    ----------
    Gibbs and Candès, "Adaptive conformal inference under distribution shift", NeurIPS (2021),
    equation 2 and proposition 4.1.
    """
    _check_alpha(alpha)
    if gamma < 0:
        raise ValueError(f"gamma is {gamma}; expected a step of 0 or more")
    return alpha + gamma * np.cumsum(alpha - np.asarray(errors, float))


def _checked_scores(scores: Floats) -> Floats:
    values = np.asarray(scores, float)
    if values.ndim != 1 or np.isnan(values).any():
        raise ValueError(
            f"scores of shape {values.shape}, {int(np.isnan(values).sum())} of them NaN; expected one "
            "dimension and no NaN"
        )
    return values


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; expected a value between 0 and 1")

"""Split-conformal prediction intervals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def conformal_quantile(scores: Floats, level: float) -> float:
    r"""Return the radius that covers a new score with probability `level` or more.

    .. math:: \hat q = R_{(\lceil (n + 1) (1 - \alpha) \rceil)}

    is an order statistic of the calibration scores. It is infinite where the rank exceeds n. The new
    score must be exchangeable with the calibration scores.

    Parameters
    ----------
    scores : (n,) float
        Non-conformity scores: a larger score is less typical. n >= 1.
    level : float
        1 - alpha, strictly between 0 and 1.

    Raises
    ------
    ValueError
        If there is no score, one is NaN, or the level is out of range.

    References
    ----------
    Specification 3, §8.2. Lei et al., "Distribution-free predictive inference for
    regression", JASA 113 (2018), theorem 2.2.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected a value between 0 and 1")
    if len(scores) == 0 or np.isnan(scores).any():
        raise ValueError(
            f"{len(scores)} scores, {int(np.isnan(scores).sum())} of them NaN; expected one or more, no NaN"
        )
    # Rounding keeps a product whole where it should be: in floats, 1.1 * 10 is above 11.
    rank = math.ceil(round((len(scores) + 1) * level, 9))
    return math.inf if rank > len(scores) else float(np.sort(scores)[rank - 1])


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
        Scale of each new forecast, by which the quantile is multiplied.
    level : float
        Probability that an interval covers its target, strictly between 0 and 1.

    Returns
    -------
    (m,) float
        Infinite where there are too few scores for the level.

    Raises
    ------
    ValueError
        If the calibration arrays differ in shape, or a scale is not a finite number above 0.
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
    return conformal_quantile(np.abs(calibration_error) / calibration_scale, level) * scale

"""Split-conformal prediction intervals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def conformal_quantile(scores: Floats, level: float) -> float:
    r"""Radius that covers a new exchangeable score with probability `level` at least.

    .. math:: \hat q = R_{(\lceil (n + 1) (1 - \alpha) \rceil)}

    the order statistic of the calibration scores, infinite where the rank exceeds n.

    Parameters
    ----------
    scores : (n,) float
        Non-conformity scores, larger is stranger; n >= 1.
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
        raise ValueError(f"level must lie between 0 and 1, found {level}")
    if len(scores) == 0 or np.isnan(scores).any():
        raise ValueError("conformal calibration needs at least one score and no NaN")
    # the product is exact where it should be whole: 1.1 * 10 in floats is above 11
    rank = math.ceil(round((len(scores) + 1) * level, 9))
    return math.inf if rank > len(scores) else float(np.sort(scores)[rank - 1])


def conformal_radius(
    calibration_error: Floats, calibration_scale: Floats, scale: Floats, level: float
) -> Floats:
    """Half-width of each interval: the quantile of `|error| / scale`, times the new scale.

    Parameters
    ----------
    calibration_error, calibration_scale : (n,) float
        Errors of forecasts not used in training, and a positive size for each. All sizes 1 gives
        intervals of one width; predicted standard deviations give wider ones where less is known.
    scale : (m,) float
    level : float

    Returns
    -------
    (m,) float
    """
    return conformal_quantile(np.abs(calibration_error) / calibration_scale, level) * scale

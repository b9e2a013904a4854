"""Stacking: convex combinations of forecasts."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from methods.temporal.panel import Floats


def simplex_weights(
    forecasts: Floats, truth: Floats, weight: Floats, strength: float, prior: Floats | None = None
) -> Floats:
    r"""Compute weights of a convex combination of forecasts, shrunk to fixed ones.

    .. math::
        \min_{w \ge 0,\ 1'w = 1} \sum_i p_i (y_i - x_i' w)^2 / \sum_i p_i v
            + \frac{\lambda}{n} |w - \pi|^2

    with v the weighted variance of y about the plain mean of the forecasts.

    Parameters
    ----------
    forecasts : (n, m) float
        One column per forecaster, for rows that it did not learn from.
    truth, weight : (n,) float
        Weight is the precision of the truth, > 0.
    strength : float
        lambda >= 0: number of rows that the fixed weights count as.
    prior : (m,) float, optional
        pi: the fixed weights, >= 0, with sum 1; by default 1 / m each, the plain mean.

    Returns
    -------
    (m,) float

    References
    ----------
    Breiman, "Stacked regressions", Machine Learning 24 (1996). Solved as non-negative
    least squares; one row of large weight enforces the sum.
    """
    rows, members = forecasts.shape
    centre = np.full(members, 1 / members) if prior is None else prior
    # with weights that sum to one, the combination of differences from the truth is the error
    errors = forecasts - truth[:, None]
    share = np.sqrt(weight / weight.sum())
    scale = float(np.sqrt(np.sum(weight * errors.mean(axis=1) ** 2) / weight.sum()))
    if scale == 0:
        return centre
    ridge = np.sqrt(strength / rows)
    heavy = 1e4
    a = np.vstack([errors * share[:, None] / scale, ridge * np.eye(members), np.full((1, members), heavy)])
    b = np.r_[np.zeros(rows), ridge * centre, heavy]
    weights, _ = nnls(a, b)
    return np.asarray(weights / weights.sum())

"""Cross-fitted forecasts: each row is forecast without the fold of its unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from methods.temporal.panel import Floats, Ints


def folds_of(unit: Ints, folds: int, seed: int) -> Ints:
    """Assign units to folds; return the fold of each row.

    The sizes of folds differ by at most one unit.

    Parameters
    ----------
    unit : (n,) int
    folds : int
        At least 2.
    seed : int
    """
    units = int(unit.max()) + 1
    return np.random.default_rng(seed).permutation(np.arange(units) % folds)[unit]


def cross_fit_ridge(
    x: Floats, y: Floats, weight: Floats, learn: NDArray[np.bool_], fold: Ints, penalty: float
) -> tuple[Floats, Floats]:
    r"""Forecast each learning row by a ridge regression without its fold.

    .. math:: \min_B \sum_i p_i (y_i - x_i' B)^2 / \bar p + \lambda |B|^2

    with x standardised and y centred on the learning rows. The forecast of other rows is the mean over folds.

    Parameters
    ----------
    x : (n, k) float
    y : (n,) float
    weight : (n,) float
        Precisions, > 0.
    learn : (n,) bool
    fold : (n,) int
    penalty : float
        lambda >= 0, in units of rows.

    Returns
    -------
    forecast : (n,) float
    coefficients : (folds, k + 1) float
        Intercept first, on the scale of x.
    """
    forecast = np.zeros(len(y))
    coefficients = []
    for part in range(int(fold.max()) + 1):
        use = learn & (fold != part)
        p = weight[use] / weight[use].mean()
        centre, middle = np.average(x[use], axis=0, weights=p), np.average(y[use], weights=p)
        spread = np.maximum(x[use].std(axis=0), 1e-12)
        z = (x[use] - centre) / spread
        gram = (z * p[:, None]).T @ z + penalty * np.eye(x.shape[1])
        slope = np.linalg.solve(gram, (z * p[:, None]).T @ (y[use] - middle)) / spread
        coefficients.append(np.r_[middle - centre @ slope, slope])
        fitted = coefficients[-1][0] + x @ slope
        forecast[learn & (fold == part)] = fitted[learn & (fold == part)]
        forecast[~learn] += fitted[~learn]
    forecast[~learn] /= len(coefficients)
    return forecast, np.array(coefficients)


def cross_fit(
    make: Callable[[int], Any], x: Floats, y: Floats, weight: Floats, learn: NDArray[np.bool_], fold: Ints
) -> Floats:
    """Forecast each learning row by a regression without its fold.

    The forecast of other rows is the mean over folds, which is bagging over units without replacement.

    Parameters
    ----------
    make : callable
        Returns an untrained regressor of scikit-learn for a fold; the number is a seed.
    x : (n, k) float
    y : (n,) float
    weight : (n,) float
        > 0, relative to their mean.
    learn : (n,) bool
    fold : (n,) int

    Returns
    -------
    (n,) float
    """
    forecast = np.zeros(len(y))
    parts = int(fold.max()) + 1
    # on small tables threads wait for each other longer than they work
    with threadpool_limits(limits=1):
        for part in range(parts):
            use, held_out = learn & (fold != part), learn & (fold == part)
            model = make(part).fit(x[use], y[use], sample_weight=weight[use] / weight[use].mean())
            if hasattr(model, "n_jobs"):
                # threads would add up the trees of a forest in any order, and so round differently
                model.set_params(n_jobs=1)
            fitted = model.predict(x)
            forecast[held_out] = fitted[held_out]
            forecast[~learn] += fitted[~learn] / parts
    return forecast

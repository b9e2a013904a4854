"""Mean squared errors of forecasts, with cluster bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its percentile bootstrap interval."""

    value: Floats
    low: Floats
    high: Floats


def cluster_weights(clusters: int, draws: int, seed: int) -> Floats:
    """Return how often each cluster is drawn in each bootstrap sample.

    Returns
    -------
    (draws, clusters) float
        Rows sum to `clusters`.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws).astype(float)


def bootstrap_mse(errors: Floats, cluster: Ints, draws: int, seed: int) -> tuple[Floats, Floats]:
    r"""Compute the mean squared error of each model, and over resampled clusters.

    .. math:: MSE^* = \sum_c w_c \sum_{i \in c} e_i^2 / \sum_c w_c n_c

    All models share the same samples, so that their differences are paired.

    Parameters
    ----------
    errors : (n, m) float
        One column per model.
    cluster : (n,) int
        Rows of one cluster are drawn together.
    draws : int
    seed : int

    Returns
    -------
    (m,) float, (draws, m) float

    Raises
    ------
    ValueError
        If there is no row, an error is not finite or the clusters have another length.

    References
    ----------
    Cameron, Gelbach and Miller, "Bootstrap-based improvements for inference with clustered
    errors", Review of Economics and Statistics 90 (2008): the pairs cluster bootstrap.
    """
    if errors.ndim != 2 or len(errors) == 0 or len(cluster) != len(errors):
        raise ValueError(
            f"errors have shape {errors.shape} and clusters {np.shape(cluster)}; expected (n, m) and (n,), "
            "n >= 1"
        )
    if not np.isfinite(errors).all():
        row, column = np.argwhere(~np.isfinite(errors))[0].tolist()
        raise ValueError(
            f"the error of row {row}, model {column} is {errors[row, column]}; expected finite numbers"
        )
    _, index = np.unique(cluster, return_inverse=True)
    size = np.bincount(index).astype(float)
    sums = np.stack([np.bincount(index, weights=column) for column in (errors**2).T], axis=1)
    weights = cluster_weights(len(size), draws, seed)
    return (errors**2).mean(axis=0), (weights @ sums) / (weights @ size)[:, None]


def percentile_interval(value: Floats, samples: Floats, level: float) -> Interval:
    """Return the percentile interval of each column of the bootstrap samples.

    Parameters
    ----------
    value : (m,) float
    samples : (draws, m) float
    level : float
        Probability inside, e.g. 0.95.

    Raises
    ------
    ValueError
        If a sample is NaN or the level is not strictly between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected a value between 0 and 1")
    if np.isnan(samples).any():
        raise ValueError(f"{int(np.isnan(samples).sum())} bootstrap samples are NaN; expected numbers")
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Interval(value, low, high)


def skill(mse: Floats, reference: Floats) -> Floats:
    """Return `1 - MSE / MSE of the reference`: 0 equals the reference, 1 is perfect."""
    return 1 - mse / reference

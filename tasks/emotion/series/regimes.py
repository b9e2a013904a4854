"""Yearly means for change points: standardised, weighted, with a prior.

A yearly mean of n songs has the variance ``tau^2 + sigma^2 / n``: ``sigma^2`` is the spread of
songs within a year, ``tau^2`` that of years within a regime, taken from successive
differences, which a change of regime hardly affects. So thin years are included with a small weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from methods.changepoint import NormalInverseWishart


class Panel(NamedTuple):
    """Rows of one or many series, each in order of time.

    `weights` is the precision of a row: its covariance is that of a regime over the weight.
    `noise_ratio` is ``tau^2 / sigma^2``.
    """

    group: np.ndarray
    year: np.ndarray
    values: np.ndarray
    weights: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    noise_ratio: float


def standardise(rows: pd.DataFrame, dimensions: Sequence[str], group: np.ndarray) -> Panel:
    """Standardise by all rows, and weight each row by the precision of its mean."""
    means = rows[[f"{dim}_mean" for dim in dimensions]].to_numpy(float)
    centre, scale = means.mean(axis=0), means.std(axis=0)
    values = (means - centre) / scale
    n = rows["n_songs"].to_numpy(float)
    spreads = rows[[f"{dim}_sd" for dim in dimensions]].to_numpy(float) / scale
    several = np.isfinite(spreads).all(axis=1) & (n > 1)
    song_variance = np.average(spreads[several] ** 2, axis=0, weights=n[several] - 1)
    step, sampling = _steps(values, group, 1 / n)
    year_variance = np.maximum((step**2 - song_variance * sampling[:, None]).mean(axis=0) / 2, 0)
    ratio = float(year_variance.sum() / song_variance.sum())
    return Panel(group, rows["year"].to_numpy(), values, 1 / (ratio + 1 / n), centre, scale, ratio)


def _steps(values: np.ndarray, group: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return differences of successive rows of a group, and sums of variances."""
    same = group[1:] == group[:-1]
    return np.diff(values, axis=0)[same], (variances[1:] + variances[:-1])[same]


def regime_prior(panel: Panel, strength: float) -> NormalInverseWishart:
    """Estimate the prior of a regime.

    The covariance comes from successive differences, the spread of means from the remaining variance.

    `strength` is how many observations the expected covariance is worth.
    """
    from methods.changepoint import NormalInverseWishart

    step, variance = _steps(panel.values, panel.group, 1 / panel.weights)
    covariance = (step / variance[:, None]).T @ step / len(step)
    noise = np.trace(covariance) * (1 / panel.weights).mean()
    between = max(panel.values.var(axis=0).sum() - noise, 0.1 * noise)
    d = panel.values.shape[1]
    kappa0 = float(np.trace(covariance) / between)
    return NormalInverseWishart(np.zeros(d), kappa0, d + 1 + strength, covariance * strength)


def innovations(panel: Panel) -> Panel:
    """Return the residuals of a first-order autoregression of one series.

    There is one slope per dimension, over the whole series; the error of the row before adds to that
    of the row.
    """
    before, now = panel.values[:-1], panel.values[1:]
    centred = before - before.mean(axis=0)
    slopes = (centred * now).sum(axis=0) / (centred**2).sum(axis=0)
    variances = 1 / panel.weights
    return panel._replace(
        group=panel.group[1:],
        year=panel.year[1:],
        values=now - slopes * before,
        weights=1 / (variances[1:] + variances[:-1] - panel.noise_ratio),
    )


def persistent_copies(panel: Panel, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw series that persist and drift like one, without a change: (draws, T, d).

    Each starts at the first row and follows a first-order autoregression per dimension, whose steps are whole
    rows of its residuals in random order, with replacement. The slopes are corrected for their bias, about
    ``-(1 + 3 slope) / T`` (Kendall, Biometrika 41, 1954), up to a random walk.
    """
    before, now = panel.values[:-1], panel.values[1:]
    centred = before - before.mean(axis=0)
    slopes = (centred * now).sum(axis=0) / (centred**2).sum(axis=0)
    slopes = np.minimum(slopes + (1 + 3 * slopes) / len(before), 1.0)
    steps = (now - slopes * before)[rng.integers(len(now), size=(draws, len(now)))]
    copies = np.empty((draws, *panel.values.shape))
    copies[:, 0] = panel.values[0]
    for t in range(1, len(panel.values)):
        copies[:, t] = slopes * copies[:, t - 1] + steps[:, t - 1]
    return copies


def unit_information_prior(panel: Panel, strength: float) -> NormalInverseWishart:
    """Return a prior with the moments of the series; its mean is worth one row."""
    from methods.changepoint import NormalInverseWishart

    d = panel.values.shape[1]
    mean = np.average(panel.values, axis=0, weights=panel.weights)
    off = panel.values - mean
    covariance = (off * panel.weights[:, None]).T @ off / len(off)
    return NormalInverseWishart(mean, float(panel.weights.mean()), d + 1 + strength, covariance * strength)

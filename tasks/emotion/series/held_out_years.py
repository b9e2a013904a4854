"""Held-out years of careers, and simple predictions of them as baselines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from statewright.contracts import Document
from tasks.emotion.params import VariationalParams


class HeldOutScore(Document):
    """Errors on held-out years, in standard deviations of the yearly means.

    `coverage` is of intervals meant to hold 90 % of the yearly means; `log_density` in nats per value.
    `gain_low`, `gain_high`: 95 % interval, over artists, of how much lower the mean squared
    error is than that of shrinkage by moments.
    """

    rmse: float
    rmse_by_dimension: dict[str, float]
    coverage: float | None
    log_density: float | None
    gain_low: float
    gain_high: float


class Prediction(NamedTuple):
    """Predicted means and their variances (NaN if there are none), (rows, d) each."""

    mean: np.ndarray
    variance: np.ndarray


def hold_out(rows: pd.DataFrame, share: float, seed: int) -> np.ndarray:
    """Select a random share of the years, never the first or last of an artist.

    `rows` are sorted by artist and year.
    """
    first = ~rows["artist_id"].duplicated()
    last = ~rows["artist_id"].duplicated(keep="last")
    inside = ~(first | last).to_numpy()
    return inside & (np.random.default_rng(seed).random(len(rows)) < share)


def nearest_year(rows: pd.DataFrame, values: np.ndarray, held_out: np.ndarray) -> Prediction:
    """Predict the raw mean of the nearest other year, the earlier of two."""
    position = np.arange(len(rows))
    used = pd.Series(np.where(held_out, np.nan, position))
    before, after = used.ffill().to_numpy(int), used.bfill().to_numpy(int)
    year = rows["year"].to_numpy()
    nearest = np.where(year - year[before] <= year[after] - year, before, after)
    return Prediction(values[nearest], np.full_like(values, np.nan))


def shrunk_mean(
    rows: pd.DataFrame, values: np.ndarray, within: np.ndarray, held_out: np.ndarray
) -> tuple[Prediction, Prediction]:
    """Predict the artist's mean of songs, and the artist's mean shrunk by moments.

    A year's mean of n songs has the variance ``tau^2 + sigma^2 / n`` about the artist's level. ``sigma^2``
    is pooled from the sums of squares `within` years, ``tau^2`` is the excess variance of the differences
    of successive years, and the spread of levels is the excess variance of the artists' means.
    """
    n = rows["n_songs"].to_numpy(float)[:, None]
    song = within[~held_out].sum(axis=0) / (n[~held_out] - 1).sum()
    artist = rows["artist_id"].to_numpy()
    used, known = values[~held_out], artist[~held_out]
    same = known[1:] == known[:-1]
    step, noise = np.diff(used, axis=0)[same], (1 / n[~held_out][1:] + 1 / n[~held_out][:-1])[same]
    year = np.maximum((step**2 - noise * song).mean(axis=0) / 2, 0)
    index, names = pd.factorize(artist)
    precision = 1 / (year + song / n)

    def summed(weights: np.ndarray) -> np.ndarray:
        total = np.zeros((len(names), values.shape[1]))
        np.add.at(total, index[~held_out], np.broadcast_to(weights, values.shape)[~held_out])
        return total

    level, doubt = summed(precision * values) / summed(precision), 1 / summed(precision)
    centre = level.mean(axis=0)
    between = np.maximum(level.var(axis=0) - doubt.mean(axis=0), 1e-9)
    keep = between / (between + doubt)
    shrunk = centre + keep * (level - centre)
    variance = (keep * doubt)[index] + year + song / n
    raw = (summed(n * values) / summed(n + 0 * values))[index]
    return Prediction(raw, np.full_like(raw, np.nan)), Prediction(shrunk[index], variance)


def score(
    variance: np.ndarray,
    error: np.ndarray,
    reference: np.ndarray,
    artist: np.ndarray,
    params: VariationalParams,
) -> HeldOutScore:
    """Score one method on held-out years compared with the reference."""
    from scipy.stats import norm

    known = bool(np.isfinite(variance).all())
    inside = np.abs(error) < norm.ppf(0.95) * np.sqrt(variance)
    density = norm.logpdf(error, scale=np.sqrt(variance))
    by_dimension = np.sqrt((error**2).mean(axis=0)).round(4)
    low, high = _gain(reference, error, artist, params)
    return HeldOutScore(
        rmse=round(float(np.sqrt((error**2).mean())), 4),
        rmse_by_dimension=dict(zip(params.dimensions, by_dimension.tolist(), strict=True)),
        coverage=round(float(inside.mean()), 4) if known else None,
        log_density=round(float(density.mean()), 4) if known else None,
        gain_low=round(low, 5),
        gain_high=round(high, 5),
    )


def _gain(
    reference: np.ndarray, error: np.ndarray, artist: np.ndarray, params: VariationalParams
) -> tuple[float, float]:
    """Return a bootstrap interval, over artists, of the gain in squared error."""
    index, names = pd.factorize(artist)
    gain = np.bincount(index, (reference**2 - error**2).mean(axis=1))
    size = np.bincount(index)
    drawn = np.random.default_rng(params.seed).integers(len(names), size=(params.draws, len(names)))
    means = gain[drawn].sum(axis=1) / size[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)

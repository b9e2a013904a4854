"""How well sections that were hidden are foretold: the basis model beside plain guesses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.temporal.micro import MicroFit, posterior
from methods.temporal.panel import Floats


@dataclass(frozen=True)
class Score:
    """Errors over the hidden sections of all songs.

    Attributes
    ----------
    rmse, median_error : float
        Root mean square error; median of the absolute error, that of a typical song.
    log_density : float
        Mean log predictive density.
    squares : (n,) float
        Mean squared error of each song, to compare two forecasts song by song.
    """

    rmse: float
    median_error: float
    log_density: float
    squares: Floats


def hide_random(shape: tuple[int, int], number: int, seed: int) -> NDArray[np.bool_]:
    """Mark `number` sections of each song, drawn at random."""
    order = np.random.default_rng(seed).random(shape).argsort(axis=1)
    return order.argsort(axis=1) < number


def hide_last(shape: tuple[int, int], number: int) -> NDArray[np.bool_]:
    """Mark the last `number` sections of each song."""
    return np.broadcast_to(np.arange(shape[1]) >= shape[1] - number, shape)


def constant(values: Floats) -> Floats:
    """The mean of the song's known sections, everywhere."""
    return np.broadcast_to(np.nanmean(values, axis=1)[:, None], values.shape)


def common_curve(values: Floats, learn: Floats) -> Floats:
    """The song's level on the curve that the songs of `learn` have in common.

    The curve is the mean over songs of what each section lies above its song's mean.
    """
    curve = np.nanmean(learn - np.nanmean(learn, axis=1, keepdims=True), axis=0)
    return curve + np.nanmean(values - curve, axis=1)[:, None]


def interpolation(values: Floats) -> Floats:
    """A straight line between the nearest known sections; beyond the last one, its value."""
    place = np.arange(values.shape[1])
    return np.stack([np.interp(place, place[np.isfinite(row)], row[np.isfinite(row)]) for row in values])


def score_point(truth: Floats, forecast: Floats, hidden: NDArray[np.bool_], variance: float) -> Score:
    """Score a forecast that has one error variance for all songs (from songs to learn from)."""
    squares = np.where(hidden, (truth - forecast) ** 2, np.nan)
    density = -0.5 * (squares / variance + np.log(2 * np.pi * variance))
    return _score(squares, density)


def score_model(
    model: MicroFit,
    truth: Floats,
    basis: Floats,
    hidden: NDArray[np.bool_],
    *,
    known: Floats | None = None,
    shared: Floats | None = None,
) -> Score:
    """Score the basis model, which sees the sections that are not hidden; see `micro.fit`."""
    found = posterior(model, np.where(hidden, np.nan, truth), basis, known=known, shared=shared)
    error = truth - found.curve
    variance = found.class_variance + model.noise[None, :, None]
    if known is not None:
        variance = variance + known[:, None, :]
    off = truth[:, None, :] - found.class_curve
    density = np.exp(-0.5 * off**2 / variance) / np.sqrt(2 * np.pi * variance)
    mixed = np.log(np.maximum(np.einsum("nc,nck->nk", found.share, density), 1e-300))
    return _score(np.where(hidden, error**2, np.nan), mixed)


def _score(squares: Floats, density: Floats) -> Score:
    there = np.isfinite(squares)
    return Score(
        float(np.sqrt(squares[there].mean())),
        float(np.median(np.sqrt(squares[there]))),
        float(density[there].mean()),
        np.nanmean(squares, axis=1),
    )

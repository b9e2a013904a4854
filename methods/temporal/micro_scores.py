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


def compare(
    model: MicroFit,
    learn: Floats,
    truth: Floats,
    basis: Floats,
    masks: list[NDArray[np.bool_]],
    *,
    known: Floats | None = None,
    shared: Floats | None = None,
) -> tuple[dict[str, Score], float, float]:
    """Score the model beside the plain guesses, over several ways to hide sections.

    Parameters
    ----------
    model : MicroFit
        Fitted to `learn`.
    learn : (m, k) float
        Songs from which the guesses learn their error variance, the same sections hidden in turn.
    truth : (n, k) float
        Songs to score; NaN where there is no section.
    basis : (k, q) or (n, k, q) float
    masks : list of (n, k) bool
        Hidden sections; every song keeps one.
    known, shared : float, optional
        Of the songs to score; see `micro.fit`.

    Returns
    -------
    scores : dict
        By name; ``model`` is ours. `squares` are means over the masks.
    excess, error : float
        Mean squared error of the model over that of the straight line, less 1, and the standard
        error of that over songs.
    """
    found: dict[str, list[Score]] = {}
    for hidden in masks:
        for name, score in _guesses(learn, truth, hidden).items():
            found.setdefault(name, []).append(score)
        ours = score_model(model, truth, basis, hidden, known=known, shared=shared)
        found.setdefault("model", []).append(ours)
    scores = {name: _pooled(each) for name, each in found.items()}
    line = scores["straight line"].squares
    difference = (scores["model"].squares - line) / line.mean()
    return scores, float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(line)))


def _guesses(learn: Floats, truth: Floats, hidden: NDArray[np.bool_]) -> dict[str, Score]:
    seen = np.where(hidden, np.nan, truth)
    mask = np.resize(hidden, learn.shape) & np.isfinite(learn)
    mask &= (np.isfinite(learn) & ~mask).any(axis=1, keepdims=True)
    past = np.where(mask, np.nan, learn)
    guesses = {
        "song mean": (constant(past), constant(seen)),
        "common curve": (common_curve(past, learn), common_curve(seen, learn)),
        "straight line": (interpolation(past), interpolation(seen)),
    }
    return {
        name: score_point(truth, now, hidden, float(((learn - before)[mask] ** 2).mean()))
        for name, (before, now) in guesses.items()
    }


def _pooled(each: list[Score]) -> Score:
    """One score of several masks that hide equally many sections."""
    return Score(
        float(np.sqrt(np.mean([one.rmse**2 for one in each]))),
        float(np.mean([one.median_error for one in each])),
        float(np.mean([one.log_density for one in each])),
        np.mean([one.squares for one in each], axis=0),
    )


def hide_one(values: Floats, seed: int) -> NDArray[np.bool_]:
    """Mark one of the known sections of each song, drawn at random."""
    order = np.random.default_rng(seed).random(values.shape)
    order[~np.isfinite(values)] = -1
    return np.asarray(order == order.max(axis=1, keepdims=True))

"""Scores of predictions of held-out sections compared with baselines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.temporal.micro import MicroFit, posterior
from methods.temporal.panel import Floats


@dataclass(frozen=True)
class Score:
    """Errors over the held-out sections of all songs.

    Attributes
    ----------
    rmse, median_error : float
        Root mean square error, and median absolute error (that of a typical song).
    log_density : float
        Mean log predictive density.
    squares : (n,) float
        Mean squared error of each song, for paired comparisons of forecasts.
    """

    rmse: float
    median_error: float
    log_density: float
    squares: Floats


def hold_out_random(shape: tuple[int, int], number: int, seed: int) -> NDArray[np.bool_]:
    """Mark `number` sections of each song, drawn at random."""
    order = np.random.default_rng(seed).random(shape).argsort(axis=1)
    return order.argsort(axis=1) < number


def hold_out_last(shape: tuple[int, int], number: int) -> NDArray[np.bool_]:
    """Mark the last `number` sections of each song."""
    return np.broadcast_to(np.arange(shape[1]) >= shape[1] - number, shape)


def constant(values: Floats) -> Floats:
    """Predict the mean of the song's known sections everywhere."""
    return np.broadcast_to(np.nanmean(values, axis=1)[:, None], values.shape)


def common_curve(values: Floats, learn: Floats) -> Floats:
    """Predict the song's level plus the common curve of the songs of `learn`.

    The curve is the mean over songs of each section less its song's mean.
    """
    curve = np.nanmean(learn - np.nanmean(learn, axis=1, keepdims=True), axis=0)
    return curve + np.nanmean(values - curve, axis=1)[:, None]


def interpolation(values: Floats) -> Floats:
    """Interpolate between the nearest known sections; extrapolate by a constant."""
    section = np.arange(values.shape[1])
    return np.stack([np.interp(section, section[np.isfinite(row)], row[np.isfinite(row)]) for row in values])


def score_point(truth: Floats, forecast: Floats, held_out: NDArray[np.bool_], variance: float) -> Score:
    """Score a forecast with one error variance for all songs."""
    squares = np.where(held_out, (truth - forecast) ** 2, np.nan)
    density = -0.5 * (squares / variance + np.log(2 * np.pi * variance))
    return _score(squares, density)


def score_model(
    model: MicroFit,
    truth: Floats,
    basis: Floats,
    held_out: NDArray[np.bool_],
    *,
    known: Floats | None = None,
    shared: Floats | None = None,
) -> Score:
    """Score the model given the sections that are not held out; see `micro.fit`."""
    fitted = posterior(model, np.where(held_out, np.nan, truth), basis, known=known, shared=shared)
    error = truth - fitted.curve
    variance = fitted.class_variance + model.noise[None, :, None]
    if known is not None:
        variance = variance + known[:, None, :]
    off = truth[:, None, :] - fitted.class_curve
    density = np.exp(-0.5 * off**2 / variance) / np.sqrt(2 * np.pi * variance)
    mixed = np.log(np.maximum(np.einsum("nc,nck->nk", fitted.share, density), 1e-300))
    return _score(np.where(held_out, error**2, np.nan), mixed)


def _score(squares: Floats, density: Floats) -> Score:
    scored = np.isfinite(squares)
    return Score(
        float(np.sqrt(squares[scored].mean())),
        float(np.median(np.sqrt(squares[scored]))),
        float(density[scored].mean()),
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
    """Score the model and the baselines over several masks of held-out sections.

    Parameters
    ----------
    model : MicroFit
        Model fitted to `learn`.
    learn : (m, k) float
        Songs from which the baselines estimate their error variance, with the same sections held out.
    truth : (n, k) float
        Songs to score; NaN without a section.
    basis : (k, q) or (n, k, q) float
    masks : list of (n, k) bool
        Held-out sections; every song keeps one.
    known, shared : float, optional
        Known errors of the songs to score; see `micro.fit`.

    Returns
    -------
    scores : dict
        Scores by name; ``model`` is the basis model. `squares` are means over the masks.
    excess, error : float
        Mean squared error of the model over that of the straight line, less 1, and its standard error
        over songs.
    """
    by_name: dict[str, list[Score]] = {}
    for held_out in masks:
        for name, score in _baselines(learn, truth, held_out).items():
            by_name.setdefault(name, []).append(score)
        score = score_model(model, truth, basis, held_out, known=known, shared=shared)
        by_name.setdefault("model", []).append(score)
    scores = {name: _average(each) for name, each in by_name.items()}
    line = scores["straight line"].squares
    difference = (scores["model"].squares - line) / line.mean()
    return scores, float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(line)))


def _baselines(learn: Floats, truth: Floats, held_out: NDArray[np.bool_]) -> dict[str, Score]:
    observed = np.where(held_out, np.nan, truth)
    mask = np.resize(held_out, learn.shape) & np.isfinite(learn)
    mask &= (np.isfinite(learn) & ~mask).any(axis=1, keepdims=True)
    past = np.where(mask, np.nan, learn)
    forecasts = {
        "song mean": (constant(past), constant(observed)),
        "common curve": (common_curve(past, learn), common_curve(observed, learn)),
        "straight line": (interpolation(past), interpolation(observed)),
    }
    return {
        name: score_point(truth, now, held_out, float(((learn - before)[mask] ** 2).mean()))
        for name, (before, now) in forecasts.items()
    }


def _average(scores: list[Score]) -> Score:
    """Average scores over masks that hold out equally many sections."""
    return Score(
        float(np.sqrt(np.mean([score.rmse**2 for score in scores]))),
        float(np.mean([score.median_error for score in scores])),
        float(np.mean([score.log_density for score in scores])),
        np.mean([score.squares for score in scores], axis=0),
    )


def hold_out_one(values: Floats, seed: int) -> NDArray[np.bool_]:
    """Mark one of the known sections of each song, drawn at random."""
    order = np.random.default_rng(seed).random(values.shape)
    order[~np.isfinite(values)] = -1
    return np.asarray(order == order.max(axis=1, keepdims=True))

"""Bayesian optimisation: the next point has the largest expected improvement.

::

    evaluated points, values --> Gaussian process --> log expected improvement --> next point
                ^                                                                     |
                +----------------------------- evaluate <-----------------------------+

The first points fill the box evenly (a scrambled Sobol sequence). `suggest` is a pure function of the
evaluated points and the seed: a search that was interrupted continues from its list of trials exactly as
it would have (specification 3, §7.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.stats import qmc

from methods.search.acquisition import log_expected_improvement, log_improvement_gradient
from methods.search.box import Box, box
from methods.search.gaussian_process import Process, fit, predict

Floats = NDArray[np.float64]

CANDIDATES = 512
"""Points among which the starts of the search for the largest improvement are chosen."""
STARTS = 4
NEAR = 0.02
"""Spread, in units of the box, of the candidates around the best point."""


@dataclass(frozen=True)
class Trial:
    """A point of the search, (d,), and its value."""

    x: tuple[float, ...]
    value: float


def maximise(
    objective: Callable[[Floats], float],
    bounds: ArrayLike,
    *,
    evaluations: int,
    seed: int,
    trials: Iterable[Trial] = (),
    record: Callable[[Trial], None] = lambda trial: None,
) -> list[Trial]:
    """Search for the largest value of an expensive function.

    Parameters
    ----------
    objective : callable
        Takes a point, (d,), and returns a finite number.
    bounds : (d, 2) or (2, d) array_like
        Lowest and highest value of each variable.
    evaluations : int
        Number of trials in the end, the given ones included.
    seed : int
    trials : iterable of Trial
        Trials of an interrupted search with the same bounds and seed.
    record : callable
        Called with every new trial, before the next one starts.

    Returns
    -------
    list of Trial
        In order of evaluation, the given ones first.
    """
    limits = box(bounds)
    done = list(trials)
    while len(done) < evaluations:
        x = suggest(done, limits, seed)
        value = float(objective(x))
        if not np.isfinite(value):
            raise ValueError(f"the objective is {value} at {x.tolist()}; expected a finite number")
        done.append(Trial(tuple(x.tolist()), value))
        record(done[-1])
    return done


def first_points(dimensions: int) -> int:
    """Return the number of points that fill the box before the first model."""
    return max(5, 2 * dimensions)


def suggest(trials: list[Trial], limits: Box, seed: int) -> Floats:
    """Return the next point to evaluate, (d,).

    Parameters
    ----------
    trials : list of Trial
        All trials so far, in their order.
    limits : Box
    seed : int
    """
    dimensions = len(limits.low)
    first = first_points(dimensions)
    if len(trials) < first:
        with_power_of_two = 1 << (first - 1).bit_length()
        even = qmc.Sobol(dimensions, rng=np.random.default_rng(seed)).random(with_power_of_two)
        return limits.low + even[len(trials)] * (limits.high - limits.low)
    x = (np.array([trial.x for trial in trials]) - limits.low) / (limits.high - limits.low)
    y = np.array([trial.value for trial in trials])
    process = fit(x, y)
    unit = _most_promising(process, y, np.random.default_rng([seed, len(trials)]))
    return limits.low + unit * (limits.high - limits.low)


def _most_promising(process: Process, y: Floats, rng: np.random.Generator) -> Floats:
    """Maximise the log expected improvement by gradient from several starts."""
    dimensions, best = process.x.shape[1], float(y.max())
    top = process.x[np.argsort(-y)[:3]]
    near = np.repeat(top, CANDIDATES // 12, axis=0)
    near = np.clip(near + NEAR * rng.standard_normal(near.shape), 0, 1)
    points = np.vstack([qmc.Sobol(dimensions, rng=rng).random(CANDIDATES), near])
    at = predict(process, points)
    value = log_expected_improvement(at.mean, at.sd, best)
    starts = points[np.argsort(-value)[:STARTS]]

    def loss(flat: Floats) -> tuple[float, Floats]:
        at = predict(process, flat.reshape(-1, dimensions))
        by = log_improvement_gradient(at.mean, at.sd, best)
        gradient = by.mean[:, None] * at.mean_gradient + by.sd[:, None] * at.sd_gradient
        return -float(log_expected_improvement(at.mean, at.sd, best).sum()), -gradient.ravel()

    # All starts at once: a sum of functions of different variables is largest where each of them is.
    bounds = [(0.0, 1.0)] * starts.size
    ends = minimize(loss, starts.ravel(), jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 60})
    points = np.vstack([np.clip(ends.x.reshape(-1, dimensions), 0, 1), starts])
    at = predict(process, points)
    # A known point has nothing to add; numerically its improvement may still be the largest.
    is_new = np.abs(points[:, None] - process.x).max(axis=2).min(axis=1) > 1e-9
    value = np.where(is_new, log_expected_improvement(at.mean, at.sd, best), -np.inf)
    return np.asarray(points[int(np.argmax(value))])

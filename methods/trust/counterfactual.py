r"""Counterfactuals: the smallest change of an input that changes the outcome.

.. math:: \min_\delta \|\delta\|_2^2 \quad \text{subject to} \quad f(x + \delta) \ge t + M,
          \quad l \le x + \delta \le u

`f` is the score of the wished outcome, t its threshold and M > 0 the margin: without a margin the answer
would stand on the boundary, where rounding decides. The range keeps every input plausible; an input that
cannot change has l = u = x. Inputs are in comparable units, such as standard deviations.

References
----------
Specification 3, §9.2. Wachter, Mittelstadt and Russell, "Counterfactual explanations without opening the
black box", Harvard Journal of Law & Technology 31 (2018). Kiwiel, "Breakpoint searching algorithms for
the continuous quadratic knapsack problem", Mathematical Programming 112 (2008).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Score = Callable[[Floats], Floats]
Slope = Callable[[Floats], Floats]

STEPS, HALVINGS = 60, 40
ROUNDING = 1e-9


@dataclass(frozen=True)
class Box:
    """Plausible range of each input, (p,) each; it contains the explained input."""

    low: Floats
    high: Floats

    def __post_init__(self) -> None:
        if np.shape(self.low) != np.shape(self.high) or not np.all(np.asarray(self.low) <= self.high):
            raise ValueError("box: low must have the shape of high and be at most high")

    def clip(self, x: Floats) -> Floats:
        """Move a point into the box."""
        return np.clip(x, self.low, self.high)


def linear(slope: Floats, shortfall: float, x: Floats, box: Box) -> Floats | None:
    r"""Return the shortest change that raises a linear score by `shortfall`.

    Without active bounds :math:`\delta = s\, w / \|w\|^2`. With them,
    :math:`\delta_i` is the nearest value to :math:`\lambda w_i` within its bounds, for the one
    :math:`\lambda` at which the score is met; it is found exactly between its sorted breakpoints.

    Parameters
    ----------
    slope : (p,) float
        w, the gradient of the score.
    shortfall : float
        s, by how much the score must rise. If it is 0 or less, nothing changes.
    x : (p,) float
        Inside the box.
    box : Box

    Returns
    -------
    (p,) float or None
        None if no point of the box is high enough.
    """
    w, least, most = np.asarray(slope, float), box.low - x, box.high - x
    if shortfall <= 0:
        return np.zeros_like(w)
    # Each input moves towards `end` as lambda grows, and arrives at lambda = `arrival`.
    end = np.where(w > 0, most, least)
    moving = np.flatnonzero((w != 0) & (end != 0))
    arrival = end[moving] / w[moving]
    order = np.argsort(arrival, kind="stable")
    arrival, moving = arrival[order], moving[order]
    stopped = np.r_[0.0, np.cumsum(w[moving] * end[moving])]
    curvature = np.cumsum(w[moving][::-1] ** 2)[::-1]
    # Gain of the score when input k arrives: those before it have stopped, the others move on.
    gain = stopped[:-1] + arrival * curvature
    k = int(np.searchsorted(gain, shortfall * (1 - 1e-12)))
    if k == len(gain):
        return None
    change = np.zeros_like(w)
    change[moving[:k]] = end[moving[:k]]
    change[moving[k:]] = (shortfall - stopped[k]) / curvature[k] * w[moving[k:]]
    return np.clip(change, least, most)


def search(
    score: Score, slope: Slope, x: Floats, target: float, box: Box, *, starts: int = 30, seed: int = 0
) -> Floats | None:
    """Return a short change after which a score meets its target.

    The score is smooth or piecewise linear.

    From each start (random points of the box that meet the target, and the ascent from x), the score is
    linearised where the target is met, the linear problem is solved exactly, and the answer is moved back
    along the line until it meets the target. The shortest change of all starts is returned. For a ReLU
    network each ascent ends at a local optimum; that it is near the global one was seen against exact
    programs.

    Parameters
    ----------
    score : callable
        From (n, p) rows to (n,) scores.
    slope : callable
        From a (p,) point to the (p,) gradient of the score.
    x : (p,) float
        The explained input, inside the box.
    target : float
        Threshold plus margin.
    box : Box
    starts : int
        Random starts.
    seed : int

    Returns
    -------
    (p,) float or None
        The change; the score of ``x + change`` is at least the target. None if no start meets it.
    """
    x = np.asarray(x, float)
    if not np.array_equal(box.clip(x), x):
        raise ValueError("x is outside the box; expected the plausible range to contain it")
    if float(score(x[None])[0]) >= target:
        return np.zeros_like(x)
    # A hair above the target: x + (point - x) is not the point, and scores of batches round differently.
    target += ROUNDING * max(1.0, abs(target))
    best: Floats | None = None
    for point in _starts(score, slope, x, target, box, starts, seed):
        end = _shorten(score, slope, x, point, target, box)
        if best is None or _length(end - x) < _length(best - x):
            best = end
    return None if best is None else best - x


def _starts(
    score: Score, slope: Slope, x: Floats, target: float, box: Box, starts: int, seed: int
) -> list[Floats]:
    """Return points that meet the target: by ascent, and random ones near and far."""
    generator = np.random.default_rng(seed)
    far = generator.uniform(box.low, box.high, size=(20 * starts, len(x)))
    share = generator.uniform(size=(len(far), 1))
    rows = np.vstack([far, x + share * (far - x), _ascent(score, slope, x, target, box)[None]])
    rows = rows[np.asarray(score(rows)) >= target]
    order = np.argsort(((rows - x) ** 2).sum(axis=1), kind="stable")
    # The nearest, and some of the others, so that not all lie in one valley.
    chosen = np.unique(np.r_[order[: starts // 2], order[:: max(1, 2 * len(order) // max(starts, 1))]])
    return list(rows[chosen])


def _ascent(score: Score, slope: Slope, x: Floats, target: float, box: Box) -> Floats:
    """Climb the score within the box by steps towards the linear solution."""
    point, width = x, float(np.max(box.high - box.low))
    for _ in range(STEPS):
        if float(score(point[None])[0]) >= target:
            break
        gradient = slope(point)
        length = np.abs(gradient).max()
        if length == 0:
            break
        point = box.clip(point + 0.05 * width * gradient / length)
    return point


def _shorten(score: Score, slope: Slope, x: Floats, point: Floats, target: float, box: Box) -> Floats:
    """Reduce the length of a change step by step; every point meets the target."""
    point = _towards(score, x, point, target)
    for _ in range(STEPS):
        gradient, value = slope(point), float(score(point[None])[0])
        # Linear model at the point: score(z) = value + gradient (z - point) must reach the target.
        change = linear(gradient, target - value + float(gradient @ (point - x)), x, box)
        if change is None:
            break
        better = _towards(score, x, _back(score, point, x + change, target), target)
        if _length(better - x) >= _length(point - x) * (1 - 1e-9):
            break
        point = better
    return point


def _towards(score: Score, x: Floats, point: Floats, target: float) -> Floats:
    """Move towards x as far as the target stays met."""
    return _back(score, point, x, target)


def _back(score: Score, met: Floats, wished: Floats, target: float) -> Floats:
    """Return the point nearest to the wished one on the line from a met one."""
    shares = np.linspace(1, 0, 33)
    values = np.asarray(score(met + shares[:, None] * (wished - met))) >= target
    first = int(np.argmax(values))
    if first == 0 and values[0]:
        return wished
    inside, outside = (shares[first], shares[first - 1]) if values[first] else (0.0, shares[-2])
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        if float(score((met + middle * (wished - met))[None])[0]) >= target:
            inside = middle
        else:
            outside = middle
    return met + inside * (wished - met)


def _length(change: Floats) -> float:
    return float(change @ change)

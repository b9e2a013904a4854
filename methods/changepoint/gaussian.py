"""Compiled sums over segments with Gaussian regimes, for `GaussianSegments`."""

from __future__ import annotations

import math

import numpy as np

from methods.changepoint.pointwise import add_point, explain
from methods.compiled import compiled

Array = np.ndarray


@compiled(inline="always")
def _add(y: Array, w: float, i: int, origin: Array, first: Array, second: Array) -> None:
    """Add observation i to weighted sums of (y - origin) and of its products."""
    d = origin.size
    for a in range(d):
        off = w * (y[i, a] - origin[a])
        first[a] += off
        for b in range(a + 1):
            second[a, b] += off * (y[i, b] - origin[b])


@compiled(inline="always")
def _posterior_scale(
    first: Array,
    second: Array,
    mass: float,
    origin: Array,
    m0: Array,
    kappa0: float,
    psi0: Array,
    scale: Array,
    mean: Array,
) -> None:
    """Fill `scale` (lower triangle) and `mean` with the posterior of the regime."""
    d = origin.size
    shrink = kappa0 * mass / (kappa0 + mass)
    for a in range(d):
        mean[a] = first[a] / mass + origin[a] - m0[a]
    for a in range(d):
        for b in range(a + 1):
            within = second[a, b] - first[a] * first[b] / mass
            scale[a, b] = psi0[a, b] + within + shrink * mean[a] * mean[b]
    for a in range(d):
        mean[a] = m0[a] + mass / (kappa0 + mass) * mean[a]


@compiled(inline="always")
def _log_determinant(matrix: Array) -> float:
    """Compute the log determinant of a lower triangle.

    The triangle is overwritten by ``L D`` of its factors ``L D L'``.
    """
    d, log_det, product = matrix.shape[0], 0.0, 1.0
    for k in range(d):
        pivot = matrix[k, k]
        if not pivot > 0:
            raise ValueError("psi0 is too small for the spread of y; standardise y or increase psi0")
        product *= pivot
        if not 1e-100 < product < 1e100:
            log_det += math.log(product)
            product = 1.0
        for a in range(k + 1, d):
            ratio = matrix[a, k] / pivot
            for b in range(k + 1, a + 1):
                matrix[a, b] -= ratio * matrix[b, k]
    return log_det + math.log(product)


@compiled
def score_rows(
    y: Array,
    weights: Array,
    log_weights: Array,
    first_row: int,
    step: int,
    m0: Array,
    kappa0: float,
    nu0: float,
    psi0: Array,
    constants: Array,
    out: Array,
) -> None:
    """Fill `out` with log marginal likelihoods of segments.

    ``out[r - first_row, t]`` is that of ``y[r:t]`` for step 1; ``out[r - first_row, s]`` is that of
    ``y[s:r]`` for step -1.
    """
    length, d = y.shape
    scale, mean = np.empty((d, d)), np.empty(d)
    for r in range(first_row, first_row + out.shape[0]):
        begin = r if step == 1 else r - 1
        if not 0 <= begin < length:
            continue
        # Sums start from a point of the segment: they lose no digits if its level is far from 0.
        origin, first, second = y[begin], np.zeros(d), np.zeros((d, d))
        mass, log_mass, n, i = 0.0, 0.0, 0, begin
        while 0 <= i < length:
            _add(y, weights[i], i, origin, first, second)
            mass += weights[i]
            log_mass += log_weights[i]
            n += 1
            _posterior_scale(first, second, mass, origin, m0, kappa0, psi0, scale, mean)
            out[r - first_row, i + 1 if step == 1 else i] = (
                constants[n]
                + 0.5 * d * (log_mass - math.log(kappa0 + mass))
                - 0.5 * (nu0 + n) * _log_determinant(scale)
            )
            i += step


@compiled
def add_regimes(
    y: Array,
    weights: Array,
    first_row: int,
    probabilities: Array,
    m0: Array,
    kappa0: float,
    nu0: float,
    psi0: Array,
    steps: Array,
) -> None:
    """Add the mean and covariance of segments, times their probability, to `steps`.

    The cumulative sum of `steps` (T + 1, 1 + d + d d) holds, at each index, the probability that the
    covariance has no mean, the mean and the covariance.
    """
    length, d = y.shape
    scale, mean, part = np.empty((d, d)), np.empty(d), np.empty(steps.shape[1])
    for r in range(probabilities.shape[0]):
        s = first_row + r
        end = length
        while end > s and probabilities[r, end] == 0.0:
            end -= 1
        first, second, mass = np.zeros(d), np.zeros((d, d)), 0.0
        for t in range(s + 1, end + 1):
            _add(y, weights[t - 1], t - 1, y[s], first, second)
            mass += weights[t - 1]
            p = probabilities[r, t]
            if p == 0.0:
                continue
            _posterior_scale(first, second, mass, y[s], m0, kappa0, psi0, scale, mean)
            freedom = nu0 + t - s - d - 1
            part[0] = 0.0 if freedom > 0 else p
            for a in range(d):
                part[1 + a] = p * mean[a]
                for b in range(a + 1):
                    value = p * scale[a, b] / freedom if freedom > 0 else 0.0
                    part[1 + d + a * d + b] = part[1 + d + b * d + a] = value
            for c in range(part.size):
                steps[s, c] += part[c]
                steps[t, c] -= part[c]


@compiled
def add_points(
    y: Array,
    weights: Array,
    log_weights: Array,
    starts: Array,
    ends: Array,
    shares: Array,
    m0: Array,
    kappa0: float,
    nu0: float,
    psi0: Array,
    constants: Array,
    sums: Array,
) -> None:
    """Add each segment to the sums of its observations; constants are by length."""
    d = y.shape[1]
    scale, mean, off = np.empty((d, d)), np.empty(d), np.empty(d)
    for k in range(starts.size):
        s, t = starts[k], ends[k]
        first, second, mass = np.zeros(d), np.zeros((d, d)), 0.0
        for i in range(s, t):
            _add(y, weights[i], i, y[s], first, second)
            mass += weights[i]
        _posterior_scale(first, second, mass, y[s], m0, kappa0, psi0, scale, mean)
        log_det = _log_determinant(scale)
        for i in range(s, t):
            distance = 0.0
            # The overwritten triangle is L D with unit L: forward substitution gives the squared distance.
            for a in range(d):
                off[a] = y[i, a] - mean[a]
                for b in range(a):
                    off[a] -= scale[a, b] / scale[b, b] * off[b]
                distance += off[a] * off[a] / scale[a, a]
            h = weights[i] / (kappa0 + mass)
            log_density, expected, within = explain(
                h, weights[i] * distance, log_weights[i], nu0 + t - s, d, log_det, constants[t - s]
            )
            add_point(sums[i], shares[k], log_density, expected, within)

"""Compiled sums over segments with trend regimes, for `trend.TrendSegments`."""

from __future__ import annotations

import math

import numpy as np

from methods.changepoint.pointwise import add_point, explain
from methods.compiled import compiled

Array = np.ndarray

# Sums of products of the whitened regressors 1 and time and the whitened value.
_S11, _S12, _S22, _S1Y, _S2Y, _SYY, _LOG = range(7)
# Whitening of an observation by its position in the regime (first, second, later; see `whitening`):
# coefficients of the one and two observations before, scale and log scale.
_BY_POSITION = 4
_ONE_BEFORE, _TWO_BEFORE, _SCALE, _LOG_SCALE = range(_BY_POSITION)


def whitening(times: Array, weights: Array, roots: Array) -> Array:
    """Compute coefficients that whiten the errors of each observation.

    Scaled differences ``y_t - a y_{t-1} - b y_{t-2}`` are independent with variance 1. The result is
    (T, d, kinds, 12). `roots` (kinds, 2) are those of an autoregression of order 2 with innovations of
    variance 1 over the weight. The coefficients are those of the best prediction from the one and two
    observations before, by the stationary autocovariances. This is exact unless the second root is not 0
    and the two observations before are not the two steps before: then the information of earlier
    observations is left out (Vecchia 1988).
    """
    gaps = np.diff(times, prepend=times[0] - 1)
    one, two = gaps.astype(int), (gaps + np.r_[1, gaps[:-1]]).astype(int)
    out = np.zeros((*weights.shape, len(roots), 3, _BY_POSITION))
    for k, (p, q) in enumerate(roots):
        gamma = autocovariances(p, q, int(two.max()))
        ratio = gamma[one] / gamma[0]
        out[..., k, 1, _ONE_BEFORE] = ratio[:, None]
        between = gamma[two - one]
        determinant = gamma[0] ** 2 - between**2
        first = (gamma[0] * gamma[one] - between * gamma[two]) / determinant
        second = (gamma[0] * gamma[two] - between * gamma[one]) / determinant
        left = gamma[0] - first * gamma[one] - second * gamma[two]
        # Without a gap the answer is known; this avoids a difference of large numbers.
        known = two == 2
        out[..., k, 2, _ONE_BEFORE] = np.where(known, p + q, first)[:, None]
        out[..., k, 2, _TWO_BEFORE] = np.where(known, -p * q, second)[:, None]
        variances = gamma[0], gamma[0] * (1 - ratio**2), np.where(known, 1.0, left)
        for position, variance in enumerate(variances):
            scale = np.sqrt(weights / np.reshape(variance, (-1, 1)))
            out[..., k, position, _SCALE], out[..., k, position, _LOG_SCALE] = scale, np.log(scale)
    return out.reshape(*out.shape[:3], 3 * _BY_POSITION)


def autocovariances(p: float, q: float, longest: int) -> Array:
    """Compute autocovariances of an autoregression of order 2 at lags 0 to `longest`.

    ``u_t = (p + q) u_{t-1} - p q u_{t-2} + e_t`` with e of variance 1.
    """
    gamma = np.empty(max(longest, 1) + 1)
    gamma[0] = (1 + p * q) / ((1 - p * q) * (1 - p * p) * (1 - q * q))
    gamma[1] = (p + q) / (1 + p * q) * gamma[0]
    for lag in range(2, len(gamma)):
        gamma[lag] = (p + q) * gamma[lag - 1] - p * q * gamma[lag - 2]
    return gamma


@compiled(inline="always")
def _row(
    white: Array, times: Array, y: Array, a: int, i: int, position: int, time: float, value: float
) -> tuple[float, float, float, float]:
    """Return the whitened regressors 1 and time, the whitened value and log scale.

    `position` is 0 for the first observation of a regime, 1 for the second, 2 for later ones; time and
    value are relative to the given ones.
    """
    at = _BY_POSITION * position
    scale = white[at + _SCALE]
    one, t, v = 1.0, times[i] - time, y[i, a] - value
    if position > 0:
        r = white[at + _ONE_BEFORE]
        one -= r
        t -= r * (times[i - 1] - time)
        v -= r * (y[i - 1, a] - value)
    if position > 1:
        r = white[at + _TWO_BEFORE]
        one -= r
        t -= r * (times[i - 2] - time)
        v -= r * (y[i - 2, a] - value)
    return scale * one, scale * t, scale * v, white[at + _LOG_SCALE]


@compiled(inline="always")
def _add(
    sums: Array, white: Array, times: Array, y: Array, a: int, i: int, position: int, anchor: int
) -> None:
    """Add observation i to the sums of one kind of regime, relative to the anchor."""
    one, time, value, log_scale = _row(white, times, y, a, i, position, times[anchor], y[anchor, a])
    sums[_S11] += one * one
    sums[_S12] += one * time
    sums[_S22] += time * time
    sums[_S1Y] += one * value
    sums[_S2Y] += time * value
    sums[_SYY] += value * value
    sums[_LOG] += log_scale


@compiled(inline="always")
def _add_later(sums: Array, white: Array, times: Array, y: Array, a: int, i: int, anchor: int) -> None:
    """Add a third or later observation to the sums of every kind of regime."""
    for k in range(sums.shape[0]):
        _add(sums[k], white[i, a, k], times, y, a, i, 2, anchor)


@compiled(inline="always")
def _solve(
    sums: Array,
    middle: float,
    rise: float,
    precision: float,
    origin: float,
    scale: float,
    slope: bool,
    fit: Array,
) -> float:
    """Fill `fit` with the posterior of one kind of regime.

    Returns its log marginal likelihood except for terms that depend on n alone. `middle` and `rise` are
    its middle time and duration relative to the anchor, whose value is `origin`. `fit` holds level, slope,
    the three entries of the precision matrix and the scale of the variance.
    """
    s11 = sums[_S11] + precision
    s12 = sums[_S12] - middle * sums[_S11]
    s22 = sums[_S22] - 2 * middle * sums[_S12] + middle * middle * sums[_S11]
    s1y = sums[_S1Y] - precision * origin
    s2y = sums[_S2Y] - middle * sums[_S1Y]
    syy = sums[_SYY] + precision * origin * origin
    prior = precision
    if slope:
        # The prior of the slope is that of the rise over the whole duration.
        slope_precision = precision * max(rise, 1.0) ** 2
        s22 += slope_precision
        det = s11 * s22 - s12 * s12
        fit[0] = (s22 * s1y - s12 * s2y) / det
        fit[1] = (s11 * s2y - s12 * s1y) / det
        prior *= slope_precision
    else:
        s12, s22 = 0.0, 1.0
        det = s11
        fit[0], fit[1] = s1y / s11, 0.0
    fit[2], fit[3], fit[4] = s11, s12, s22
    fit[5] = scale + max(syy - fit[0] * s1y - fit[1] * s2y, 0.0)
    return 0.5 * math.log(prior / det) + sums[_LOG]


@compiled(inline="always")
def _kinds(
    sums: Array,
    times: Array,
    y: Array,
    a: int,
    anchor: int,
    first: int,
    last: int,
    white: Array,
    precision: float,
    freedom: float,
    rounding: float,
    slopes: bool,
    total: Array,
    fits: Array,
    logs: Array,
) -> float:
    """Fit every kind of regime of ``y[first:last+1, a]``.

    Returns the log of their summed marginal likelihoods.
    """
    middle = 0.5 * (times[first] + times[last]) - times[anchor]
    rise = times[last] - times[first]
    half = 0.5 * (freedom + last - first + 1)
    # The expected square of the rounding error of each observation counts as if it were observed.
    scale = freedom + rounding * (last - first + 1)
    top = -np.inf
    for p in range(sums.shape[0]):
        total[:] = sums[p]
        _add(total, white[first, a, p], times, y, a, first, 0, anchor)
        if last > first:
            _add(total, white[first + 1, a, p], times, y, a, first + 1, 1, anchor)
        for slope in range(1 + slopes):
            k = p * (1 + slopes) + slope
            logs[k] = _solve(total, middle, rise, precision, y[anchor, a], scale, slope == 1, fits[k])
            logs[k] -= half * math.log(fits[k, 5])
            top = max(top, logs[k])
    mass = 0.0
    for k in range(logs.size):
        if logs[k] - top > -46.0:
            mass += math.exp(logs[k] - top)
    return top + math.log(mass)


@compiled
def score_rows(
    y: Array,
    times: Array,
    white: Array,
    first_row: int,
    step: int,
    precision: Array,
    freedom: float,
    rounding: Array,
    slopes: bool,
    constants: Array,
    jacobian: float,
    out: Array,
) -> None:
    """Fill `out` with log marginal likelihoods of segments.

    ``out[r - first_row, t]`` is that of ``y[r:t]`` for step 1; ``out[r - first_row, s]`` is that of
    ``y[s:r]`` for step -1.
    """
    length, d = y.shape
    noises = white.shape[2]
    fits, logs, total = np.empty((noises * (1 + slopes), 6)), np.empty(noises * (1 + slopes)), np.empty(7)
    for r in range(first_row, first_row + out.shape[0]):
        anchor = r if step == 1 else r - 1
        if not 0 <= anchor < length:
            continue
        sums = np.zeros((d, noises, 7))
        i, n = anchor, 0
        while 0 <= i < length:
            n += 1
            score = d * constants[n] - n * jacobian
            first, last = (anchor, i) if step == 1 else (i, anchor)
            for a in range(d):
                if n > 2:
                    _add_later(sums[a], white, times, y, a, last if step == 1 else first + 2, anchor)
                score += _kinds(
                    sums[a], times, y, a, anchor, first, last, white, precision[a], freedom, rounding[a],
                    slopes, total, fits, logs,
                )  # fmt: skip
            out[r - first_row, i + 1 if step == 1 else i] = score
            i += step


@compiled
def add_regimes(
    y: Array,
    times: Array,
    white: Array,
    first_row: int,
    probabilities: Array,
    spread: Array,
    precision: Array,
    freedom: float,
    rounding: Array,
    slopes: bool,
    steps: Array,
) -> None:
    """Add the trend and variance of segments, times their probability, to `steps`.

    The cumulative sum of `steps` (T + 1, 4 d) holds, for each dimension, the probability that the variance
    has no mean, the value of the trend at time 0, its slope and the variance. `spread` is the variance of
    u of each kind for innovations of variance 1.
    """
    length, d = y.shape
    noises = white.shape[2]
    kinds = noises * (1 + slopes)
    fits, logs, whole, part = np.empty((kinds, 6)), np.empty(kinds), np.empty(7), np.empty(4)
    for r in range(probabilities.shape[0]):
        s = first_row + r
        end = length
        while end > s and probabilities[r, end] == 0.0:
            end -= 1
        sums = np.zeros((d, noises, 7))
        for t in range(s + 1, end + 1):
            i = t - 1
            for a in range(d):
                if i > s + 1:
                    _add_later(sums[a], white, times, y, a, i, s)
                if probabilities[r, t] == 0.0:
                    continue
                total = _kinds(
                    sums[a], times, y, a, s, s, i, white, precision[a], freedom, rounding[a], slopes,
                    whole, fits, logs,
                )  # fmt: skip
                part[:] = 0.0
                for k in range(kinds):
                    share = probabilities[r, t] * math.exp(logs[k] - total)
                    spare = freedom + t - s - 2
                    middle = 0.5 * (times[s] + times[i])
                    part[1] += share * (fits[k, 0] + y[s, a] - fits[k, 1] * middle)
                    part[2] += share * fits[k, 1]
                    if spare > 0:
                        part[3] += share * fits[k, 5] / spare * spread[k // (1 + slopes)]
                    else:
                        part[0] += share
                for c in range(4):
                    steps[s, 4 * a + c] += part[c]
                    steps[t, 4 * a + c] -= part[c]


@compiled
def add_points(
    y: Array,
    times: Array,
    white: Array,
    starts: Array,
    ends: Array,
    shares: Array,
    precision: Array,
    freedom: float,
    rounding: Array,
    slopes: bool,
    constants: Array,
    sums: Array,
    squares: Array,
) -> None:
    """Add each segment to the sums of its observations; constants are by length."""
    d, noises = y.shape[1], white.shape[2]
    kinds = noises * (1 + slopes)
    fits, logs, whole = np.empty((d, kinds, 6)), np.empty((d, kinds)), np.empty(7)
    totals = np.empty(d)
    for k in range(starts.size):
        s, t = starts[k], ends[k]
        within = np.zeros((d, noises, 7))
        for a in range(d):
            for i in range(s + 2, t):
                _add_later(within[a], white, times, y, a, i, s)
            totals[a] = _kinds(
                within[a], times, y, a, s, s, t - 1, white, precision[a], freedom, rounding[a], slopes, whole,
                fits[a], logs[a],
            )  # fmt: skip
        for i in range(s, t):
            density, mean, variance = 0.0, 0.0, 0.0
            for a in range(d):
                terms = _explain_mixture(
                    y, times, white[i, a], a, s, t, i, freedom, slopes, fits[a], logs[a], totals[a],
                    constants[t - s],
                )  # fmt: skip
                density += terms[0]
                mean += terms[1]
                variance += terms[2]
                squares[i, a] += shares[k] * terms[3]
            add_point(sums[i], shares[k], density, mean, variance)


@compiled
def _explain_mixture(
    y: Array,
    times: Array,
    white: Array,
    a: int,
    s: int,
    t: int,
    i: int,
    freedom: float,
    slopes: bool,
    fits: Array,
    logs: Array,
    total: float,
    constants: Array,
) -> tuple[float, float, float, float]:
    """Apply `pointwise.explain` to observation i in one dimension, over kinds.

    The fourth value is the expected square of its error, weighted and in units of the regime's variance.
    """
    density, first, second, variance, square = 0.0, 0.0, 0.0, 0.0, 0.0
    middle = 0.5 * (times[s] + times[t - 1])
    nu = freedom + t - s
    for k in range(logs.size):
        share = math.exp(logs[k] - total)
        if share < 1e-12:
            continue
        one, time, value, log_scale = _row(
            white[k // (1 + slopes)], times, y, a, i, min(i - s, 2), middle, y[s, a]
        )
        s11, s12, s22 = fits[k, 2], fits[k, 3], fits[k, 4]
        h = one * one / s11
        if slopes and k % 2 == 1:
            h = (s22 * one * one - 2 * s12 * one * time + s11 * time * time) / (s11 * s22 - s12 * s12)
        residual = value - fits[k, 0] * one - fits[k, 1] * time
        distance = residual * residual / fits[k, 5]
        terms = explain(h, distance, 2 * log_scale, nu, 1, math.log(fits[k, 5]), constants)
        density += share * math.exp(terms[0])
        first += share * terms[1]
        second += share * terms[1] * terms[1]
        variance += share * terms[2]
        square += share * (h + distance * nu)
    return math.log(density), first, max(variance + second - first * first, 0.0), square

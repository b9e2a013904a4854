"""Compiled sums over the segments of a series, for `trend.TrendSegments`."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from methods.changepoint.pointwise import add_point, explain

Array = np.ndarray

# Sums over a segment's neighbours of the regressors 1 and time, and the value, autocorrelation divided out.
_S11, _S12, _S22, _S1Y, _S2Y, _SYY, _LOG = range(7)
# What divides it out of an observation, see `whitening`: given the one before, and as a regime's first.
_RATIO, _SCALE, _LOG_SCALE, _FIRST, _LOG_FIRST = range(5)


def whitening(times: Array, weights: Array, phis: Array) -> Array:
    """Array (T, d, phis, 5): what makes ``y_t - ratio y_{t-1}``, scaled, an independent error of variance 1.

    A gap of g has ratio ``phi^g`` and error variance ``(1 - phi^2g) / (1 - phi^2)``; weights divide it.
    """
    gap = np.diff(times, prepend=times[0] - 1)
    ratio = np.broadcast_to((phis ** gap[:, None])[:, None, :], (*weights.shape, len(phis)))
    first = np.sqrt(weights[:, :, None] * (1 - phis**2))
    scale = first / np.sqrt(1 - ratio**2)
    return np.stack([ratio, scale, np.log(scale), first, np.log(first)], axis=3)


@njit(cache=True, inline="always")
def _add_pair(sums, white, times, y, a, i, anchor):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add observation i given the one before it, time and value counted from the anchor's."""
    u, u_before = times[i] - times[anchor], times[i - 1] - times[anchor]
    v, v_before = y[i, a] - y[anchor, a], y[i - 1, a] - y[anchor, a]
    for p in range(sums.shape[0]):
        r, scale = white[i, a, p, _RATIO], white[i, a, p, _SCALE]
        _add_row(sums[p], scale * (1 - r), scale * (u - r * u_before), scale * (v - r * v_before))
        sums[p, _LOG] += white[i, a, p, _LOG_SCALE]


@njit(cache=True, inline="always")
def _add_row(sums, one, time, value):  # type: ignore[no-untyped-def]  # pragma: no cover
    sums[_S11] += one * one
    sums[_S12] += one * time
    sums[_S22] += time * time
    sums[_S1Y] += one * value
    sums[_S2Y] += time * value
    sums[_SYY] += value * value


@njit(cache=True, inline="always")
def _solve(  # type: ignore[no-untyped-def]  # pragma: no cover
    sums, white, u, v, middle, rise, precision, origin, freedom, slope, fit
):
    """Posterior of one kind of regime, into `fit`; its log marginal likelihood but for what n decides.

    `u` and `v` are time and value of the regime's first observation, `middle` and `rise` its middle time
    and duration, all from the same origin, whose value is `origin`. `fit` holds level, slope, the
    precision matrix's three entries and the scale of the variance.
    """
    scale = white[_FIRST]
    one, time, value = scale, scale * (u - middle), scale * v
    s11 = sums[_S11] + one * one + precision
    s12 = sums[_S12] - middle * sums[_S11] + one * time
    s22 = sums[_S22] - 2 * middle * sums[_S12] + middle * middle * sums[_S11] + time * time
    s1y = sums[_S1Y] + one * value - precision * origin
    s2y = sums[_S2Y] - middle * sums[_S1Y] + time * value
    syy = sums[_SYY] + value * value + precision * origin * origin
    prior = precision
    if slope:
        # A slope's prior is that of the rise over the whole duration.
        of_slope = precision * max(rise, 1.0) ** 2
        s22 += of_slope
        det = s11 * s22 - s12 * s12
        fit[0] = (s22 * s1y - s12 * s2y) / det
        fit[1] = (s11 * s2y - s12 * s1y) / det
        prior *= of_slope
    else:
        s12, s22 = 0.0, 1.0
        det = s11
        fit[0], fit[1] = s1y / s11, 0.0
    fit[2], fit[3], fit[4] = s11, s12, s22
    fit[5] = freedom + max(syy - fit[0] * s1y - fit[1] * s2y, 0.0)
    return 0.5 * math.log(prior / det) + sums[_LOG] + white[_LOG_FIRST]


@njit(cache=True, inline="always")
def _kinds(  # type: ignore[no-untyped-def]  # pragma: no cover
    sums, n, times, y, a, anchor, first, last, white, precision, freedom, slopes, fits, logs
):
    """Solve every kind of regime of ``y[first:last+1, a]``; the log of their summed marginal likelihoods."""
    origin_time, origin = times[anchor], y[anchor, a]
    u, v = times[first] - origin_time, y[first, a] - origin
    middle = 0.5 * (times[first] + times[last]) - origin_time
    rise = times[last] - times[first]
    top = -np.inf
    for p in range(sums.shape[0]):
        for slope in range(1 + slopes):
            k = p * (1 + slopes) + slope
            logs[k] = _solve(
                sums[p],
                white[first, a, p],
                u,
                v,
                middle,
                rise,
                precision,
                origin,
                freedom,
                slope == 1,
                fits[k],
            )
            logs[k] -= 0.5 * (freedom + n) * math.log(fits[k, 5])
            top = max(top, logs[k])
    total = 0.0
    for k in range(logs.size):
        if logs[k] - top > -46.0:
            total += math.exp(logs[k] - top)
    return top + math.log(total)


@njit(cache=True)
def score_rows(  # type: ignore[no-untyped-def]  # pragma: no cover
    y, times, white, first_row, step, phis, precision, freedom, slopes, constants, jacobian, out
):
    """Log marginal likelihood of ``y[r:t]`` into out[r - first_row, t] (step 1), of ``y[s:r]`` (step -1)."""
    length, d = y.shape
    kinds = phis.size * (1 + slopes)
    fits, logs = np.empty((kinds, 6)), np.empty(kinds)
    for r in range(first_row, first_row + out.shape[0]):
        anchor = r if step == 1 else r - 1
        if not 0 <= anchor < length:
            continue
        sums = np.zeros((d, phis.size, 7))
        i, n = anchor, 0
        while 0 <= i < length:
            n += 1
            score = d * constants[n] - n * jacobian
            for a in range(d):
                if n > 1:
                    _add_pair(sums[a], white, times, y, a, i if step == 1 else i + 1, anchor)
                first, last = (anchor, i) if step == 1 else (i, anchor)
                score += _kinds(
                    sums[a], n, times, y, a, anchor, first, last, white, precision[a], freedom, slopes,
                    fits, logs,
                )  # fmt: skip
            out[r - first_row, i + 1 if step == 1 else i] = score
            i += step


@njit(cache=True)
def add_regimes(  # type: ignore[no-untyped-def]  # pragma: no cover
    y, times, white, first_row, probabilities, phis, precision, freedom, slopes, steps
):
    """Add each segment's probability times its trend and variance to `steps`, whose running sum is theirs.

    `steps` is (T + 1, 4 d): for each dimension the probability of a variance without a mean, the trend's
    value at time 0, its slope, the variance.
    """
    length, d = y.shape
    kinds = phis.size * (1 + slopes)
    fits, logs, part = np.empty((kinds, 6)), np.empty(kinds), np.empty(4)
    for r in range(probabilities.shape[0]):
        s = first_row + r
        end = length
        while end > s and probabilities[r, end] == 0.0:
            end -= 1
        sums = np.zeros((d, phis.size, 7))
        for t in range(s + 1, end + 1):
            i = t - 1
            for a in range(d):
                if i > s:
                    _add_pair(sums[a], white, times, y, a, i, s)
                if probabilities[r, t] == 0.0:
                    continue
                total = _kinds(
                    sums[a], t - s, times, y, a, s, s, i, white, precision[a], freedom, slopes, fits, logs
                )
                part[:] = 0.0
                for k in range(kinds):
                    share = probabilities[r, t] * math.exp(logs[k] - total)
                    phi, spare = phis[k // (1 + slopes)], freedom + t - s - 2
                    middle = 0.5 * (times[s] + times[i])
                    part[1] += share * (fits[k, 0] + y[s, a] - fits[k, 1] * middle)
                    part[2] += share * fits[k, 1]
                    if spare > 0:
                        part[3] += share * fits[k, 5] / (spare * (1 - phi * phi))
                    else:
                        part[0] += share
                for c in range(4):
                    steps[s, 4 * a + c] += part[c]
                    steps[t, 4 * a + c] -= part[c]


@njit(cache=True)
def add_points(  # type: ignore[no-untyped-def]  # pragma: no cover
    y, times, white, starts, ends, shares, phis, precision, freedom, slopes, constants, sums, surprise
):
    """Add each segment to the sums of the observations that it holds; constants by length."""
    d = y.shape[1]
    kinds = phis.size * (1 + slopes)
    fits, logs = np.empty((d, kinds, 6)), np.empty((d, kinds))
    totals = np.empty(d)
    for k in range(starts.size):
        s, t = starts[k], ends[k]
        within = np.zeros((d, phis.size, 7))
        for a in range(d):
            for i in range(s + 1, t):
                _add_pair(within[a], white, times, y, a, i, s)
            totals[a] = _kinds(
                within[a], t - s, times, y, a, s, s, t - 1, white, precision[a], freedom, slopes,
                fits[a], logs[a],
            )  # fmt: skip
        for i in range(s, t):
            density, mean, variance = 0.0, 0.0, 0.0
            for a in range(d):
                found = _explain_mixture(
                    y, times, white[i, a], a, s, t, i, freedom, slopes, fits[a], logs[a], totals[a],
                    constants[t - s],
                )  # fmt: skip
                density += found[0]
                mean += found[1]
                variance += found[2]
                surprise[i, a] += shares[k] * found[3]
            add_point(sums[i], shares[k], density, mean, variance)


@njit(cache=True)
def _explain_mixture(  # type: ignore[no-untyped-def]  # pragma: no cover
    y, times, white, a, s, t, i, freedom, slopes, fits, logs, total, constants
):
    """As `pointwise.explain`, of one dimension of observation i, over the kinds of regime.

    And the expected square of its error, weighted and in units of the regime's variance.
    """
    density, first, second, variance, square = 0.0, 0.0, 0.0, 0.0, 0.0
    middle = 0.5 * (times[s] + times[t - 1])
    nu = freedom + t - s
    for k in range(logs.size):
        share = math.exp(logs[k] - total)
        if share < 1e-12:
            continue
        p = k // (1 + slopes)
        r, scale, log_scale = white[p, _RATIO], white[p, _SCALE], white[p, _LOG_SCALE]
        before = i - 1
        if i == s:
            r, scale, log_scale, before = 0.0, white[p, _FIRST], white[p, _LOG_FIRST], i
        one = scale * (1 - r)
        time = scale * (times[i] - middle - r * (times[before] - middle))
        value = scale * (y[i, a] - y[s, a] - r * (y[before, a] - y[s, a]))
        s11, s12, s22 = fits[k, 2], fits[k, 3], fits[k, 4]
        h = one * one / s11
        if slopes and k % 2 == 1:
            h = (s22 * one * one - 2 * s12 * one * time + s11 * time * time) / (s11 * s22 - s12 * s12)
        residual = value - fits[k, 0] * one - fits[k, 1] * time
        distance = residual * residual / fits[k, 5]
        found = explain(h, distance, 2 * log_scale, nu, 1, math.log(fits[k, 5]), constants)
        density += share * math.exp(found[0])
        first += share * found[1]
        second += share * found[1] * found[1]
        variance += share * found[2]
        square += share * (h + distance * nu)
    return math.log(density), first, max(variance + second - first * first, 0.0), square

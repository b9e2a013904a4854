"""Compiled filters of persistent regimes.

In a regime, dimension by dimension, ``y_t = level + u_t + e_t`` with an Ornstein-Uhlenbeck process u and
independent errors e. Level and u are the state of a Kalman filter of two dimensions, so that each
observation costs a fixed number of operations at any distance in time.
"""

from __future__ import annotations

import math

import numpy as np

from methods.compiled import compiled

Array = np.ndarray


@compiled(inline="always")
def _restart(state: Array, level: float, deviation: float) -> None:
    """Set a filter to its prior: means of level and u, and their covariance."""
    state[0], state[1] = 0.0, 0.0
    state[2], state[3], state[4] = level, 0.0, deviation


@compiled(inline="always")
def _advance(state: Array, decay: float, deviation: float) -> None:
    """Let time pass: u decays towards 0, its variance returns to the prior."""
    state[1] *= decay
    state[3] *= decay
    state[4] = decay * decay * state[4] + deviation * (1.0 - decay * decay)


@compiled(inline="always")
def _observe(state: Array, y: float, variance: float) -> float:
    """Update a filter by an observation; return its log density given those before."""
    to_level, to_deviation = state[2] + state[3], state[3] + state[4]
    total = to_level + to_deviation + variance
    error = y - state[0] - state[1]
    level_gain, deviation_gain = to_level / total, to_deviation / total
    state[0] += level_gain * error
    state[1] += deviation_gain * error
    state[2] -= level_gain * to_level
    state[3] -= level_gain * to_deviation
    state[4] -= deviation_gain * to_deviation
    return -0.5 * (math.log(2.0 * math.pi * total) + error * error / total)


@compiled
def log_likelihoods(
    y: Array,
    times: Array,
    noise: Array,
    bounds: Array,
    level: float,
    deviation: float,
    correlation: float,
    residual: float,
    out: Array,
) -> None:
    """Fill `out` with log likelihoods of series of one dimension without a change."""
    state = np.empty(5)
    for g in range(bounds.size - 1):
        _restart(state, level, deviation)
        total = 0.0
        for i in range(bounds[g], bounds[g + 1]):
            if i > bounds[g]:
                _advance(state, correlation ** (times[i] - times[i - 1]), deviation)
            total += _observe(state, y[i], residual + noise[i])
        out[g] = total


@compiled
def level_posteriors(
    y: Array, times: Array, noise: Array, hypers: Array, logs: Array, means: Array, variances: Array
) -> None:
    """Fill log likelihoods (kinds,) and level posteriors (kinds, d) without a change."""
    state = np.empty(5)
    for m in range(hypers.shape[0]):
        logs[m] = 0.0
        for a in range(y.shape[1]):
            level, deviation, correlation, residual = hypers[m, a]
            _restart(state, level, deviation)
            for i in range(y.shape[0]):
                if i > 0:
                    _advance(state, correlation ** (times[i] - times[i - 1]), deviation)
                logs[m] += _observe(state, y[i, a], residual + noise[i, a])
            means[m, a], variances[m, a] = state[0], state[2]


@compiled
def score_rows(
    y: Array, times: Array, noise: Array, first_row: int, step: int, hyper: Array, out: Array
) -> None:
    """Fill `out` with log marginal likelihoods of segments.

    ``out[r - first_row, t]`` is that of ``y[r:t]`` for step 1; ``out[r - first_row, s]`` is that of
    ``y[s:r]`` for step -1, since the process is the same in both directions of time. The columns of `hyper`
    (d, 4) are level, deviation, correlation and residual.
    """
    length, d = y.shape
    states = np.empty((d, 5))
    for r in range(first_row, first_row + out.shape[0]):
        begin = r if step == 1 else r - 1
        if not 0 <= begin < length:
            continue
        for a in range(d):
            _restart(states[a], hyper[a, 0], hyper[a, 1])
        total, i = 0.0, begin
        while 0 <= i < length:
            for a in range(d):
                if i != begin:
                    _advance(states[a], hyper[a, 2] ** abs(times[i] - times[i - step]), hyper[a, 1])
                total += _observe(states[a], y[i, a], hyper[a, 3] + noise[i, a])
            out[r - first_row, i + 1 if step == 1 else i] = total
            i += step


@compiled
def _gains(times: Array, noise: Array, hyper: Array, gains: Array, constants: Array) -> None:
    """Fill the parts of all filters that do not depend on the observations.

    ``gains[s, i, a]`` holds, for observation i and dimension a of a segment from s on: the decay of u
    before it, the gains of level and u, and the precision of its forecast. ``constants[s, i]`` is the log
    density of the observations up to i if all forecasts were perfect.
    """
    length, d = noise.shape
    state = np.empty(5)
    constants[:] = 0.0
    for s in range(length):
        for a in range(d):
            _restart(state, hyper[a, 0], hyper[a, 1])
            total = 0.0
            for i in range(s, length):
                decay = 1.0
                if i > s:
                    decay = hyper[a, 2] ** (times[i] - times[i - 1])
                    _advance(state, decay, hyper[a, 1])
                to_level, to_deviation = state[2] + state[3], state[3] + state[4]
                forecast = to_level + to_deviation + hyper[a, 3] + noise[i, a]
                gains[s, i, a, 0] = decay
                gains[s, i, a, 1] = to_level / forecast
                gains[s, i, a, 2] = to_deviation / forecast
                gains[s, i, a, 3] = 1.0 / forecast
                total += _observe(state, state[0] + state[1], hyper[a, 3] + noise[i, a])
                constants[s, i] += total


@compiled
def add_courses(
    y: Array, times: Array, noise: Array, first_row: int, probabilities: Array, hyper: Array, sums: Array
) -> None:
    """Add the expected level + u of segments, times their probability, to `sums`.

    Smoothing by the backward recursion of the disturbances (Durbin and Koopman 2012, section 4.4): the
    expected level + u is y less the noise's variance times the smoothed error.
    """
    length, d = y.shape
    gains, constants = np.empty((length, length, d, 4)), np.empty((length, length))
    _gains(times, noise, hyper, gains, constants)
    error = np.empty((length, d))
    for r in range(probabilities.shape[0]):
        s = first_row + r
        for a in range(d):
            level, u = 0.0, 0.0
            for i in range(s, length):
                u *= gains[s, i, a, 0]
                error[i, a] = y[i, a] - level - u
                level += gains[s, i, a, 1] * error[i, a]
                u += gains[s, i, a, 2] * error[i, a]
        for t in range(s + 1, length + 1):
            p = probabilities[r, t]
            if p == 0.0:
                continue
            for a in range(d):
                to_level, to_u = 0.0, 0.0
                for i in range(t - 1, s - 1, -1):
                    smoothed = gains[s, i, a, 3] * error[i, a]
                    smoothed -= gains[s, i, a, 1] * to_level + gains[s, i, a, 2] * to_u
                    sums[i, a] += p * (y[i, a] - (hyper[a, 3] + noise[i, a]) * smoothed)
                    to_level += smoothed
                    to_u = (to_u + smoothed) * gains[s, i, a, 0]


@compiled
def evidence_by_count(
    y: Array,
    times: Array,
    noise: Array,
    hypers: Array,
    log_shares: Array,
    log_placements: Array,
    min_length: int,
    out: Array,
) -> None:
    """Fill `out` with ``log p(y | K = k) - log p(y | K = 0)`` of many series.

    The series `y` (series, T, d) share times and noise. The kinds `hypers` (kinds, d, 4) have the prior
    probabilities `log_shares`; `out` is (series, counts). All sums are relative to the likelihood without
    a change, so that each segment takes one exponential.
    """
    series, length, d = y.shape
    kinds, counts = hypers.shape[0], log_placements.size
    gains, constants = np.empty((length, length, d, 4)), np.empty((length, length))
    none, some = np.empty((kinds, series)), np.empty((kinds, series, counts))
    prefix, state, sums = np.empty(length + 1), np.empty((d, 2)), np.empty((counts, length + 1))
    for m in range(kinds):
        _gains(times, noise, hypers[m], gains, constants)
        for b in range(series):
            sums[:] = 0.0
            for s in range(0, length - min_length + 1):
                if 0 < s < min_length:
                    continue
                state[:] = 0.0
                squares = 0.0
                for i in range(s, length):
                    for a in range(d):
                        decayed = state[a, 1] * gains[s, i, a, 0]
                        error = y[b, i, a] - state[a, 0] - decayed
                        squares += error * error * gains[s, i, a, 3]
                        state[a, 0] += gains[s, i, a, 1] * error
                        state[a, 1] = decayed + gains[s, i, a, 2] * error
                    score, t = constants[s, i] - 0.5 * squares, i + 1
                    if s == 0:
                        prefix[t] = score
                        sums[0, t] = 1.0 if t >= min_length else 0.0
                    elif t - s >= min_length:
                        ratio = math.exp(prefix[s] + score - prefix[t])
                        for k in range(1, min(counts - 1, s // min_length) + 1):
                            sums[k, t] += sums[k - 1, s] * ratio
            none[m, b] = log_shares[m] + prefix[length]
            some[m, b] = sums[:, length]
    for b in range(series):
        top = none[:, b].max()
        for k in range(counts):
            changed, unchanged = 0.0, 0.0
            for m in range(kinds):
                weight = math.exp(none[m, b] - top)
                changed += weight * some[m, b, k]
                unchanged += weight
            out[b, k] = math.log(changed / unchanged) - log_placements[k] if changed > 0 else -np.inf

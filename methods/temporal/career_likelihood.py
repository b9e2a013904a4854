r"""Marginal likelihood of many short Gaussian processes, with its gradient.

.. math::
    y_i \sim N(X_i \beta,\ C_i),\qquad
    C_i = a_i^2 \exp\!\left(-\frac{(t - t')^2}{2 \ell_i^2}\right) + Z_i\,\mathrm{diag}(\tau^2)\,Z_i^\top
          + \sigma_n^2 I + \mathrm{diag}(s_i^2)

The process and the career's own coefficients ``Z_i b_i``, ``b_i ~ N(0, diag(tau^2))``, are integrated
out exactly; a_i and l_i are summed over nodes that all careers share. A sampler therefore sees
hyperparameters only. Careers are short: the Cholesky factors are small and need no padding.

Fast math is off: it lets the compiler reorder sums, and then a function that numba has just compiled and
the same one from its cache differ in the last digit, which a sampler turns into another chain.
Specification 3, section 1.2.3; Rasmussen and Williams,
Gaussian Processes for Machine Learning (2006), equations 2.30 and 5.9.
"""

from __future__ import annotations

import numpy as np

from methods.compiled import compiled

Array = np.ndarray


@compiled
def covariance(
    time: Array, noise: Array, own: Array, amplitude: float, length: float, own_variance: Array, extra: float
) -> Array:
    """Compute the covariance of one career's values; lower triangle only."""
    n = len(time)
    whole = np.zeros((n, n))
    for j in range(n):
        for k in range(j + 1):
            gap = (time[j] - time[k]) / length
            whole[j, k] = amplitude * amplitude * np.exp(-0.5 * gap * gap)
            for c in range(own.shape[1]):
                whole[j, k] += own[j, c] * own[k, c] * own_variance[c]
        whole[j, j] += noise[j] + extra
    return whole


@compiled
def cholesky(matrix: Array) -> bool:
    """Replace a lower triangle by its Cholesky factor.

    Returns false if the matrix is not positive definite.
    """
    n = len(matrix)
    for j in range(n):
        for k in range(j + 1):
            total = matrix[j, k]
            for c in range(k):
                total -= matrix[j, c] * matrix[k, c]
            if j > k:
                matrix[j, k] = total / matrix[k, k]
            elif total > 0:
                matrix[j, j] = np.sqrt(total)
            else:
                return False
    return True


@compiled
def _inverse_transposed(factor: Array, out: Array) -> None:
    """Fill `out` with ``L^-T``, row k being column k of ``L^-1``."""
    n = len(factor)
    for k in range(n):
        out[k, k] = 1 / factor[k, k]
        for j in range(k + 1, n):
            total = 0.0
            for c in range(k, j):
                total -= factor[j, c] * out[k, c]
            out[k, j] = total / factor[j, j]


@compiled
def _node(
    known: Array,
    correlation: Array,
    own: Array,
    own_variance: Array,
    amplitude2: float,
    rest: Array,
    factor: Array,
    root: Array,
    by_rest: Array,
    slopes: Array,
) -> float:
    """Compute the log-likelihood of one career at one node; fill its derivatives.

    `slopes` are derivatives by log amplitude, the noise variance and the own variances. With
    ``C = P + R``, P the process: ``tr(C^-1 P) = n - tr(C^-1 R)`` needs the diagonal of ``C^-1`` only.
    """
    n, q = len(known), len(own_variance)
    for j in range(n):
        for k in range(j + 1):
            total = amplitude2 * correlation[j, k]
            for c in range(q):
                total += own[j, c] * own[k, c] * own_variance[c]
            factor[j, k] = total
        factor[j, j] += known[j]
    if not cholesky(factor[:n, :n]):
        return -np.inf
    _inverse_transposed(factor[:n, :n], root)
    likelihood, inside, by_noise = -0.5 * n * np.log(2 * np.pi), 0.0, 0.0
    by_rest[:] = 0.0
    for j in range(n):
        white = 0.0
        for k in range(j + 1):
            white += root[k, j] * rest[k]
        for k in range(j + 1):
            by_rest[k] -= root[k, j] * white
        likelihood -= 0.5 * white * white + np.log(factor[j, j])
        inside += white * white
    for j in range(n):
        diagonal = 0.0
        for c in range(j, n):
            diagonal += root[j, c] * root[j, c]
        gap = by_rest[j] * by_rest[j] - diagonal
        by_noise += 0.5 * gap
        inside -= known[j] * gap
    inside -= n
    for c in range(q):
        along, length2 = 0.0, 0.0
        for j in range(n):
            along += own[j, c] * by_rest[j]
            white = 0.0
            for k in range(j + 1):
                white += root[k, j] * own[k, c]
            length2 += white * white
        slopes[2 + c] = 0.5 * (along * along - length2)
        inside -= own_variance[c] * (along * along - length2)
    slopes[0], slopes[1] = inside, by_noise
    return likelihood


@compiled
def _correlations(t: Array, length: Array, out: Array) -> None:
    for b in range(len(length)):
        for j in range(len(t)):
            for k in range(j + 1):
                gap = (t[j] - t[k]) / length[b]
                out[b, j, k] = np.exp(-0.5 * gap * gap)


@compiled
def value_and_gradient(
    start: Array,
    time: Array,
    noise: Array,
    own: Array,
    length: Array,
    rest: Array,
    log_amplitude: Array,
    log_weight: Array,
    own_variance: Array,
    extra: float,
) -> tuple[float, Array, Array, Array, Array, float]:
    """Compute the log-likelihood of a mixture over nodes, with its derivatives.

    The derivatives are by the last five arguments.

    Arguments are the fields of `Careers` and the lengths, then ``rest = value - mean beta``, the
    log amplitudes, the log weight of each pair of nodes (amplitudes, lengths) and the variances.
    If a covariance is not positive definite, the value is minus infinity and derivatives are 0.
    """
    high, wide = log_weight.shape
    q = len(own_variance)
    most = np.max(np.diff(start))
    by_rest, by_own, by_extra = np.zeros(len(rest)), np.zeros(q), 0.0
    by_amplitude, by_weight = np.zeros(high), np.zeros((high, wide))
    logs = np.zeros((high, wide))
    correlation, factor, root = np.zeros((wide, most, most)), np.zeros((most, most)), np.zeros((most, most))
    in_rest, slopes = np.zeros((high, wide, most)), np.zeros((high, wide, 2 + q))
    total = 0.0
    for i in range(len(start) - 1):
        first, n = start[i], start[i + 1] - start[i]
        rows = slice(first, first + n)
        known = noise[rows] + extra
        _correlations(time[rows], length, correlation)
        for a in range(high):
            amplitude2 = np.exp(2 * log_amplitude[a])
            for b in range(wide):
                logs[a, b] = log_weight[a, b] + _node(
                    known, correlation[b], own[rows], own_variance, amplitude2, rest[rows], factor, root,
                    in_rest[a, b, :n], slopes[a, b],
                )  # fmt: skip
        top = logs.max()
        if not np.isfinite(top):
            return -np.inf, np.zeros(len(rest)), np.zeros(high), np.zeros((high, wide)), np.zeros(q), 0.0
        share = np.exp(logs - top)
        total += top + np.log(share.sum())
        share /= share.sum()
        by_weight += share
        for a in range(high):
            for b in range(wide):
                by_rest[rows] += share[a, b] * in_rest[a, b, :n]
                by_amplitude[a] += share[a, b] * slopes[a, b, 0]
                by_extra += share[a, b] * slopes[a, b, 1]
                by_own += share[a, b] * slopes[a, b, 2:]
    return total, by_rest, by_amplitude, by_weight, by_own, by_extra


@compiled
def node_log_likelihood(
    start: Array,
    time: Array,
    noise: Array,
    own: Array,
    length: Array,
    rest: Array,
    log_amplitude: Array,
    own_variance: Array,
    extra: float,
) -> Array:
    """Compute log-likelihoods of careers at all nodes, (units, amplitudes, lengths)."""
    most = np.max(np.diff(start))
    out = np.zeros((len(start) - 1, len(log_amplitude), len(length)))
    correlation, factor, root = (
        np.zeros((len(length), most, most)),
        np.zeros((most, most)),
        np.zeros((most, most)),
    )
    slopes, spare = np.zeros(2 + len(own_variance)), np.zeros(most)
    for i in range(len(start) - 1):
        rows = slice(start[i], start[i + 1])
        known = noise[rows] + extra
        _correlations(time[rows], length, correlation)
        for a in range(len(log_amplitude)):
            for b in range(len(length)):
                out[i, a, b] = _node(
                    known, correlation[b], own[rows], own_variance, np.exp(2 * log_amplitude[a]), rest[rows],
                    factor, root, spare[: len(known)], slopes,
                )  # fmt: skip
    return out

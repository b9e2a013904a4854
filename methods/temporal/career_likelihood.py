r"""Marginal likelihood of many short Gaussian processes, with its gradient, career by career.

.. math::
    y_i \sim N(X_i \beta,\ C_i),\qquad
    C_i = a_i^2 \exp\!\left(-\frac{(t - t')^2}{2 \ell_i^2}\right) + Z_i\,\mathrm{diag}(\tau^2)\,Z_i^\top
          + \sigma_n^2 I + \mathrm{diag}(s_i^2)

The process, and the career's own coefficients ``Z_i b_i``, ``b_i ~ N(0, diag(tau^2))``, are
integrated out exactly, a_i and l_i are summed over nodes that all careers share, so that a
sampler sees hyperparameters only. Careers are short: small Cholesky factors, no padding.
 Specification 3, section 1.2.3; Rasmussen and Williams,
Gaussian Processes for Machine Learning (2006), equations 2.30 and 5.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from methods.temporal.panel import Floats, Ints


@dataclass(frozen=True)
class Careers:
    """Yearly values of many careers, sorted by career and, within it, by time.

    Attributes
    ----------
    start : (units + 1,) int
        Rows of career i are ``start[i]`` to ``start[i + 1]``.
    time : (n,) float
        Years.
    value : (n,) float
    noise : (n,) float
        Known sampling variance of each value, >= 0.
    mean : (n, p) float
        Covariates of the mean, X; with a column of ones if there is to be an intercept.
    own : (n, q) float
        Covariates whose coefficients vary between careers, Z; q >= 1.
    """

    start: Ints
    time: Floats
    value: Floats
    noise: Floats
    mean: Floats
    own: Floats

    def __post_init__(self) -> None:
        n = len(self.time)
        if self.start[0] != 0 or self.start[-1] != n or np.any(np.diff(self.start) < 1):
            raise ValueError(
                f"careers: start must rise from 0 to the number of rows, {n}; found {self.start[0]} to "
                f"{self.start[-1]}; every career needs a row"
            )
        for name in ("value", "noise", "mean", "own"):
            column = getattr(self, name)
            if len(column) != n or not np.isfinite(column).all():
                raise ValueError(
                    f"careers: expected {n} finite rows of {name}; drop rows with missing values"
                )
        backwards = np.diff(self.time) <= 0
        backwards[self.start[1:-1] - 1] = False
        if backwards.any():
            row = int(np.flatnonzero(backwards)[0])
            raise ValueError(
                f"careers: time must rise within a career; row {row + 1} is not later than row {row}"
            )
        if (self.noise < 0).any():
            raise ValueError(f"careers: noise is a variance, found {self.noise.min()}")

    @property
    def units(self) -> int:
        """Number of careers."""
        return len(self.start) - 1

    def unit(self) -> Ints:
        """Career of each row."""
        return np.repeat(np.arange(self.units), np.diff(self.start))

    def keep(self, rows: NDArray[np.bool_]) -> Careers:
        """The careers with some of their rows; each must keep one."""
        counts = np.bincount(self.unit()[rows], minlength=self.units)
        start = np.r_[0, np.cumsum(counts)].astype(np.int64)
        return Careers(
            start,
            self.time[rows],
            self.value[rows],
            self.noise[rows],
            self.mean[rows],
            self.own[rows],
        )


class Kernel(NamedTuple):
    """Parameters of the covariance of every career.

    Attributes
    ----------
    amplitude, length : (units,) float
        Standard deviation and length scale (years) of the process, > 0.
    own_variance : (q,) float
        tau^2.
    noise_variance : float
        sigma_n^2: what varies from year to year beyond the sampling variance.
    """

    amplitude: Floats
    length: Floats
    own_variance: Floats
    noise_variance: float


@numba.njit(cache=True)
def covariance(time, noise, own, amplitude, length, own_variance, extra):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Process and whole covariance of one career; lower triangles only."""
    n = len(time)
    process = np.zeros((n, n))
    whole = np.zeros((n, n))
    for j in range(n):
        for k in range(j + 1):
            gap = (time[j] - time[k]) / length
            process[j, k] = amplitude * amplitude * np.exp(-0.5 * gap * gap)
            shared = 0.0
            for c in range(own.shape[1]):
                shared += own[j, c] * own[k, c] * own_variance[c]
            whole[j, k] = process[j, k] + shared
        whole[j, j] += noise[j] + extra
    return process, whole


@numba.njit(cache=True)
def cholesky(matrix):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Replace a lower triangle by its Cholesky factor; false if it is not positive definite."""
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


@numba.njit(cache=True)
def _inverse(factor):  # type: ignore[no-untyped-def]  # pragma: no cover
    """``(L L')^-1`` from L, both triangles."""
    n = len(factor)
    root = np.zeros((n, n))
    for k in range(n):
        root[k, k] = 1 / factor[k, k]
        for j in range(k + 1, n):
            total = 0.0
            for c in range(k, j):
                total -= factor[j, c] * root[c, k]
            root[j, k] = total / factor[j, j]
    out = np.zeros((n, n))
    for j in range(n):
        for k in range(j + 1):
            total = 0.0
            for c in range(j, n):
                total += root[c, j] * root[c, k]
            out[j, k] = total
            out[k, j] = total
    return out


@numba.njit(cache=True)
def _one(t, z, r, noise, amplitude, length, own_variance, extra, by_rest, slopes):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Log-likelihood of one career; fills its derivatives.

    `slopes` are those in log amplitude, the noise variance and the own variances.
    """
    n, total = len(t), 0.0
    slopes[:] = 0.0
    by_rest[:] = 0.0
    process, factor = covariance(t, noise, z, amplitude, length, own_variance, extra)
    if not cholesky(factor):
        return -np.inf
    precision = _inverse(factor)
    for j in range(n):
        for k in range(n):
            by_rest[j] -= precision[j, k] * r[k]
        total += 0.5 * (r[j] * by_rest[j] - np.log(2 * np.pi)) - np.log(factor[j, j])
    for j in range(n):
        for k in range(j + 1):
            # d logp / d C, off the diagonal counted for both triangles
            slope = 0.5 * (by_rest[j] * by_rest[k] - precision[j, k])
            if k < j:
                slope *= 2
            else:
                slopes[1] += slope
            slopes[0] += slope * 2 * process[j, k]
            for c in range(len(own_variance)):
                slopes[2 + c] += slope * z[j, c] * z[k, c]
    return total


@numba.njit(cache=True)
def value_and_gradient(  # type: ignore[no-untyped-def]
    start, time, noise, own, length, rest, log_amplitude, log_weight, own_variance, extra
):  # pragma: no cover - compiled
    """Log-likelihood of a mixture over nodes; its derivatives in the last five arguments.

    Arguments are the fields of `Careers` and the lengths, then ``rest = value - mean beta``, the
    log amplitudes, the log weight of each pair of nodes (amplitudes, lengths) and the variances.
    Minus infinity, and no slope, where a covariance is not positive definite.
    """
    high, wide = log_weight.shape
    q = len(own_variance)
    by_rest, by_own, by_extra = np.zeros(len(rest)), np.zeros(q), 0.0
    by_amplitude, by_weight = np.zeros(high), np.zeros((high, wide))
    logs = np.zeros((high, wide))
    total = 0.0
    for i in range(len(start) - 1):
        rows = slice(start[i], start[i + 1])
        t, z, r, v = time[rows], own[rows], rest[rows], noise[rows]
        in_rest = np.zeros((high, wide, len(t)))
        slopes = np.zeros((high, wide, 2 + q))
        for a in range(high):
            for b in range(wide):
                logs[a, b] = log_weight[a, b] + _one(
                    t, z, r, v, np.exp(log_amplitude[a]), length[b], own_variance, extra,
                    in_rest[a, b], slopes[a, b],
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
                by_rest[rows] += share[a, b] * in_rest[a, b]
                by_amplitude[a] += share[a, b] * slopes[a, b, 0]
                by_extra += share[a, b] * slopes[a, b, 1]
                by_own += share[a, b] * slopes[a, b, 2:]
    return total, by_rest, by_amplitude, by_weight, by_own, by_extra


@numba.njit(cache=True)
def node_log_likelihood(  # type: ignore[no-untyped-def]
    start, time, noise, own, length, rest, log_amplitude, own_variance, extra
):  # pragma: no cover - compiled
    """Log-likelihood of every career at every pair of nodes, (units, amplitudes, lengths)."""
    out = np.zeros((len(start) - 1, len(log_amplitude), len(length)))
    slopes = np.zeros(2 + len(own_variance))
    for i in range(len(start) - 1):
        rows = slice(start[i], start[i + 1])
        spare = np.zeros(start[i + 1] - start[i])
        for a in range(len(log_amplitude)):
            for b in range(len(length)):
                out[i, a, b] = _one(
                    time[rows], own[rows], rest[rows], noise[rows], np.exp(log_amplitude[a]),
                    length[b], own_variance, extra, spare, slopes,
                )  # fmt: skip
    return out


@numba.njit(cache=True)
def _innovations(start, time, rest, noise, own, amplitude, length, own_variance, extra, error, variance):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(len(start) - 1):
        first, last = start[i], start[i + 1]
        rows = slice(first, last)
        _, factor = covariance(
            time[rows], noise[rows], own[rows], amplitude[i], length[i], own_variance, extra
        )
        if not cholesky(factor):
            return False
        for j in range(last - first):
            total = rest[first + j]
            for k in range(j):
                total -= factor[j, k] * error[first + k] / np.sqrt(variance[first + k])
            error[first + j] = total
            variance[first + j] = factor[j, j] ** 2
    return True


def one_step_ahead(careers: Careers, coefficients: Floats, kernel: Kernel) -> tuple[Floats, Floats]:
    """Mean and variance of each value, given the earlier values of its career.

    The Cholesky factor holds them: row t of ``L z = y - X beta`` is the forecast error
    ``L_tt z_t``, with variance ``L_tt^2``.

    Returns
    -------
    mean, variance : (n,) float
        Of the observed value, sampling noise included.
    """
    fitted = careers.mean @ coefficients
    rest = careers.value - fitted
    error, variance = np.zeros_like(rest), np.zeros_like(rest)
    if not _innovations(
        careers.start, careers.time, rest, careers.noise, careers.own, *kernel, error, variance
    ):
        raise ValueError("careers: a covariance is not positive definite; give the values some noise")
    return careers.value - error, variance

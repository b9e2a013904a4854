r"""Evidence of segments under the semi-conjugate prior, by quadrature.

With Sigma integrated out, a segment of n observations (mass w, mean m, scatter; A = psi +
scatter; coordinates of ``standard_form``) has the density ``c (1 + w (mu - m)' A^-1 (mu - m))^-a``
in its mean, a = (nu0 + n)/2: a Student kernel against the prior N(0, I). A Student kernel is a
mixture of normal ones over a Gamma(a, 1) variable u, and each normal kernel integrates:

``p(y) = c / Gamma(a) int u^(a-1) e^-u prod_i (1 + r_i)^-1/2 exp(-z_i^2/2 * r_i / (1 + r_i)) du``

with r_i = 2 u w / (eigenvalue i of A) and z the mean m in A's eigenbasis. In v = log u the
integrand is analytic and decays at least exponentially at both ends, so the trapezoidal rule converges
geometrically. The nodes of a coarse rule form the mixture from which `sampler` proposes means.
"""

from __future__ import annotations

import math

import numpy as np

from methods.changepoint.semi_conjugate import NormalIndependentInverseWishart
from methods.changepoint.standard_form import StandardForm, posterior_scale, standard_form
from methods.compiled import compiled

Array = np.ndarray

# Step of log u in standard deviations of its Gamma distribution, largest step, and depth: terms below
# e^-40 of the largest are left out.
_STEP, _LARGEST_STEP, _DEPTH = 0.6, 0.3, 40.0


def independent_segment_log_likelihood(
    y: Array, prior: NormalIndependentInverseWishart, weights: Array | None = None
) -> Array:
    r"""Compute the log marginal likelihood of every segment of a series.

    Parameters
    ----------
    y : array (T, d)
        Observations, finite.
    prior : NormalIndependentInverseWishart
        Prior of each regime.
    weights : array (T,), optional
        Observation t has covariance ``Sigma / weights[t]``; 1 by default.

    Returns
    -------
    array (T + 1, T)
        The value of segment ``y[s:t]`` at ``[t, s]``; -inf where ``t <= s``. The relative error of the
        likelihoods is at most 1e-9: quadrature below 1e-10, the rest is rounding in cumulative sums.

    References
    ----------
    Trefethen and Weideman, The exponentially convergent trapezoidal rule, SIAM Review 56 (2014).
    """
    weights = np.ones(len(y)) if weights is None else weights
    return _table(standard_form(y, prior, weights))


@compiled
def _table(form: StandardForm) -> Array:
    length = form.x.shape[0]
    scores = np.full((length + 1, length), -np.inf)
    for s in range(length):
        for t in range(s + 1, length + 1):
            scores[t, s] = independent_score(form, s, t)
    return scores


@compiled
def independent_score(form: StandardForm, s: int, t: int) -> float:
    """Compute the log marginal likelihood of ``y[s:t]``."""
    a, mass, values, _, z = spectrum(form, s, t)
    step, v, depth = rule(a)
    top, total = -np.inf, 0.0
    # The Gamma kernel bounds the integrand: once it is small, terms further left are negligible.
    while v > math.log(a) or a * v - math.exp(v) > top - depth:
        term = log_integrand(v, a, mass, values, z)
        if term > top:
            total *= math.exp(top - term)
            top = term
        total += math.exp(term - top)
        v -= step
    return density_constant(form, s, t, a, values) + top + math.log(total * step) - math.lgamma(a)


@compiled
def independent_moments(form: StandardForm, s: int, t: int, mean: Array, covariance: Array) -> None:
    """Fill `mean` with E[mu] and `covariance` with E[Sigma] given ``y[s:t]``.

    The covariance exists if nu0 + n > d + 1.
    """
    a, mass, values, vectors, z = spectrum(form, s, t)
    d = z.size
    step, v, depth = rule(a)
    top, total = -np.inf, 0.0
    off, squares = np.zeros(d), np.zeros((d, d))
    while v > math.log(a) or a * v - math.exp(v) > top - depth:
        term = log_integrand(v, a, mass, values, z)
        if term > top:
            shrink = math.exp(top - term)
            total, top = total * shrink, term
            off *= shrink
            squares *= shrink
        share = math.exp(term - top)
        total += share
        # Given u, coordinate i of mu has the mean r z / (1 + r) and the variance 1 / (1 + r).
        variances = 1 / (1 + 2 * math.exp(v) * mass / values)
        off -= share * variances * z
        for i in range(d):
            squares[i, i] += share * variances[i]
            for j in range(d):
                squares[i, j] += share * variances[i] * z[i] * variances[j] * z[j]
        v -= step
    mean[:] = vectors @ (z + off / total)
    inner = mass * squares / total
    for i in range(d):
        inner[i, i] += values[i]
    covariance[:] = (vectors @ inner @ vectors.T) / (form.nu0 + (t - s) - d - 1)


@compiled
def rule(a: float) -> tuple[float, float, float]:
    """Return the step, the rightmost node and the depth of the quadrature in v."""
    return min(_LARGEST_STEP, _STEP / math.sqrt(a)), math.log(a + _DEPTH + math.sqrt(2 * _DEPTH * a)), _DEPTH


@compiled
def spectrum(form: StandardForm, s: int, t: int) -> tuple[float, float, Array, Array, Array]:
    """Return a, w, eigenvalues and eigenvectors of A, and the mean in their basis."""
    d = form.psi.shape[0]
    scale = np.empty((d, d))
    mass, mean = posterior_scale(form, s, t, scale)
    values, vectors = np.linalg.eigh(scale)
    return 0.5 * (form.nu0 + t - s), mass, values, vectors, vectors.T @ mean


@compiled
def density_constant(form: StandardForm, s: int, t: int, a: float, values: Array) -> float:
    """Compute log c, the log density of ``y[s:t]`` if mu is the segment's mean."""
    return form.constants[t - s] + form.log_masses[t] - form.log_masses[s] - a * np.log(values).sum()


@compiled
def log_integrand(v: float, a: float, mass: float, values: Array, z: Array) -> float:
    u = math.exp(v)
    total = a * v - u
    for i in range(values.size):
        r = 2 * u * mass / values[i]
        total -= 0.5 * (math.log1p(r) + z[i] * z[i] * r / (1 + r))
    return total

r"""Expected improvement in closed form, and its logarithm.

.. math::
    EI = E[\max(f - f^+, 0)] = \sigma\, h(z), \qquad h(z) = \phi(z) + z\,\Phi(z), \qquad
    z = (\mu - f^+) / \sigma

for a normal f with mean mu and standard deviation sigma (specification 3, §7.2).

Far below the best value EI underflows, and with it the gradient that a search needs. Its logarithm does
not. For x = -z > 0 the two terms of h nearly cancel; they are rewritten with Mills' ratio m as

.. math::
    h(-x) = \phi(x)\, m(x)\, k(x), \qquad m(x) = \sqrt{\pi/2}\,\mathrm{erfcx}(x/\sqrt 2), \qquad
    k(x) = \cfrac{1}{x + \cfrac{2}{x + \cfrac{3}{x + \dots}}}

a continued fraction of positive terms, in which nothing cancels.

References
----------
Jones, Schonlau and Welch, "Efficient global optimization of expensive black-box functions", Journal of
Global Optimization 13 (1998). Ament et al., "Unexpected improvements to expected improvement for Bayesian
optimization", NeurIPS 2023. Abramowitz and Stegun, 26.2.14, for the continued fraction.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfcx, ndtr

Floats = NDArray[np.float64]

TAIL = 4.0
"""Value of -z from which the continued fraction is used; the sum loses 1.3 digits there."""
TERMS = 60
"""Terms of the continued fraction; they suffice for 15 digits from `TAIL` on."""
HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))


class ImprovementGradient(NamedTuple):
    """Derivatives of the log expected improvement by the mean and the deviation."""

    mean: Floats
    sd: Floats


def expected_improvement(mean: ArrayLike, sd: ArrayLike, best: ArrayLike) -> Floats:
    """Compute the expected improvement on `best`, for maximisation.

    Parameters
    ----------
    mean, sd : array_like of float
        Mean and standard deviation of the predictions, sd >= 0.
    best : array_like of float
        The largest value so far.

    Returns
    -------
    float array
        Of the broadcast shape; ``max(mean - best, 0)`` where sd is 0.

    Raises
    ------
    ValueError
        If a deviation is negative or a value is NaN.
    """
    return np.exp(log_expected_improvement(mean, sd, best))


def log_expected_improvement(mean: ArrayLike, sd: ArrayLike, best: ArrayLike) -> Floats:
    """Compute the logarithm of `expected_improvement` without underflow.

    Returns
    -------
    float array
        -inf only where sd is 0 and the mean is not above `best`.
    """
    gain, deviation = _gain(mean, sd, best)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = gain / deviation
        log_h = np.where(
            z > -TAIL,
            np.log(_density(z) + z * ndtr(z)),
            -0.5 * z * z - HALF_LOG_2PI + np.log(_mills(-z)) + np.log(_fraction(-z)),
        )
        # Where z is so large that h(z) = z, or infinite, the logarithms would not be exact.
        value = np.where(z > 40, np.log(gain), np.log(deviation) + log_h)
        return np.where(deviation > 0, value, np.log(np.maximum(gain, 0)))[()]


def log_improvement_gradient(mean: ArrayLike, sd: ArrayLike, best: ArrayLike) -> ImprovementGradient:
    r"""Compute the gradient of the log expected improvement.

    .. math::
        \partial_\mu \log EI = \frac{\Phi(z)}{\sigma h(z)}, \qquad
        \partial_\sigma \log EI = \frac{\phi(z)}{\sigma h(z)}

    In the tail these are :math:`1 / (\sigma k)` and :math:`1 / (\sigma m k)`.

    Returns
    -------
    ImprovementGradient
        Finite for sd > 0.
    """
    gain, deviation = _gain(mean, sd, best)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = gain / deviation
        centre = _density(z) + z * ndtr(z)
        fraction = _fraction(-z)
        by_mean = np.where(z > -TAIL, ndtr(z) / centre, 1 / fraction) / deviation
        by_sd = np.where(z > -TAIL, _density(z) / centre, 1 / (_mills(-z) * fraction)) / deviation
    return ImprovementGradient(by_mean[()], by_sd[()])


def _gain(mean: ArrayLike, sd: ArrayLike, best: ArrayLike) -> tuple[Floats, Floats]:
    """Return mean - best and the deviation in one shape, checked."""
    gain = np.asarray(mean, np.float64) - np.asarray(best, np.float64)
    gain, deviation = np.broadcast_arrays(gain, np.asarray(sd, np.float64))
    if np.isnan(gain).any():
        raise ValueError("expected improvement: a mean or the best value is NaN; expected numbers")
    if not (deviation >= 0).all():
        raise ValueError("expected improvement: a standard deviation is negative or NaN; expected >= 0")
    return gain, deviation


def _density(z: Floats) -> Floats:
    return np.exp(-0.5 * z * z - HALF_LOG_2PI)


def _mills(x: Floats) -> Floats:
    """Return (1 - Phi(x)) / phi(x); 1 where it is not used."""
    return np.sqrt(np.pi / 2) * erfcx(np.maximum(x, 0) / np.sqrt(2))


def _fraction(x: Floats) -> Floats:
    """Return k(x) of the module's equation."""
    x = np.maximum(x, TAIL)
    value = x
    for numerator in range(TERMS, 1, -1):
        value = x + numerator / value
    return 1 / value

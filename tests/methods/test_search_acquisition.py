"""Expected improvement against quadrature, exact arithmetic and differences."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from methods.search.acquisition import (
    expected_improvement,
    log_expected_improvement,
    log_improvement_gradient,
)


def exact_log(z: float) -> float:
    """Return log(phi(z) + z Phi(z)); the cancellation takes few of the 400 digits."""
    with mpmath.workdps(400):
        x = -mpmath.mpf(z)
        upper = mpmath.erfc(x / mpmath.sqrt(2)) / 2
        density = mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)
        return float(mpmath.log(density - x * upper))


@pytest.mark.parametrize(
    "mean, sd, best", [(0, 1, 0), (1.5, 0.3, 1), (-2, 1.1, 1), (0.2, 2, -7), (3, 0.5, 5)]
)
def test_expected_improvement_is_the_integral(mean: float, sd: float, best: float) -> None:
    def integrand(f: float) -> float:
        return (f - best) * np.exp(-0.5 * ((f - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))

    top = max(mean, best) + 40 * sd
    middle = sorted(point for point in (mean, mean + 5 * sd) if best < point < top)
    integral = quad(integrand, best, top, points=middle, epsabs=1e-14, epsrel=1e-13, limit=200)[0]
    assert expected_improvement(mean, sd, best) == pytest.approx(integral, rel=1e-12, abs=1e-12)
    assert log_expected_improvement(mean, sd, best) == pytest.approx(np.log(integral), rel=1e-12)


@pytest.mark.parametrize("z", [-1e6, -3e3, -38.6, -12.0, -4.0001, -4.0, -3.9999, -1.0, 0.0, 1e-3, 6.0, 41.0])
def test_log_is_exact_far_in_the_tail(z: float) -> None:
    # EI itself underflows from z = -38.6 on
    value = log_expected_improvement(z, 1.0, 0.0)
    assert value == pytest.approx(exact_log(z), rel=1e-13, abs=1e-14)
    assert value.dtype == np.float64


@given(z=st.floats(-1e8, 1e3), sd=st.floats(1e-6, 1e6))
def test_gradient_is_finite_everywhere(z: float, sd: float) -> None:
    gradient = log_improvement_gradient(z * sd, sd, 0.0)
    assert np.isfinite(gradient.mean)
    assert gradient.mean > 0
    assert np.isfinite(gradient.sd)
    assert gradient.sd >= 0


@pytest.mark.parametrize("z", [-1e4, -40.0, -4.2, -3.8, -0.5, 2.0])
def test_gradient_is_the_difference_quotient(z: float) -> None:
    gradient, step = log_improvement_gradient(z * 1.7, 1.7, 0.0), 1e-6
    by_mean = np.subtract(*log_expected_improvement(z * 1.7 + np.array([step, -step]), 1.7, 0.0))
    by_sd = np.subtract(*log_expected_improvement(z * 1.7, 1.7 + np.array([step, -step]), 0.0))
    assert gradient.mean == pytest.approx(by_mean / (2 * step), rel=1e-4)
    assert gradient.sd == pytest.approx(by_sd / (2 * step), rel=1e-4)


def test_without_deviation_the_improvement_is_the_difference() -> None:
    assert expected_improvement([3.0, 1.0], 0.0, 2.0).tolist() == [1.0, 0.0]
    assert log_expected_improvement(1.0, 0.0, 2.0) == -np.inf


def test_values_that_are_no_prediction_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        expected_improvement(0.0, -1.0, 0.0)
    with pytest.raises(ValueError, match="NaN"):
        log_expected_improvement(np.nan, 1.0, 0.0)

"""Moments against scipy, numpy and the normal distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from methods.moments import moments


@settings(max_examples=40, deadline=None)
@given(
    arrays(
        float,
        st.tuples(st.integers(3, 40), st.integers(1, 4)),
        elements=st.floats(-1e3, 1e3).map(lambda value: round(value, 3)),
    )
)
def test_moments_equal_those_of_scipy(values: np.ndarray) -> None:
    found = moments(values)
    np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-12, atol=1e-12)
    wanted = np.atleast_2d(np.cov(values.T))
    np.testing.assert_allclose(found.covariance, wanted, rtol=1e-10, atol=1e-9)
    varies = np.ptp(values, axis=0) > 0
    np.testing.assert_allclose(found.skewness[varies], stats.skew(values[:, varies]), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(
        found.kurtosis[varies], stats.kurtosis(values[:, varies]), rtol=1e-8, atol=1e-8
    )
    assert np.isnan(found.skewness[~varies]).all()
    assert np.isnan(found.kurtosis[~varies]).all()


def test_moments_of_known_distributions() -> None:
    generator = np.random.default_rng(7)
    values = np.column_stack([generator.normal(3, 2, 400_000), generator.exponential(1, 400_000)])
    found = moments(values)
    # Standard errors at this n: skewness 0.004 (normal); the exponential's are wider.
    np.testing.assert_allclose(found.mean, [3, 1], atol=0.02)
    np.testing.assert_allclose(np.diag(found.covariance), [4, 1], atol=0.04)
    np.testing.assert_allclose(found.skewness, [0, 2], atol=0.1)
    np.testing.assert_allclose(found.kurtosis, [0, 6], atol=0.8)


def test_a_constant_with_rounding_has_no_shape() -> None:
    found = moments(np.full((7, 1), 0.1) + np.array([[1e-17]] * 7))
    assert np.isnan(found.skewness).all()


@pytest.mark.parametrize("values", [np.zeros((1, 2)), np.zeros(5), np.array([[1.0], [np.nan]])])
def test_what_has_no_moments_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        moments(values)

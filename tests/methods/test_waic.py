"""WAIC against ArviZ, and its warning about unreliable points."""

from __future__ import annotations

import numpy as np
import pytest

from methods.changepoint import waic
from methods.changepoint.waic import waic_of_points


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spread", [0.1, 2.0])
def test_equals_arviz(spread):
    import arviz

    values = np.random.default_rng(3).normal(-1, spread, size=(400, 12))
    data = arviz.from_dict(posterior={"x": np.zeros((1, 400))}, log_likelihood={"y": values[None]})
    expected = arviz.waic(data, scale="deviance", pointwise=True)
    found = waic(values)
    # The same sums in another order: relative tolerance 1e-12.
    assert found.value == pytest.approx(expected.elpd_waic, rel=1e-12)
    assert found.p_waic == pytest.approx(expected.p_waic, rel=1e-12)
    assert found.standard_error == pytest.approx(expected.se, rel=1e-12)
    np.testing.assert_allclose(found.pointwise, expected.waic_i, rtol=1e-12)
    assert (found.warning is not None) == bool(expected.warning)


def test_warns_where_a_point_is_unreliable():
    values = np.zeros((100, 3))
    values[:50, 1] = 1.3  # variance 0.4225
    with pytest.warns(UserWarning, match=r"1 of 3 observations \(first at 1\)"):
        assert waic(values).warning is not None


def test_there_is_no_warning_at_the_limit(recwarn):
    values = np.zeros((100, 3))
    values[:50, 1] = 1.26  # variance 0.3969
    assert waic(values).warning is None
    assert not recwarn.list


@pytest.mark.parametrize("bad", [np.zeros(4), np.zeros((1, 4)), np.zeros((3, 0)), np.full((3, 4), np.nan)])
def test_invalid_draws_are_named(bad):
    with pytest.raises(ValueError, match=r"\(draws >= 2, observations >= 1\)|NaN"):
        waic(bad)


@pytest.mark.parametrize("value", [-np.inf, np.inf, np.nan])
def test_an_infinite_log_likelihood_is_an_error(value):
    # As in R's loo: the variance of the draws, which WAIC needs, does not exist.
    values = np.random.default_rng(0).normal(-2, 0.2, (40, 6))
    values[7, 2] = value
    with pytest.raises(ValueError, match=r"infinite for observations \[2\]"):
        waic(values)


@pytest.mark.parametrize("lppd, variance", [(-np.inf, 0.1), (np.nan, 0.1), (-1.0, np.inf), (-1.0, -0.1)])
def test_invalid_points_are_named(lppd, variance):
    with pytest.raises(ValueError, match=r"observations \[1\]"):
        waic_of_points(np.array([-1.0, lppd]), np.array([0.1, variance]))

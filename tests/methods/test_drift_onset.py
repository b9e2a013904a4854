"""The last change of a series of batches, beside least squares."""

from __future__ import annotations

import numpy as np
import pytest

from methods.drift.onset import last_change

pytestmark = pytest.mark.filterwarnings("ignore:the variance of the log likelihood")


def test_a_shift_of_the_mean_is_dated_as_by_least_squares():
    means = np.random.default_rng(0).normal(size=40)
    calm = last_change(means)
    means[27:] += 4
    costs = [np.var(means[:k]) * k + np.var(means[k:]) * (40 - k) for k in range(1, 40)]
    changed = last_change(means)
    assert changed.batch == int(np.argmin(costs)) + 1 == 27
    assert changed.probability > 0.99
    assert calm.probability < 0.5 and calm.batch is None


def test_a_constant_series_has_no_change_and_a_short_one_is_refused():
    assert last_change(np.full(10, 3.0)).batch is None
    with pytest.raises(ValueError, match=r"at least 6 batches of finite values; found the shape \(5, 1\)"):
        last_change(np.ones(5))

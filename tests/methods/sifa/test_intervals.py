"""Compare intervals of differences with SciPy, with known truths and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel

from methods.sifa.intervals import (
    Interval,
    Losses,
    equivalent_rows,
    row_interval,
    seed_interval,
    verdict,
)


def difference(first, second):
    return second - first


def test_the_interval_by_seed_is_that_of_the_paired_t_test():
    a, b = np.random.default_rng(0).normal(size=(2, 7))
    expected = ttest_rel(a, b).confidence_interval(0.9)
    found = seed_interval(list(a - b), 0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.mean == pytest.approx((a - b).mean())
    with pytest.raises(ValueError, match="1 seeds"):
        seed_interval([0.5])


def test_the_interval_by_row_covers_the_truth_where_rows_repeat_over_seeds():
    covered, naive = [], []
    for trial in range(120):
        generator = np.random.default_rng(trial)
        # A row has one effect under all three seeds; the mean difference of the population is 0.3.
        effect = 0.3 + generator.normal(size=100)
        second = np.tile(effect, 3) + 0.1 * generator.normal(size=300)
        row = np.tile(np.arange(100), 3)
        interval = row_interval(Losses(np.zeros(300), second, row), difference, draws=300, seed=trial)
        covered.append(interval.low <= 0.3 <= interval.high)
        alone = Losses(np.zeros(300), second, np.arange(300))
        single = row_interval(alone, difference, draws=300, seed=trial)
        naive.append(single.low <= 0.3 <= single.high)
    # 95 % of 120 with a standard error of 2 points; rows taken as independent cover 75 %.
    assert np.mean(covered) > 0.88
    assert np.mean(naive) < 0.85


def test_roots_of_mean_squares_are_compared_after_the_mean():
    generator = np.random.default_rng(1)
    first, second = generator.chisquare(1, size=(2, 400)) * np.array([[1.0], [4.0]])
    interval = row_interval(
        Losses(first, second, np.arange(400)), lambda a, b: np.sqrt(b) - np.sqrt(a), draws=500, seed=0
    )
    assert interval.mean == pytest.approx(np.sqrt(second.mean()) - np.sqrt(first.mean()))
    assert interval.low < 1 < interval.high
    with pytest.raises(ValueError, match="lengths"):
        row_interval(Losses(first, second[:3], np.arange(400)), difference, draws=5, seed=0)


def test_a_difference_is_shown_only_if_seeds_and_rows_agree():
    above, below, across = Interval(1, 0.5, 2), Interval(-1, -2, -0.5), Interval(0.1, -1, 1)
    assert verdict(above, above) == "gain"
    assert verdict(below, below) == "loss"
    assert {verdict(above, across), verdict(across, below), verdict(above, below)} == {"not shown"}


def test_equivalent_rows_invert_a_power_law():
    def error(n):
        return 2.0 * n**-0.4

    found = equivalent_rows((100, 500), (error(100), error(500)), error(250))
    assert found == pytest.approx(250, rel=1e-9)
    assert equivalent_rows((100, 500), (0.1, 0.1), 0.05) == np.inf
    with pytest.raises(ValueError, match="ascending"):
        equivalent_rows((500, 100), (0.1, 0.2), 0.05)

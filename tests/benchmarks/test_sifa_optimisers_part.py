"""Paired gains of the part on optimisers."""

from __future__ import annotations

import numpy as np
from scipy import stats

from benchmarks.sifa.optimisers import gain
from tasks.sifa.contracts.optimisers import SearchResult


def result(test: list[float | None]) -> SearchResult:
    names = ("rate", "momentum", "damping", "validation", "mean", "lower", "upper", "train")
    return SearchResult(budget=10, test=test, diverged=0, **dict.fromkeys(names))


def test_a_gain_is_a_paired_t_interval_in_percent() -> None:
    first, second = [1.0, 1.2, 0.9, 1.1], [0.8, 1.1, 0.6, 1.0]
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    mean = 100 * (np.mean(first) - np.mean(second)) / np.mean(first)
    ends = [100 * end / np.mean(first) for end in (expected.low, expected.high)]
    assert gain(result([*first]), result([*second])) == f"{mean:+.1f} ({ends[0]:+.1f} to {ends[1]:+.1f})"


def test_a_training_that_diverged_has_no_gain() -> None:
    assert gain(result([1.0, None]), result([0.9, 1.0])) is None
    assert gain(result([]), result([])) is None

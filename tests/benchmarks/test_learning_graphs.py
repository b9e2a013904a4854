"""Check the parts of the benchmark of graphs on small data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score

from benchmarks.learning import graphs
from benchmarks.learning._messages import Split, interval_reach
from benchmarks.learning._senders import average_precisions, sender_weights
from benchmarks.learning._units import Units
from methods.graph.temporal import Events


def test_a_finished_unit_is_not_measured_again(tmp_path: Path) -> None:
    units = Units(tmp_path / "figures" / "units.json")
    assert units.measure("one", lambda: {"accuracy": 81.5}) == {"accuracy": 81.5}

    def killed() -> dict[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        units.measure("two", killed)
    resumed = Units(units.path)
    assert resumed.measure("one", killed) == {"accuracy": 81.5}
    resumed.measure("two", lambda: {"accuracy": 70.0})
    assert resumed.finished() == {"one": {"accuracy": 81.5}, "two": {"accuracy": 70.0}}


def test_weighted_average_precision_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    source = rng.integers(12, size=80)
    # rounded, so that many scores are equal
    positive, negative = rng.normal(0.5, 1, 80).round(1), rng.normal(0, 1, 80).round(1)
    weights = sender_weights(source, 20, seed=1)
    ours = average_precisions(positive, negative, weights)
    y, scores = np.repeat([1, 0], 80), np.concatenate([positive, negative])
    theirs = [average_precision_score(y, scores, sample_weight=np.tile(row, 2)) for row in weights]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_a_sample_draws_whole_senders() -> None:
    source = np.array([3, 3, 5, 5, 5, 9])
    weights = sender_weights(source, 4000, seed=0)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 2:5] == weights[:, 2:3]).all()
    assert (weights[:, [0, 2, 5]].sum(axis=1) == 3).all()
    # of three draws, P(a sender is absent) = (2/3)^3; 4,000 samples have a standard error of 0.007
    assert (weights[:, 5] == 0).mean() == pytest.approx(8 / 27, abs=0.03)


def test_the_error_of_shared_test_events_does_not_fall_with_seeds() -> None:
    gaps = np.array([0.01, 0.02, 0.03, 0.02])
    low, high = stats.t.interval(0.95, 3, loc=gaps.mean(), scale=stats.sem(gaps))
    assert interval_reach(gaps, np.zeros(4)) == pytest.approx((high - low) / 2)
    assert interval_reach(np.full(4, 0.1), np.full(4, 0.5)) == pytest.approx(1.96 * 0.5, rel=1e-4)


def test_pairs_that_never_repeat_make_historical_negatives_leak() -> None:
    rng = np.random.default_rng(0)
    pairs = rng.permutation([(a, b) for a in range(20) for b in range(20) if a != b])[:300]
    split = Split(Events(pairs[:, 0], pairs[:, 1], np.arange(300.0), 20), 200, 250)
    best, _ = graphs.best_single_feature(split, "historical")
    assert best > graphs.PERFECT
    best, _ = graphs.best_single_feature(split, "random")
    assert best < graphs.PERFECT

"""Compare intervals of streams with definitions, a long-run bound and ELEC2."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from external import external_data
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.trust.conformal import adaptive_levels, split_radius, weighted_quantile
from methods.trust.drift import Scores, block_radii, forgetful_forecasts, online_radii, worst_window


def test_forecasts_equal_weighted_least_squares_on_the_earlier_rows():
    generator = np.random.default_rng(0)
    x = np.column_stack([np.ones(60), generator.normal(size=(60, 2))])
    y = x @ [1.0, 2.0, -1.0] + 0.1 * generator.normal(size=60)
    forecasts = forgetful_forecasts(x, y, 0.9, ridge=1e-12)
    for t in range(10, 60):
        root = np.sqrt(0.9 ** np.arange(t - 1, -1, -1))
        slope = np.linalg.lstsq(x[:t] * root[:, None], y[:t] * root, rcond=None)[0]
        assert forecasts[t] == pytest.approx(np.clip(x[t] @ slope, y[:t].min(), y[:t].max()), abs=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.sampled_from([0.01, 0.05]), st.sampled_from([0.05, 0.2]))
def test_the_rate_of_errors_is_bounded_for_any_sequence(seed, gamma, alpha):
    # Scores that jump and grow without bound: no exchangeability at all.
    generator = np.random.default_rng(seed)
    scores = np.abs(generator.normal(size=400)) * np.exp(0.02 * np.arange(400) * generator.choice([-1, 1]))
    scores[generator.integers(400)] += 1e6
    stream = online_radii(scores, alpha, gamma=gamma, decay=0.99)
    bound = (max(alpha, 1 - alpha) + gamma) / (gamma * len(scores))
    assert abs(stream.error.mean() - alpha) <= bound + 1e-12
    np.testing.assert_allclose(stream.level[1:], adaptive_levels(stream.error, alpha, gamma)[:-1], atol=1e-12)
    np.testing.assert_array_equal(stream.error, scores > stream.radius)


def test_equal_weights_and_no_step_are_split_conformal_on_the_past():
    scores = np.random.default_rng(1).exponential(size=50)
    stream = online_radii(scores, 0.1, gamma=0.0, decay=1.0)
    np.testing.assert_array_equal(stream.radius, [split_radius(scores[:t], 0.1) for t in range(50)])
    assert np.isinf(stream.radius[:9]).all()
    assert np.isfinite(stream.radius[9:]).all()


def test_weights_follow_a_jump_of_the_spread():
    generator = np.random.default_rng(2)
    scores = np.abs(np.r_[generator.normal(size=500), 4 * generator.normal(size=500)])
    errors = [online_radii(scores, 0.1, gamma=0.0, decay=decay).error[500:].mean() for decay in (1.0, 0.97)]
    assert errors[0] > 0.2
    assert errors[1] < 0.15


def test_the_worst_window_is_the_minimum_over_all_windows():
    covered = (np.random.default_rng(3).random(200) < 0.8).astype(float)
    assert worst_window(covered, 30) == min(covered[i : i + 30].mean() for i in range(171))
    with pytest.raises(ValueError, match="at least the window"):
        worst_window(covered, 201)


def test_elec2_is_covered_in_the_long_run_and_in_every_window():
    from benchmarks.learning.trust import ALPHA, BURN_IN, elec2, elec2_interval

    x, y = elec2(pd.read_parquet(external_data("learning", "conformal", "elec2.parquet")))
    assert len(y) == 4648
    radius, error = elec2_interval(x, y)
    covered = 1 - error[BURN_IN:]
    assert abs(covered.mean() - (1 - ALPHA)) <= 0.005
    assert worst_window(covered, 250) >= 0.85
    assert np.mean(2 * radius[BURN_IN:]) <= 0.30
    assert math.isfinite(radius[BURN_IN:].max())


def test_blocks_of_one_score_are_the_stream_with_the_same_memory():
    scores = np.abs(np.random.default_rng(0).standard_t(3, size=400))
    stream = online_radii(scores, 0.1, gamma=0.01, decay=0.98)
    blocks = np.arange(400.0)
    known, new = Scores(scores[:0], blocks[:0]), Scores(scores, blocks)
    np.testing.assert_array_equal(block_radii(known, new, 0.1, gamma=0.01, decay=0.98), stream.radius)


def test_a_block_is_covered_by_what_was_known_before_it():
    rng = np.random.default_rng(1)
    blocks = np.repeat(np.arange(40.0), 50)
    values = np.abs(rng.normal(size=2000)) * (1 + blocks / 20)
    known, new = Scores(values[:500], blocks[:500]), Scores(values[500:], blocks[500:])
    radius = block_radii(known, new, 0.1, gamma=0.01, decay=0.9)
    # Every row of a block has one radius; the first is the weighted quantile of what is known.
    assert len(np.unique(radius)) <= 30
    first = weighted_quantile(known.value, 0.9 ** (10 - known.block), 0.1)
    np.testing.assert_array_equal(radius[:50], first)
    order = rng.permutation(len(radius))
    shuffled = block_radii(known, Scores(new.value[order], new.block[order]), 0.1, gamma=0.01, decay=0.9)
    np.testing.assert_array_equal(shuffled, radius[order])
    # The scale of the scores triples; a radius calibrated once loses coverage, the adaptive one does not.
    assert np.mean(new.value <= np.quantile(known.value, 0.9)) < 0.75
    assert np.mean(new.value <= radius) == pytest.approx(0.9, abs=0.015)
    with pytest.raises(ValueError, match="expected later ones"):
        block_radii(new, known, 0.1, gamma=0.01, decay=0.9)

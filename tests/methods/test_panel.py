import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.temporal.panel import (
    Panel,
    before,
    expected_noise,
    noise_variance,
    position,
    previous,
    with_cohorts,
)


def make(seed: int = 0, rows: int = 60, units: int = 7) -> Panel:
    r = np.random.default_rng(seed)
    block = np.sort(r.integers(1960, 1990, rows)).astype(float)
    unit = np.unique(r.integers(0, units, rows), return_inverse=True)[1].astype(np.int64)
    count = r.integers(1, 9, rows).astype(float)
    sd = np.where(count[:, None] > 1, r.uniform(0.5, 2, (rows, 2)), np.nan)
    return Panel(unit, unit % 2, block, block, count, r.normal(size=(rows, 2)), sd)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 100))
def test_before_previous_position_equal_pandas(units, seed):
    unit = np.array(units)
    y = pd.Series(np.random.default_rng(seed).normal(size=len(unit)))
    groups = y.groupby(unit)
    np.testing.assert_allclose(before(y.to_numpy(), unit), groups.cumsum() - y, atol=1e-12)
    np.testing.assert_array_equal(previous(y.to_numpy(), unit), groups.shift(1))
    np.testing.assert_array_equal(position(unit), groups.cumcount())


def test_noise_variance_equals_the_posterior_mean_computed_row_by_row():
    panel, k = make(), 5.0
    learn = panel.block < 1980
    got = noise_variance(panel, learn, k)
    squares = np.nan_to_num(panel.sd[:, 0]) ** 2 * (panel.count - 1)
    pooled = squares[learn].sum() / (panel.count - 1)[learn].sum()
    for row in range(len(panel.block)):
        own = (panel.unit == panel.unit[row]) & (np.arange(len(panel.block)) <= row)
        spread = (k * pooled + squares[own].sum()) / (k + (panel.count - 1)[own].sum())
        assert got[row, 0] == pytest.approx(spread / panel.count[row], rel=1e-12)


def test_expected_noise_reads_earlier_rows_only():
    panel = make()
    learn = panel.block < 1980
    noise = noise_variance(panel, learn, 5.0)
    changed = noise.copy()
    late = np.flatnonzero(panel.unit == 0)[-1]
    changed[late] *= 100
    a, b = (
        expected_noise(panel, part, learn & (panel.block < panel.block[late]), 5.0)
        for part in (noise, changed)
    )
    np.testing.assert_array_equal(a, b)
    earlier = np.flatnonzero(panel.unit == 0)[:-1]
    common = noise[learn & (panel.block < panel.block[late])].mean(axis=0)
    expected = (5 * common + noise[earlier].sum(axis=0)) / (5 + len(earlier))
    np.testing.assert_allclose(a[late], expected, rtol=1e-12)


def test_an_unsorted_panel_or_one_with_nan_is_refused():
    panel = make()
    with pytest.raises(ValueError, match="sorted by block"):
        Panel(**{**vars(panel), "block": panel.block[::-1]})
    mean = panel.mean.copy()
    mean[3, 1] = np.nan
    with pytest.raises(ValueError, match="row 3, column 1"):
        Panel(**{**vars(panel), "mean": mean})


def test_a_cohort_is_a_group_and_the_period_of_the_first_row():
    panel = make(rows=300, units=40)
    first = pd.Series(panel.block).groupby(panel.unit).transform("min")
    names = pd.Series(panel.group).astype(str) + "/" + (first // 10).astype(int).astype(str)
    found = with_cohorts(panel, 10.0)
    assert pd.crosstab(names.to_numpy(), found.group).gt(0).sum(axis=1).eq(1).all()
    assert found.groups == names.nunique() > panel.groups
    np.testing.assert_array_equal(found.unit, panel.unit)

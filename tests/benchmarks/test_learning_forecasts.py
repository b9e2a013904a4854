"""The benchmark of candidates never sees a row from the test years."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.learning.forecasts import recentred, scores, shortened
from methods.temporal.baselines import unit_mean
from methods.temporal.panel import Panel, position
from tasks.emotion.forecast.targets import TARGETS, Task


@pytest.fixture(scope="module")
def task() -> Task:
    """Return 80 artists with values in about half of the years from 1960 to 2010."""
    rng = np.random.default_rng(0)
    year, unit = np.nonzero(rng.random((51, 80)) < 0.5)
    block, n, d = year + 1960.0, len(year), len(TARGETS["audio"])
    mean = rng.normal(size=(80, d))[unit] + rng.normal(size=(n, d))
    panel = Panel(unit, unit % 3, block, block, rng.integers(1, 9, n).astype(float), mean, np.ones((n, d)))
    split = np.where(block < 2000, "train", np.where(block < 2005, "validation", "test"))
    split = np.where(position(unit) >= 2, split, "")
    return Task("audio", panel, TARGETS["audio"], unit, block, split, block < 2000)


def test_a_window_drops_later_rows_and_keeps_the_targets_of_its_years(task):
    short = shortened(task, 2000, 2005)
    assert short.panel.block.max() == 2004
    assert short.rows("test").sum() == 0
    for part in ("train", "validation"):
        np.testing.assert_array_equal(short.panel.mean[short.rows(part)], task.panel.mean[task.rows(part)])
        np.testing.assert_array_equal(
            unit_mean(short.panel)[short.rows(part)], unit_mean(task.panel)[task.rows(part)]
        )


def test_the_loss_is_one_for_the_mean_and_falls_with_half_the_error(task):
    short = shortened(task, 1985, 2000)
    mean, truth = (part[:, : task.targets] for part in (unit_mean(short.panel), short.panel.mean))
    np.testing.assert_allclose(scores(short, mean), (1, 1))
    np.testing.assert_allclose(scores(short, (mean + truth) / 2), (0.25, 0.25))


def test_the_correction_of_a_year_uses_the_errors_of_earlier_years(task):
    short = shortened(task, 1985, 2000)
    forecast = np.nan_to_num(unit_mean(short.panel)[:, : task.targets])
    found = recentred(short, forecast + 0.2, targets=1.0)
    bias = (found - short.panel.mean[:, : task.targets])[short.rows("validation")].mean()
    assert abs(bias) < 0.05
    later = (short.panel.block >= 1990)[:, None]
    other = recentred(short, np.where(later, forecast + 3, forecast + 0.2), targets=1.0)
    early = short.panel.block < 1990
    np.testing.assert_array_equal(found[early], other[early])

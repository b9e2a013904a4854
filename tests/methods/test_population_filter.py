import numpy as np
import pytest

from methods.temporal.panel import Panel
from methods.temporal.population_filter import Fit, fit, run

THETA = np.array([0.5, 0.3, 0.1, 0.02, 0.0, 0.2])


def career(seed: int, units: int, years: int, keep: float = 0.6) -> Panel:
    r = np.random.default_rng(seed)
    pairs = [(t, u) for t in range(1950, 1950 + years) for u in range(units) if r.random() < keep]
    block = np.array([t for t, _ in pairs], float)
    unit = np.unique([u for _, u in pairs], return_inverse=True)[1].astype(np.int64)
    count = r.integers(1, 8, len(pairs)).astype(float)
    zero = np.zeros((len(pairs), 1))
    return Panel(unit, np.zeros(len(pairs), np.int64), block, block, count, zero, zero + 1)


def condition(times, y, noise, start):
    """Compute mean and variance of the last true mean given earlier values.

    By conditioning the joint normal distribution.
    """
    tau, omega, kappa, _, _, rate = THETA
    gaps = np.abs(times[:, None] - times[None, :])
    cov = tau + omega * np.exp(-rate * gaps) + kappa * np.eye(len(times))
    seen = cov[:-1, :-1] + np.diag(noise[:-1])
    gain = np.linalg.solve(seen, cov[:-1, -1])
    return start + gain @ (y[:-1] - start), cov[-1, -1] - gain @ cov[:-1, -1]


def test_without_a_trend_it_equals_gaussian_process_regression():
    panel = career(1, 4, 12)
    r = np.random.default_rng(2)
    y, noise = r.normal(size=len(panel.block)), 1 / panel.count
    found = run(panel, y, noise, Fit(THETA, 0.3, 0.0, 0.0))
    for row in range(len(y)):
        own = np.flatnonzero((panel.unit == panel.unit[row]) & (np.arange(len(y)) <= row))
        mean, variance = condition(panel.time[own], y[own], noise[own], 0.3)
        assert found.forecast[row] == pytest.approx(mean, abs=1e-10)
        assert found.variance[row] == pytest.approx(variance, abs=1e-10)


def simulate(panel: Panel, seed: int, drift: float):
    r = np.random.default_rng(seed)
    tau, omega, kappa, _, _, rate = THETA
    years = np.unique(panel.block)
    trend = dict(zip(years, np.cumsum(r.normal(drift, 0.1, len(years))), strict=True))
    y = np.empty(len(panel.block))
    for u in range(panel.units):
        rows = np.flatnonzero(panel.unit == u)
        t = panel.time[rows]
        cov = tau + omega * np.exp(-rate * np.abs(t[:, None] - t)) + np.diag(kappa + 1 / panel.count[rows])
        y[rows] = r.multivariate_normal(np.zeros(len(rows)), cov) + [trend[b] for b in panel.block[rows]]
    return y, np.array([trend[b] for b in panel.block])


def test_it_follows_the_trend_and_predicts_better():
    panel = career(3, 120, 40)
    y, trend = simulate(panel, 4, drift=0.1)
    noise = 1 / panel.count
    moving = run(panel, y, noise, Fit(THETA, float(y[:100].mean()), 0.2, 0.0))
    steady = run(panel, y, noise, Fit(THETA, float(y[:100].mean()), 0.0, 0.0))
    late = panel.block > 1960
    # the trend is known a year late, so one step of its walk (0.1 drift, 0.1 sd) is missed
    assert np.sqrt(np.mean((moving.trend + np.median((y - moving.trend)[late]) - trend)[late] ** 2)) < 0.25
    assert np.mean((y - moving.forecast)[late] ** 2) < 0.9 * np.mean((y - steady.forecast)[late] ** 2)


def test_the_stated_variance_equals_that_of_the_errors():
    panel = career(5, 150, 30)
    y, _ = simulate(panel, 6, drift=0.0)
    noise = 1 / panel.count
    found = run(panel, y, noise, Fit(THETA, 0.0, 0.2, 0.0))
    late = panel.block > 1955
    # 2,000 or so standardised errors: their mean square has a standard error near 0.04
    assert np.mean(((y - found.forecast) ** 2 / (found.variance + noise))[late]) == pytest.approx(
        1.0, abs=0.15
    )


def test_fitting_finds_the_simulated_parameters():
    panel = career(7, 200, 30)
    y, _ = simulate(panel, 8, drift=0.0)
    every = np.ones(len(y), bool)
    found = fit(panel, y, 1 / panel.count, every, every, trend=True)
    true = run(panel, y, 1 / panel.count, Fit(THETA, 0.0, 0.2, 0.0))
    variance = true.variance + 1 / panel.count
    assert found.loss <= 0.5 * np.mean((y - true.forecast) ** 2 / variance + np.log(variance)) + 0.02
    assert found.theta[0] + found.theta[4] == pytest.approx(THETA[0], rel=0.4)
    assert found.theta[1] + found.theta[2] == pytest.approx(THETA[1] + THETA[2], rel=0.3)


def test_later_rows_do_not_change_earlier_forecasts():
    panel = career(9, 20, 25)
    y, _ = simulate(panel, 10, drift=0.0)
    noise = 1 / panel.count
    parameters = Fit(np.array([0.5, 0.3, 0.1, 0.02, 0.1, 0.2]), 0.0, 0.2, 0.0)
    cut = 1963.0
    later = panel.block >= cut
    before, after = run(panel, y, noise, parameters), run(panel, y + 50 * later, noise, parameters)
    same = (panel.block < cut) | ((panel.block == cut) & ~np.isin(panel.unit, panel.unit[:0]))
    first_seen = np.array([panel.block[panel.unit == u].min() for u in panel.unit])
    same &= first_seen < panel.block
    np.testing.assert_array_equal(before.forecast[same], after.forecast[same])
    assert not np.array_equal(before.forecast[panel.block > cut], after.forecast[panel.block > cut])

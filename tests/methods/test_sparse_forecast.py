"""The sparse forecaster against scikit-learn, loops, and its own promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from methods.temporal.panel import Panel
from methods.temporal.sparse_forecast import (
    YEARS,
    Settings,
    decayed_mean,
    forecast,
    history_of,
    inputs,
    lasso,
)

SETTINGS = Settings(lasso=0.02, ridge=0.01, smooth=0.0, half_life=4.0, exponent=0.5, pull=1.5)


def panel(seed: int = 0, units: int = 30, years: int = 12) -> Panel:
    rng = np.random.default_rng(seed)
    level = rng.normal(size=(units, 3))
    rows = [(unit, year) for year in range(years) for unit in range(units) if rng.random() < 0.7]
    unit, year = np.array(rows).T
    mean = level[unit] + 0.5 * rng.normal(size=(len(unit), 3))
    count = rng.integers(1, 9, len(unit)).astype(float)
    return Panel(unit, np.zeros_like(unit), year.astype(float), year + 0.5, count, mean, np.ones_like(mean))


def second_rows(data: Panel) -> np.ndarray:
    """Return which rows are not the first of their unit."""
    seen: set[int] = set()
    return np.array([unit in seen or seen.add(unit) is not None for unit in data.unit.tolist()])


def test_decayed_mean_is_the_sum_over_the_past() -> None:
    data = panel()
    history = history_of(data)
    result = decayed_mean(history, half_life=4.0, exponent=0.5, pull=1.5)
    for row in range(len(data.unit)):
        past = [r for r in range(row) if data.unit[r] == data.unit[row]]
        near = (data.block < data.block[row]) & (data.block >= data.block[row] - YEARS)
        population = data.mean[near].mean(axis=0) if near.any() else np.zeros(3)
        np.testing.assert_allclose(history.population[row], population, atol=1e-12)
        if not past:
            assert np.isnan(result[row]).all()
            continue
        weights = data.count[past] ** 0.5 * 0.5 ** ((data.time[row] - data.time[past]) / 4.0)
        expected = (weights @ data.mean[past] + 1.5 * population) / (weights.sum() + 1.5)
        np.testing.assert_allclose(result[row], expected, atol=1e-12)


def test_an_input_uses_no_later_row() -> None:
    data = panel()
    now = data.block >= 8
    changed = replace(data, mean=np.where(now[:, None], 100.0, data.mean))
    first = data.block <= 8
    np.testing.assert_array_equal(
        inputs(history_of(data), SETTINGS)[first], inputs(history_of(changed), SETTINGS)[first]
    )


@pytest.mark.parametrize("penalty", [0.0, 0.01, 0.2])
def test_weights_are_those_of_scikit_learn(penalty: float) -> None:
    data = panel()
    learn, settings = second_rows(data), replace(SETTINGS, lasso=penalty, ridge=0.05)
    history = history_of(data)
    result = forecast(history, settings, learn, 2)
    x, y = inputs(history, settings)[learn], data.mean[learn, :2]
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    for target in range(2):
        scaled = (y[:, target] - y[:, target].mean()) / y[:, target].std()
        peer = ElasticNet(
            alpha=penalty + 0.05, l1_ratio=penalty / (penalty + 0.05), tol=1e-12, max_iter=10**6
        )
        peer.fit(z, scaled)
        np.testing.assert_allclose(result.weights[target], peer.coef_, atol=1e-5)
        expected = y[:, target].mean() + y[:, target].std() * peer.predict(z)
        np.testing.assert_allclose(result.forecast[learn, target], expected, atol=1e-5)
    assert (result.weights == 0).any() == (penalty > 0)


def test_the_lasso_satisfies_its_optimality_conditions() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 8)) @ rng.normal(size=(8, 8))
    gram, moment = x.T @ x / 50, rng.normal(size=8)
    weights = lasso(gram, moment, 0.3, tolerance=1e-12)
    slope = moment - gram @ weights
    used = weights != 0
    assert used.any()
    assert not used.all()
    np.testing.assert_allclose(slope[used], 0.3 * np.sign(weights[used]), atol=1e-6)
    assert (np.abs(slope[~used]) <= 0.3 + 1e-6).all()
    assert not lasso(gram, moment, float(np.abs(moment).max())).any()


def test_the_third_penalty_makes_the_steps_of_the_forecast_small() -> None:
    data = panel(units=60)
    history, learn = history_of(data), second_rows(data)
    later = np.flatnonzero(learn & learn[history.earlier])

    def step(smooth: float) -> float:
        fitted = forecast(history, replace(SETTINGS, smooth=smooth), learn, 3).forecast
        return float(np.mean((fitted[later] - fitted[history.earlier[later]]) ** 2))

    steps = [step(smooth) for smooth in (0.0, 1.0, 100.0)]
    assert steps[0] > steps[1] > steps[2]
    assert steps[2] < 0.1 * steps[0]

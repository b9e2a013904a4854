"""The process against scikit-learn; the search on two standard functions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from benchmarks.learning.search import FUNCTIONS, branin, hartmann
from methods.search.bayesian import Trial, first_points, maximise
from methods.search.gaussian_process import fit, predict

(_, BRANIN_BOX, _, BRANIN_BEST), (_, _, _, HARTMANN_BEST) = FUNCTIONS["branin"], FUNCTIONS["hartmann6"]


def best(trials: list[Trial]) -> float:
    return max(trial.value for trial in trials)


def test_functions_have_their_published_maxima() -> None:
    assert branin(np.array([np.pi, 2.275])) == pytest.approx(BRANIN_BEST, abs=1e-9)
    top = np.array([0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573])
    assert hartmann(top) == pytest.approx(HARTMANN_BEST, abs=1e-6)


def test_predictions_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    x, points = rng.random((25, 3)), rng.random((40, 3))
    y = 7 + 3 * np.sin(4 * x).sum(axis=1) + 0.05 * rng.standard_normal(25)
    process = fit(x, y)
    kernel = ConstantKernel(process.amplitude) * Matern(process.lengths, nu=2.5)
    noise = WhiteKernel(process.noise)
    peer = GaussianProcessRegressor(kernel + noise, alpha=1e-10, optimizer=None)
    peer.fit(x, (y - y.mean()) / y.std())
    mean, sd = peer.predict(points, return_std=True)
    ours = predict(process, points)
    np.testing.assert_allclose(ours.mean, y.mean() + y.std() * mean, rtol=1e-9)
    # scikit-learn adds the noise of an observation
    np.testing.assert_allclose(ours.sd**2 + y.var() * process.noise, y.var() * sd**2, rtol=1e-6)
    for j in range(3):
        step = 1e-5 * np.eye(3)[j]
        up, down = predict(process, points + step), predict(process, points - step)
        np.testing.assert_allclose(
            ours.mean_gradient[:, j], (up.mean - down.mean) / 2e-5, rtol=1e-4, atol=1e-6
        )
        np.testing.assert_allclose(ours.sd_gradient[:, j], (up.sd - down.sd) / 2e-5, rtol=1e-4, atol=1e-6)


def test_fit_finds_a_variable_that_does_not_matter() -> None:
    x = np.random.default_rng(1).random((40, 2))
    lengths = fit(x, np.sin(6 * x[:, 0])).lengths
    assert lengths[1] > 3 * lengths[0]


def test_constant_values_are_searched_too() -> None:
    trials = maximise(lambda x: 1.0, [(0, 1)], evaluations=8, seed=0)
    assert len({trial.x for trial in trials}) == 8


def test_an_interrupted_search_continues_as_if_it_had_not_been() -> None:
    whole = maximise(branin, BRANIN_BOX, evaluations=12, seed=3)
    for stop in (2, 9):
        recorded: list[Trial] = []
        part = maximise(
            branin, BRANIN_BOX, evaluations=12, seed=3, trials=whole[:stop], record=recorded.append
        )
        assert part == whole
        assert recorded == whole[stop:]


def test_a_failed_evaluation_is_an_error_that_keeps_the_trials() -> None:
    recorded: list[Trial] = []
    values = iter([1.0, 2.0, np.nan])
    with pytest.raises(ValueError, match="nan at"):
        maximise(lambda x: next(values), [(0, 1)], evaluations=5, seed=0, record=recorded.append)
    assert [trial.value for trial in recorded] == [1.0, 2.0]


def random_search(function, bounds, evaluations: int, seed: int) -> float:
    low, high = np.array(bounds).T
    points = low + np.random.default_rng(seed).random((evaluations, len(low))) * (high - low)
    return max(function(x) for x in points)


@pytest.mark.slow
def test_branin_in_40_evaluations() -> None:
    ours = [BRANIN_BEST - best(maximise(branin, BRANIN_BOX, evaluations=40, seed=s)) for s in range(10)]
    random = [BRANIN_BEST - random_search(branin, BRANIN_BOX, 40, s) for s in range(10)]
    assert min(ours) >= -1e-9
    assert np.median(ours) < 0.001
    assert max(ours) < min(random)


@pytest.mark.slow
def test_hartmann_in_60_evaluations() -> None:
    box = [(0.0, 1.0)] * 6
    ours = [HARTMANN_BEST - best(maximise(hartmann, box, evaluations=60, seed=s)) for s in range(5)]
    assert min(ours) >= -1e-9
    assert np.median(ours) <= 0.1
    assert first_points(6) == 12

"""The model of careers against SciPy, scikit-learn and simulated careers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from methods.temporal import macro
from methods.temporal.career_design import covariates
from methods.temporal.career_forecast import Forecast, forecast, one_step_ahead, smooth
from methods.temporal.career_likelihood import node_log_likelihood, value_and_gradient
from methods.temporal.careers import Careers, Kernel
from methods.temporal.future_scores import covered, future_scores
from methods.temporal.macro_checks import predictive_check, replicate, traits
from methods.temporal.panel import Panel

LENGTHS = np.array([1.0, 4.0, 12.0])


def careers(seed: int, units: int, years: tuple[int, int] = (4, 12)) -> Careers:
    rng = np.random.default_rng(seed)
    count = rng.integers(*years, units)
    time = np.concatenate([np.sort(rng.choice(40, n, replace=False)) for n in count]).astype(float)
    start = np.r_[0, np.cumsum(count)]
    mean = np.column_stack([np.ones(len(time)), time / 10 - 2])
    noise = rng.uniform(0.05, 0.5, len(time))
    return Careers(start, time, rng.normal(size=len(time)), noise, mean, np.ones((len(time), 1)))


def kernel(units: int, seed: int = 0) -> Kernel:
    rng = np.random.default_rng(seed)
    return Kernel(rng.uniform(0.3, 1, units), rng.uniform(2, 8, units), np.array([0.3]), 0.1)


def whole(data: Careers, unit: int, at: Kernel) -> np.ndarray:
    """Compute the covariance of one career from its definition."""
    rows = slice(data.start[unit], data.start[unit + 1])
    gap = (data.time[rows][:, None] - data.time[rows]) / at.length[unit]
    shared = data.own[rows] @ np.diag(at.own_variance) @ data.own[rows].T
    known = np.diag(data.noise[rows] + at.noise_variance)
    return at.amplitude[unit] ** 2 * np.exp(-0.5 * gap**2) + shared + known


def test_likelihood_equals_scipy_at_every_node():
    data, heights = careers(0, 12), np.log([0.3, 0.9])
    rest = data.value - data.mean @ [0.2, -0.1]
    got = node_log_likelihood(
        data.start, data.time, data.noise, data.own, LENGTHS, rest, heights, np.array([0.3]), 0.1
    )
    for i in range(12):
        for a in range(2):
            for b in range(3):
                at = Kernel(np.full(12, np.exp(heights[a])), np.full(12, LENGTHS[b]), np.array([0.3]), 0.1)
                rows = slice(data.start[i], data.start[i + 1])
                expected = multivariate_normal(None, whole(data, i, at)).logpdf(rest[rows])
                assert got[i, a, b] == pytest.approx(expected, abs=1e-9)


def test_likelihood_equals_scikit_learn():
    data = careers(1, 5)
    got = node_log_likelihood(
        data.start, data.time, data.noise, data.own, np.array([4.0]), data.value, np.log([0.7]),
        np.array([0.0]), 0.1,
    )  # fmt: skip
    for i in range(5):
        rows = slice(data.start[i], data.start[i + 1])
        process = GaussianProcessRegressor(
            ConstantKernel(0.49) * RBF(4.0), alpha=data.noise[rows] + 0.1, optimizer=None
        ).fit(data.time[rows, None], data.value[rows])
        assert got[i, 0, 0] == pytest.approx(process.log_marginal_likelihood_value_, abs=1e-9)


def test_mixture_and_its_gradient():
    data = careers(2, 8)
    n = len(data.time)
    weight = np.log(np.random.default_rng(0).dirichlet(np.ones(6)).reshape(2, 3))
    known = data.start, data.time, data.noise, data.own, LENGTHS

    def split(x):
        return x[:n], x[n : n + 2], x[n + 2 : n + 8].reshape(2, 3), x[n + 8 : n + 9], x[n + 9]

    def value(x):
        return value_and_gradient(*known, *split(x))[0]

    def slope(x):
        return np.concatenate([np.ravel(part) for part in value_and_gradient(*known, *split(x))[1:]])

    x = np.r_[data.value, np.log([0.3, 0.9]), weight.ravel(), 0.3, 0.1]
    # forward differences of 1e-8 are exact to about 1e-6 an entry
    assert check_grad(value, slope, x) < 1e-3
    rest, heights, _, own, noise = split(x)
    nodes = node_log_likelihood(*known, rest, heights, own, noise)
    expected = np.log((np.exp(nodes + weight)).sum(axis=(1, 2))).sum()
    assert value(x) == pytest.approx(expected, abs=1e-9)


def test_one_step_ahead_is_conditioning():
    data, at = careers(3, 6), kernel(6)
    mean, variance = one_step_ahead(data, np.array([0.2, -0.1]), at)
    for i in range(6):
        rows = slice(data.start[i], data.start[i + 1])
        cov, fitted = whole(data, i, at), data.mean[rows] @ [0.2, -0.1]
        rest = data.value[rows] - fitted
        for j in range(len(rest)):
            gain = np.linalg.solve(cov[:j, :j], cov[:j, j]) if j else np.zeros(0)
            assert mean[rows][j] == pytest.approx(fitted[j] + gain @ rest[:j], abs=1e-9)
            assert variance[rows][j] == pytest.approx(cov[j, j] - gain @ cov[:j, j], abs=1e-9)


def certain(at: Kernel, beta, draws: int = 3) -> macro.MacroFit:
    """Create a posterior that is a single point."""
    point = {
        "beta": np.asarray(beta), "tau": np.sqrt(at.own_variance), "sigma_n": np.sqrt(at.noise_variance),
        "amplitude": at.amplitude, "length": at.length,
    }  # fmt: skip
    repeated = {name: np.repeat(np.asarray(value)[None], draws, axis=0) for name, value in point.items()}
    return macro.MacroFit(repeated, macro.Convergence(True, "", {}, {}, 0))


def test_forecast_and_smooth_of_a_known_model():
    data, at = careers(4, 6), kernel(6)
    fit = certain(at, [0.2, -0.1])
    found: Forecast = forecast(fit, data, number=3)
    mean, variance = one_step_ahead(data, np.array([0.2, -0.1]), at)
    np.testing.assert_allclose(found.mean, mean)
    np.testing.assert_allclose(found.sd, np.sqrt(variance))
    np.testing.assert_allclose(
        found.log_density.sum(),
        sum(
            multivariate_normal((data.mean @ [0.2, -0.1])[rows], whole(data, i, at)).logpdf(data.value[rows])
            for i, rows in enumerate(slice(*ends) for ends in zip(data.start, data.start[1:], strict=False))
        ),
    )
    rows = slice(data.start[2], data.start[3])
    process = GaussianProcessRegressor(
        ConstantKernel(at.amplitude[2] ** 2) * RBF(at.length[2]) + ConstantKernel(0.3),
        alpha=data.noise[rows] + 0.1, optimizer=None,
    )  # fmt: skip
    fitted = data.mean[rows] @ [0.2, -0.1]
    process.fit(data.time[rows, None], data.value[rows] - fitted)
    expected, sd = process.predict(data.time[rows, None], return_std=True)
    course, spread = smooth(fit, data, 2, number=3)
    np.testing.assert_allclose(course, fitted + expected, atol=1e-6)
    np.testing.assert_allclose(spread, sd, atol=1e-6)


def test_replicates_have_the_covariance_of_the_model():
    data, at = careers(5, 3), kernel(3)
    drawn = replicate(certain(at, [0.0, 0.0], draws=4000), data, 4000, seed=0)
    rows = slice(data.start[1], data.start[2])
    # standard error of a covariance of 4,000 draws: about 0.02
    np.testing.assert_allclose(np.cov(drawn[:, rows].T), whole(data, 1, at), atol=0.08)
    seen = Careers(data.start, data.time, drawn[0], data.noise, data.mean, data.own)
    checks = predictive_check(certain(at, [0.0, 0.0], draws=200), seen, 200, seed=1)
    assert all(p > 0.01 for _, p in checks.values())
    far = Careers(data.start, data.time, 5 * drawn[0], data.noise, data.mean, data.own)
    assert (
        predictive_check(certain(at, [0.0, 0.0], draws=200), far, 200, seed=1)["step from year to year"][1]
        < 0.02
    )


def test_traits_equal_their_definitions():
    data = careers(6, 2, years=(3, 4))
    value = np.array([0.0, 1.0, 2.0, 5.0, 5.0, 8.0])
    found = traits(data, value)
    assert found["spread of careers"] == pytest.approx(2.5)
    assert found["spread within a career"] == pytest.approx((1 + np.sqrt(3)) / 2)
    assert found["step from year to year"] == pytest.approx((1 + 1 + 0 + 3) / 4)


@pytest.fixture(scope="module")
def simulated() -> tuple[Careers, dict[str, float]]:
    data = careers(7, 80, years=(8, 16))
    rng = np.random.default_rng(8)
    truth = {"mu_a": np.log(0.6), "omega_a": 0.3, "mu_l": np.log(6.0), "omega_l": 0.4, "tau": 0.4}
    at = Kernel(
        np.exp(truth["mu_a"] + 0.3 * rng.normal(size=80)),
        np.exp(truth["mu_l"] + 0.4 * rng.normal(size=80)), np.array([0.16]), 0.04,
    )  # fmt: skip
    value = replicate(certain(at, [0.3, -0.2], draws=1), data, 1, seed=9)[0]
    return Careers(data.start, data.time, value, data.noise, data.mean, data.own), truth


@pytest.mark.slow
def test_simulated_careers_are_recovered(simulated):
    data, truth = simulated
    found = macro.fit(data, seed=0, draws=400, tune=300)
    assert found.converged.divergences <= 4
    assert max(found.converged.rhat.values()) < 1.03
    for name, value in {**truth, "sigma_n": 0.2}.items():
        drawn = np.ravel(found.draws[name])
        assert abs(drawn.mean() - value) < 3.5 * drawn.std()
    beta = found.draws["beta"]
    assert (np.abs(beta.mean(axis=0) - [0.3, -0.2]) < 3.5 * beta.std(axis=0)).all()
    checks = predictive_check(found, data, 100, seed=0)
    assert all(p > 0.02 for _, p in checks.values())


@pytest.mark.slow
def test_a_short_fit_is_not_converged(simulated):
    data, _ = simulated
    found = macro.fit(data, seed=0, draws=15, tune=15)
    assert not found.converged.ok
    assert "effective sample size" in found.converged.reason


def test_chains_that_disagree_are_not_converged():
    import arviz as az

    rng = np.random.default_rng(0)
    good = {name: rng.normal(size=(2, 1000)) for name in macro.SHARED}
    stats = {"diverging": np.zeros((2, 1000), bool)}
    assert macro.check_convergence(az.from_dict(posterior=good, sample_stats=stats)).ok
    apart = good | {"mu_l": good["mu_l"] + np.array([[0.0], [2.0]])}
    verdict = macro.check_convergence(az.from_dict(posterior=apart, sample_stats=stats))
    assert not verdict.ok
    assert "R-hat of mu_l" in verdict.reason
    lost = {"diverging": np.repeat([[True], [False]], 1000, axis=1)}
    assert (
        "1000 of 2000 transitions diverged"
        in macro.check_convergence(az.from_dict(posterior=good, sample_stats=lost)).reason
    )


def test_errors_name_invalid_input():
    data = careers(0, 3)
    with pytest.raises(ValueError, match="1 chain"):
        macro.fit(data, seed=0, chains=1)
    parts = {name: getattr(data, name) for name in ("start", "time", "value", "noise", "mean", "own")}
    with pytest.raises(ValueError, match="row 1 is not later than row 0"):
        Careers(**(parts | {"time": np.zeros_like(data.time)}))
    with pytest.raises(ValueError, match="finite rows of value"):
        Careers(**(parts | {"value": np.full_like(data.value, np.nan)}))
    with pytest.raises(ValueError, match="noise contains -1"):
        Careers(**(parts | {"noise": np.full_like(data.noise, -1)}))


def test_covariates_are_level_calendar_career_and_the_larger_genres():
    # 12 careers of the commonest genre, 11 of the second, 2 of a third, two years each
    unit = np.repeat(np.arange(25), 2)
    genre = np.repeat(["a"] * 12 + ["b"] * 11 + ["c"] * 2, 2)
    year = np.where(np.arange(50) % 2 == 0, 1970.0, 1995.0)
    found, names = covariates(year, unit, genre.tolist(), np.ones(50, bool))
    assert names == ("level", "decade", "decades of career", "b")
    np.testing.assert_allclose(found[1], [1, 1.5, 2.5, 0])
    np.testing.assert_allclose(found[24], [1, -1, 0, 1])
    # a genre is counted by the careers that are fitted
    assert covariates(year, unit, genre.tolist(), unit < 20)[1] == names[:3]


def test_future_scores_equal_their_definition():
    rng = np.random.default_rng(3)
    year = np.repeat(np.arange(2000.0, 2010.0), 5)
    unit = np.tile(np.arange(5), 10)
    value = rng.normal(size=(50, 1))
    panel = Panel(unit, np.zeros(50, int), year, year, np.ones(50), value, np.full((50, 1), np.nan))
    past = year < 2007
    found = future_scores(panel, past, np.full(50, 0.1), np.full(50, -1.5))
    table = value[:, 0].reshape(10, 5)
    level = np.array([table[:k].mean(axis=0) for k in range(1, 10)])
    error = (table[1:] - level) ** 2
    assert found["artist's mean"].rmse == pytest.approx(np.sqrt(error[6:].mean()))
    variance = error[:6].mean()
    density = -0.5 * (error[6:] / variance + np.log(2 * np.pi * variance))
    assert found["artist's mean"].log_density == pytest.approx(density.mean())
    assert found["artist's mean"].skill == 0
    ours = ((table[7:] - 0.1) ** 2).mean()
    assert found["Gaussian process"].rmse == pytest.approx(np.sqrt(ours))
    assert found["Gaussian process"].skill == pytest.approx(1 - ours / error[6:].mean())
    assert found["Gaussian process"].log_density == pytest.approx(-1.5)
    assert covered(np.array([0.0, 3.2, 3.4]), np.zeros(3), np.full(3, 2.0)) == pytest.approx(2 / 3)


def test_entries_of_vector_parameters_are_checked_separately():
    import arviz as az

    rng = np.random.default_rng(4)
    drawn = {name: rng.normal(size=(2, 1000)) for name in macro.SHARED}
    drawn["beta"] = rng.normal(size=(2, 1000, 2))
    drawn["beta"][:, :, 1] += np.array([[0.0], [2.0]])
    stats = {"diverging": np.zeros((2, 1000), bool)}
    verdict = macro.check_convergence(az.from_dict(posterior=drawn, sample_stats=stats))
    assert verdict.rhat["beta 0"] < 1.01 < verdict.rhat["beta 1"]
    assert "R-hat of beta 1" in verdict.reason
    assert "beta 0" not in verdict.reason


def test_no_warning_of_a_missing_blas():
    import subprocess
    import sys

    # where it is not set, the first look at the setting searches and warns
    code = "from methods.pytensor_setup import configure_pytensor; configure_pytensor(); import pytensor; "
    code += "assert pytensor.config.blas__ldflags == ''"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

"""Compare the criteria of a field with scikit-learn's and with refits."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from methods.sifa.evidence import LEAST_NOISE, Search, criterion, fit


def problem(rows: int = 30):
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (rows, 2))
    y = np.sin(2 * x[:, 0]) + 0.1 * rng.normal(size=rows)
    return x, y


def kernels(a, b, lengths=(0.7, 2.0)):
    d = np.square(a[:, None] - b[None]).sum(-1)
    return np.stack([np.exp(-d / (2 * length**2)) for length in lengths])


def test_the_evidence_is_that_of_scikit_learn_at_its_best_amplitude():
    x, y = problem()
    weights, noise = np.array([0.8, 0.3]), 0.05
    ours = criterion(
        torch.tensor(weights),
        torch.tensor(noise),
        torch.tensor(kernels(x, x)),
        torch.tensor(y),
        information=True,
    ).item()

    def likelihood(amplitude):
        short, long = (
            ConstantKernel(amplitude * w) * RBF(length) for w, length in zip(weights, (0.7, 2.0), strict=True)
        )
        kernel = short + long
        process = GaussianProcessRegressor(kernel + WhiteKernel(amplitude * noise), optimizer=None, alpha=0.0)
        return process.fit(x, y).log_marginal_likelihood_value_ / len(y)

    best = max(likelihood(amplitude) for amplitude in np.geomspace(0.2, 10, 200))
    # -log evidence a row = ours + 1 / 2 + log(2 pi) / 2 at the best amplitude; the grid has steps of 2 %.
    assert -ours - 0.5 - np.log(2 * np.pi) / 2 == pytest.approx(best, abs=1e-4)


def test_the_error_left_one_out_is_that_of_refits():
    x, y = problem(12)
    K = np.tensordot([0.5, 0.5], kernels(x, x), 1)
    errors = []
    for i in range(12):
        rest = np.arange(12) != i
        errors.append(y[i] - K[i, rest] @ np.linalg.solve(K[np.ix_(rest, rest)] + 0.1 * np.eye(11), y[rest]))
    ours = criterion(
        torch.tensor([0.5, 0.5], dtype=torch.float64), torch.tensor(0.1), torch.tensor(kernels(x, x)),
        torch.tensor(y), information=False,
    ).item()  # fmt: skip
    assert ours == pytest.approx(np.mean(np.square(errors)), rel=1e-8)


@pytest.mark.parametrize("symplectic", [True, False])
@pytest.mark.parametrize("information", [True, False])
def test_each_search_lowers_its_criterion_and_predicts(symplectic, information):
    x, y = problem(80)
    new = np.random.default_rng(1).uniform(-1.8, 1.8, (200, 2))
    search = Search(information, symplectic, rate=0.5 if symplectic else 0.2, noise=1e-4)
    field = fit(kernels(x, x), y, search, seed=0)
    assert field.losses[-1] < field.losses[0] - 0.01
    # A third of the deviation of the curve, 0.7; the noise has one of 0.1.
    assert np.sqrt(np.square(field.predict(kernels(new, x)) - np.sin(2 * new[:, 0])).mean()) < 0.23


def test_coefficients_solve_the_system_and_a_constant_is_predicted():
    x, y = problem(20)
    field = fit(kernels(x, x), y, Search(symplectic=False, steps=3), seed=0)
    total = np.tensordot(field.weights, kernels(x, x), 1) + field.noise * np.eye(20)
    np.testing.assert_allclose(total @ field.coefficients, y - y.mean(), atol=1e-9)
    assert field.noise > LEAST_NOISE
    constant = fit(kernels(x, x), np.full(20, 3.0), Search(symplectic=False, steps=1), seed=0)
    np.testing.assert_allclose(constant.predict(kernels(x, x)), 3.0)

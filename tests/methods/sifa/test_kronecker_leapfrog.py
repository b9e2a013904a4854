"""Leapfrog in the metric of K-FAC: whitened coordinates, geometry, windows."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from methods.sifa.fisher import Factors, fisher_matrix, kronecker_factors
from methods.sifa.kfac import KFAC
from methods.sifa.kronecker_leapfrog import KroneckerLeapfrog
from methods.sifa.optimiser import leapfrog

RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.normal(size=(40, 4)) * [1, 5, 0.2, 2])
Y = torch.from_numpy(RNG.normal(size=(40, 2)))
LABELS = torch.from_numpy(RNG.integers(3, size=40))
DAMPING = 0.05


def linear() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(4, 2)).double()


def classifier() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3)).double()


def squares(model: nn.Module) -> torch.Tensor:
    """Return the loss of a normal distribution with unit variance."""
    return (model(X) - Y).square().sum(1).mean() / 2


def entropy(model: nn.Module) -> torch.Tensor:
    return functional.cross_entropy(model(X), LABELS)


def measurement(model: nn.Module) -> Mapping[str, Factors]:
    return kronecker_factors(model, X, "classification")


def closure_of(
    model: nn.Module, optimiser: torch.optim.Optimizer, loss: Callable[[nn.Module], torch.Tensor]
) -> Callable[[], torch.Tensor]:
    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss(model)
        value.backward()
        return value

    return closure


def positions(
    model: nn.Module, optimiser: torch.optim.Optimizer, loss: Callable[[nn.Module], torch.Tensor], steps: int
) -> np.ndarray:
    """Return the parameters before and after each step, (steps + 1, parameters)."""
    closure = closure_of(model, optimiser, loss)
    path = [parameters_to_vector(model.parameters()).detach().numpy()]
    for _ in range(steps):
        optimiser.step(closure)
        path.append(parameters_to_vector(model.parameters()).detach().numpy())
    return np.array(path)


def gradient_of(model: nn.Module, loss: Callable[[nn.Module], torch.Tensor], q: np.ndarray) -> np.ndarray:
    vector_to_parameters(torch.from_numpy(np.asarray(q)), model.parameters())
    gradients = torch.autograd.grad(loss(model), list(model.parameters()))
    return parameters_to_vector(gradients).numpy()


def in_whitened_coordinates(
    metric: np.ndarray, start: np.ndarray, settings: tuple[float, float, int]
) -> np.ndarray:
    """Integrate with unit metric in u = R q, R'R the metric, and return q."""
    rate, friction, steps = settings
    root = np.linalg.cholesky(metric).T
    mu = math.exp(-friction * rate)
    h = rate * mu**-0.25
    twin = linear()

    def slope(u: np.ndarray) -> np.ndarray:
        return np.linalg.solve(root.T, gradient_of(twin, squares, np.linalg.solve(root, u)))

    u = root @ start
    path = leapfrog(slope, u, -h / 2 * slope(u), h, steps, friction * mu**0.25)
    return np.linalg.solve(root, path.q.T).T


@pytest.mark.parametrize("friction", [0.0, 0.8])
def test_with_the_exact_metric_of_a_linear_gaussian_model_it_is_the_leapfrog_in_whitened_coordinates(
    friction: float,
) -> None:
    model = linear()
    exact = fisher_matrix(model, X, "regression").numpy()
    optimiser = KroneckerLeapfrog(
        model, lambda: kronecker_factors(model, X, "regression"), 0.3, friction, damping=1e-28, window=60
    )
    ours = positions(model, optimiser, squares, 60)
    theirs = in_whitened_coordinates(exact, ours[0], (0.3, friction, 60))
    assert np.ptp(ours, axis=0).min() > 0.01
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_damping_is_a_part_of_the_metric() -> None:
    model = linear()
    factors = kronecker_factors(model, X, "regression")["0"]
    inputs, outputs = factors.inputs.numpy(), factors.outputs.numpy()
    share = math.sqrt(np.trace(inputs) / 5 / (np.trace(outputs) / 2))
    inputs = inputs + share * math.sqrt(DAMPING) * np.eye(5)
    outputs = outputs + math.sqrt(DAMPING) / share * np.eye(2)
    order = [0, 1, 2, 3, 5, 6, 7, 8, 4, 9]  # weights, then biases
    metric = np.kron(outputs, inputs)[np.ix_(order, order)]
    optimiser = KroneckerLeapfrog(
        model, lambda: kronecker_factors(model, X, "regression"), 0.3, 0.5, DAMPING, 60
    )
    ours = positions(model, optimiser, squares, 60)
    assert ours == pytest.approx(in_whitened_coordinates(metric, ours[0], (0.3, 0.5, 60)), abs=1e-9)


class Frozen:
    """One step in a metric that was measured once, as a map of (q, p)."""

    def __init__(self, h: float, friction: float) -> None:
        self.h, self.friction = h, friction
        self.factors = measurement(classifier())
        self.size = len(parameters_to_vector(classifier().parameters()))

    def start(self, state: np.ndarray, measure: Callable[[nn.Module], Mapping[str, Factors]] | None = None):  # type: ignore[no-untyped-def]
        model = classifier()
        vector_to_parameters(torch.from_numpy(state[: self.size].copy()), model.parameters())
        optimiser = KroneckerLeapfrog(
            model,
            (lambda: self.factors) if measure is None else (lambda: measure(model)),
            self.h, self.friction, DAMPING, 10**6,
        )  # fmt: skip
        momenta, taken = torch.from_numpy(state[self.size :].copy()), 0
        for layer in (model[0], model[2]):  # type: ignore[index]
            parts = []
            for value in (layer.weight, layer.bias):
                parts.append(momenta[taken : taken + value.numel()].reshape(len(layer.bias), -1))
                taken += value.numel()
            optimiser.state[layer.weight]["momentum"] = torch.cat(parts, dim=1)
        return model, optimiser

    def state(self, model: nn.Module, optimiser: KroneckerLeapfrog) -> np.ndarray:
        parts = [parameters_to_vector(model.parameters()).detach()]
        for layer in (model[0], model[2]):  # type: ignore[index]
            momentum = optimiser.state[layer.weight]["momentum"]
            parts += [momentum[:, :-1].flatten(), momentum[:, -1]]
        return torch.cat(parts).numpy()

    def __call__(
        self, state: np.ndarray, measure: Callable[[nn.Module], Mapping[str, Factors]] | None = None
    ) -> np.ndarray:
        model, optimiser = self.start(state, measure)
        optimiser.step(closure_of(model, optimiser, entropy))
        return self.state(model, optimiser)

    def inverse_metric(self) -> np.ndarray:
        parts = []
        for factor in self.factors.values():
            share = math.sqrt(
                float(factor.inputs.trace()) / len(factor.inputs)
                / (float(factor.outputs.trace()) / len(factor.outputs))
            )  # fmt: skip
            inputs = factor.inputs + share * math.sqrt(DAMPING) * torch.eye(len(factor.inputs)).double()
            outputs = factor.outputs + math.sqrt(DAMPING) / share * torch.eye(len(factor.outputs)).double()
            parts.append(torch.linalg.inv(Factors(inputs, outputs, factor.bias).block()))
        return torch.block_diag(*parts).numpy()


def random_state(size: int) -> np.ndarray:
    start = parameters_to_vector(classifier().parameters()).detach().numpy()
    return np.concatenate([start, 0.3 * np.random.default_rng(4).normal(size=size)])


def jacobian(step: Callable[[np.ndarray], np.ndarray], state: np.ndarray) -> np.ndarray:
    """Return the Jacobian by central differences of order 4."""
    columns = []
    for unit in np.eye(len(state)):
        far, near = (step(state + e * unit) - step(state - e * unit) for e in (2e-3, 1e-3))
        columns.append((8 * near - far) / 12e-3)
    return np.array(columns).T


@pytest.mark.parametrize("friction", [0.0, 0.9])
def test_the_jacobian_of_a_step_in_a_window_is_conformal_symplectic(friction: float) -> None:
    step = Frozen(0.2, friction)
    found = jacobian(step, random_state(step.size))
    mu = math.exp(-friction * 0.2)
    omega = np.kron([[0, 1], [-1, 0]], np.eye(step.size))
    assert found.T @ omega @ found == pytest.approx(mu * omega, abs=1e-8)
    assert np.linalg.det(found) == pytest.approx(mu**step.size, abs=1e-8)


def test_a_metric_that_moves_at_each_step_is_not_symplectic() -> None:
    # Why the metric is fixed within a window: with one measured at each position the determinant is not mu^d.
    step = Frozen(0.2, 0.0)
    found = jacobian(lambda state: step(state, measurement), random_state(step.size))
    assert abs(np.linalg.det(found) - 1) > 1e-2


def test_the_error_of_the_energy_is_quadratic_in_the_step() -> None:
    rates = np.array([0.2, 0.1, 0.05, 0.025])
    errors = []
    for h in rates:
        step = Frozen(h, 0.0)
        inverse = step.inverse_metric()
        start = random_state(step.size)
        q, p = start[: step.size], start[step.size :]
        # A step kicks first, for a whole step: its momentum belongs to half a step earlier.
        model, optimiser = step.start(np.concatenate([q, p + h / 2 * gradient_of(classifier(), entropy, q)]))
        energies = []
        for _ in range(round(4 / h)):
            loss = optimiser.step(closure_of(model, optimiser, entropy)).item()
            slope = parameters_to_vector([value.grad for value in model.parameters()]).numpy()  # type: ignore[misc]
            momentum = step.state(model, optimiser)[step.size :] + h / 2 * slope
            energies.append(momentum @ inverse @ momentum / 2 + loss)
        errors.append(np.abs(np.array(energies) - energies[0]).max())
    assert np.polyfit(np.log(rates), np.log(errors), 1)[0] == pytest.approx(2.0, abs=0.05)


def test_it_is_reversible_within_a_window() -> None:
    step = Frozen(0.1, 0.0)
    start = random_state(step.size)
    state = start
    for _ in range(40):
        state = step(state)
    q, p = state[: step.size], state[step.size :]
    back = np.concatenate([q, -p + 0.1 * gradient_of(classifier(), entropy, q)])  # the next whole kick
    for _ in range(40):
        back = step(back)
    assert np.abs(q - start[: step.size]).max() > 0.1
    assert back[: step.size] == pytest.approx(start[: step.size], abs=1e-10)


def test_a_window_is_k_fac_and_the_momentum_is_kept_where_the_metric_changes() -> None:
    h, friction, window = 0.2, 1.5, 6
    model, twin, other = classifier(), classifier(), classifier()
    ours = positions(
        model, KroneckerLeapfrog(model, lambda: measurement(model), h, friction, DAMPING, window), entropy, 14
    )
    mu = math.exp(-friction * h)
    theirs = positions(twin, KFAC(twin, lambda: measurement(twin), h**2, mu, DAMPING, window), entropy, 14)
    assert ours[: window + 1] == pytest.approx(theirs[: window + 1], abs=1e-12)
    assert np.abs(ours[window + 1] - theirs[window + 1]).max() > 1e-4
    # The equation of the module, with dense matrices and the mean of the factors so far.
    q, p, seen = ours[0], np.zeros(ours.shape[1]), []
    frozen = Frozen(h, friction)
    for number, expected in enumerate(ours[1:]):
        slope = gradient_of(other, entropy, q)
        if number % window == 0:
            seen.append(measurement(other))
            frozen.factors = {
                name: Factors(
                    torch.stack([found[name].inputs for found in seen]).mean(0),
                    torch.stack([found[name].outputs for found in seen]).mean(0),
                    bias=True,
                )
                for name in seen[0]
            }
        p = mu * p - h * slope
        q = q + h * frozen.inverse_metric() @ p
        assert q == pytest.approx(expected, abs=1e-9)


def test_a_step_needs_one_gradient_and_a_window_one_measurement() -> None:
    model, calls = classifier(), {"loss": 0, "factors": 0}

    def measure() -> Mapping[str, Factors]:
        calls["factors"] += 1
        return measurement(model)

    optimiser = KroneckerLeapfrog(model, measure, 0.2, 1.0, DAMPING, 5)
    closure = closure_of(model, optimiser, entropy)

    def counted() -> torch.Tensor:
        calls["loss"] += 1
        return closure()

    losses = [optimiser.step(counted).item() for _ in range(12)]
    assert calls == {"loss": 12, "factors": 3}
    assert losses[-1] < 0.9 * losses[0]


def test_a_saved_state_resumes_with_equal_bits() -> None:
    model = classifier()
    optimiser = KroneckerLeapfrog(model, lambda: measurement(model), 0.3, 1.0, DAMPING, 4)
    begun = positions(model, optimiser, entropy, 7)
    second = classifier()
    second.load_state_dict(model.state_dict())
    resumed = KroneckerLeapfrog(second, lambda: measurement(second), lr=9.0)
    resumed.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    assert np.array_equal(positions(model, optimiser, entropy, 8), positions(second, resumed, entropy, 8))
    assert len(begun) == 8


def test_other_layers_settings_and_a_missing_closure_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'1\.weight' belongs to no linear layer"):
        KroneckerLeapfrog(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), dict, 0.1)
    model = classifier()
    for wrong in (
        {"lr": 0.0},
        {"lr": 0.1, "friction": -1.0},
        {"lr": 0.1, "damping": 0.0},
        {"lr": 1, "window": 0},
    ):
        with pytest.raises(ValueError, match="found lr = "):
            KroneckerLeapfrog(model, dict, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no closure"):
        KroneckerLeapfrog(model, dict, 0.1).step()

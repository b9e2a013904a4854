"""Conformal leapfrog: its geometry, and its equality with the heavy ball."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from torch import nn

from methods.sifa.optimiser import ConformalLeapfrog, leapfrog


def loss(q: torch.Tensor) -> torch.Tensor:
    """Return a loss with no symmetry, bounded from below, that is not quadratic."""
    return (q**4).sum() / 8 + (q * q.roll(1)).sum() / 3 + torch.cos(q).sum() + (q**2).sum()


def gradient(q: np.ndarray) -> np.ndarray:
    return q**3 / 2 + (np.roll(q, 1) + np.roll(q, -1)) / 3 - np.sin(q) + 2 * q


def pendulum(q: np.ndarray) -> np.ndarray:
    return np.sin(q)


def pendulum_energy(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    return (p**2 / 2 - np.cos(q)).sum(axis=-1)


def test_the_error_of_the_energy_is_quadratic_in_the_step() -> None:
    steps = np.array([0.2, 0.1, 0.05, 0.025])
    errors = []
    for h in steps:
        path = leapfrog(pendulum, [1.2, -0.5], [0.3, 0.8], h, round(20 / h))
        errors.append(np.abs(pendulum_energy(*path) - pendulum_energy(path.q[0], path.p[0])).max())
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(2.0, abs=0.05)


def test_the_energy_does_not_drift_over_a_hundred_thousand_steps() -> None:
    # The trend over all steps is below a thousandth of the oscillation, which explicit Euler's is not.
    path = leapfrog(lambda q: math.sin(q), 1.2, 0.3, 0.1, 100_000)
    energy = path.p**2 / 2 - np.cos(path.q)
    trend = np.polyfit(np.linspace(0, 1, len(energy)), energy, 1)[0]
    oscillation = np.ptp(energy[:1000])
    assert oscillation > 1e-4
    assert abs(trend) < 1e-3 * oscillation
    assert np.ptp(energy) < 1.01 * oscillation


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), h=st.floats(0.01, 0.2))
def test_it_is_reversible(seed: int, h: float) -> None:
    q, p = np.random.default_rng(seed).normal(size=(2, 3))
    path = leapfrog(gradient, q, p, h, 200)
    back = leapfrog(gradient, path.q[-1], -path.p[-1], h, 200)
    assert back.q[-1] == pytest.approx(q, abs=1e-10)
    assert back.p[-1] == pytest.approx(-p, abs=1e-10)
    again = leapfrog(gradient, path.q[-1], path.p[-1], -h, 200)
    assert again.q[-1] == pytest.approx(q, abs=1e-10)


def jacobian(step: Callable[[np.ndarray], np.ndarray], state: np.ndarray) -> np.ndarray:
    """Return the Jacobian by central differences of order 4."""
    columns = []
    for unit in np.eye(len(state)):
        far, near = (step(state + e * unit) - step(state - e * unit) for e in (2e-3, 1e-3))
        columns.append((8 * near - far) / 12e-3)
    return np.array(columns).T


@pytest.mark.parametrize("friction", [0.0, 0.4, 3.0])
def test_the_jacobian_is_conformal_symplectic(friction: float) -> None:
    # J' Omega J = exp(-gamma h) Omega for a step, so the determinant is exp(-gamma h d).
    h, size = 0.1, 3

    def step(state: np.ndarray) -> np.ndarray:
        path = leapfrog(gradient, state[:size], state[size:], h, 1, friction)
        return np.concatenate([path.q[-1], path.p[-1]])

    found = jacobian(step, np.random.default_rng(1).normal(size=2 * size))
    omega = np.kron([[0, 1], [-1, 0]], np.eye(size))
    assert found.T @ omega @ found == pytest.approx(math.exp(-friction * h) * omega, abs=1e-9)
    assert np.linalg.det(found) == pytest.approx(math.exp(-friction * h * size), abs=1e-9)


def test_with_friction_it_is_of_second_order() -> None:
    # The damped oscillator has an exact solution.
    friction = 0.7
    exact = expm(5 * np.array([[0, 1], [-1, -friction]])) @ [1.0, 0.5]
    steps = np.array([0.2, 0.1, 0.05])
    errors = [abs(leapfrog(lambda q: q, 1.0, 0.5, h, round(5 / h), friction).q[-1] - exact[0]) for h in steps]
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(2.0, abs=0.05)


def test_the_positions_are_those_of_the_heavy_ball() -> None:
    h, friction = 0.15, 0.8
    mu = math.exp(-friction * h)
    path = leapfrog(gradient, [0.5, -1.0, 2.0], [1.0, 0.3, -0.2], h, 50, friction).q
    for before, now, after in zip(path, path[1:], path[2:], strict=False):
        ball = now + mu * (now - before) - h**2 * math.sqrt(mu) * gradient(now)
        assert after == pytest.approx(ball, abs=1e-12)


def test_paths_have_the_shape_of_the_state_and_the_start() -> None:
    calls = []

    def counted(q: np.ndarray) -> np.ndarray:
        calls.append(q)
        return q

    start = np.arange(6.0).reshape(2, 3)
    positions, momenta = leapfrog(counted, start, np.ones((2, 3)), 0.1, 7, friction=0.2)
    assert positions.shape == momenta.shape == (8, 2, 3)
    assert positions[0] == pytest.approx(start)
    assert len(calls) == 8
    assert leapfrog(counted, 1.0, 0.0, 0.1, 0).q.tolist() == [1.0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.sin, [1.0], [1.0, 2.0], 0.1, 1), "one shape"),
        ((np.sum, [1.0, 2.0], [1.0, 2.0], 0.1, 1), "shape of q"),
        ((np.sin, [1.0], [1.0], math.inf, 1), "finite h"),
        ((np.sin, [1.0], [1.0], 0.1, 1, -0.1), "friction = -0.1"),
    ],
)
def test_wrong_arguments_are_refused(arguments: tuple, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        leapfrog(*arguments)


def run(
    make: Callable[[list[nn.Parameter]], torch.optim.Optimizer], steps: int = 60
) -> tuple[np.ndarray, list[nn.Parameter], int]:
    """Return the positions, the parameters and the number of gradients."""
    parameters = [nn.Parameter(torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64))]
    optimiser, calls = make(parameters), 0

    def closure() -> torch.Tensor:
        nonlocal calls
        calls += 1
        optimiser.zero_grad()
        value = loss(parameters[0])
        value.backward()
        return value

    path = [parameters[0].detach().numpy().copy()]
    for _ in range(steps):
        optimiser.step(closure)
        path.append(parameters[0].detach().numpy().copy())
    return np.array(path), parameters, calls


@pytest.mark.parametrize(("rate", "friction"), [(0.1, 0.5), (0.2, 3.0), (0.05, 0.0)])
def test_the_optimiser_is_the_heavy_ball_of_pytorch(rate: float, friction: float) -> None:
    ours, _, calls = run(lambda parameters: ConformalLeapfrog(parameters, rate, friction))
    mu = math.exp(-friction * rate)
    theirs, _, _ = run(lambda parameters: torch.optim.SGD(parameters, lr=rate**2, momentum=mu))
    assert ours == pytest.approx(theirs, abs=1e-12)
    assert calls == 60


@pytest.mark.parametrize(("rate", "friction"), [(0.1, 0.5), (0.2, 3.0), (0.05, 0.0)])
def test_the_optimiser_is_the_leapfrog(rate: float, friction: float) -> None:
    ours, _, _ = run(lambda parameters: ConformalLeapfrog(parameters, rate, friction))
    mu = math.exp(-friction * rate)
    h = rate * mu**-0.25
    path = leapfrog(gradient, ours[0], -h / 2 * gradient(ours[0]), h, 60, friction * mu**0.25)
    assert ours == pytest.approx(path.q, abs=1e-12)


def test_it_settles_with_friction_and_orbits_without() -> None:
    settled, parameters, _ = run(lambda parameters: ConformalLeapfrog(parameters, 0.1, 2.0), 600)
    assert gradient(parameters[0].detach().numpy()) == pytest.approx(np.zeros(3), abs=1e-10)
    orbit, _, _ = run(lambda parameters: ConformalLeapfrog(parameters, 0.1, 0.0), 600)
    assert np.ptp(orbit[-100:], axis=0).max() > 0.5
    assert np.ptp(settled[-100:], axis=0).max() < 1e-9


def test_a_diagonal_metric_is_constant_in_its_window() -> None:
    # Within a window each step follows the stated equation; the metric has mean 1.
    parameter = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimiser = ConformalLeapfrog([parameter], 0.02, 1.0, damping=0.5, window=5)
    scales = torch.tensor([100.0, 1.0], dtype=torch.float64)
    mu, momentum, square = math.exp(-0.02), torch.zeros(2), torch.zeros(2, dtype=torch.float64)
    metric = torch.ones(2, dtype=torch.float64)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = (scales * parameter**2).sum() / 2
        value.backward()
        return value

    for step in range(17):
        slope = scales * parameter.detach()
        square = 0.8 * square + 0.2 * slope**2
        if step in (5, 10, 15):
            metric = (square / square.mean() + 0.5) / 1.5
            assert float(metric.mean()) == pytest.approx(1)
        momentum = mu * momentum - 0.02 * slope
        expected = parameter.detach() + 0.02 * momentum / metric
        optimiser.step(closure)
        assert parameter.detach().numpy() == pytest.approx(expected.numpy(), abs=1e-12)


def test_a_large_damping_is_the_unit_metric() -> None:
    plain, _, _ = run(lambda parameters: ConformalLeapfrog(parameters, 0.1, 0.5))
    damped, _, _ = run(lambda parameters: ConformalLeapfrog(parameters, 0.1, 0.5, damping=1e12, window=3))
    assert damped == pytest.approx(plain, abs=1e-9)


def training(model: nn.Module, optimiser: ConformalLeapfrog, steps: int) -> list[float]:
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = (model(x) ** 2 + torch.sin(3 * model(x))).mean()
        value.backward()
        return value

    return [optimiser.step(closure).item() for _ in range(steps)]


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def test_a_saved_state_resumes_with_equal_bits() -> None:
    settings_of = {"lr": 0.1, "friction": 0.5, "damping": 0.3, "window": 4}
    model = network()
    whole = training(model, ConformalLeapfrog(model.parameters(), **settings_of), 23)  # type: ignore[arg-type]
    first = network()
    optimiser = ConformalLeapfrog(first.parameters(), **settings_of)  # type: ignore[arg-type]
    begun = training(first, optimiser, 11)
    second = network()
    second.load_state_dict(first.state_dict())
    resumed = ConformalLeapfrog(second.parameters(), lr=1.0)
    resumed.load_state_dict(optimiser.state_dict())
    assert begun + training(second, resumed, 12) == whole


def test_groups_have_their_own_settings() -> None:
    # Each group moves as it would with an optimiser of its own; frozen weights stay.
    model, alone = network(), network()
    model[0].bias.requires_grad_(False)  # type: ignore[union-attr, index]
    frozen = model[0].bias.clone()  # type: ignore[union-attr, index]
    groups = [
        {"params": [model[0].weight, model[0].bias], "lr": 0.05},  # type: ignore[index]
        {"params": list(model[2].parameters()), "friction": 3.0},  # type: ignore[index]
    ]
    optimiser = ConformalLeapfrog(groups, lr=0.2, friction=1.0)
    training(model, optimiser, 2)
    assert torch.equal(model[0].bias, frozen)  # type: ignore[index]
    parts = [
        torch.optim.SGD([alone[0].weight], lr=0.05**2, momentum=math.exp(-0.05)),  # type: ignore[index]
        torch.optim.SGD(alone[2].parameters(), lr=0.2**2, momentum=math.exp(-0.6)),  # type: ignore[index]
    ]
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)
    for _ in range(2):
        alone.zero_grad()
        (alone(x) ** 2 + torch.sin(3 * alone(x))).mean().backward()
        for part in parts:
            part.step()
    for ours, theirs in zip(model.parameters(), alone.parameters(), strict=True):
        assert ours.detach().numpy() == pytest.approx(theirs.detach().numpy(), abs=1e-12)


def test_a_missing_closure_and_wrong_settings_are_refused() -> None:
    parameters = [nn.Parameter(torch.ones(2))]
    with pytest.raises(ValueError, match="no closure"):
        ConformalLeapfrog(parameters, 0.1).step()  # type: ignore[call-arg]
    for wrong, words in (
        ({"lr": 0.0}, "lr = 0.0; expected greater than 0"),
        ({"lr": 0.1, "friction": -1.0}, "friction = -1.0; expected 0 or more"),
        ({"lr": 0.1, "damping": 0.0}, "damping = 0.0"),
        ({"lr": 0.1, "window": 0}, "window = 0"),
    ):
        with pytest.raises(ValueError, match=words):
            ConformalLeapfrog(parameters, **wrong)  # type: ignore[arg-type]

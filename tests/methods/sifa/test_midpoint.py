"""Implicit midpoint rule where the metric moves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from methods.sifa.midpoint import implicit_midpoint, riemannian
from methods.sifa.optimiser import leapfrog


def metric(q: torch.Tensor) -> torch.Tensor:
    """Return a metric that moves with the position and is not diagonal."""
    return torch.eye(2, dtype=torch.float64) * (1 + q @ q) + torch.outer(torch.sin(q), torch.sin(q))


def loss(q: torch.Tensor) -> torch.Tensor:
    return (q**4).sum() / 4 + q[0] * q[1]


HAMILTONIAN = riemannian(loss, metric)
START = (np.array([0.8, -0.4]), np.array([0.5, 1.1]))
OMEGA = np.kron([[0, 1], [-1, 0]], np.eye(2))


def jacobian(step, state: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Return the Jacobian by central differences of order 4."""
    columns = []
    for unit in np.eye(len(state)):
        far, near = (step(state + e * unit) - step(state - e * unit) for e in (2e-3, 1e-3))
        columns.append((8 * near - far) / 12e-3)
    return np.array(columns).T


@pytest.mark.parametrize("friction", [0.0, 0.9])
def test_it_is_conformal_symplectic_for_a_moving_metric(friction: float) -> None:
    h = 0.2

    def step(state: np.ndarray) -> np.ndarray:
        path = implicit_midpoint(HAMILTONIAN, state[:2], state[2:], h, 1, friction)
        return np.concatenate([path.q[-1], path.p[-1]])

    found = jacobian(step, np.concatenate(START))
    assert found.T @ OMEGA @ found == pytest.approx(math.exp(-friction * h) * OMEGA, abs=1e-9)
    assert np.linalg.det(found) == pytest.approx(math.exp(-2 * friction * h), abs=1e-9)


def test_the_explicit_leapfrog_is_not_symplectic_then() -> None:
    # Kick and drift with the metric of each position: why the midpoint rule is here.
    slopes = torch.func.grad(HAMILTONIAN, argnums=(0, 1))

    def step(state: np.ndarray) -> np.ndarray:
        q, p, h = torch.from_numpy(state[:2].copy()), torch.from_numpy(state[2:].copy()), 0.2
        p = p - h / 2 * slopes(q, p)[0]
        q = q + h * slopes(q, p)[1]
        p = p - h / 2 * slopes(q, p)[0]
        return torch.cat([q, p]).numpy()

    found = jacobian(step, np.concatenate(START))
    assert np.abs(found.T @ OMEGA @ found - OMEGA).max() > 1e-3


def test_it_is_reversible() -> None:
    path = implicit_midpoint(HAMILTONIAN, *START, 0.1, 50)
    back = implicit_midpoint(HAMILTONIAN, path.q[-1], -path.p[-1], 0.1, 50)
    assert back.q[-1] == pytest.approx(START[0], abs=1e-10)
    assert back.p[-1] == pytest.approx(-START[1], abs=1e-10)


def test_the_energy_error_is_quadratic_and_bounded() -> None:
    steps, errors = np.array([0.2, 0.1, 0.05]), []
    for h in steps:
        path = implicit_midpoint(HAMILTONIAN, *START, h, round(4 / h))
        energy = [float(HAMILTONIAN(*map(torch.from_numpy, state))) for state in zip(*path, strict=True)]
        errors.append(np.ptp(energy))
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("friction", [0.0, 0.5])
def test_it_converges_to_the_solution_of_the_equations(friction: float) -> None:
    slopes = torch.func.grad(HAMILTONIAN, argnums=(0, 1))

    def motion(_: float, state: np.ndarray) -> np.ndarray:
        by_q, by_p = slopes(torch.from_numpy(state[:2].copy()), torch.from_numpy(state[2:].copy()))
        return np.concatenate([by_p.numpy(), -by_q.numpy() - friction * state[2:]])

    exact = solve_ivp(motion, (0, 2), np.concatenate(START), rtol=1e-11, atol=1e-11).y[:2, -1]
    coarse, fine = (
        implicit_midpoint(HAMILTONIAN, *START, h, round(2 / h), friction).q[-1] for h in (0.1, 0.05)
    )
    assert (4 * fine - coarse) / 3 == pytest.approx(exact, abs=1e-4)
    assert np.linalg.norm(coarse - exact) / np.linalg.norm(fine - exact) == pytest.approx(4, abs=0.4)


def test_a_constant_metric_gives_the_limit_of_the_leapfrog() -> None:
    flat = riemannian(lambda q: torch.cos(q).sum(), lambda q: torch.eye(2, dtype=torch.float64))
    ours = implicit_midpoint(flat, *START, 0.01, 200, 0.3).q[-1]
    theirs = leapfrog(lambda q: -np.sin(q), *START, 0.01, 200, 0.3).q[-1]
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_a_step_that_is_too_long_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter than 50"):
        implicit_midpoint(HAMILTONIAN, *START, 50.0, 1)
    with pytest.raises(ValueError, match="one length"):
        implicit_midpoint(HAMILTONIAN, [1.0, 2.0], [1.0], 0.1, 1)
    with pytest.raises(ValueError, match="friction = -1"):
        implicit_midpoint(HAMILTONIAN, *START, 0.1, 1, -1)

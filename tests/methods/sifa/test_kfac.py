"""K-FAC as an optimiser: natural gradient, its momentum, saved states, refusals."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from methods.sifa.fisher import Factors, kronecker_factors
from methods.sifa.kfac import KFAC, damped_inverses

RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.normal(size=(40, 4)) * [1, 5, 0.2, 2])
Y = torch.from_numpy(RNG.normal(size=(40, 2)))
LABELS = torch.from_numpy(RNG.integers(3, size=40))


def classifier() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()


def optimiser_of(model: nn.Module, **settings: float) -> KFAC:
    return KFAC(model, lambda: kronecker_factors(model, X, "classification"), **settings)  # type: ignore[arg-type]


def train(model: nn.Module, optimiser: torch.optim.Optimizer, steps: int) -> list[float]:
    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = functional.cross_entropy(model(X), LABELS)
        loss.backward()
        return loss

    return [optimiser.step(closure).item() for _ in range(steps)]  # type: ignore[attr-defined]


def test_one_step_solves_a_linear_regression() -> None:
    # The factors are exact there, and the natural gradient is Newton's.
    model = nn.Sequential(nn.Linear(4, 2)).double()
    optimiser = KFAC(
        model, lambda: kronecker_factors(model, X, "regression"), lr=1.0, momentum=0.0, damping=1e-16
    )
    ((model(X) - Y).square().sum(1).mean() / 2).backward()
    optimiser.step()
    inputs = np.c_[X.numpy(), np.ones(40)]
    solution = np.linalg.lstsq(inputs, Y.numpy(), rcond=None)[0]
    found = torch.cat([model[0].weight, model[0].bias[:, None]], dim=1).detach().numpy()  # type: ignore[index]
    assert found == pytest.approx(solution.T, abs=1e-5)


def test_a_step_is_the_inverse_of_the_damped_matrix() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3)).double()
    before = nn.utils.parameters_to_vector(model.parameters()).detach()
    optimiser = KFAC(model, lambda: kronecker_factors(model, X[:1], "classification"), 0.3, 0.0, 0.04)
    functional.cross_entropy(model(X), LABELS).backward()
    gradient = torch.cat([model[0].weight.grad, model[0].bias.grad[:, None]], dim=1)  # type: ignore[index, union-attr]
    factors = kronecker_factors(model, X[:1], "classification")["0"]
    optimiser.step()
    pi = math.sqrt(float(factors.inputs.trace()) / 5 / (float(factors.outputs.trace()) / 3))
    damped = np.kron(
        factors.outputs.numpy() + 0.2 / pi * np.eye(3), factors.inputs.numpy() + 0.2 * pi * np.eye(5)
    )
    move = np.linalg.solve(damped, gradient.numpy().ravel()).reshape(3, 5)
    after = nn.utils.parameters_to_vector(model.parameters()).detach()
    expected = before.numpy() - 0.3 * np.concatenate([move[:, :4].ravel(), move[:, 4]])
    assert after.numpy() == pytest.approx(expected, abs=1e-12)


def test_between_refreshes_it_is_the_conformal_leapfrog_with_this_metric() -> None:
    model, h, friction = classifier(), 0.2, 1.5
    settings = {"lr": h**2, "momentum": math.exp(-friction * h), "damping": 0.1, "refresh": 100}
    twin = copy.deepcopy(model)
    train(model, optimiser_of(model, **settings), 12)
    inverses = {
        name: damped_inverses(factors, 0.1)
        for name, factors in kronecker_factors(twin, X, "classification").items()
    }
    momenta = {name: torch.zeros_like(value) for name, value in twin.named_parameters()}
    for _ in range(12):
        twin.zero_grad()
        functional.cross_entropy(twin(X), LABELS).backward()
        with torch.no_grad():
            for name, value in twin.named_parameters():
                momenta[name] = math.exp(-friction * h) * momenta[name] - h * value.grad
            for layer, (inputs, outputs) in inverses.items():
                momentum = torch.cat([momenta[f"{layer}.weight"], momenta[f"{layer}.bias"][:, None]], dim=1)
                velocity = outputs @ momentum @ inputs
                twin.get_submodule(layer).weight.add_(h * velocity[:, :-1])  # type: ignore[operator, union-attr]
                twin.get_submodule(layer).bias.add_(h * velocity[:, -1])  # type: ignore[operator, union-attr]
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert ours.detach().numpy() == pytest.approx(theirs.detach().numpy(), abs=1e-12)


def test_it_needs_fewer_steps_than_gradient_descent() -> None:
    model = classifier()
    reached = train(model, optimiser_of(model, lr=0.3, damping=1e-2), 40)[-1]
    plain = []
    for rate in (0.01, 0.03, 0.1, 0.3, 1.0):
        other = classifier()
        plain.append(train(other, torch.optim.SGD(other.parameters(), lr=rate, momentum=0.9), 40)[-1])
    assert reached < min(plain)


def test_damped_inverses_are_inverses_of_whole_matrices() -> None:
    factors = Factors(2 * torch.eye(3).double(), torch.zeros(2, 2).double(), bias=False)
    inputs, outputs = damped_inverses(factors, 0.01)
    assert torch.isfinite(inputs).all()
    assert torch.isfinite(outputs).all()


def test_a_saved_state_resumes_with_equal_bits() -> None:
    model = classifier()
    whole = train(model, optimiser_of(model, lr=0.1, refresh=4), 15)
    first = classifier()
    optimiser = optimiser_of(first, lr=0.1, refresh=4)
    begun = train(first, optimiser, 7)
    second = classifier()
    second.load_state_dict(first.state_dict())
    resumed = optimiser_of(second, lr=9.0)
    resumed.load_state_dict(optimiser.state_dict())
    assert begun + train(second, resumed, 8) == whole


def test_other_layers_and_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'1\.weight' belongs to no linear layer"):
        optimiser_of(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), lr=0.1)
    with pytest.raises(ValueError, match="found lr = -1"):
        optimiser_of(classifier(), lr=-1)
    with pytest.raises(ValueError, match="no gradient"):
        optimiser_of(classifier(), lr=0.1).step()

"""Compare trainings of a linear model with the closed form of its minimum."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from methods.sifa.fitting import Recipe, minimise
from methods.sifa.model import Settings

POTENTIAL = 0.5


def problem() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    return x, x @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64) + 0.1 * torch.randn(
        40, generator=generator, dtype=torch.float64
    )


def trained(symplectic: bool, epochs: int = 300, settings: Settings | None = None) -> tuple[nn.Module, tuple]:
    x, y = problem()
    model = nn.Linear(3, 1, bias=False).double()
    nn.init.zeros_(model.weight)
    recipe = Recipe(
        epochs=epochs, batch=40, rate=0.05, decay=0.0, step=0.3, friction=1.0, potential=POTENTIAL
    )
    losses = minimise(
        model,
        lambda rows: (model(x[rows])[:, 0] - y[rows]).square().mean(),
        len(x),
        recipe,
        settings or Settings(),
        symplectic=symplectic,
        generator=torch.Generator().manual_seed(0),
    )
    return model, losses


@pytest.mark.parametrize("symplectic", [True, False])
def test_training_reaches_the_minimum_in_closed_form(symplectic):
    """Only the leapfrog has the potential, which is a ridge."""
    model, losses = trained(symplectic)
    x, y = problem()
    ridge = POTENTIAL / 2 if symplectic else 0.0
    expected = torch.linalg.solve(x.T @ x / len(x) + ridge * torch.eye(3).double(), x.T @ y / len(x))
    assert torch.allclose(model.weight[0].detach(), expected, atol=2e-3)
    assert losses[0] == pytest.approx(float(y.square().mean()))  # before the first step, without the ridge
    assert len(losses) == 300 and not model.training


def test_effort_is_a_factor_of_the_epochs():
    assert len(trained(True, settings=Settings(effort=0.1))[1]) == 30
    assert len(trained(False, epochs=3, settings=Settings(effort=0.01))[1]) == 1

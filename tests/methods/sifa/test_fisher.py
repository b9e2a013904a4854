"""Fisher matrices against enumeration, autograd and finite families."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from methods.sifa.fisher import (
    covariance_of_statistics,
    fisher_matrix,
    fisher_trace,
    hessian_of_log_partition,
    kronecker_factors,
)
from methods.sifa.fisher import output_scores as scores_of


def network(outputs: int = 3, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, outputs)).double()


def rows(count: int = 6, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 4)))


def enumerated(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return E g g' with every row and every label one by one, by backward."""
    total = torch.zeros(())
    for row in x:
        shares = torch.softmax(module(row[None]), dim=1)[0].detach()
        for label in range(len(shares)):
            module.zero_grad()
            functional.cross_entropy(module(row[None]), torch.tensor([label])).backward()
            gradient = torch.cat([value.grad.flatten() for value in module.parameters()])  # type: ignore[union-attr]
            total = total + shares[label] * torch.outer(gradient, gradient) / len(x)
    return total


def test_a_family_on_finitely_many_outcomes_has_two_equal_forms() -> None:
    generator = torch.Generator().manual_seed(0)
    statistics = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    base = torch.randn(7, generator=generator, dtype=torch.float64)
    natural = torch.tensor([0.4, -1.0, 0.7], dtype=torch.float64)
    hessian = hessian_of_log_partition(lambda eta: torch.logsumexp(statistics @ eta + base, dim=0), natural)
    covariance = covariance_of_statistics(statistics, natural, base)
    assert hessian.numpy() == pytest.approx(covariance.numpy(), abs=1e-12)
    weights = np.exp(statistics.numpy() @ natural.numpy() + base.numpy())
    assert covariance.numpy() == pytest.approx(
        np.cov(statistics.numpy().T, aweights=weights / weights.sum(), ddof=0), abs=1e-12
    )


def test_the_hessian_of_known_log_partitions() -> None:
    eta = torch.tensor([0.3], dtype=torch.float64)
    poisson = hessian_of_log_partition(lambda value: value.exp().sum(), eta)
    assert float(poisson) == pytest.approx(math.exp(0.3))
    bernoulli = hessian_of_log_partition(lambda value: functional.softplus(value).sum(), eta)
    share = 1 / (1 + math.exp(-0.3))
    assert float(bernoulli) == pytest.approx(share * (1 - share))


def test_the_exact_matrix_is_the_enumeration_of_labels() -> None:
    module, x = network(), rows()
    exact = fisher_matrix(module, x, "classification")
    assert exact.numpy() == pytest.approx(enumerated(module, x).numpy(), abs=1e-12)
    assert fisher_trace(module, x, "classification") == pytest.approx(float(exact.trace()), rel=1e-12)


def test_the_exact_matrix_is_the_curvature_of_the_divergence() -> None:
    # KL(p_theta || p_theta + d) = d' F d / 2 + O(d^3)
    module, x = network(), rows()
    start = nn.utils.parameters_to_vector(module.parameters()).detach()
    names = dict(module.named_parameters())

    def divergence(vector: torch.Tensor) -> torch.Tensor:
        values, position = {}, 0
        for name, value in names.items():
            values[name] = vector[position : position + value.numel()].reshape(value.shape)
            position += value.numel()
        moved = torch.func.functional_call(module, values, (x,)).log_softmax(dim=1)
        return functional.kl_div(
            moved, module(x).detach().log_softmax(1), reduction="batchmean", log_target=True
        )

    curvature = torch.func.hessian(divergence)(start)
    assert fisher_matrix(module, x, "classification").numpy() == pytest.approx(
        curvature.detach().numpy(), abs=1e-12
    )


def test_a_linear_regression_has_the_moments_of_its_inputs() -> None:
    module, x = nn.Linear(4, 2).double(), rows(9)
    inputs = torch.cat([x, torch.ones(9, 1, dtype=torch.float64)], dim=1)
    moments = (inputs.T @ inputs / 9).numpy()
    found = fisher_matrix(module, x, "regression").numpy()
    order = [0, 1, 2, 3, 8, 4, 5, 6, 7, 9]  # weights of an output, then its bias
    assert found[np.ix_(order, order)] == pytest.approx(np.kron(np.eye(2), moments), abs=1e-12)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_sampled_labels_average_to_the_exact_matrix(kind: str) -> None:
    module, x = network(), rows(3)
    exact = fisher_matrix(module, x, kind)  # type: ignore[arg-type]
    draws = torch.stack([fisher_matrix(module, x, kind, "sampled", seed=seed) for seed in range(600)])  # type: ignore[arg-type]
    error = (draws.mean(0) - exact).abs() / (draws.std(0) / math.sqrt(600) + 1e-12)
    assert float((error < 3).double().mean()) > 0.97
    assert float((draws[0] - exact).abs().max()) > 1e-3  # one draw is noisy


def test_the_empirical_matrix_is_the_covariance_of_training_gradients() -> None:
    module, x, y = network(), rows(), torch.tensor([0, 2, 1, 1, 0, 2])
    total = torch.zeros(())
    for row, label in zip(x, y, strict=True):
        module.zero_grad()
        functional.cross_entropy(module(row[None]), label[None]).backward()
        gradient = torch.cat([value.grad.flatten() for value in module.parameters()])  # type: ignore[union-attr]
        total = total + torch.outer(gradient, gradient) / 6
    found = fisher_matrix(module, x, "classification", "empirical", y)
    assert found.numpy() == pytest.approx(total.numpy(), abs=1e-12)


def test_the_empirical_matrix_vanishes_where_the_model_fits_and_the_exact_one_does_not() -> None:
    module, x = network(outputs=1), rows()
    fitted = module(x).detach()
    assert fisher_trace(module, x, "regression", "empirical", fitted) == pytest.approx(0, abs=1e-20)
    assert fisher_trace(module, x, "regression") > 1


@pytest.mark.parametrize("bias", [True, False])
def test_kronecker_factors_are_exact_for_one_layer_and_one_row(bias: bool) -> None:
    torch.manual_seed(2)
    module = nn.Sequential(nn.Linear(4, 3, bias=bias)).double()
    x = rows(1)
    factors = kronecker_factors(module, x, "classification")
    assert factors["0"].block().numpy() == pytest.approx(
        fisher_matrix(module, x, "classification").numpy(), abs=1e-12
    )


def test_kronecker_factors_are_exact_for_a_linear_regression() -> None:
    # The derivatives do not depend on the inputs, so that the expectation of the product factorises.
    module, x = nn.Sequential(nn.Linear(4, 2)).double(), rows(9)
    block = kronecker_factors(module, x, "regression")["0"].block()
    assert block.numpy() == pytest.approx(fisher_matrix(module, x, "regression").numpy(), abs=1e-12)


def test_kronecker_factors_are_no_more_than_an_approximation_for_several_rows() -> None:
    module, x = network(), rows()
    exact = fisher_matrix(module, x, "classification")
    first = kronecker_factors(module, x, "classification")["0"].block()
    assert float((first - exact[:25, :25]).norm() / exact[:25, :25].norm()) > 0.05


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_kronecker_factors_are_those_of_their_definition(kind: str) -> None:
    # Martens and Grosse (2015): E[a a'] x E[g g'], here with one backward pass a row and label.
    module, x = network(), rows()
    factors = kronecker_factors(module, x, kind)  # type: ignore[arg-type]
    inputs = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    slopes = torch.zeros(5, 5, dtype=x.dtype)
    for row in x:
        hidden = module[0](row).detach().requires_grad_()
        output = module[1:](hidden)
        for label in range(3):
            if kind == "classification":
                weight = float(output.detach().softmax(-1)[label])
                score = -functional.log_softmax(output, -1)[label]
            else:  # the sum over unit vectors is the expectation over normal noise
                weight, score = 1.0, output[label]
            (slope,) = torch.autograd.grad(score, hidden, retain_graph=True)
            slopes += weight * torch.outer(slope, slope) / len(x)
    expected = torch.kron(slopes, inputs.T @ inputs / len(x))
    mine = factors["0"].block()
    assert np.linalg.eigvalsh(mine.numpy()) == pytest.approx(np.linalg.eigvalsh(expected.numpy()), abs=1e-12)


def test_frozen_parameters_are_left_out() -> None:
    module, x = network(), rows()
    whole = fisher_matrix(module, x, "classification")
    for value in module[0].parameters():  # type: ignore[index]
        value.requires_grad_(False)
    assert fisher_matrix(module, x, "classification").numpy() == pytest.approx(
        whole[25:, 25:].numpy(), abs=1e-12
    )
    assert list(kronecker_factors(module, x, "classification")) == ["2"]


def test_wrong_arguments_are_refused() -> None:
    module, x = network(), rows()
    with pytest.raises(ValueError, match="pass y"):
        fisher_matrix(module, x, "classification", "empirical")
    with pytest.raises(ValueError, match="'regression'"):
        scores_of(module(x), "ranking", "exact")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected \\(rows, outputs\\)"):
        scores_of(torch.zeros(3), "regression", "exact")
    shared = nn.Linear(4, 4).double()
    with pytest.raises(ValueError, match="used twice"):
        kronecker_factors(nn.Sequential(shared, nn.Tanh(), shared), x, "regression")
    with pytest.raises(ValueError, match="expects one use"):
        kronecker_factors(nn.Sequential(nn.Linear(4, 2).double(), nn.Flatten()), x[:, None], "regression")

"""Compare the metric and its temperature with dense algebra and enumeration."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.sifa.groups import dihedral
from methods.sifa.layers import SymmetricInformationField
from methods.sifa.metric import (
    FLOOR,
    MetricTemperature,
    log_determinant,
    low_rank_covariance,
    temperature,
)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.floats(-6, 3), st.integers(0, 2**31))
def test_log_determinant_equals_that_of_the_dense_matrix(width, rank, exponent, seed):
    factor = 10**exponent * normal(3, width, rank, seed=seed)
    diagonal = normal(3, width, seed=seed + 1).exp()
    dense = factor @ factor.mT + torch.diag_embed(diagonal)
    expected = torch.linalg.slogdet(dense)
    assert (expected.sign == 1).all()
    assert torch.allclose(log_determinant(factor, diagonal), expected.logabsdet, rtol=1e-9, atol=1e-9)


def test_a_determinant_beyond_floating_point_has_a_temperature():
    width = 300
    for value in (1e-9, 1e9):
        diagonal = torch.full((width,), value, dtype=torch.float64)
        assert torch.linalg.det(torch.diag(diagonal)) in (0, torch.inf)
        result = temperature(torch.zeros(width, 1, dtype=torch.float64), diagonal)
        assert torch.allclose(result, torch.tensor(value, dtype=torch.float64) ** -0.5, rtol=1e-9)


def test_clusters_keep_the_covariance():
    keys = normal(30, 5)
    covariance = torch.cov(keys.T, correction=0)
    factor, diagonal = low_rank_covariance(keys, torch.eye(30, dtype=torch.float64))  # a cluster each
    assert torch.allclose(factor @ factor.mT, covariance, atol=1e-12) and diagonal.max() < 1e-12
    for rank in (1, 2, 4):
        factor, diagonal = low_rank_covariance(keys, normal(30, rank, seed=1).softmax(-1))
        assert torch.allclose(factor.square().sum(-1) + diagonal, covariance.diag(), atol=1e-12)
        within = covariance - factor @ factor.mT
        assert torch.linalg.eigvalsh(within).min() > -1e-12  # total variance: both parts are covariances
    assert factor.abs().max() > 0.01


def test_metric_is_the_fisher_matrix_of_the_weights_of_attention():
    # its diagonal, for a query of zero, by enumeration of the keys
    keys = normal(7, 4)
    query = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    fisher = torch.zeros(4, 4, dtype=torch.float64)
    for j in range(7):
        log = torch.log_softmax(keys @ query / 4**0.5, 0)[j]
        (score,) = torch.autograd.grad(log, query)
        fisher += log.exp().detach() * torch.outer(score, score)
    torch.manual_seed(0)
    factor, diagonal = MetricTemperature(4, 3).double().metric(keys)
    assert torch.allclose(factor.square().sum(-1) + diagonal - FLOOR, fisher.diag(), atol=1e-12)


@pytest.mark.parametrize("scale", [0.1, 10.0, 1_000.0])
def test_scores_do_not_change_with_the_unit_of_the_keys(scale):
    torch.manual_seed(0)
    module = MetricTemperature(6, 3).double()
    keys = 10 * normal(4, 20, 6)
    # the floor is 1e-4 of variances of about 100 / 6 at scale 1
    assert torch.allclose(module(scale * keys) * scale, module(keys), rtol=1e-3)
    assert module(keys).std() > 0
    assert torch.allclose(module(keys + 50 * scale), module(keys), rtol=1e-6)  # a shift moves no weight


def test_equal_keys_have_a_finite_temperature_and_gradient():
    module = MetricTemperature(6, 3)
    keys = torch.ones(2, 5, 6, requires_grad=True)
    result = module(keys)
    assert torch.allclose(result, torch.full((2, 1, 1), FLOOR**-0.5), rtol=1e-4)
    result.sum().backward()
    assert torch.isfinite(keys.grad).all()


def test_temperatures_of_a_layer_move_with_the_group():
    torch.manual_seed(0)
    group = dihedral(3)
    module = SymmetricInformationField(group, 12, 12, metric=2).double()
    x = normal(1, 8, 12)

    def temperatures(x: torch.Tensor) -> torch.Tensor:
        weight = module.representation.lift(module.lifting)
        keys = torch.einsum("gmw,bnw->bgnm", weight, x).chunk(3, -1)[1]
        return module.metric(keys.unflatten(-1, (module.heads, -1)).transpose(2, 3))[0, :, :, 0, 0]

    before = temperatures(x)
    assert before.std(0).min() > 1e-3
    for i in range(len(group)):
        moved = temperatures(x @ module.represent(i).T)
        assert torch.allclose(moved[torch.tensor(group.table[i])], before, atol=1e-12)


@pytest.mark.parametrize("rank", [0, 5])
def test_a_rank_beyond_the_width_is_refused(rank):
    with pytest.raises(ValueError, match=f"rank {rank}; expected 1 to"):
        MetricTemperature(4, rank)

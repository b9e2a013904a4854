"""Compare terms of information regularisation with formulas and populations."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from methods.sifa.contrastive import info_nce, info_nce_bound
from methods.sifa.regularise import bottleneck, centred_kernel, dependence


def gaussian_kernel(rows: torch.Tensor) -> torch.Tensor:
    distance = torch.cdist(rows, rows).square()
    n = len(rows)
    return torch.exp(-distance / (distance.sum() / (n * (n - 1)))) * (1 - torch.eye(n, dtype=rows.dtype))


def unbiased(k: torch.Tensor, l: torch.Tensor) -> float:  # noqa: E741 - the letters of the paper
    """Return equation 5 of Song et al. (2012)."""
    n = len(k)
    one = torch.ones(n, dtype=k.dtype)
    inner = torch.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    return float((inner - 2 / (n - 2) * (one @ k @ l @ one)) / (n * (n - 3)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(4, 30))
def test_the_measure_agrees_with_the_unbiased_formula(seed, n):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    b = a[:, :2] ** 2 + torch.randn(n, 2, generator=generator, dtype=torch.float64)
    k, l = gaussian_kernel(a), gaussian_kernel(b)  # noqa: E741
    inner = (centred_kernel(a) * centred_kernel(b)).sum() / (n * (n - 3))
    assert float(inner) == pytest.approx(unbiased(k, l), abs=1e-10)
    expected = unbiased(k, l) / math.sqrt(unbiased(k, k) * unbiased(l, l))
    assert float(dependence(a, b)) == pytest.approx(expected, abs=1e-8)
    assert float(dependence(a, a)) == pytest.approx(1, abs=1e-9)
    for scale in (1e-12, 7, 1e9):
        assert float(dependence(scale * (a + 3), b)) == pytest.approx(float(dependence(a, b)), abs=1e-8)


def test_binary_rows_agree_with_the_population():
    # P(a = b) = 0.8 with fair coins; every expectation is a sum over four states.
    probability = {(a, b): 0.4 if a == b else 0.1 for a, b in product((0, 1), repeat=2)}

    def cross(left: int, right: int) -> float:
        # The kernel of two equal coins is 1, of two different ones exp(-1 / (1/2)).
        def kernel(a, b):
            return 1.0 if a == b else math.exp(-2)

        pick = [lambda s: s[left], lambda s: s[right]]
        states = list(probability.items())
        joint = sum(
            p * q * kernel(pick[0](s), pick[0](t)) * kernel(pick[1](s), pick[1](t))
            for s, p in states
            for t, q in states
        )
        means = [sum(p * q * kernel(get(s), get(t)) for s, p in states for t, q in states) for get in pick]
        mixed = sum(
            p
            * sum(q * kernel(pick[0](s), pick[0](t)) for t, q in states)
            * sum(q * kernel(pick[1](s), pick[1](t)) for t, q in states)
            for s, p in states
        )
        return joint + means[0] * means[1] - 2 * mixed

    truth = cross(0, 1) / math.sqrt(cross(0, 0) * cross(1, 1))
    generator = np.random.default_rng(0)
    a = generator.integers(0, 2, size=1_500)
    b = np.where(generator.random(1_500) < 0.8, a, 1 - a)
    value = dependence(torch.tensor(a[:, None]).double(), torch.tensor(b[:, None]).double())
    # The standard error of 1,500 rows is about 0.03.
    assert float(value) == pytest.approx(truth, abs=0.09)
    assert truth == pytest.approx(0.36, abs=1e-9)


def test_independent_rows_have_a_mean_of_zero_even_in_small_batches():
    generator = torch.Generator().manual_seed(0)
    values = [
        float(dependence(*torch.randn(2, 16, 8, generator=generator, dtype=torch.float64)))
        for _ in range(300)
    ]
    # Each has a standard deviation of about 0.1.
    assert abs(np.mean(values)) < 0.03


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_representation_has_no_dependence_and_a_finite_gradient(dtype):
    x = torch.randn(10, 3, dtype=dtype)
    constant = torch.full((10, 2), 0.1, dtype=dtype, requires_grad=True)
    value = dependence(constant, x)
    value.backward()
    assert abs(value.item()) < 1e-3
    assert bool(torch.isfinite(constant.grad).all())


def test_the_gradient_is_that_of_finite_differences():
    a = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    b = torch.randn(6, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda rows: dependence(rows, b), a)


def test_training_decouples_a_representation_from_a_nuisance_and_keeps_the_class():
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(2, (256,), generator=generator)
    nuisance = torch.randn(256, 1, generator=generator)
    x = torch.cat([(2.0 * y - 1)[:, None] + 0.3 * torch.randn(256, 1, generator=generator), nuisance], dim=1)
    torch.manual_seed(0)
    encoder = nn.Linear(2, 2)
    with torch.no_grad():
        encoder.weight.copy_(torch.eye(2))
    before = dependence(encoder(x), nuisance)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=0.03)
    for _ in range(100):
        optimiser.zero_grad()
        bottleneck(encoder(x), x, y, classes=2, keep=3.0).backward()
        optimiser.step()
    with torch.no_grad():
        after, kept = dependence(encoder(x), nuisance), dependence(encoder(x), y[:, None].float())
    assert before.item() > 0.3
    assert float(after) < 0.05 * before.item()
    assert float(kept) > 0.8


def test_the_term_falls_when_the_nuisance_is_removed():
    generator = torch.Generator().manual_seed(1)
    y = torch.randint(3, (120,), generator=generator)
    signal = torch.eye(3)[y] + 0.1 * torch.randn(120, 3, generator=generator)
    x = torch.cat([signal, torch.randn(120, 3, generator=generator)], dim=1)
    both = bottleneck(x, x, y, classes=3)
    only = bottleneck(signal, x, y, classes=3)
    assert float(only) < float(both) - 0.2
    value = bottleneck(signal, x, signal[:, 0])
    assert math.isfinite(float(value))


def test_too_few_rows_raise_an_error_but_a_short_last_batch_costs_nothing():
    rows = torch.randn(3, 2, requires_grad=True)
    value = bottleneck(rows, torch.randn(3, 5), torch.tensor([0, 1, 0]), classes=2)
    value.backward()
    assert value.item() == 0 and bool((rows.grad == 0).all())
    with pytest.raises(ValueError, match="3 rows; expected at least 4"):
        dependence(torch.zeros(3, 1), torch.zeros(3, 1))
    with pytest.raises(ValueError, match="equal numbers"):
        dependence(torch.zeros(5, 1), torch.zeros(4, 1))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 12), scale=st.floats(0, 1e4))
def test_the_contrastive_bound_never_exceeds_the_logarithm_of_the_batch(seed, count, scale):
    scores = scale * torch.randn(count, count, generator=torch.Generator().manual_seed(seed))
    assert float(info_nce(scores)) <= math.log(count) + 1e-6
    assert float(info_nce(1e6 * torch.eye(count))) == pytest.approx(math.log(count), abs=1e-5)
    assert float(info_nce(torch.zeros(count, count))) == pytest.approx(0, abs=1e-6)


def test_the_best_critic_gives_the_closed_form_below_the_ceiling_and_the_ceiling_above():
    def bound(r: float, count: int) -> float:
        """Average the bound with the density ratio of Gaussian pairs as critic."""
        generator = torch.Generator().manual_seed(0)
        values = []
        for _ in range(40):
            x, noise = torch.randn(2, count, generator=generator, dtype=torch.float64)
            y = r * x + math.sqrt(1 - r**2) * noise
            scores = -((y[None, :] - r * x[:, None]) ** 2) / (2 * (1 - r**2)) + y[None, :] ** 2 / 2
            values.append(float(info_nce(scores)))
        return float(np.mean(values))

    # 0.31 nats: far below log 256, so the bound is tight.
    assert bound(0.68, 256) == pytest.approx(-math.log(1 - 0.68**2) / 2, abs=0.03)
    # 6.2 nats: the bound of 16 pairs is log 16 = 2.77, whatever the information.
    assert math.log(16) - 0.1 < bound(1 - 2e-6, 16) <= math.log(16)


def test_a_trained_critic_stays_below_the_truth_and_near_it():
    generator = np.random.default_rng(0)
    x, noise = generator.normal(size=(2, 2_000))
    truth = -math.log(1 - 0.8**2) / 2
    result = info_nce_bound(x, 0.8 * x + 0.6 * noise, batch=64, steps=250, seed=0)
    assert result.ceiling == math.log(64)
    # Held-out batches have a standard error of 0.02.
    assert truth - 0.12 < result.value < truth + 0.06
    independent = info_nce_bound(x, noise, batch=64, steps=100, seed=0)
    assert abs(independent.value) < 0.05
    assert info_nce_bound(np.ones(200), noise[:200]).value == 0.0
    label = (x > 0).astype(float)
    # A mixed pair: the sign of a Gaussian holds log 2.
    assert info_nce_bound(x, label, batch=64, steps=150).value == pytest.approx(math.log(2), abs=0.06)


def test_invalid_scores_and_rows_raise_an_error():
    with pytest.raises(ValueError, match="expected \\(K, K\\)"):
        info_nce(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="2 \\* batch rows"):
        info_nce_bound(np.arange(10.0), np.arange(10.0), batch=6)
    with pytest.raises(ValueError, match="NaN"):
        info_nce_bound(np.full(200, np.nan), np.arange(200.0))
    with pytest.raises(ValueError, match="equal numbers"):
        info_nce_bound(np.arange(200.0), np.arange(199.0))

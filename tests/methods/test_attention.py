"""Compare attention with torch, and encoding and entropy with their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.attention import (
    AdaptiveAttention,
    MultiHeadAttention,
    TrendedEncoding,
    normalised_entropy,
    scaled_dot_product,
    trended_encoding,
)


@st.composite
def problems(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw small queries, keys, values, and a mask that leaves every item a key."""
    batch, heads, queries, keys, width = (draw(st.integers(1, 4)) for _ in range(5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    scale = draw(st.sampled_from([0.0, 0.1, 1.0, 30.0]))

    def tensor(length: int) -> torch.Tensor:
        return scale * torch.randn(batch, heads, length, width, generator=generator, dtype=torch.float64)

    mask = torch.rand(batch, keys, generator=generator) < 0.6
    mask[torch.arange(batch), torch.randint(keys, (batch,), generator=generator)] = True
    return tensor(queries), tensor(keys), tensor(keys), mask


@settings(max_examples=30, deadline=None)
@given(problems())
def test_weights_sum_to_one_and_masked_keys_get_none(problem):
    query, key, value, mask = problem
    _, weights = scaled_dot_product(query, key, value, mask)
    assert torch.allclose(weights.sum(-1), torch.ones(()).double(), atol=1e-12)
    assert (weights >= 0).all()
    hidden = (~mask)[:, None, None, :].expand_as(weights)
    assert (weights[hidden] == 0).all()


@settings(max_examples=30, deadline=None)
@given(problems())
def test_equals_torch_scaled_dot_product_attention(problem):
    query, key, value, mask = problem
    attended, _ = scaled_dot_product(query, key, value, mask)
    oracle = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask[:, None, None, :]
    )
    assert torch.allclose(attended, oracle, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(problems())
def test_values_of_masked_keys_have_no_effect(problem):
    query, key, value, mask = problem
    exists = mask[:, None, :, None]
    attended, _ = scaled_dot_product(query, key, value, mask)
    other, _ = scaled_dot_product(
        query, torch.where(exists, key, 1e3), torch.where(exists, value, -1e3), mask
    )
    assert torch.equal(attended, other)


@settings(max_examples=30, deadline=None)
@given(problems())
def test_entropy_is_between_zero_and_log_n(problem):
    query, key, value, mask = problem
    _, weights = scaled_dot_product(query, key, value, mask)
    ratio = normalised_entropy(weights, mask)
    assert ((ratio >= 0) & (ratio <= 1)).all()
    count = mask.sum(-1).numpy()
    for item in range(len(weights)):
        row = weights[item, 0, 0].numpy()
        entropy = -sum(a * math.log(a) for a in row if a > 0)
        assert 0 <= entropy <= math.log(count[item]) + 1e-12  # the bound itself, without our clamp
        expected = entropy / math.log(count[item]) if count[item] > 1 else 1.0
        assert float(ratio[item, 0, 0]) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 8), st.integers(0, 4))
def test_entropy_reaches_its_bound_at_uniform_weights_only(keys, hidden):
    mask = torch.tensor([[True] * keys + [False] * hidden])
    uniform = (mask.double() / keys)[:, None, None, :]
    assert float(normalised_entropy(uniform, mask)) == pytest.approx(1.0, abs=1e-12)
    if keys > 1:
        tilted = uniform.clone()
        tilted[..., 0] += 0.5 / keys
        tilted[..., 1] -= 0.5 / keys
        assert float(normalised_entropy(tilted, mask)) < 0.999
        certain = torch.zeros_like(uniform)
        certain[..., 0] = 1.0
        assert float(normalised_entropy(certain, mask)) == 0.0


def pair(width: int, heads: int, source: int) -> tuple[MultiHeadAttention, torch.nn.MultiheadAttention]:
    """Return our module and that of torch, with the same weights in float64."""
    ours = MultiHeadAttention(width, heads, source).double()
    oracle = torch.nn.MultiheadAttention(width, heads, kdim=source, vdim=source, batch_first=True).double()
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        if source == width:
            oracle.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        else:
            oracle.q_proj_weight.copy_(ours.query.weight)
            oracle.k_proj_weight.copy_(ours.key.weight)
            oracle.v_proj_weight.copy_(ours.value.weight)
        oracle.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        oracle.out_proj.load_state_dict(ours.output.state_dict())
    return ours, oracle


@pytest.mark.parametrize("source", [12, 5], ids=["one width", "cross-modal"])
def test_multi_head_and_its_gradients_equal_torch_with_the_same_weights(source):
    ours, oracle = pair(12, 3, source)
    generator = torch.Generator().manual_seed(1)
    queries, pull = torch.randn(2, 5, 2, 12, generator=generator, dtype=torch.float64)
    keys = torch.randn(5, 4, source, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 1], [0, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0]]).bool()
    results, inputs = [], []
    for attend in (
        lambda q, k: ours(q, k, mask),
        lambda q, k: oracle(q, k, k, key_padding_mask=~mask, average_attn_weights=False),
    ):
        q, k = queries.clone().requires_grad_(), keys.clone().requires_grad_()
        tokens, weights = attend(q, k)
        ((tokens * pull).sum() + weights.square().sum()).backward()
        results.append((tokens, weights))
        inputs.append((q.grad, k.grad))
    parts = (ours.query, ours.key, ours.value)
    if source == 12:
        weights = [(torch.cat([part.weight.grad for part in parts]), oracle.in_proj_weight.grad)]
    else:
        theirs = (oracle.q_proj_weight, oracle.k_proj_weight, oracle.v_proj_weight)
        weights = [(part.weight.grad, other.grad) for part, other in zip(parts, theirs, strict=True)]
    gradients = [
        *zip(*inputs, strict=True),
        *weights,
        (torch.cat([part.bias.grad for part in parts]), oracle.in_proj_bias.grad),
        (ours.output.weight.grad, oracle.out_proj.weight.grad),
        (ours.output.bias.grad, oracle.out_proj.bias.grad),
    ]
    for mine, other in [*zip(*results, strict=True), *gradients]:
        assert mine.abs().max() > 0
        assert torch.allclose(mine, other, rtol=0, atol=1e-12)


def test_a_mask_by_query_equals_torch():
    ours, oracle = pair(8, 2, 8)
    generator = torch.Generator().manual_seed(2)
    queries = torch.randn(3, 4, 8, generator=generator, dtype=torch.float64)
    keys = torch.randn(3, 5, 8, generator=generator, dtype=torch.float64)
    mask = torch.rand(3, 4, 5, generator=generator) < 0.5
    mask[..., 0] = True
    tokens, weights = ours(queries, keys, mask)
    expected, expected_weights = oracle(
        queries, keys, keys, attn_mask=~mask.repeat_interleave(2, dim=0), average_attn_weights=False
    )
    assert torch.allclose(tokens, expected, rtol=0, atol=1e-12)
    assert torch.allclose(weights, expected_weights, rtol=0, atol=1e-12)
    ratio = normalised_entropy(weights, mask)
    alone = normalised_entropy(weights[:, :, 1:2], mask[:, 1])
    assert torch.equal(ratio[:, :, 1:2], alone)


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@settings(max_examples=30, deadline=None)
@given(problems(), st.integers(0, 3))
def test_a_row_without_a_key_is_zero_and_changes_no_other_row(problem, index):
    """Require finite gradients too, which are exactly 0 where nothing is read."""
    query, key, value, mask = (part.clone() for part in problem)
    index %= len(mask)
    before, _ = scaled_dot_product(query, key, value, mask)
    mask[index] = False
    inputs = [part.requires_grad_() for part in (query, key, value)]
    with torch.autograd.detect_anomaly(check_nan=True):
        attended, weights = scaled_dot_product(*inputs, mask)
        (attended.sin().sum() + weights.square().sum()).backward()
    assert (attended[index] == 0).all() and (weights[index] == 0).all()
    others = torch.arange(len(mask)) != index
    assert torch.equal(attended[others], before[others])
    for part in inputs:
        assert part.grad.isfinite().all() and (part.grad[index] == 0).all()
    assert (normalised_entropy(weights, mask)[index] == 1).all()


def test_the_module_returns_zeros_where_torch_returns_nan():
    ours, oracle = pair(4, 2, 4)
    tokens = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    mask = torch.tensor([[True, False, True], [False, False, False]])
    expected, _ = oracle(tokens, tokens, tokens, key_padding_mask=~mask)
    assert expected[1].isnan().all()
    attended, weights = ours(tokens, tokens, mask)
    assert torch.allclose(attended[0], expected[0], rtol=0, atol=1e-12)
    assert (attended[1] == 0).all() and (weights[1] == 0).all()
    ours.zero_grad()
    attended.square().sum().backward()
    assert all(part.grad.isfinite().all() for part in ours.parameters())


def test_the_adaptive_module_is_the_formula():
    """Compare with ``sigma(W Attention + b)`` written out for one head, by numpy."""
    module = AdaptiveAttention(MultiHeadAttention(4, 1, 3), torch.sigmoid).double()
    generator = torch.Generator().manual_seed(4)
    queries = torch.randn(1, 2, 4, generator=generator, dtype=torch.float64)
    keys = torch.randn(1, 5, 3, generator=generator, dtype=torch.float64)
    part = {name: value.detach().numpy() for name, value in module.attention.named_parameters()}

    def project(name, tokens):
        return tokens[0].numpy() @ part[f"{name}.weight"].T + part[f"{name}.bias"]

    scores = np.exp(project("query", queries) @ project("key", keys).T / 2)
    read = scores / scores.sum(1, keepdims=True) @ project("value", keys)
    expected = 1 / (1 + np.exp(-(read @ part["output.weight"].T + part["output.bias"])))
    assert module(queries, keys)[0][0].detach().numpy() == pytest.approx(expected, abs=1e-12)


@given(st.floats(-20, 20), st.integers(1, 6).map(lambda half: 2 * half), st.floats(-1, 1), st.floats(-1, 1))
def test_encoding_is_the_formula_of_the_specification(time, width, alpha, beta):
    encoded = trended_encoding(
        torch.tensor([time], dtype=torch.float64), width, torch.tensor(alpha), torch.tensor(beta)
    )[0]
    for i in range(width // 2):
        angle = time / 10000 ** (2 * i / width)
        assert float(encoded[2 * i]) == pytest.approx(math.sin(angle) + np.float32(alpha) * time, abs=1e-5)
        assert float(encoded[2 * i + 1]) == pytest.approx(math.cos(angle) + np.float32(beta) * time, abs=1e-5)


def test_trends_are_learned_from_data_with_a_trend():
    """Fit ``sin t + 0.3 t`` and ``cos t - 0.2 t``: the trends are recovered to 1e-3."""
    time = torch.linspace(0, 10, 50)
    target = torch.stack([time.sin() + 0.3 * time, time.cos() - 0.2 * time], dim=-1)
    encoding = TrendedEncoding(2)
    optimiser = torch.optim.LBFGS(encoding.parameters(), max_iter=50)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = ((encoding(time) - target) ** 2).mean()
        value.backward()
        return value

    optimiser.step(loss)
    assert encoding.alpha.item() == pytest.approx(0.3, abs=1e-3)
    assert encoding.beta.item() == pytest.approx(-0.2, abs=1e-3)


def test_invalid_sizes_raise_an_error():
    with pytest.raises(ValueError, match="expected a multiple of the 4 heads"):
        MultiHeadAttention(10, 4)
    with pytest.raises(ValueError, match="expected an even number"):
        trended_encoding(torch.zeros(1), 3, torch.zeros(()), torch.zeros(()))
    with pytest.raises(ValueError, match="they must be equal"):
        scaled_dot_product(torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 3), torch.zeros(1, 1, 1, 3))

"""Compare weighted tensor fusion with einsum, and test its symmetries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.fusion.tensor import WeightedTensorFusion, weighted_fusion

OUT = 3
CONTRACTIONS = ["na,ao->no", "nab,abo->no", "nabc,abco->no", "nabcd,abcdo->no", "nabcde,abcdeo->no"]
"""Contraction of a tensor of order 1 to 5 with its weights."""


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, tuple[int, ...]]:
    """Draw one to four modalities of orders 1 to 5."""
    orders = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    return {
        f"m{index}": tuple(draw(st.lists(st.integers(1, 3), min_size=order, max_size=order)))
        for index, order in enumerate(orders)
    }


def example(sizes: dict[str, tuple[int, ...]], seed: int, rows: int = 4):
    """Return a module with random shares and tensors in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = WeightedTensorFusion(sizes, OUT).double()
        torch.nn.init.normal_(module.logits)
        tensors = {name: torch.randn(rows, *shape, dtype=torch.float64) for name, shape in sizes.items()}
        present = torch.rand(rows, len(sizes)) < 0.6
    return module, tensors, present


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_each_order_equals_einsum(order):
    rng = np.random.default_rng(order)
    shape = rng.integers(2, 5, order)
    tensors, weights = rng.normal(size=(2, 6, *shape)), rng.normal(size=(2, *shape, OUT))
    alpha = rng.dirichlet([1, 1], 6)
    expected = sum(
        alpha[:, [i]] * np.einsum(CONTRACTIONS[order - 1], tensors[i], weights[i]) for i in range(2)
    )
    fused = weighted_fusion([*torch.tensor(tensors)], [*torch.tensor(weights)], torch.tensor(alpha))
    assert fused.numpy() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(shapes(), st.integers(0, 2**31))
def test_modalities_of_different_orders_equal_einsum_over_those_that_are_present(sizes, seed):
    """Compute ``exp(logit_i)`` over the sum of present modalities by numpy."""
    module, tensors, present = example(sizes, seed)
    fused = module(tensors, present)
    share = np.exp(module.logits.detach().numpy()) * present.numpy()
    total = share.sum(1, keepdims=True)
    share = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
    expected = np.zeros((4, OUT))
    for index, (name, shape) in enumerate(sizes.items()):
        weight = module.directions[index].detach().numpy()
        weight = weight / np.sqrt((weight**2).sum())
        term = np.einsum(CONTRACTIONS[len(shape) - 1], tensors[name].numpy(), weight)
        expected += share[:, [index]] * term
    assert fused.alpha.detach().numpy() == pytest.approx(share, abs=1e-12)
    assert fused.vector.detach().numpy() == pytest.approx(expected, abs=1e-12)
    assert (fused.alpha.detach()[~present] == 0).all()
    assert all(float(weight.detach().norm()) == pytest.approx(1, abs=1e-12) for weight in module.weights)


@settings(max_examples=30, deadline=None)
@given(shapes(), st.integers(0, 2**31), st.randoms(use_true_random=False))
def test_the_order_of_the_modalities_has_no_effect(sizes, seed, random):
    """Permute modalities: the vector is invariant, the shares are equivariant."""
    module, tensors, present = example(sizes, seed)
    order = list(range(len(sizes)))
    random.shuffle(order)
    names = [list(sizes)[index] for index in order]
    other = WeightedTensorFusion({name: sizes[name] for name in names}, OUT).double()
    with torch.no_grad():
        other.logits.copy_(module.logits[order])
        for direction, index in zip(other.directions, order, strict=True):
            direction.copy_(module.directions[index])
    first, second = module(tensors, present), other(tensors, present[:, order])
    assert torch.allclose(first.vector, second.vector, rtol=0, atol=1e-12)
    assert torch.allclose(first.alpha[:, order], second.alpha, rtol=0, atol=1e-12)


def test_gradients_equal_finite_differences():
    sizes = {"one": (2,), "two": (2, 3), "three": (1, 2, 2)}
    module, tensors, present = example(sizes, 5)
    present[0] = torch.tensor([True, False, True])

    def call(logits, *rest):
        weights = {f"directions.{index}": value for index, value in enumerate(rest[:3])}
        values = dict(zip(sizes, rest[3:], strict=True))
        fused = torch.func.functional_call(module, {"logits": logits, **weights}, (values, present))
        return fused.vector, fused.alpha

    inputs = [module.logits, *module.directions, *tensors.values()]
    assert torch.autograd.gradcheck(call, [part.detach().requires_grad_() for part in inputs])


def test_values_of_absent_modalities_have_no_effect():
    """Fill absent modalities with NaN; a row without any is 0."""
    module, tensors, _ = example({"one": (2,), "two": (2, 2)}, 6, rows=3)
    present = torch.tensor([[True, True], [True, False], [False, False]])
    gaps = {"one": tensors["one"].clone(), "two": tensors["two"].clone()}
    gaps["one"][2], gaps["two"][1:] = torch.nan, torch.nan
    fused = module(gaps, present)
    assert torch.equal(fused.vector, module(tensors, present).vector)
    assert (fused.vector[2] == 0).all() and (fused.alpha[2] == 0).all() and fused.alpha[1, 0].item() == 1
    fused.vector.square().sum().backward()
    assert all(part.grad.isfinite().all() for part in module.parameters())


def test_the_length_of_the_weights_has_no_effect():
    """Scale the parameters: weights and shares are both identified."""
    module, tensors, present = example({"one": (2,), "two": (2, 2)}, 7)
    before = module(tensors, present)
    with torch.no_grad():
        module.directions[0].mul_(7.0)
    after = module(tensors, present)
    assert torch.allclose(before.vector, after.vector, rtol=0, atol=1e-12)
    assert torch.equal(before.alpha, after.alpha)


def test_shares_recover_those_of_simulated_data():
    """Fit ``.7 T_1 (x) W_1 + .3 T_2 (x) W_2`` by L-BFGS: shares to 1e-3 of the truth."""
    truth, tensors, _ = example({"one": (3,), "two": (2, 2)}, 8, rows=60)
    with torch.no_grad():
        truth.logits.copy_(torch.tensor([0.7, 0.3]).log())
        target = truth(tensors).vector
    module, _, _ = example({"one": (3,), "two": (2, 2)}, 9)
    optimiser = torch.optim.LBFGS(module.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = (module(tensors).vector - target).square().mean()
        value.backward()
        return value

    optimiser.step(loss)
    assert module.alpha.detach().numpy() == pytest.approx([0.7, 0.3], abs=1e-3)


def test_wrong_shapes_raise_an_error():
    with pytest.raises(ValueError, match="one axis or more per modality"):
        WeightedTensorFusion({"one": ()}, OUT)
    module = WeightedTensorFusion({"one": (2, 3)}, OUT)
    with pytest.raises(ValueError, match=r"tensors of the shape \(3, 2\); expected \(2, 3\)"):
        module({"one": torch.zeros(1, 3, 2)})

"""Test equivariance, rank and the trivial group of the layer."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.sifa.groups import Group, cyclic, dihedral, permutations, signed_permutations
from methods.sifa.layers import SymmetricInformationField, grid_positions, token_permutations

GROUPS = {
    "cyclic(1)": cyclic(1),
    "cyclic(3)": cyclic(3),
    "cyclic(4)": cyclic(4),
    "dihedral(4)": dihedral(4),
    "signed_permutations(2)": signed_permutations(2),
    "signed_permutations(3)": signed_permutations(3),
    "permutations(3)": permutations(3),
}
BOUNDS = {torch.float64: 1e-10, torch.float32: 1e-5}


def layer(group: Group, width: int, heads: int = 4, *, seed: int = 0, **options) -> SymmetricInformationField:
    torch.manual_seed(seed)
    return SymmetricInformationField(group, width, heads, **options)


def tokens(batch: int, length: int, width: int, dtype=torch.float64, seed: int = 1) -> torch.Tensor:
    return torch.randn(
        batch, length, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).to(dtype)


def worst_fault(module: SymmetricInformationField, x: torch.Tensor) -> float:
    """Return the largest difference of ``f(g x)`` and ``g f(x)`` over all elements."""
    with torch.no_grad():
        y = module(x)
        return max(
            float((module(x @ module.represent(i).T) - y @ module.represent(i).T).abs().max())
            for i in range(len(module.group))
        )


def train(module: SymmetricInformationField, x: torch.Tensor, steps: int = 100) -> float:
    """Fit another target, and return by how much the output changed."""
    before = module(x).detach()
    target = tokens(*x.shape, dtype=x.dtype, seed=2)
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        (module(x) - target).square().mean().backward()
        optimiser.step()
    return float((module(x).detach() - before).abs().max())


@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
@pytest.mark.parametrize("name", GROUPS)
def test_equivariant_for_every_element_before_and_after_training(name, dtype):
    # 25 is a multiple of one group only: the others have copies of their matrices, and scalars that remain
    for width, options in ((24, {"metric": 3}), (25, {})):
        module = layer(GROUPS[name], width, **options).to(dtype)
        x = tokens(3, 5, width, dtype)
        assert worst_fault(module, x) < BOUNDS[dtype]
        assert train(module, x) > 0.1
        assert worst_fault(module, x) < BOUNDS[dtype]


def test_the_bound_is_broken_by_a_layer_that_is_not_equivariant():
    module = layer(cyclic(4), 24).double()
    x = tokens(3, 5, 24)
    plain = torch.nn.MultiheadAttention(24, 4, batch_first=True).double()
    turn = module.represent(1)
    assert (plain(x @ turn.T, x @ turn.T, x @ turn.T)[0] - plain(x, x, x)[0] @ turn.T).abs().max() > 0.01


@pytest.mark.parametrize("kind", ["defining", "regular"])
@pytest.mark.parametrize("name", GROUPS)
def test_represent_is_a_homomorphism_with_inverses(name, kind):
    group = GROUPS[name]
    module = layer(group, 50, representation=kind).double()
    matrices = torch.stack([module.represent(i) for i in range(len(group))])
    assert torch.allclose(matrices[group.identity], torch.eye(50).double(), atol=1e-12)
    for i in range(len(group)):
        assert torch.allclose(matrices[i] @ matrices, matrices[torch.tensor(group.table[i])], atol=1e-12)
        assert torch.allclose(
            matrices[i] @ matrices[group.inverse(i)], torch.eye(50).double(), rtol=0, atol=1e-12
        )
    distinct = torch.unique(torch.round(matrices, decimals=6), dim=0)
    assert len(distinct) == len(group)


def test_defining_representation_is_copies_of_the_matrices_then_scalars():
    module = layer(cyclic(3), 7, representation="defining").double()
    turn = torch.tensor(cyclic(3).matrices[1])
    assert torch.equal(module.represent(1), torch.block_diag(turn, turn, turn, torch.eye(1).double()))


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("options", [{}, {"representation": "defining"}, {"metric": 2}])
def test_output_has_full_rank(name, options):
    # The average over the group before attention would leave the invariant subspace only.
    group, width = GROUPS[name], 24
    module = layer(group, width, **options).double()
    x = tokens(40, 6, width)
    y = module(x).detach().flatten(0, 1)
    assert torch.linalg.matrix_rank(y - y.mean(0), rtol=1e-6) == width
    mean = torch.stack([module.represent(i) for i in range(len(group))]).mean(0)
    invariant = int(torch.linalg.matrix_rank(mean, rtol=1e-9))
    assert torch.linalg.matrix_rank(module(x @ mean.T).detach().flatten(0, 1), rtol=1e-6) <= invariant
    if name.startswith("signed") and "representation" in options:
        assert invariant == 0 and mean.abs().max() < 1e-12


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_trivial_group_is_multi_head_attention_of_torch(heads):
    width = 16
    module = layer(cyclic(1), width, heads).double()
    torch.nn.init.normal_(module.lifting_bias)
    torch.nn.init.normal_(module.lowering_bias)
    plain = torch.nn.MultiheadAttention(width, heads, batch_first=True).double()
    plain.load_state_dict(
        {
            "in_proj_weight": module.lifting,
            "in_proj_bias": module.lifting_bias,
            "out_proj.weight": module.lowering,
            "out_proj.bias": module.lowering_bias,
        }
    )
    x = tokens(3, 6, width)
    assert torch.allclose(module(x), plain(x, x, x, need_weights=False)[0], atol=1e-12)
    assert count(module) == count(plain)


def count(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize(("group", "representation"), [(cyclic(4), "regular"), (dihedral(3), "defining")])
def test_equals_the_definition_written_out(group, representation):
    module = layer(group, 24, 8, representation=representation, metric=2).double()
    for bias in (module.lifting_bias, module.lowering_bias):
        torch.nn.init.normal_(bias)
    x = tokens(2, 5, 24)
    expected = torch.zeros_like(x)
    for h in range(len(group)):
        rho = module.represent(h)
        lifted = x @ torch.linalg.inv(rho).T @ module.lifting.T + module.lifting_bias
        q, k, v = (part.unflatten(-1, (module.heads, -1)).transpose(1, 2) for part in lifted.chunk(3, -1))
        scores = module.metric(k) * (q @ k.mT) / q.shape[-1] ** 0.5
        attended = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        lowered = attended @ module.lowering.T
        expected += (lowered + module.lowering_bias / len(group)) @ rho.T
    assert torch.allclose(module(x), expected, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 8), st.integers(1, 12), st.integers(2, 40), st.integers(0, 2**31))
def test_any_width_and_any_heads_are_equivariant(n, heads, width, seed):
    module = layer(dihedral(n), width, heads, seed=seed).double()
    assert worst_fault(module, tokens(2, 3, width, seed=seed)) < 1e-10


def test_order_of_the_tokens_moves_with_them():
    module = layer(dihedral(4), 16, metric=2).double()
    x = tokens(2, 9, 16)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(module(x[:, order]), module(x)[:, order], atol=1e-12)


@pytest.mark.parametrize("name", ["cyclic(3)", "dihedral(4)", "signed_permutations(3)"])
def test_coordinates_turn_with_the_tokens(name):
    group = GROUPS[name]
    module = layer(group, 24, positions=8).double()
    x, points = tokens(2, 6, 24), tokens(2, 6, group.degree, seed=3)
    y = module(x, points)
    assert (module(x, points + 1) - y).abs().max() > 1e-3  # the coordinates are used
    faults, still = [], []
    for i, matrix in enumerate(torch.tensor(group.matrices)):
        rho = module.represent(i)
        faults.append(float((module(x @ rho.T, points @ matrix.T) - y @ rho.T).detach().abs().max()))
        still.append(float((module(x @ rho.T, points) - y @ rho.T).detach().abs().max()))
    assert max(faults) < 1e-10
    assert max(still) > 1e-3  # coordinates that stay are another picture


def test_a_turned_grid_is_a_permutation_of_its_tokens():
    group, side = dihedral(4), 6
    orders = token_permutations(group, grid_positions(side))
    picture = np.arange(side * side)
    for k in range(4):
        assert np.array_equal(picture[orders[k]], np.rot90(picture.reshape(side, side), k).ravel())
    assert np.array_equal(picture[orders[4]], np.flipud(picture.reshape(side, side)).ravel())
    module = layer(group, 16, positions=8).double()
    points = torch.tensor(grid_positions(side))[None]
    x = tokens(2, side * side, 16)
    y = module(x, points)
    for i, order in enumerate(torch.tensor(orders)):
        rho = module.represent(i)
        assert (module(x[:, order] @ rho.T, points) - y[:, order] @ rho.T).abs().max() < 1e-10


def test_a_grid_that_the_group_does_not_keep_is_refused():
    with pytest.raises(ValueError, match="element 1 moves no token to position"):
        token_permutations(cyclic(3), grid_positions(4))


def test_weights_follow_the_module_and_its_copy():
    module = copy.deepcopy(layer(cyclic(3), 9).double())
    again = layer(cyclic(3), 9, seed=5).double()
    again.load_state_dict(module.state_dict())
    x = tokens(1, 4, 9)
    assert torch.equal(again(x), module(x))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            (signed_permutations(3), 2, 1),
            {},
            "width 2 has no place for the defining representation of size 3",
        ),
        ((dihedral(4), 7, 1), {"representation": "regular"}, "regular representation of size 8"),
        ((cyclic(4), 8, 0), {}, "heads = 0"),
    ],
)
def test_a_width_without_place_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        SymmetricInformationField(*arguments, **options)


def test_missing_coordinates_are_refused():
    with pytest.raises(ValueError, match="give the coordinates"):
        layer(cyclic(4), 8, positions=4)(torch.zeros(1, 2, 8))

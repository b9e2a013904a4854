"""Compare groups with their definitions, and refuse sets that are no group."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.sifa.groups import (
    Group,
    cyclic,
    dihedral,
    generated,
    permutations,
    rotations,
    signed_permutations,
)

# Generators of rotations of space: a positive angle turns the first axis named to the second.
ABOUT_X = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
ABOUT_Z = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])

GROUPS = {
    "cyclic(1)": (cyclic(1), 1, 2),
    "cyclic(4)": (cyclic(4), 4, 2),
    "cyclic(7)": (cyclic(7), 7, 2),
    "dihedral(1)": (dihedral(1), 2, 2),
    "dihedral(2)": (dihedral(2), 4, 2),
    "dihedral(5)": (dihedral(5), 10, 2),
    "signed_permutations(1)": (signed_permutations(1), 2, 1),
    "signed_permutations(3)": (signed_permutations(3), 48, 3),
    "permutations(4)": (permutations(4), 24, 4),
    "rotations of a cube": (rotations(np.stack([ABOUT_X, ABOUT_Z]) * math.pi / 2), 24, 3),
}


@pytest.mark.parametrize("name", GROUPS)
def test_axioms_hold_for_every_element(name):
    group, order, degree = GROUPS[name]
    matrices = group.matrices
    assert matrices.shape == (order, degree, degree) and matrices.dtype == np.float64
    assert len(np.unique(np.round(matrices, 6), axis=0)) == order
    products = np.einsum("iab,jbc->ijac", matrices, matrices)
    for i in range(order):
        assert np.abs(matrices[i] @ matrices[group.inverse(i)] - np.eye(degree)).max() < 1e-12
        for j in range(order):
            assert np.abs(products[i, j] - matrices[group.multiply(i, j)]).max() < 1e-12
    table = group.table
    assert (table[table] == table[:, table]).all()  # (ij)k = i(jk) for all triples
    assert np.array_equal(matrices[group.identity], np.eye(degree))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 12])
def test_cyclic_and_dihedral_follow_their_presentation(n):
    group = dihedral(n)
    turn, mirror = group.matrices[1 % n], group.matrices[n]
    assert np.allclose(np.linalg.matrix_power(turn, n), np.eye(2), atol=1e-12)
    assert np.allclose(mirror @ turn @ mirror, np.linalg.inv(turn), atol=1e-12)
    assert np.allclose(np.linalg.det(group.matrices), [1] * n + [-1] * n)
    for k, matrix in enumerate(cyclic(n).matrices):
        assert math.isclose((matrix @ [1, 0]) @ [1, 0], math.cos(2 * math.pi * k / n), abs_tol=1e-12)


def test_signed_permutations_are_the_integer_orthogonal_matrices():
    from itertools import product

    candidates = (np.reshape(m, (2, 2)) for m in product([-1, 0, 1], repeat=4))
    expected = {m.tobytes() for m in candidates if (m @ m.T == np.eye(2)).all()}
    assert {m.astype(int).tobytes() for m in signed_permutations(2).matrices} == expected
    assert len(signed_permutations(4)) == 2**4 * math.factorial(4)


def test_rotations_of_a_cube_are_the_signed_permutations_that_turn():
    cube = GROUPS["rotations of a cube"][0].matrices
    turning = [m for m in signed_permutations(3).matrices if np.linalg.det(m) > 0]
    assert {m.astype(int).tobytes() for m in np.round(cube)} == {m.astype(int).tobytes() for m in turning}
    assert np.abs(cube - np.round(cube)).max() < 1e-12


def test_rotations_of_an_icosahedron():
    ratio = (1 + math.sqrt(5)) / 2
    axis = np.array([0, 1, ratio]) / math.hypot(1, ratio)
    about = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    group = rotations(np.stack([about * 2 * math.pi / 5, ABOUT_Z * math.pi]))
    assert len(group) == 60
    # A5 has elements of order 1, 2, 3, 5: 1, 15, 20, 24 of them; trace is 1 + 2 cos(angle).
    traces, counts = np.unique(np.round(np.trace(group.matrices, axis1=1, axis2=2), 6), return_counts=True)
    assert dict(zip(traces, counts, strict=True)) == {-1.0: 15, -0.618034: 12, 0.0: 20, 1.618034: 12, 3.0: 1}


def test_generated_group_of_permutations_has_the_order_of_its_theory():
    cycle = np.eye(5)[:, [1, 2, 3, 4, 0]]
    swap = np.eye(5)[:, [1, 0, 2, 3, 4]]
    assert len(generated(np.stack([cycle]))) == 5
    assert len(generated(np.stack([cycle, swap]))) == math.factorial(5)


@pytest.mark.parametrize("name", GROUPS)
def test_regular_representation_is_a_homomorphism_of_permutations(name):
    group, order, _ = GROUPS[name]
    regular = group.regular()
    assert ((regular == 0) | (regular == 1)).all()
    assert (regular.sum(axis=1) == 1).all() and (regular.sum(axis=2) == 1).all()
    for i in range(order):
        assert regular[i] @ np.eye(order)[group.identity] @ np.eye(order)[i] == 1
        assert np.array_equal(regular[i] @ regular, regular[group.table[i]])


def test_a_set_that_is_not_closed_is_refused_with_the_pair():
    matrices = cyclic(4).matrices[[0, 1, 3]]
    with pytest.raises(ValueError, match=r"not closed: the product of elements 1 and 1 is not in the set"):
        Group(matrices)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.data())
def test_a_proper_subset_is_accepted_only_if_its_order_divides_the_groups(n, data):
    group = dihedral(n)
    size = data.draw(st.integers(1, 2 * n - 1))
    chosen = data.draw(st.permutations(range(2 * n)))[:size]
    table = group.table[np.ix_(chosen, chosen)]
    closed = np.isin(table, chosen).all()
    if closed:
        assert (2 * n) % len(Group(group.matrices[chosen])) == 0  # Lagrange
        return
    with pytest.raises(ValueError, match="not closed") as caught:
        Group(group.matrices[chosen])
    i, j = (int(word) for word in str(caught.value).split() if word.isdigit())
    assert table[i, j] not in chosen


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        (np.zeros((1, 2, 2)), "no identity"),
        (np.stack([np.eye(2), np.diag([1.0, 0.0])]), "no inverse: no element times element 1"),
        (np.stack([np.eye(2), np.eye(2)]), "elements 0 and 1 are the same"),
        (np.stack([np.eye(2), -np.eye(2), np.eye(2) + 1e-13]), "elements 0 and 2 are the same"),
        (np.eye(2), r"shape \(2, 2\)"),
        (np.zeros((0, 2, 2)), "expected"),
        (np.full((1, 2, 2), np.nan), "not finite"),
        (np.stack([np.eye(2), -np.eye(2) * (1 + 1e-11)]), "not closed: the product of elements 1 and 1"),
    ],
)
def test_a_set_that_is_no_group_is_refused(matrices, message):
    with pytest.raises(ValueError, match=message):
        Group(matrices)


def test_equality_that_is_not_transitive_is_refused():
    # Products of elements 2e-12 apart are ambiguous.
    near = np.stack([np.eye(1), np.eye(1) * (1 + 2e-12)])
    with pytest.raises(ValueError, match=r"not closed|no inverse|not associative"):
        Group(near)


def test_an_angle_that_never_returns_and_a_stretch_are_refused():
    with pytest.raises(ValueError, match="more than limit = 50"):
        rotations(ABOUT_Z[None], limit=50)  # one radian
    with pytest.raises(ValueError, match="generator 0 is not skew-symmetric"):
        rotations(np.eye(3)[None])
    with pytest.raises(ValueError, match="n = 0; expected at least 1"):
        cyclic(0)


def test_matrices_of_a_group_cannot_be_changed():
    group = cyclic(4)
    with pytest.raises(ValueError, match="read-only"):
        group.matrices[0] = 0

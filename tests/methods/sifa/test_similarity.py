"""Similarity of molecules: counts by hand, another library, invariance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jaccard

from methods.sifa.similarity import fingerprint, molecule_graphs, nearest, nearest_other, ring_system

SETS = st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=1), min_size=2, max_size=6)


def molecule(elements: list[int], bonds: list[tuple[int, int, int]], places: int = 12) -> np.ndarray:
    """Return one molecule in the layout of the pipeline, (places, 7 + places)."""
    x = np.zeros((places, 7 + places))
    x[: len(elements), 0] = elements
    for i, j, code in bonds:
        x[i, 7 + j] = x[j, 7 + i] = code
        x[i, 1] += 1
        x[j, 1] += 1
    return x


ETHANOL = molecule([6, 6, 8], [(0, 1, 1), (1, 2, 1)])
METHANOL = molecule([6, 8], [(0, 1, 1)])
BENZENE = [(i, (i + 1) % 6, 8) for i in range(6)]


def test_environments_are_those_counted_by_hand():
    first, second = map(fingerprint, molecule_graphs(np.stack([ETHANOL, METHANOL])))
    # Ethanol: three kinds of atoms, and each has an environment of its own out to one and to two bonds.
    assert len(first) == 9
    # Methanol: two kinds of atoms. Carbon and oxygen at an end of the chain occur in both.
    assert len(second) == 6
    assert len(first & second) == 2
    assert nearest([first], [second]) == pytest.approx([2 / 13])


def test_a_double_bond_is_another_environment_than_a_single_one():
    aldehyde = molecule([6, 8], [(0, 1, 2)])
    first, second = map(fingerprint, molecule_graphs(np.stack([METHANOL, aldehyde])))
    assert len(first & second) == 2


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_numbering_of_the_atoms_does_not_matter(seed):
    toluene = molecule([6] * 7, [*BENZENE, (0, 6, 1)])
    order = np.random.default_rng(seed).permutation(12)
    moved = toluene[order].copy()
    moved[:, 7:] = moved[:, 7:][:, order]
    first, second = molecule_graphs(np.stack([toluene, moved]))
    assert fingerprint(first) == fingerprint(second)
    assert ring_system(first) == ring_system(second)


def test_ring_systems_ignore_chains_and_keep_elements_and_linkers():
    toluene = molecule([6] * 7, [*BENZENE, (0, 6, 1)])
    benzene = molecule([6] * 6, BENZENE)
    pyridine = molecule([7, *[6] * 5], BENZENE)
    second_ring = [(i + 6, (i + 1) % 6 + 6, 8) for i in range(6)]
    biphenyl = molecule([6] * 12, [*BENZENE, *second_ring, (0, 6, 1)])
    names = [
        ring_system(graph)
        for graph in molecule_graphs(np.stack([toluene, benzene, pyridine, biphenyl, ETHANOL, METHANOL]))
    ]
    assert names[0] == names[1] and names[4] == names[5]
    assert len(set(names)) == 4


@given(first=SETS, second=SETS)
def test_similarities_are_one_less_the_jaccard_distance(first, second):
    def bits(names):
        return [letter in names for letter in "abcdefgh"]

    expected = [max(1 - jaccard(bits(a), bits(b)) for b in second) for a in first]
    assert nearest(first, second) == pytest.approx(expected)
    others = [
        max(1 - jaccard(bits(one), bits(other)) for j, other in enumerate(first) if j != i)
        for i, one in enumerate(first)
    ]
    assert nearest_other(first) == pytest.approx(others)


def test_empty_sets_are_equal():
    assert nearest([frozenset()], [frozenset()]) == pytest.approx([1])

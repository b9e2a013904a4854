"""Compare the descriptions of atoms with sums over their neighbours."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import lognorm, ortho_group

from methods.sifa import environments as module
from methods.sifa.environments import CUTOFF, directed, environments


def molecule(seed: int, z=(6, 8, 1, 1, 7, 1), places: int = 8):
    rng = np.random.default_rng(seed)
    x = np.zeros((1, places, 4))
    x[0, : len(z), 0] = z
    x[0, : len(z), 1:] = rng.normal(size=(len(z), 3)) * 1.5
    return x


def test_pairs_and_triples_are_the_sums_over_neighbours():
    x = molecule(0)
    z, positions = x[0, :6, 0].astype(int), x[0, :6, 1:]
    features = environments(x).features

    def fall(r):
        return 0.5 * (math.cos(math.pi * r / CUTOFF) + 1) if r < CUTOFF else 0.0

    radii = np.arange(1, 25) * CUTOFF / 24
    i, carbon, hydrogen = 1, 1, 0
    want = np.zeros(24)
    for j in (2, 3, 5):
        r = np.linalg.norm(positions[j] - positions[i])
        spread = math.log1p(0.32 / r**2)
        want += lognorm(s=math.sqrt(spread), scale=r * math.exp(-spread / 2)).pdf(radii) * fall(r) * r**-1.8
    assert z[i] == 8
    np.testing.assert_allclose(features[i, hydrogen * 24 : hydrogen * 24 + 24], want, atol=1e-12)

    pair = list(itertools.combinations_with_replacement(range(5), 2)).index((hydrogen, carbon))
    radii = np.arange(1, 21) * CUTOFF / 20
    want = np.zeros((2, 20))
    for k in (2, 3, 5):
        a, b = positions[0] - positions[i], positions[k] - positions[i]
        ij, ik, jk = np.linalg.norm(a), np.linalg.norm(b), np.linalg.norm(a - b)
        cosines = a @ b / ij / ik, a @ (a - b) / ij / jk, b @ (b - a) / ik / jk
        size = 13.4 * (1 + 3 * np.prod(cosines)) / (ij * ik * jk) ** 0.57 * fall(ij) * fall(ik)
        bell = 2 * math.exp(-(math.pi**2) / 2) * size * np.exp(-2.7 * ((ij + ik) / 2 - radii) ** 2)
        want += bell * np.array([[cosines[0]], [math.sqrt(1 - cosines[0] ** 2)]])
    start = 120 + pair * 40
    np.testing.assert_allclose(features[i, start : start + 40], want.ravel(), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_no_motion_and_no_order_changes_a_description(seed):
    x = molecule(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(8)
    turn = ortho_group.rvs(3, random_state=seed)  # half of these reflect
    moved = x[:, order].copy()
    moved[..., 1:] = np.where(moved[..., :1] > 0, moved[..., 1:] @ turn + rng.normal(size=3), 0)
    before, after = environments(x), environments(moved)
    number = np.full(8, -1)
    number[np.flatnonzero(order < 6)] = range(6)
    place = number[np.argsort(order)[:6]]
    np.testing.assert_allclose(after.features[place], before.features, atol=1e-12)
    # The counterpart without the average does change, or the test would show nothing.
    assert np.abs(directed(moved).features[place] - directed(x).features).max() > 0.01


def test_atoms_of_other_molecules_and_empty_places_do_not_matter():
    both = np.concatenate([molecule(1), molecule(2, z=(6, 1, 1, 1, 1))])
    tokens = environments(both)
    assert tokens.owner.tolist() == [0] * 6 + [1] * 5
    np.testing.assert_allclose(tokens.features[:6], environments(both[:1]).features, atol=1e-14)
    wide = np.concatenate([both, np.zeros((2, 5, 4))], 1)
    np.testing.assert_allclose(environments(wide).features, tokens.features, atol=1e-14)


def test_what_cannot_be_described_is_refused():
    with pytest.raises(ValueError, match=r"\[9\]"):
        environments(molecule(0, z=(6, 9)))
    x = molecule(0, z=(6, 1))
    x[0, 1, 1:] = x[0, 0, 1:]
    with pytest.raises(ValueError, match="one position"):
        environments(x)


def test_chunks_do_not_change_the_result(monkeypatch):
    x = np.concatenate([molecule(k) for k in range(5)])
    whole = environments(x)
    monkeypatch.setattr(module, "CHUNK", 2)
    np.testing.assert_allclose(environments(x).features, whole.features, atol=1e-14)

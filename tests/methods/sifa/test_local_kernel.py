"""Compare local kernels with sums over pairs and with a group average."""

import itertools

import numpy as np
import pytest

from methods.sifa.local_kernel import Tokens, aligned, local_kernels, project


def tokens(seed: int, sizes=(3, 1, 4), kinds: int = 2) -> Tokens:
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    return Tokens(owner, rng.integers(kinds, size=len(owner)), rng.normal(size=(len(owner), 5)), len(sizes))


def by_pairs(a: Tokens, b: Tokens, length: float):
    kernel = np.zeros((a.sets, b.sets))
    for i, j in itertools.product(range(len(a.owner)), range(len(b.owner))):
        if a.kind[i] == b.kind[j]:
            d = np.square(a.features[i] - b.features[j]).sum()
            kernel[a.owner[i], b.owner[j]] += np.exp(-d / (2 * length**2))
    return kernel


def test_the_kernel_is_the_sum_over_pairs_of_one_kind(monkeypatch):
    monkeypatch.setattr("methods.sifa.local_kernel.BLOCK", 2)
    a, b = tokens(0), tokens(1, sizes=(2, 0, 3, 2))
    kernels = local_kernels(a, b, 3.0, 2)
    for level, length in enumerate((3.0, 1.5, 0.75)):
        np.testing.assert_allclose(kernels[level], by_pairs(a, b, length), atol=1e-12)
    np.testing.assert_allclose(local_kernels(a, a, 3.0)[0], by_pairs(a, a, 3.0), atol=1e-12)
    assert np.linalg.eigvalsh(local_kernels(a, a, 1.0)[0]).min() > -1e-12


def test_it_is_the_kernel_of_places_averaged_over_all_orders():
    a, b = tokens(2, sizes=(4,), kinds=1), tokens(3, sizes=(4,), kinds=1)
    averaged = np.mean(
        [
            aligned(a, Tokens(b.owner, b.kind, b.features[list(order)], 1), 1.0)[0, 0, 0]
            for order in itertools.permutations(range(4))
        ]
    )
    assert 4 * averaged == pytest.approx(local_kernels(a, b, 1.0)[0, 0, 0], abs=1e-12)
    assert aligned(a, b, 1.0)[0, 0, 0] != pytest.approx(averaged, abs=1e-3)


def test_all_axes_keep_distances_in_units_of_the_spread():
    a = tokens(4, sizes=(10, 10))
    projected = project(a, 5)(a)
    for kind in (0, 1):
        before, after = a.features[a.kind == kind], projected.features[a.kind == kind]
        ratio = np.linalg.norm(before[1:] - before[0], axis=1) / np.linalg.norm(after[1:] - after[0], axis=1)
        np.testing.assert_allclose(ratio, project(a, 5).unit, rtol=1e-10)
    assert np.square(projected.features).sum(1).mean() == pytest.approx(1)


def test_a_length_of_zero_is_refused():
    with pytest.raises(ValueError, match="greater than 0"):
        local_kernels(tokens(0), tokens(0), 0.0)

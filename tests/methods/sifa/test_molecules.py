"""Check fields and baselines of molecules on a potential of pairs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ortho_group

from methods.sifa import molecules as module
from methods.sifa.atom_networks import bound
from methods.sifa.local_kernel import Tokens
from methods.sifa.model import Settings, Task, train
from methods.sifa.molecules import coulomb, groups
from tasks.sifa.preprocess import encode_molecules

ROOT = Path(__file__).resolve().parents[3]
QUICK = Settings(effort=0.2)
REGRESSION = Task("regression")


def potential(rows: int, seed: int, places: int = 7):
    """Return molecules and their energies in a Morse potential of all pairs."""
    rng = np.random.default_rng(seed)
    x = np.zeros((rows, places, 4))
    for molecule in x:
        size = rng.integers(4, places + 1)
        grid = np.array([(i, j, k) for i in range(2) for j in range(2) for k in range(2)], float)
        molecule[:size, 0] = [6, *rng.choice([1, 6, 8], size - 1)]
        molecule[:size, 1:] = 1.3 * grid[rng.permutation(8)[:size]] + 0.12 * rng.normal(size=(size, 3))
    z, r = x[..., 0], np.linalg.norm(x[:, :, None, 1:] - x[:, None, :, 1:], axis=-1)
    both = (z[:, :, None] > 0) & (z[:, None] > 0) & ~np.eye(places, dtype=bool)
    depth = 5 * np.sqrt(z[:, :, None] * z[:, None])
    pairs = depth * ((1 - np.exp(-1.5 * (r - 1.4))) ** 2 - 1)
    return x, np.where(both, pairs, 0).sum((1, 2)) / 2


def moved(x, seed: int = 0):
    rng = np.random.default_rng(seed)
    turned = x.copy()
    for molecule in turned:
        size = int((molecule[:, 0] > 0).sum())
        q = ortho_group.rvs(3, random_state=rng)
        molecule[:size, 1:] = molecule[:size, 1:] @ q + rng.normal(size=3)
        molecule[:size] = molecule[rng.permutation(size)]
    return turned


def fitted(variant: str, settings: Settings = QUICK):
    return train(variant, "molecules", *potential(120, 0), REGRESSION, seed=0, settings=settings)


def relative_error(trained, x, y) -> float:
    counts = module.fit_composition(*potential(120, 0))
    return float(np.abs(trained.predict(x) - y).mean() / np.abs(counts(x) - y).mean())


@pytest.mark.parametrize(
    "variant", ["sifa", "no-metric", "no-information", "no-symplectic", "no-renormalisation"]
)
def test_a_field_learns_a_potential_and_no_motion_changes_it(variant):
    trained = fitted(variant)
    x, y = potential(60, 1)
    assert relative_error(trained, x, y) < 0.35
    np.testing.assert_allclose(trained.predict(moved(x)), trained.predict(x), atol=1e-4)
    assert trained.parameters > 120
    assert trained.flops > 0


def test_without_the_symmetry_a_motion_matters():
    x, _ = potential(60, 1)
    trained = fitted("no-symmetry")
    assert np.abs(trained.predict(moved(x)) - trained.predict(x)).max() > 1


def test_a_transformer_of_coordinates_changes_with_the_frame_and_one_of_distances_does_not():
    x, _ = potential(60, 1)
    settings = Settings(effort=0.1)
    for variant, changes in (("plain", True), ("augmented", True), ("attention", False)):
        trained = fitted(variant, settings)
        change = np.abs(trained.predict(moved(x)) - trained.predict(x)).max()
        # Distances and sums are in single precision, values of about 100.
        assert change > 0.1 if changes else change < 1e-2
        assert trained.module is not None


@pytest.mark.parametrize("variant", ["kernel", "forest", "mlp", "attention"])
def test_a_baseline_is_better_than_the_counts_of_elements_on_its_training_rows(variant):
    x, y = potential(120, 0)
    trained = fitted(variant, Settings(effort=0.5))
    assert relative_error(trained, x, y) < 0.9
    assert trained.predict(x).shape == (120,)
    assert trained.flops > 0


@pytest.mark.parametrize("variant", ["gat", "gcn"])
def test_a_network_along_bonds_sees_bonds_and_elements_alone(variant):
    formaldehyde = np.array(
        [[[6, 0, 0, 0], [8, 1.21, 0, 0], [1, -0.59, 0.94, 0], [1, -0.59, -0.94, 0], [0] * 4]]
    )
    bonds = bound(torch.tensor(formaldehyde))[0]
    assert torch.nonzero(bonds.triu()).tolist() == [[0, 1], [0, 2], [0, 3]]
    assert torch.equal(bonds, bonds.T)
    trained = fitted(variant, Settings(effort=0.1))
    stretched, broken = formaldehyde.copy(), formaldehyde.copy()
    stretched[0, 1, 1], broken[0, 1, 1] = 1.3, 2.5
    before = trained.predict(formaldehyde)
    np.testing.assert_allclose(trained.predict(stretched), before, atol=1e-4)
    assert abs(trained.predict(broken) - before) > 1e-2


def test_the_coulomb_matrix_of_water_is_that_of_its_definition():
    water = np.array([[[1, 0.757, 0.586, 0], [8, 0, 0, 0], [1, -0.757, 0.586, 0], [0, 0, 0, 0]]])
    bond, across = np.hypot(0.757, 0.586), 2 * 0.757
    want = [
        [0.5 * 8**2.4, 8 / bond, 8 / bond, 0],
        [8 / bond, 0.5, 1 / across, 0],
        [8 / bond, 1 / across, 0.5, 0],
        [0, 0, 0, 0],
    ]
    np.testing.assert_allclose(coulomb(water)[0], want, rtol=1e-12)
    np.testing.assert_allclose(coulomb(water[:, ::-1]), coulomb(water), rtol=1e-12)


def test_a_hydrogen_joins_the_heavy_atom_that_is_nearest():
    x = np.array(
        [
            [[6, 0, 0, 0], [1, 3.1, 0, 0], [8, 4, 0, 0], [1, -1, 0, 0]],
            [[1, 0, 0, 0], [1, 0.7, 0, 0], [0] * 4, [0] * 4],
        ]
    )
    atoms = Tokens(np.array([0, 0, 0, 0, 1, 1]), np.array([6, 1, 8, 1, 1, 1]), np.eye(6), 2)
    blocks = groups(atoms, x)
    assert blocks.owner.tolist() == [0, 0, 1, 1]
    assert blocks.kind.tolist() == [6, 8, 1, 1]
    np.testing.assert_array_equal(blocks.features[:2], [[1, 0, 0, 1, 0, 0], [0, 1, 1, 0, 0, 0]])


def test_counts_of_elements_are_exact_where_the_energy_is_a_sum_over_atoms():
    x, _ = potential(50, 2)
    y = 3.0 + (x[..., 0] == 6).sum(1) * -40 + (x[..., 0] == 1).sum(1) * 2.5
    np.testing.assert_allclose(module.fit_composition(x, y)(x), y, atol=1e-8)


def test_unknown_variants_and_tasks_are_refused():
    x, y = potential(5, 0)
    with pytest.raises(ValueError, match="known are sifa"):
        train("svc", "molecules", x, y, REGRESSION, seed=0, settings=QUICK)
    with pytest.raises(ValueError, match="expected regression"):
        train("sifa", "molecules", x, y, Task("classification", 2), seed=0, settings=QUICK)


@pytest.mark.slow
def test_three_hundred_molecules_of_qm7_are_enough_for_five_kilocalories():
    frame = pd.read_parquet(ROOT / "data/source/molecules.parquet")
    x, y = encode_molecules(frame), frame["hof_pbe0"].to_numpy(float)
    order = np.random.default_rng(1000).permutation(len(y))
    learned, judged = order[:300], order[-200:]
    field, kernel = (
        train(variant, "molecules", x[learned], y[learned], REGRESSION, seed=0, settings=Settings())
        for variant in ("no-metric", "kernel")
    )
    ours, theirs = (float(np.abs(model.predict(x[judged]) - y[judged]).mean()) for model in (field, kernel))
    # Kernel ridge on Coulomb matrices has 6.7 kcal/mol with 1,000 molecules.
    assert ours < 5 < 6.7 < theirs
    change = np.abs(field.predict(moved(x[judged])) - field.predict(x[judged])).max()
    assert change < 1e-4
